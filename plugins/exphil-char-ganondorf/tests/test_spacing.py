"""The tracker on rows made by hand: what each column says, and that it never matters how frames are cut."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_ganondorf.plugin import COLUMNS
from exphil_char_ganondorf.reach import REACH, TYPICAL
from exphil_char_ganondorf.spacing import GANONDORF, Spacing
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME, CHARACTERS, UNKNOWN_INTERNAL
from exphil_core.testing import make_rows, mirror_fighter

INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
FLIP = np.array([-1 if column.mirrored else 1 for column in COLUMNS], np.float32)
ACROSS, UP = REACH[GANONDORF]


def rows_of(
    x: list[float], y: list[float] | None = None, opponent: int = UNKNOWN_INTERNAL, facing: float = 1.0
) -> FighterRows:
    """Ganondorf at (0, 0), the opponent at these points."""
    count = len(x)
    rows = make_rows(
        [14] * count,
        character="ganondorf",
        x=0,
        y=0,
        facing=facing,
        opponent={"x": x, "y": [0.0] * count if y is None else y},
    )
    return attrs.evolve(rows, opponent_character=np.full(count, opponent, np.uint8))


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = Spacing().update(rows)
    assert values.shape == (len(rows.action), len(COLUMNS))
    assert values.dtype == np.float32
    return {name: values[:, index] for name, index in INDEX.items()}


def cut(rows: FighterRows, start: int, stop: int) -> FighterRows:
    """These frames only: all fields that are arrays have a row a frame, and the others don't matter here."""
    fields = {field.name: getattr(rows, field.name) for field in attrs.fields(type(rows))}
    return attrs.evolve(rows, **{n: v[start:stop] for n, v in fields.items() if isinstance(v, np.ndarray)})


def test_a_quarter_is_one_of_his_reaches() -> None:
    told = track(rows_of([ACROSS, -2 * ACROSS, 9 * ACROSS], [UP, -4 * UP, 9 * UP]))
    np.testing.assert_allclose(told["own_x"], [0.25, -0.5, 1], rtol=1e-6)
    np.testing.assert_allclose(told["own_y"], [0.25, -1, 1], rtol=1e-6)


def test_inside_is_within_reach_both_ways() -> None:
    told = track(rows_of([0, -ACROSS, ACROSS + 1, 0, 0], [0, UP, 0, UP + 1, -UP]))
    assert told["in_own"].tolist() == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("name", ["marth", "pichu"])
def test_the_opponents_reach_is_that_of_its_character(name: str) -> None:
    across, up = REACH[BY_NAME[name].internal]
    told = track(rows_of([across, across + 1, -across], [up, 0, -up - 1], opponent=BY_NAME[name].internal))
    assert told["in_opponents"].tolist() == [1, 0, 0]
    np.testing.assert_allclose(told["opponent_x"], [0.25, (across + 1) / across / 4, -0.25], rtol=1e-6)
    np.testing.assert_allclose(told["opponent_y"], [0.25, 0, -(up + 1) / up / 4], rtol=1e-6)


def test_an_opponent_of_whom_nobody_knows_has_a_typical_reach() -> None:
    told = track(rows_of([TYPICAL[0], TYPICAL[0] + 1], [0, 0]))
    assert told["in_opponents"].tolist() == [1, 0]
    np.testing.assert_allclose(told["opponent_x"][0], 0.25, rtol=1e-6)


def test_rows_that_tell_no_opponent_are_read_too() -> None:
    rows = make_rows([14] * 2, character="ganondorf", x=0, y=0, opponent={"x": [5, 60], "y": 0})
    assert track(rows)["in_opponents"].tolist() == [1, 0]


def test_the_table_has_every_character_and_is_plausible() -> None:
    assert {c.internal for c in CHARACTERS} <= REACH.keys()
    assert all(10 <= length <= 30 for reach in REACH.values() for length in reach)
    np.testing.assert_array_equal(
        np.median([REACH[c.internal] for c in CHARACTERS], axis=0), np.array(TYPICAL)
    )


def test_closing_is_how_much_nearer_they_came() -> None:
    told = track(rows_of([-30, -27, -27, -30, 3, 0], [12, 12, 6, 6, 6, 60]))
    np.testing.assert_allclose(told["closing_x"], [0, 0.5, 0, -0.5, 1, 0.5], rtol=1e-6)
    np.testing.assert_allclose(told["closing_y"], [0, 0, 1, 0, 0, -1], rtol=1e-6)


@pytest.mark.parametrize("facing", [-1.0, 1.0])
def test_ahead_is_where_he_faces(facing: float) -> None:
    ahead = track(rows_of([20, -20, 0, np.nan], facing=facing))["ahead"]
    assert ahead.tolist() == [facing, -facing, 0, 0]


def test_unknown_positions_give_zeros() -> None:
    told = track(rows_of([5, np.nan, 5, 2], [0, 0, np.nan, 0]))
    assert told["own_x"][1] == told["own_y"][2] == 0
    assert told["in_own"].tolist() == told["in_opponents"].tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(told["closing_x"], [0, 0, 0, 0.5])
    nothing = make_rows([14] * 3, character="ganondorf")
    assert not Spacing().update(nothing).any()


def test_others_have_no_such_columns() -> None:
    rows = attrs.evolve(rows_of([5, 4, 3]), character=np.array([1, GANONDORF, 1], np.uint8))
    assert Spacing().update(rows).any(axis=1).tolist() == [False, True, False]


def test_no_frames_give_no_rows_and_change_nothing() -> None:
    tracker, rows = Spacing(), rows_of([12, 9])
    tracker.update(cut(rows, 0, 1))
    assert tracker.update(cut(rows, 0, 0)).shape == (0, len(COLUMNS))
    assert tracker.update(cut(rows, 1, 2))[0, INDEX["closing_x"]] == 0.5


_NUMBERS = st.one_of(
    st.floats(-300, 300, width=32), st.sampled_from([np.nan, 0.0, 1e38, -3e38, np.inf, -np.inf])
)


@st.composite
def any_rows(draw: st.DrawFn) -> FighterRows:
    count = draw(st.integers(1, 40))

    def some(what: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(what, min_size=count, max_size=count))

    rows = rows_of(some(_NUMBERS), some(_NUMBERS), facing=0)
    rows.state[:, :3] = np.column_stack([some(_NUMBERS), some(_NUMBERS), some(_NUMBERS)])
    who = np.array(some(st.sampled_from([GANONDORF, GANONDORF, 1])), np.uint8)
    opponent = np.array(some(st.sampled_from([1, 18, 33])), np.uint8)
    return attrs.evolve(rows, character=who, opponent_character=opponent)


@settings(max_examples=30, deadline=None)
@given(rows=any_rows(), data=st.data())
def test_however_the_frames_are_cut_the_values_are_the_same(rows: FighterRows, data: st.DataObject) -> None:
    count = len(rows.action)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=8), label="cuts"))
    whole = Spacing().update(rows)
    for edges in ([0, *cuts, count], list(range(count + 1))):
        tracker = Spacing()
        parts = [tracker.update(cut(rows, a, b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=30, deadline=None)
@given(rows=any_rows())
def test_values_stay_in_range_and_a_mirror_flips_the_mirrored_ones(rows: FighterRows) -> None:
    values = Spacing().update(rows)
    assert np.isfinite(values).all()
    for index, column in enumerate(COLUMNS):
        assert (values[:, index] >= column.low).all(), column.name
        assert (values[:, index] <= column.high).all(), column.name
    np.testing.assert_array_equal(Spacing().update(mirror_fighter(rows)), values * FLIP)
