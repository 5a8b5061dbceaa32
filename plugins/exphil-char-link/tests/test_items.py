"""The tracker on rows made by hand: what each column says, and that it never matters how frames are cut."""

from __future__ import annotations

import time
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_link.items import EXPLODING, IN_HAND, LINKS, TYPES, ItemTracking
from exphil_char_link.plugin import COLUMNS, KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.features.character import FighterRows
from exphil_core.replays.items import ItemRows, no_items
from exphil_core.testing import cut_rows, make_rows, mirror_fighter

INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
FLIP = np.array([-1 if column.mirrored else 1 for column in COLUMNS], np.float32)
BOMB, BOOMERANG, ARROW, HOOKSHOT = (TYPES[kind][0] for kind in KINDS)
LASER = 0x37
FLYING = 1

Item = tuple[int, dict[str, Any]]  # a frame and what differs from a bomb at (0, 0) that lies still


def items_of(frames: int, *told: Item) -> ItemRows:
    dtypes = {"type": np.int32, "state": np.uint8, "owner": np.int8, "spawn_id": np.int64}
    usual = {"type": BOMB, "state": FLYING, "owner": 0, "spawn_id": 1}
    usual |= dict.fromkeys(("x", "y", "vx", "vy", "timer"), 0)
    ordered = sorted(told, key=lambda item: item[0])
    fields: dict[str, Any] = {
        name: np.array([{**usual, **item}[name] for _, item in ordered], dtypes.get(name, np.float32))
        for name in usual
    }
    at = [frame for frame, _ in ordered]
    return ItemRows(offset=np.searchsorted(at, np.arange(frames + 1)).astype(np.int64), **fields)


def rows_of(frames: int, *told: Item, character: str = "link", **columns: Any) -> FighterRows:
    """Link stands at (0, 0) unless `columns` say more, the opponent at (50, 0)."""
    state = {"x": 0, "y": 0, "airborne": 0, "speed_ground_x": 0} | columns
    rows = make_rows([14] * frames, character=character, opponent={"x": 50, "y": 0}, **state)
    return attrs.evolve(rows, items=items_of(frames, *told))


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = ItemTracking().update(rows)
    assert values.shape == (len(rows.action), len(COLUMNS))
    assert values.dtype == np.float32
    return {name: values[:, index] for name, index in INDEX.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("character", ["link", "younglink"])
@pytest.mark.parametrize("whose", [0, 1])
def test_each_kind_has_its_columns(kind: str, character: str, whose: int) -> None:
    told = track(
        rows_of(3, (1, {"type": TYPES[kind][whose], "x": 30, "y": -20}), character=character, x=10, y=5)
    )
    assert told[kind].tolist() == [0, 1, 0]
    np.testing.assert_allclose(told[f"{kind}_count"], [0, 0.25, 0])
    np.testing.assert_allclose(told[f"{kind}_x"], [0, 0.2, 0], rtol=1e-6)
    np.testing.assert_allclose(told[f"{kind}_y"], [0, -0.25, 0], rtol=1e-6)
    assert not any(told[other].any() for other in (*KINDS, "opponent") if other != kind)
    assert told["known"].all()


def test_velocity_is_less_ones_own() -> None:
    item = {"type": ARROW, "vx": 3, "vy": -1}
    walking = track(rows_of(1, (0, item), speed_ground_x=1, speed_air_x=9, speed_y=0))
    flying = track(
        rows_of(1, (0, item), airborne=1, speed_air_x=-1, speed_ground_x=9, speed_y=2, knock_x=-2, knock_y=1)
    )
    assert (walking["arrow_vx"][0], walking["arrow_vy"][0]) == (0.5, -0.25)
    assert (flying["arrow_vx"][0], flying["arrow_vy"][0]) == (1.5, -1)


def test_far_and_fast_is_cut_at_two() -> None:
    told = track(rows_of(1, (0, {"type": BOOMERANG, "x": -900, "y": 900, "vx": 99, "vy": -99})))
    assert [told[f"boomerang_{part}"][0] for part in ("x", "y", "vx", "vy")] == [-2, 2, 2, -2]


def test_age_counts_from_the_first_frame_of_a_spawn_id() -> None:
    lives = [(frame, {"spawn_id": 7}) for frame in range(2, 6)]
    told = track(rows_of(8, *lives, (6, {"spawn_id": 8}), (7, {"spawn_id": 8})))
    np.testing.assert_allclose(told["bomb_age"] * 300, [0, 0, 0, 1, 2, 3, 0, 1], rtol=1e-6)


def test_a_bomb_tells_its_time_left_until_it_explodes() -> None:
    told = track(
        rows_of(
            4,
            (0, {"timer": 300, "state": IN_HAND}),
            (1, {"timer": 150}),
            (2, {"timer": 80, "state": EXPLODING}),
            (3, {"timer": np.nan}),
        )
    )
    assert told["bomb_left"].tolist() == [1, 0.5, 0, 0]
    assert told["bomb_exploding"].tolist() == [0, 0, 1, 0]
    assert told["bomb_held"].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_in_hand_is_where_its_holder_is(kind: str) -> None:
    # The replay's position of it stays where it was drawn.
    item = {"type": TYPES[kind][1], "state": IN_HAND, "x": 80, "y": 30, "vx": 1}
    told = track(rows_of(1, (0, item), x=-40, speed_ground_x=1.5))
    assert told[f"{kind}_held"][0] == 1
    assert (told[f"{kind}_x"][0], told[f"{kind}_y"][0]) == (0, 0)
    if kind != "hookshot":
        assert (told[f"{kind}_vx"][0], told[f"{kind}_vy"][0]) == (0, 0)
    his = track(rows_of(1, (0, {**item, "owner": 1})))
    assert (his["opponent"][0], his["opponent_x"][0], his["opponent_y"][0]) == (1, 0.5, 0)


def test_the_nearest_of_several_is_told_and_one_in_hand_comes_first() -> None:
    far, near = {"x": 90, "spawn_id": 1}, {"x": -20, "spawn_id": 2}
    hand = {"x": 100, "spawn_id": 3, "state": IN_HAND}
    told = track(rows_of(2, (0, far), (0, near), (1, far), (1, near), (1, hand)))
    np.testing.assert_allclose(told["bomb_x"], [-0.2, 0], rtol=1e-6)
    assert told["bomb_count"].tolist() == [0.5, 0.75]
    assert told["bomb_held"].tolist() == [0, 1]


def test_the_opponents_nearest_item_is_of_any_kind() -> None:
    laser, bomb = {"type": LASER, "x": 25, "vx": -4, "owner": 1, "spawn_id": 4}, {"x": 60, "owner": 1}
    told = track(rows_of(2, (0, bomb), (1, laser), (1, bomb)))
    np.testing.assert_allclose(told["opponent_x"], [0.6, 0.25], rtol=1e-6)
    assert told["opponent_count"].tolist() == [0.25, 0.5]
    assert told["opponent_vx"].tolist() == [0, -1]
    assert told["bomb_theirs"].tolist() == [1, 1]  # a bomb that changed hands


def test_the_opponents_item_that_arrives_first_comes_before_a_nearer_one() -> None:
    flying = {"x": 60, "y": 8, "vx": -2, "owner": 1, "spawn_id": 4}
    lying = {"x": 15, "owner": 1, "spawn_id": 5}
    told = track(rows_of(2, (0, flying), (0, lying), (1, {**flying, "vx": 2}), (1, lying)))
    np.testing.assert_allclose(told["opponent_x"], [0.6, 0.15], rtol=1e-6)
    np.testing.assert_allclose(told["opponent_soon"], [0.5, 0], rtol=1e-6)


def test_an_own_item_of_another_kind_is_not_told() -> None:
    values = ItemTracking().update(rows_of(1, (0, {"type": LASER, "x": 10})))
    assert values[0].tolist() == [1, *[0] * (len(COLUMNS) - 1)]


def test_nobody_elses_items_are_told() -> None:
    assert not ItemTracking().update(rows_of(1, (0, {"x": 10}), character="fox")).any()


def test_a_replay_without_items_is_unknown() -> None:
    unknown = attrs.evolve(rows_of(5), items=no_items(5))
    assert not ItemTracking().update(unknown).any()
    assert (ItemTracking().update(rows_of(5)) == np.eye(1, len(COLUMNS))).all()


def test_unknown_positions_leave_zeros() -> None:
    told = track(rows_of(2, (0, {"x": np.nan, "vy": np.nan}), (1, {"x": 10}), x=[0, np.nan]))
    assert told["bomb"].tolist() == [1, 1]
    assert told["bomb_x"].tolist() == [0, 0]


def test_no_frames_give_no_rows() -> None:
    assert ItemTracking().update(rows_of(0)).shape == (0, len(COLUMNS))


_NUMBERS = st.sampled_from([-300, -20, -1.5, 0, 0.25, 1, 7, 80, 1e38, np.nan])
_ITEMS = st.fixed_dictionaries(
    {
        "type": st.sampled_from([kind for types in TYPES.values() for kind in types] + [LASER]),
        "state": st.integers(0, 5),
        "owner": st.integers(0, 1),
        "spawn_id": st.integers(0, 5),
        **dict.fromkeys(("x", "y", "vx", "vy", "timer"), _NUMBERS),
    }
)


@st.composite
def any_rows(draw: st.DrawFn) -> FighterRows:
    frames = draw(st.integers(1, 12))
    told = draw(st.lists(st.tuples(st.integers(0, frames - 1), _ITEMS), max_size=25))
    columns = {
        name: draw(st.lists(_NUMBERS, min_size=frames, max_size=frames)) for name in ("x", "y", "speed_air_x")
    }
    rows = rows_of(frames, *told, **columns)
    if draw(st.booleans()):
        who = draw(st.lists(st.sampled_from([*LINKS, 1]), min_size=frames, max_size=frames))
        rows = attrs.evolve(rows, character=np.array(who, np.uint8))
    return rows


@settings(max_examples=40, deadline=None)
@given(rows=any_rows(), data=st.data())
def test_however_the_frames_are_cut_the_values_are_the_same(rows: FighterRows, data: st.DataObject) -> None:
    count = len(rows.action)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=4), label="cuts"))
    whole = ItemTracking().update(rows)
    for edges in (cuts, range(1, count)):
        tracker = ItemTracking()
        parts = [tracker.update(piece) for piece in cut_rows(rows, edges)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=40, deadline=None)
@given(rows=any_rows())
def test_a_mirror_flips_the_mirrored_columns_and_values_stay_in_range(rows: FighterRows) -> None:
    values = ItemTracking().update(rows)
    np.testing.assert_array_equal(ItemTracking().update(mirror_fighter(rows)), values * FLIP)
    for index, column in enumerate(COLUMNS):
        assert ((values[:, index] >= column.low) & (values[:, index] <= column.high)).all(), column.name


def test_a_long_game_takes_under_100_ms_of_processor_time() -> None:
    told = [
        (frame, {"spawn_id": frame // 60, "x": frame % 90, "owner": frame % 2}) for frame in range(10_000)
    ]
    rows = rows_of(10_000, *told)
    took = []
    for _ in range(3):
        before = time.process_time()
        ItemTracking().update(rows)
        took.append(time.process_time() - before)
    assert min(took) < 0.1


def test_a_bomb_tells_who_has_it() -> None:
    for owner, state, expected in ((0, IN_HAND, (1, 0, 0)), (1, IN_HAND, (0, 1, 1)), (1, FLYING, (0, 1, 0))):
        told = track(rows_of(1, (0, {"owner": owner, "state": state, "x": 20})))
        assert (told["bomb_held"][0], told["bomb_theirs"][0], told["bomb_in_their_hand"][0]) == expected


def test_an_item_on_its_way_says_when_and_how_high_it_arrives() -> None:
    """From x 0 at 2 units a frame it gets to the opponent at 50 after 25 frames."""
    told = track(rows_of(1, (0, {"type": BOOMERANG, "x": 0, "y": 28, "vx": 2})))
    assert told["boomerang_soon"][0] == pytest.approx(1 - 25 / 60)
    assert told["boomerang_miss"][0] == pytest.approx(20 / 25)
    falling = track(rows_of(1, (0, {"type": BOMB, "x": 0, "y": 28, "vx": 2})))
    assert falling["bomb_miss"][0] == pytest.approx((20 - 0.049 * 25 * 25 / 2) / 25)
    leaving = track(rows_of(1, (0, {"type": BOOMERANG, "x": 0, "y": 28, "vx": -2})))
    assert (leaving["boomerang_soon"][0], leaving["boomerang_miss"][0]) == (0, 0)


def test_the_opponents_items_arrive_at_oneself() -> None:
    told = track(rows_of(1, (0, {"type": LASER, "owner": 1, "x": 40, "y": 8, "vx": -4})))
    assert told["opponent_soon"][0] == pytest.approx(1 - 10 / 60)
    assert told["opponent_miss"][0] == 0


@pytest.mark.parametrize(("above", "hits"), [(0, 1), (-8, 1), (12, 0.5), (-16, 0), (30, 0)])
def test_whether_an_item_will_hit_is_told_by_how_far_it_misses(above: float, hits: float) -> None:
    told = track(rows_of(1, (0, {"type": LASER, "owner": 1, "x": 40, "y": 8 + above, "vx": -4})))
    assert told["opponent_hits"][0] == pytest.approx(hits)


def test_an_own_bomb_comes_before_anybodys_and_the_flying_one_says_when_it_arrives() -> None:
    theirs, hand = {"x": 5, "owner": 1, "spawn_id": 1}, {"x": 90, "spawn_id": 2, "state": IN_HAND}
    flying = {"x": 30, "y": 8, "vx": 2, "spawn_id": 3}
    told = track(rows_of(2, (0, theirs), (1, theirs), (1, hand), (1, flying)))
    assert told["bomb_theirs"].tolist() == [1, 0]
    assert told["bomb_held"].tolist() == [0, 1]
    np.testing.assert_allclose(told["bomb_soon"], [0, 1 - 10 / 60], rtol=1e-6)
