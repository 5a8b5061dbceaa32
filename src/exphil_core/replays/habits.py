"""Which of two buttons that do the same a player used last: nearly all players keep to one of X and Y, and of L and
R, all their life, and nothing else in a game tells which.

A habit is one number: what was last for both pairs, 0 where neither was pressed yet. What is pressed before players
can move doesn't count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME
from exphil_core.melee.controller import BUTTONS, CHORDS, TWINS
from exphil_core.replays.controller import BUTTON_PART, Cells

Habits = npt.NDArray[np.uint8]

NO_HABIT = 0
# Two bits a pair: neither yet, the first, the second.
_BITS, _FIRST, _SECOND = 2, 1, 2


_FIRST_ROW = FIRST_PLAYABLE_FRAME - FIRST_FRAME


def _told() -> Habits:
    """For each pair and chord what it tells, (pairs, CHORDS): nothing where both are held, or neither."""
    chords, bit = np.arange(CHORDS), {name: index for index, name in enumerate(BUTTONS)}
    told = np.zeros((len(TWINS), CHORDS), np.uint8)
    for pair, (first, second) in enumerate(TWINS):
        one, other = (chords >> bit[first]) & 1, (chords >> bit[second]) & 1
        told[pair, (one > other)] = _FIRST
        told[pair, (other > one)] = _SECOND
    return told


_TOLD = _told()
_SHIFTS = np.arange(len(TWINS), dtype=np.uint8) * _BITS
# HABIT_VALUES[habit]: for each pair 1 where the first was used last, -1 where the second was, 0 where neither was.
HABIT_VALUES: npt.NDArray[np.float32] = np.array([0, 1, -1, 0], np.float32)[
    (np.arange(1 << (_BITS * len(TWINS)))[:, None] >> _SHIFTS) & 3
]


def habits(cells_TC: Cells) -> Habits:
    """The habit after each of consecutive controllers of one player, from a game's first frame on, (T,)."""
    chords = np.ascontiguousarray(cells_TC[:, BUTTON_PART])
    if len(chords) <= _FIRST_ROW:
        return np.full(len(chords), NO_HABIT, np.uint8)
    # A few hundred stretches of one chord; a stretch that reaches beyond the countdown begins anew after it.
    changes = np.flatnonzero(chords[1:] != chords[:-1]) + 1
    starts = np.sort(np.concatenate([[0, _FIRST_ROW], changes]))
    number, counts = np.arange(len(starts)), starts >= _FIRST_ROW
    habit = np.zeros(len(starts), np.uint8)
    for pair, shift in enumerate(_SHIFTS):
        told = _TOLD[pair][chords[starts]] * counts
        habit |= told[np.maximum.accumulate(np.where(told > 0, number, 0))] << shift
    # It seldom changes: filling is far cheaper than `np.repeat`.
    at = np.concatenate([[0], np.flatnonzero(habit[1:] != habit[:-1]) + 1])
    bounds = [*starts[at].tolist(), len(chords)]
    after = np.empty(len(chords), np.uint8)
    for start, stop, value in zip(bounds[:-1], bounds[1:], habit[at].tolist(), strict=True):
        after[start:stop] = value
    return after


def swap_habits(habit: Habits, swapped: npt.NDArray[np.bool_]) -> Habits:
    """The habits (B, T) of players who press the other of those pairs of TWINS that `swapped` (B, pairs) names for
    a lane."""
    other = np.zeros_like(habit)
    for pair, shift in enumerate(_SHIFTS):
        last = (habit >> shift) & 3
        other |= np.where(swapped[:, pair, None] & (last > 0), 3 - last, last) << shift
    return other


def habit_after(habit: Habits, cells_nC: Cells, frame: npt.NDArray[np.integer[Any]]) -> Habits:
    """The habits (n,) of several players after one more controller of each, which belongs to `frame` (n,)."""
    chords = np.where(frame >= FIRST_PLAYABLE_FRAME, cells_nC[:, BUTTON_PART], 0)
    after = np.zeros_like(habit)
    for pair, shift in enumerate(_SHIFTS):
        told = _TOLD[pair].take(chords)
        after |= np.where(told > 0, told, (habit >> shift) & 3) << shift
    return after
