"""Follows Mewtwo's Teleport through a game.

The action ids tell the phase; the direction is read off the way of the first frame out of sight, since old replays
have no speeds. Everything is vectorised over frames and carries on exactly where the last call stopped.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME
from exphil_core.melee.stages import Stage
from exphil_core.replays.game import STATE

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

MEWTWO = BY_NAME["mewtwo"].internal
STARTING, VANISHED, ENDING = 1, 2, 3
SPECIAL_FALL, AIR_DODGE = range(35, 38), 236

# Measured on a real game: 7 frames before he vanishes, then 10 of 4.975 units each, then 15.
TRAVEL_FRAMES = 10
RANGE = np.float32(TRAVEL_FRAMES * 4.975)
# Where Mewtwo's position is while he hangs, below the ledge (action 253 on Battlefield).
HANG_Y = np.float32(-13.85)
CLOCK_FRAMES, MOVED_UNITS, LEDGE_UNITS = np.float32(60), np.float32(60), np.float32(100)

_PHASE = np.zeros(512, np.int8)
_PHASE[[353, 356]] = STARTING
_PHASE[[354, 357]] = VANISHED
_PHASE[[355, 358]] = ENDING
_FALLS = np.zeros(512, bool)
_FALLS[list(SPECIAL_FALL)] = True
# No teleport in these actions, and they go on until he lands, catches a ledge, is hit or dies: whoever is in
# another action can teleport. (Of 14 fighters hit in special fall in real games, 7 used their up special again in
# the air.)
_SPENT = (_PHASE > 0) | _FALLS
_SPENT[AIR_DODGE] = True

_NEVER = -(1 << 40)
_PLACE = [STATE["x"], STATE["y"]]


@attrs.define
class _Carried:
    """What the next frames need of the ones before. Frames are counted from the first of the next call."""

    phase: int = 0
    following: bool = False  # in a teleport or in the fall after it
    started: int = _NEVER  # frame in which the last teleport started
    vanished: int = _NEVER  # frame in which it was first out of sight
    position: Floats = attrs.field(factory=lambda: np.full(2, np.nan, np.float32))
    origin: Floats = attrs.field(factory=lambda: np.full(2, np.nan, np.float32))
    direction: Floats = attrs.field(factory=lambda: np.zeros(2, np.float32))


class Teleport:
    """One fighter's teleports; the columns are those of `exphil_char_mewtwo.plugin.COLUMNS`."""

    def __init__(self) -> None:
        self._before = _Carried()

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 15) for the next T frames; 0 for any other character."""
        count = len(rows.action)
        if count == 0:
            return np.zeros((0, 15), np.float32)
        mewtwo = rows.character == MEWTWO
        if not mewtwo.any():
            return self._somebody_else(rows)
        action = np.where(mewtwo, np.clip(rows.action, 0, 511), 0)
        position = np.stack([rows.column("x"), rows.column("y")], axis=1)
        # Positions are unknown in places, and numpy needn't say so.
        with np.errstate(invalid="ignore", over="ignore"):
            path = _Path(action, position, self._before)
            self._before = path.carried()
            return self._columns(path, action, mewtwo, rows)

    def _somebody_else(self, rows: FighterRows) -> Floats:
        """Half of all fighters in play, who shouldn't cost anything."""
        before, count = self._before, len(rows.action)
        self._before = _Carried(
            started=max(before.started - count, _NEVER),
            vanished=max(before.vanished - count, _NEVER),
            position=rows.state[-1, _PLACE],
            origin=before.origin,
            direction=before.direction,
        )
        return np.zeros((count, 15), np.float32)

    def _columns(
        self, path: _Path, action: npt.NDArray[np.int16], mewtwo: Flags, rows: FighterRows
    ) -> Floats:
        count = len(action)
        current = path.following
        travelling = current & (path.phase == VANISHED)
        known = current & (path.vanished >= path.started)
        frame = np.arange(count)
        clock = np.where(current, np.minimum(frame - path.started, CLOCK_FRAMES), 0) / CLOCK_FRAMES
        ahead = TRAVEL_FRAMES - 1 - np.minimum(frame - path.vanished, TRAVEL_FRAMES - 1)
        left = np.where(travelling & known, ahead, 0) / np.float32(TRAVEL_FRAMES)
        direction = path.direction * known[:, None]
        ledge, reach = _ledge(path.position, rows.column("facing"), rows.stage)
        values = np.column_stack(
            [
                path.phase == STARTING,
                path.phase == VANISHED,
                path.phase == ENDING,
                clock,
                direction,
                _within(path.position - path.origin, MOVED_UNITS) * current[:, None],
                direction * left[:, None],
                current & _FALLS[action],
                mewtwo & ~_SPENT[action],
                _within(ledge, LEDGE_UNITS) * mewtwo[:, None],
                reach * mewtwo,
            ]
        )
        return values.astype(np.float32)


class _Path:
    """Teleports in T frames: for each frame, the last one's start, origin and direction."""

    def __init__(self, action: npt.NDArray[np.int16], position: Floats, before: _Carried) -> None:
        self.phase = _PHASE[action]
        phase_before = np.concatenate([[before.phase], self.phase[:-1]])
        position_before = np.concatenate([before.position[None], position[:-1]])
        self.following = self._following(_FALLS[action], before.following)
        starts = (self.phase > 0) & (phase_before == 0)
        starts |= (self.phase == STARTING) & (phase_before > STARTING)
        vanishes = (self.phase == VANISHED) & (phase_before != VANISHED)
        self.started = _last(starts, before.started)
        self.vanished = _last(vanishes, before.vanished)
        self.origin = _held(position, self.started, before.origin)
        self.direction = _held(_unit(position - position_before), self.vanished, before.direction)
        self.position = position

    def carried(self) -> _Carried:
        """What the next call needs."""
        count = len(self.phase)
        return _Carried(
            phase=int(self.phase[-1]),
            following=bool(self.following[-1]),
            started=max(int(self.started[-1]) - count, _NEVER),
            vanished=max(int(self.vanished[-1]) - count, _NEVER),
            position=self.position[-1],
            origin=self.origin[-1],
            direction=self.direction[-1],
        )

    def _following(self, falls: Flags, before: bool) -> Flags:
        """In a teleport, or in special fall ever since one."""
        last_other = _last(~falls, -1)
        return np.where(last_other >= 0, self.phase[last_other] > 0, before)


def _last(happens: Flags, before: int) -> Indices:
    """For each frame the last frame up to it where `happens`, or `before`."""
    return np.maximum.accumulate(np.where(happens, np.arange(len(happens)), before))


def _held(values: Floats, frame: Indices, before: Floats) -> Floats:
    """`values` (T, 2) as they were in `frame`; `before` where that is earlier than these."""
    return np.where(frame[:, None] >= 0, values[np.maximum(frame, 0)], before)


def _within(way: Floats, unit: np.float32) -> Floats:
    """Lengths in `unit`s, cut at 1; 0 where unknown."""
    return np.clip(np.nan_to_num(way / unit, nan=0.0), -1, 1)


def _unit(way: Floats) -> Floats:
    """Vectors of length 1; 0 where there is no way, or an unknown one."""
    length = np.sqrt(np.square(way, dtype=np.float64).sum(axis=1, keepdims=True))
    usable = np.isfinite(length) & (length > 0)
    return np.where(usable, way / np.where(usable, length, 1), 0).astype(np.float32)


def _ledge(position: Floats, facing: Floats, stage: Stage) -> tuple[Floats, Floats]:
    """The way to where he would hang on the nearer ledge (T, 2), and how well a teleport gets there (T,)."""
    x, y = position[:, 0], position[:, 1]
    # Right in the middle the one ahead counts, so that a mirror changes nothing but signs.
    side = np.where(x == 0, np.sign(facing), np.sign(x))
    ledge = np.stack([side * np.float32(stage.ledge_x) - x, HANG_Y - y], axis=1)
    distance = np.sqrt(np.square(ledge, dtype=np.float64).sum(axis=1)).astype(np.float32)
    return ledge, np.clip(np.nan_to_num(1 - distance / RANGE, nan=0.0), -1, 1)
