"""Follows Mewtwo's Shadow Ball, from actions and items' states alone: what a replay tells of its charge (an item's
`misc`) doesn't arrive when playing.

Measured on a real game (6 balls; `misc[3]` is the charge): held in 342 or 347 it gains a level every 17 frames from
the start of holding; firing spends it, death too. Being hit in the special loses it (from the decompiled game).
Everything is vectorised over frames and carries on exactly where the last call stopped. Shapes: T frames, M items.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_char_mewtwo.plugin import BALL_COLUMNS
from exphil_char_mewtwo.teleport import MEWTWO
from exphil_core.features.character import FighterRows
from exphil_core.replays.game import STATE

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

BALL, FLYING = 0x70, 4
LEVEL_FRAMES, LEVELS = 17, 7
HOLDS, FULL, FIRES = (342, 347), (343, 348), (345, 350)
SPECIAL = range(341, 351)
LAST_OF_DEATH, DAMAGE = 13, range(75, 92)
LIFE, UNITS, SPEED = np.float32(70), np.float32(100), np.float32(4)


def _table(actions: tuple[int, ...] | range) -> Flags:
    table = np.zeros(512, bool)
    table[list(actions)] = True
    return table


_HOLDS, _FULL, _FIRES, _SPECIAL, _DAMAGE = (_table(a) for a in (HOLDS, FULL, FIRES, SPECIAL, DAMAGE))
_NOTHING = 511


@attrs.define
class _Carried:
    """What the next frames need of the ones before."""

    action: int = _NOTHING
    held: int = 0  # frames of holding so far
    level: int = 0
    fired: int = 0  # level of the last ball that was fired


class ShadowBall:
    """One fighter's balls; the columns are those of `exphil_char_mewtwo.plugin.BALL_COLUMNS`."""

    def __init__(self) -> None:
        self._before = _Carried()

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 12) for the next T frames; 0 for any other character."""
        if len(rows.action) == 0:
            return np.zeros((0, len(BALL_COLUMNS)), np.float32)
        mewtwo = rows.character == MEWTWO
        if not mewtwo.any():  # half of all fighters in play, who shouldn't cost anything
            self._before.action, self._before.held = _NOTHING, 0
            return np.zeros((len(mewtwo), len(BALL_COLUMNS)), np.float32)
        action = np.where(mewtwo, np.clip(rows.action, 0, _NOTHING), _NOTHING)
        level, fired = self._levels(action)
        with np.errstate(invalid="ignore"):
            jump = rows.column("jumps") >= 1
        values = np.column_stack(
            [
                _HOLDS[action],
                level / LEVELS,
                level >= LEVELS,
                _FIRES[action],
                *_flight(rows, fired / LEVELS),
                jump,
            ]
        )
        told: Floats = np.where(mewtwo[:, None], values, 0).astype(np.float32)
        return told

    def _levels(self, action: npt.NDArray[np.int16]) -> tuple[Indices, Indices]:
        """Of each frame the charge that he has, and that of the last ball that he fired: (T,)."""
        before, frame = self._before, np.arange(len(action))
        last = np.concatenate([[before.action], action[:-1]])
        holds = _HOLDS[action]
        # Frames of holding up to each frame, over the cut from the last call.
        other = np.maximum.accumulate(np.where(holds, -1 - before.held, frame))
        held = np.where(holds, frame - other, 0)
        fires = _FIRES[action] & ~_FIRES[last]
        lost = (action <= LAST_OF_DEATH) | (_SPECIAL[last] & _DAMAGE[action])
        gained = np.cumsum(holds & (held > 1) & (held % LEVEL_FRAMES == 1))
        level = _since(gained, fires | lost, before.level)
        full = _FULL[action]
        level = np.minimum(np.where(full, LEVELS, level), LEVELS)
        level = np.where(_after(full, fires | lost), LEVELS, level)
        level_before = np.concatenate([[before.level], level[:-1]])
        fired = _held(level_before, fires, before.fired)
        self._before = _Carried(int(action[-1]), int(held[-1]), int(level[-1]), int(fired[-1]))
        return level, fired


def _since(gained: Indices, reset: Flags, base: int) -> Indices:
    """What was gained since the last reset, or since before plus `base`."""
    last = np.maximum.accumulate(np.where(reset, np.arange(len(gained)), -1))
    return np.where(last >= 0, gained - gained[np.maximum(last, 0)], gained + base)


def _after(happens: Flags, reset: Flags) -> Flags:
    """Whether `happens` happened in these frames and no reset since."""
    frame = np.arange(len(happens))
    there = np.maximum.accumulate(np.where(happens, frame, -1))
    gone = np.maximum.accumulate(np.where(reset, frame, -1))
    after: Flags = there > gone
    return after


def _held(values: Indices, happens: Flags, before: int) -> Indices:
    """`values` as they were when it last happened; `before` if that was earlier."""
    last = np.maximum.accumulate(np.where(happens, np.arange(len(values)), -1))
    return np.where(last >= 0, values[np.maximum(last, 0)], before)


def _flight(rows: FighterRows, charge: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Of his newest ball in flight: whether there is one, the way to it, its velocity, time left and charge."""
    items = rows.items
    flying = np.flatnonzero((items.type == BALL) & (items.state == FLYING) & (items.owner == 0))
    if not len(flying):
        return [np.zeros((len(rows.action), 6)), np.zeros(len(rows.action))]
    frame = items.frame()[flying]
    # Items of a frame stand from the oldest to the newest: the last one written is the newest.
    shown = np.zeros((len(rows.action), 6))
    place = rows.state[frame][:, [STATE["x"], STATE["y"]]]
    with np.errstate(invalid="ignore", over="ignore"):
        told = np.column_stack(
            [
                np.ones(len(flying)),
                (items.x[flying] - place[:, 0]) / UNITS,
                (items.y[flying] - place[:, 1]) / UNITS,
                items.vx[flying] / SPEED,
                items.vy[flying] / SPEED,
                items.timer[flying] / LIFE,
            ]
        )
    shown[frame] = np.clip(np.nan_to_num(told, nan=0.0), [0, -2, -2, -1, -1, 0], [1, 2, 2, 1, 1, 1])
    return [shown, shown[:, 0] * charge]
