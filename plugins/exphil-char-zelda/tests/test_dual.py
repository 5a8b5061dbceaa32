"""The tracker on rows made by hand: what each column says, and that it never matters how frames are cut."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_zelda.dual import LONGEST, DualCharacter
from exphil_char_zelda.plugin import COLUMNS
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import SHEIK_INTERNAL, ZELDA_INTERNAL
from exphil_core.testing import cut_rows, make_rows, mirror_fighter

INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
ZELDA, SHEIK, FOX = ZELDA_INTERNAL, SHEIK_INTERNAL, 1
WAIT = 14


def rows_of(*stretches: tuple[int, int, int]) -> FighterRows:
    """Stretches of frames: (character, action, how many)."""
    frames = [(who, action) for who, action, count in stretches for _ in range(count)]
    rows = make_rows([action for _, action in frames])
    return attrs.evolve(rows, character=np.array([who for who, _ in frames], np.uint8))


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = DualCharacter().update(rows)
    assert values.shape == (len(rows.action), len(COLUMNS))
    assert values.dtype == np.float32
    return {name: values[:, index] for name, index in INDEX.items()}


def test_the_form_is_told() -> None:
    told = track(rows_of((ZELDA, WAIT, 3), (SHEIK, WAIT, 2), (ZELDA, WAIT, 1)))
    assert told["zelda"].tolist() == [1, 1, 1, 0, 0, 1]
    assert told["sheik"].tolist() == [0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("first", "leaving", "second", "arriving"),
    [
        (ZELDA, 355, SHEIK, 362),
        (ZELDA, 357, SHEIK, 364),
        (SHEIK, 361, ZELDA, 356),
        (SHEIK, 363, ZELDA, 358),
    ],
)
def test_a_change_has_two_halves(first: int, leaving: int, second: int, arriving: int) -> None:
    told = track(rows_of((first, WAIT, 2), (first, leaving, 2), (second, arriving, 2), (second, WAIT, 1)))
    assert told["leaving"].tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert told["arriving"].tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_the_same_ids_are_other_moves_of_the_other_form() -> None:
    told = track(rows_of(*((SHEIK, action, 1) for action in range(355, 361))))
    assert not told["leaving"].any()
    assert not told["arriving"].any()
    told = track(rows_of(*((ZELDA, action, 1) for action in range(359, 371))))
    assert not told["leaving"].any()
    assert not told["arriving"].any()


def test_frames_since_the_change_are_counted_up_to_ten_seconds() -> None:
    told = track(rows_of((ZELDA, WAIT, 5), (SHEIK, WAIT, LONGEST + 5), (ZELDA, WAIT, 3)))
    since = told["since_change"]
    assert (since[:5] == 1).all(), "never so far"
    np.testing.assert_allclose(since[5 : 5 + LONGEST], np.arange(LONGEST) / LONGEST, rtol=1e-6)
    assert (since[5 + LONGEST : 10 + LONGEST] == 1).all()
    np.testing.assert_allclose(since[10 + LONGEST :] * LONGEST, [0, 1, 2], rtol=1e-6)


def test_the_other_forms_share_is_of_the_frames_so_far() -> None:
    told = track(rows_of((ZELDA, WAIT, 3), (SHEIK, WAIT, 2), (ZELDA, WAIT, 1)))
    np.testing.assert_allclose(told["other_share"], [0, 0, 0, 3 / 4, 3 / 5, 2 / 6], rtol=1e-6)


def test_others_have_no_such_columns_and_are_no_form() -> None:
    rows = rows_of((FOX, WAIT, 2), (ZELDA, WAIT, 2), (FOX, 355, 3), (ZELDA, WAIT, 1), (SHEIK, WAIT, 1))
    told = track(rows)
    others = rows.character == FOX
    assert all((values[others] == 0).all() for values in told.values())
    assert told["since_change"][~others].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(told["other_share"][~others], [0, 0, 0, 3 / 4])


def test_no_frames_give_no_rows_and_change_nothing() -> None:
    tracker = DualCharacter()
    tracker.update(rows_of((ZELDA, WAIT, 2)))
    assert tracker.update(rows_of()).shape == (0, len(COLUMNS))
    assert tracker.update(rows_of((SHEIK, WAIT, 1)))[0, INDEX["since_change"]] == 0


# Short and long stays in either form, other characters between, any action.
any_rows = st.lists(
    st.tuples(
        st.sampled_from([ZELDA, SHEIK, SHEIK, FOX]),
        st.one_of(st.integers(353, 366), st.integers(0, 400)),
        st.one_of(st.integers(1, 6), st.integers(590, 610)),
    ),
    min_size=1,
    max_size=8,
).map(lambda stretches: rows_of(*stretches))


@settings(max_examples=30, deadline=None)
@given(rows=any_rows, data=st.data())
def test_however_the_frames_are_cut_the_values_are_the_same(rows: FighterRows, data: st.DataObject) -> None:
    count = len(rows.action)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=8), label="cuts"))
    whole = DualCharacter().update(rows)
    for edges in (cuts, range(1, min(count, 40))):
        tracker = DualCharacter()
        parts = [tracker.update(piece) for piece in cut_rows(rows, edges)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=30, deadline=None)
@given(rows=any_rows)
def test_values_stay_in_range_and_a_mirror_changes_nothing(rows: FighterRows) -> None:
    values = DualCharacter().update(rows)
    assert np.isfinite(values).all()
    for index, column in enumerate(COLUMNS):
        assert not column.mirrored
        assert (values[:, index] >= column.low).all(), column.name
        assert (values[:, index] <= column.high).all(), column.name
    np.testing.assert_array_equal(DualCharacter().update(mirror_fighter(rows)), values)
