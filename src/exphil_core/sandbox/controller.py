"""One frame's controller on Slippi's grids, with the processed values and bytes that a replay holds.

Sticks are k/80 (k = 0 or 23 <= |k|, inside the unit circle), the shoulder k/140 (k = 0 or k >= 43).
"""

from __future__ import annotations

import functools
import math
import struct

import attrs

from exphil_core.melee import controller as grid

A, B, X, Y = (grid.SLIPPI_BITS[name] for name in "ABXY")
Z, L, R = (grid.SLIPPI_BITS[name] for name in "ZLR")
D_UP = grid.SLIPPI_BITS["D_UP"]
SHOULDERS = L | R
JUMPS = X | Y
ALL = A | B | X | Y | Z | L | R | D_UP

# Melee's processed buttons also say which way a stick points (main, then C-stick) and that a trigger is in.
_ANY_TRIGGER = 0x80000000
_MAIN_DIRECTIONS, _C_DIRECTIONS = 16, 20
_DIRECTION_THRESHOLD = 44

# Pre-frame from the main stick to the raw x byte, and the raw bytes after percent.
_HEAD = struct.Struct(">5fIH2fb")
_TAIL = struct.Struct(">3b")


def snap_stick(x: float, y: float) -> tuple[int, int]:
    """The grid cell that Melee makes of a stick at (x, y) in 80ths: circle, then truncation, then dead zone.

    Idempotent; symmetric under mirroring of either axis.
    """
    length = math.sqrt(x * x + y * y)
    if length > grid.STICK_STEPS:
        x, y = x * grid.STICK_STEPS / length, y * grid.STICK_STEPS / length
    return _snap_axis(x), _snap_axis(y)


def _snap_axis(value: float) -> int:
    # 1e-9 keeps an exact rim point such as 48, 64 from rounding down by one.
    k = int(value + (1e-9 if value > 0 else -1e-9))
    return k if abs(k) >= grid.STICK_DEAD_ZONE else 0


def snap_shoulder(k: float) -> int:
    """The grid cell of an analog shoulder pressed k/140 deep."""
    cell = min(int(k), grid.SHOULDER_STEPS)
    return cell if cell >= grid.SHOULDER_DEAD_ZONE else 0


def _directions(x: int, y: int, shift: int) -> int:
    if max(abs(x), abs(y)) < _DIRECTION_THRESHOLD:
        return 0
    if abs(x) > abs(y):
        return (8 if x > 0 else 4) << shift
    return (1 if y > 0 else 2) << shift


@attrs.frozen
class Controller:
    """What a player holds in one frame: sticks in 80ths, analog shoulders in 140ths, Slippi's button bits.

    `shoulder` (140ths) and `processed` (buttons) are what the game makes of it: Z also presses A and the
    shoulder to 49, a digital L or R presses the shoulder to 140.
    """

    x: int = 0
    y: int = 0
    cx: int = 0
    cy: int = 0
    left: int = 0
    right: int = 0
    buttons: int = 0
    shoulder: int = attrs.field(init=False, eq=False)
    processed: int = attrs.field(init=False, eq=False)
    head: bytes = attrs.field(init=False, eq=False, repr=False)
    tail: bytes = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for stick in ((self.x, self.y), (self.cx, self.cy)):
            if stick != snap_stick(*stick):
                raise ValueError(f"stick off the grid: {stick}")
        if not (0 <= self.left <= grid.SHOULDER_STEPS and 0 <= self.right <= grid.SHOULDER_STEPS):
            raise ValueError(f"shoulder outside 0..{grid.SHOULDER_STEPS}: {self.left, self.right}")
        if self.buttons & ~ALL:
            raise ValueError(f"unknown buttons: {self.buttons:#x}")
        left = grid.SHOULDER_STEPS if self.buttons & L else self.left
        right = grid.SHOULDER_STEPS if self.buttons & R else self.right
        shoulder = snap_shoulder(max(left, right))
        processed = self.buttons
        if self.buttons & Z:
            shoulder = max(shoulder, grid.Z_SHOULDER)
            processed |= A
        processed |= _directions(self.x, self.y, _MAIN_DIRECTIONS)
        processed |= _directions(self.cx, self.cy, _C_DIRECTIONS)
        if shoulder:
            processed |= _ANY_TRIGGER
        steps, depth = grid.STICK_STEPS, grid.SHOULDER_STEPS
        head = _HEAD.pack(
            self.x / steps, self.y / steps, self.cx / steps, self.cy / steps, shoulder / depth,
            processed, self.buttons, left / depth, right / depth, self.x,
        )  # fmt: skip
        for name, value in (("shoulder", shoulder), ("processed", processed), ("head", head)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "tail", _TAIL.pack(self.y, self.cx, self.cy))


NEUTRAL = Controller()


@functools.lru_cache(maxsize=1 << 16)
def controller(
    x: int = 0, y: int = 0, cx: int = 0, cy: int = 0, left: int = 0, right: int = 0, buttons: int = 0
) -> Controller:
    """A Controller, built once for each distinct value: most frames repeat the last one."""
    return Controller(x, y, cx, cy, left, right, buttons)
