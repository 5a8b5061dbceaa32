"""Habits: the same frame by frame as at once, and as told by the buttons alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME
from exphil_core.melee.controller import BUTTONS, TWINS
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.habits import HABIT_VALUES, NO_HABIT, habit_after, habits

FIRST_ROW = FIRST_PLAYABLE_FRAME - FIRST_FRAME
CHORDS = st.lists(st.integers(0, 255), max_size=30)


def cells(chords: list[int]) -> np.ndarray:
    rows = np.tile(NEUTRAL, (len(chords), 1))
    rows[:, 0] = chords
    return rows


@given(before=CHORDS, played=CHORDS)
def test_it_is_the_button_used_last(before: list[int], played: list[int]) -> None:
    """By a loop over the buttons' names, and by one frame after the other."""
    waiting = (before * FIRST_ROW)[:FIRST_ROW]
    waiting += [0] * (FIRST_ROW - len(waiting))
    rows = cells(waiting + played)
    found = habits(rows)
    step, last = np.full(1, NO_HABIT, np.uint8), [0, 0]
    for at, chord in enumerate(waiting + played):
        held = {name for bit, name in enumerate(BUTTONS) if chord >> bit & 1}
        for pair, names in enumerate(TWINS):
            used = held & set(names)
            if at >= FIRST_ROW and len(used) == 1:
                last[pair] = 1 if names[0] in used else -1
        step = habit_after(step, rows[at : at + 1], np.array([FIRST_FRAME + at]))
        assert HABIT_VALUES[found[at]].tolist() == last
        assert step[0] == found[at]


def test_of_several_players_each_has_his_own() -> None:
    x, right = (1 << BUTTONS.index(name) for name in ("X", "R"))
    after = habit_after(np.zeros(3, np.uint8), cells([x, right, 0]), np.array([0, 0, 0]))
    assert HABIT_VALUES[after].tolist() == [[1, 0], [0, -1], [0, 0]]
    again = habit_after(after, cells([0, 0, x]), np.array([0, 0, FIRST_PLAYABLE_FRAME - 1]))
    assert again.tolist() == after.tolist()
