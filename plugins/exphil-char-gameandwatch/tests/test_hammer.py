"""The tracker on rows made by hand: what each column says, and that it never matters how frames are cut."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_gameandwatch.hammer import GAME_AND_WATCH, Hammer
from exphil_char_gameandwatch.plugin import AERIALS, COLUMNS
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.features.character import FighterRows
from exphil_core.testing import cut_rows, make_rows, mirror_fighter

FOX = 1
DEAD, REBIRTH, STANDING = 0, 12, 14


def rows_of(action: list[int]) -> FighterRows:
    return make_rows(action, character="gameandwatch")


def track(action: list[int]) -> dict[str, npt.NDArray[np.float32]]:
    values = Hammer().update(rows_of(action))
    assert values.shape == (len(action), len(COLUMNS))
    assert values.dtype == np.float32
    return {column.name: values[:, index] for index, column in enumerate(COLUMNS)}


def numbers(values: npt.NDArray[np.float32]) -> list[int]:
    return np.rint(values * 9).astype(int).tolist()


def barred(told: dict[str, npt.NDArray[np.float32]], frame: int) -> set[int]:
    """The numbers that can't come next."""
    return {number for number in range(1, 10) if not told[f"next_{number}"][frame]}


def judge(number: int, frames: int = 3, air: bool = False) -> list[int]:
    return [number + (363 if air else 354)] * frames


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize("air", [False, True])
def test_a_judge_shows_its_number_from_its_first_frame(number: int, air: bool) -> None:
    told = track([STANDING, *judge(number, 2, air), STANDING])
    assert told["judging"].tolist() == [0, 1, 1, 0]
    assert numbers(told["last"]) == [0, number, number, number]
    assert numbers(told["before"]) == [0, 0, 0, 0]


def test_the_last_two_numbers_cannot_come_next() -> None:
    told = track([*judge(9), STANDING, *judge(4), STANDING, *judge(7, air=True), STANDING])
    assert numbers(told["last"])[::4] == [9, 4, 7]
    assert numbers(told["before"])[::4] == [0, 9, 4]
    assert barred(told, 7) == {4, 9}
    assert barred(told, 11) == {7, 4}


def test_a_stock_starts_as_if_one_and_two_had_been_drawn() -> None:
    told = track([STANDING, *judge(5), STANDING, *judge(1), STANDING])
    assert barred(told, 0) == {1, 2}
    assert barred(told, 1) == {5, 2}
    assert barred(told, 8) == {5, 1}


@pytest.mark.parametrize("gone", [[DEAD], [4, 4], [REBIRTH], [13]])
def test_the_numbers_are_forgotten_with_a_stock(gone: list[int]) -> None:
    told = track([*judge(5), *judge(6), *gone, STANDING, *judge(8), STANDING])
    assert numbers(told["last"])[6 : 7 + len(gone)] == [0] * (len(gone) + 1)
    assert barred(told, 6 + len(gone)) == {1, 2}
    assert (numbers(told["last"])[-1], numbers(told["before"])[-1]) == (8, 0)
    assert barred(told, -1) == {8, 2}


def test_landing_in_the_middle_of_a_judge_is_no_second_draw() -> None:
    told = track([*judge(3, air=True), *judge(3), STANDING])
    assert numbers(told["before"]) == [0] * 7


@pytest.mark.parametrize(
    ("action", "aerial", "cancellable"),
    [
        (66, "forward", True),
        (69, "down", True),
        (347, "neutral", False),
        (348, "back", False),
        (349, "up", False),
        (65, "neutral", False),
        (67, "back", False),
        (68, "up", False),
    ],
)
def test_aerials_and_which_can_be_l_cancelled(action: int, aerial: str, cancellable: bool) -> None:
    told = track([29, action, action, STANDING])
    assert told[aerial].tolist() == [0, 1, 1, 0]
    assert told["cancellable"].tolist() == [0, cancellable, cancellable, 0]
    assert not any(told[other].any() for other in AERIALS if other != aerial)


@pytest.mark.parametrize("landing", [71, 74, 350, 351, 352])
def test_landing_lag_is_no_aerial_any_more(landing: int) -> None:
    told = track([29, landing, STANDING])
    assert told["landing"].tolist() == [0, 1, 0]
    assert not any(told[name].any() for name in (*AERIALS, "cancellable", "judging"))


def test_nobody_else_has_a_hammer() -> None:
    rows = make_rows([*judge(5), 66, 348, STANDING], character="fox")
    assert not Hammer().update(rows).any()


def test_no_frames_give_no_rows_and_change_nothing() -> None:
    tracker = Hammer()
    tracker.update(rows_of(judge(5)))
    assert tracker.update(rows_of([])).shape == (0, len(COLUMNS))
    assert numbers(tracker.update(rows_of([STANDING]))[:, 1]) == [5]


_ACTIONS = st.one_of(
    st.integers(355, 372),
    st.sampled_from([DEAD, REBIRTH, STANDING, STANDING, 66, 347, 351]),
    st.integers(0, 511),
)


@st.composite
def any_rows(draw: st.DrawFn) -> FighterRows:
    runs = draw(st.lists(st.tuples(_ACTIONS, st.integers(1, 4)), min_size=1, max_size=15))
    rows = rows_of([action for action, frames in runs for _ in range(frames)])
    count = len(rows.action)
    if draw(st.booleans()):
        who = draw(st.lists(st.sampled_from([GAME_AND_WATCH, FOX]), min_size=count, max_size=count))
        rows = attrs.evolve(rows, character=np.array(who, np.uint8))
    return rows


@settings(max_examples=40, deadline=None)
@given(rows=any_rows(), data=st.data())
def test_however_the_frames_are_cut_the_values_are_the_same(rows: FighterRows, data: st.DataObject) -> None:
    count = len(rows.action)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=8), label="cuts"))
    whole = Hammer().update(rows)
    for edges in (cuts, range(1, count)):
        tracker = Hammer()
        parts = [tracker.update(piece) for piece in cut_rows(rows, edges)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=40, deadline=None)
@given(rows=any_rows())
def test_a_mirror_changes_nothing(rows: FighterRows) -> None:
    np.testing.assert_array_equal(Hammer().update(mirror_fighter(rows)), Hammer().update(rows))


@settings(max_examples=40, deadline=None)
@given(rows=any_rows())
def test_the_numbers_are_those_of_a_plain_loop(rows: FighterRows) -> None:
    told = Hammer().update(rows)
    memory, under_way = [1, 2], 0  # as the game keeps them
    for frame, (who, action) in enumerate(zip(rows.character, rows.action, strict=True)):
        mine = who == GAME_AND_WATCH
        number = (int(action) - 355) % 9 + 1 if mine and 355 <= action <= 372 else 0
        if mine and action <= 13:
            memory = [1, 2]
        if number and number != under_way:
            memory = [memory[1], number]
        under_way = number
        if mine:
            expected = [float(number not in memory) for number in range(1, 10)]
            assert told[frame, 3:12].tolist() == expected


OPEN, CATCH, POUR = [375] * 3, [376] * 4, [377] * 5


def test_the_bucket_fills_and_is_poured() -> None:
    told = track([*OPEN, *CATCH, STANDING, *OPEN, *CATCH, STANDING, *OPEN, *CATCH, STANDING, *POUR, STANDING])
    assert np.rint(told["bucket"] * 3).astype(int)[[2, 3, 7, 11, 15, 19, 23]].tolist() == [
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    assert not told["bucket"][24:].any()
    assert told["bucketing"].tolist() == [1] * 7 + [0] + [1] * 7 + [0] + [1] * 7 + [0] + [1] * 5 + [0]


def test_landing_while_catching_catches_nothing_more_and_a_death_takes_nothing() -> None:
    told = track([379, 379, 376, 376, STANDING, DEAD, DEAD, REBIRTH, STANDING])
    assert np.rint(told["bucket"] * 3).astype(int).tolist() == [1] * 9
