"""Follows Mr. Game & Watch's Judge, aerials and bucket through a game.

Shapes: T frames. Everything is vectorised over frames and carries on exactly where the last call stopped.

How the numbers are drawn stands in the decompiled game (`ftGw_SpecialS_GetRandomInt`, `ftGw_Init_OnDeath`), and two
re-implementations of it agree; no Judge occurs in the real replays at hand. The same code resets the bucket's damage
at a death, but not its count.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from exphil_char_gameandwatch.plugin import COLUMNS, NUMBERS
from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

GAME_AND_WATCH = BY_NAME["gameandwatch"].internal
# Judge's action is its number + 354 on the ground, + 363 in the air.
GROUND, AIR = 354, 363
# A stock starts as if 1 and then 2 had been drawn: `x2230_judgeVar2 = 0, x222C_judgeVar1 = 1`, counted from 0.
FIRST_BEFORE, FIRST_LAST = 1, 2
# The numbers are forgotten between death (0 to 10) and the platform that the next stock comes on (12, 13).
LAST_OF_DEATH = 13
# Neutral, forward, back, up, down. He uses the second id of neutral, back and up, whose landings (350 to 352) can't
# be L-cancelled; forward and down are everybody's. Seen in real replays: 66, 69, 347, 348, 349.
AERIALS = ((65, 347), (66,), (67, 348), (68, 349), (69,))
CANCELLABLE = (66, 69)
LANDINGS = (*range(70, 75), *range(350, 353))
# Held out, catching, poured: on the ground, in the air.
BUCKETS, CATCHES, POURS = range(375, 381), (376, 379), (377, 380)
FULL = 3

ACTIONS = 512


def _listed(*groups: Iterable[int]) -> npt.NDArray[np.bool_]:
    """Of each action and group whether it is in it, (ACTIONS, groups)."""
    listed = np.zeros((ACTIONS, len(groups)), bool)
    for group, actions in enumerate(groups):
        listed[list(actions), group] = True
    return listed


_SHOWN = _listed(*AERIALS, CANCELLABLE, LANDINGS, BUCKETS)
_CATCHES, _POURS = _listed(CATCHES)[:, 0], _listed(POURS)[:, 0]
_NUMBER = np.zeros(ACTIONS, np.int64)
for _number in NUMBERS:
    _NUMBER[[GROUND + _number, AIR + _number]] = _number

# Nobody's action: what another character does is looked up here.
_NOTHING = ACTIONS - 1


class Hammer:
    """One fighter's numbers and aerials; the columns are those of `exphil_char_gameandwatch.plugin.COLUMNS`."""

    def __init__(self) -> None:
        self._number = 0  # of the Judge under way in the last frame
        self._last = 0
        self._before = 0
        self._action = _NOTHING
        self._bucket = 0

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 21) for the next T frames; 0 for any other character."""
        if len(rows.action) == 0:
            return np.zeros((0, len(COLUMNS)), np.float32)
        he = rows.character == GAME_AND_WATCH
        if not he.any():  # half of all fighters in play, who shouldn't cost anything
            self._number, self._action = 0, _NOTHING
            return np.zeros((len(he), len(COLUMNS)), np.float32)
        action = np.where(he, np.clip(rows.action, 0, _NOTHING), _NOTHING)
        number = _NUMBER[action]
        last, before = self._drawn(number, action <= LAST_OF_DEATH)
        values = np.column_stack(
            [
                number > 0,
                last / NUMBERS[-1],
                before / NUMBERS[-1],
                _can_be_next(last, before),
                _SHOWN[action],
                self._caught(action) / FULL,
            ]
        )
        shown: Floats = (values * he[:, None]).astype(np.float32)
        return shown

    def _caught(self, action: npt.NDArray[np.int16]) -> Numbers:
        """How many projectiles are in the bucket: landing with it in hand catches nothing twice."""
        catches, pours = _CATCHES[action], _POURS[action]
        begun = catches & ~np.concatenate([[_CATCHES[self._action]], catches[:-1]])
        count = np.cumsum(begun)
        poured = np.maximum.accumulate(np.where(pours, np.arange(len(action)), -1))
        caught = np.where(poured >= 0, count - count[np.maximum(poured, 0)], self._bucket + count)
        caught = np.minimum(caught, FULL)
        self._action, self._bucket = int(action[-1]), int(caught[-1])
        return caught

    def _drawn(self, number: Numbers, dead: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """The last number drawn up to each frame of this stock and the one before it, 0 for none."""
        # Landing in the middle of a Judge changes the action but not the number; none comes twice running.
        draws = (number > 0) & (number != np.concatenate([[self._number], number[:-1]]))
        drawn = np.concatenate([[self._before, self._last], number[draws]])
        count = np.cumsum(draws)
        # How many had been drawn at the last death, where that lies in these frames.
        forgotten = np.maximum.accumulate(np.where(dead, count, -2))
        last = np.where(count > forgotten, drawn[count + 1], 0)
        before = np.where(count > forgotten + 1, drawn[count], 0)
        self._number, self._last, self._before = int(number[-1]), int(last[-1]), int(before[-1])
        return last, before


def _can_be_next(last: Numbers, before: Numbers) -> npt.NDArray[np.bool_]:
    """For each of the numbers 1 to 9 whether it isn't among the last two: (T, 9)."""
    before = np.where(last == 0, FIRST_BEFORE, np.where(before == 0, FIRST_LAST, before))
    last = np.where(last == 0, FIRST_LAST, last)
    each = np.array(NUMBERS)
    free: npt.NDArray[np.bool_] = (each != last[:, None]) & (each != before[:, None])
    return free
