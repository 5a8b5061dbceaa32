"""The tracker on rows made by hand: what each column says, and that it never matters how frames are cut."""

from __future__ import annotations

import time

import attrs
import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_mewtwo.plugin import COLUMNS
from exphil_char_mewtwo.teleport import MEWTWO, RANGE, Teleport
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.features.character import FighterRows
from exphil_core.melee.stages import BY_NAME, STAGES
from exphil_core.replays.game import MIRRORED, STATE, STATE_COLUMNS

INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
FLIP = np.array([-1 if column.mirrored else 1 for column in COLUMNS], np.float32)
FOX = 1
STEP = 4.975


def rows_of(
    action: list[int],
    x: list[float] | None = None,
    y: list[float] | None = None,
    character: int = MEWTWO,
    stage: str = "bf",
) -> FighterRows:
    count = len(action)
    state = np.full((count, len(STATE_COLUMNS)), np.nan, np.float32)
    state[:, STATE["x"]] = np.nan if x is None else x
    state[:, STATE["y"]] = np.nan if y is None else y
    state[:, STATE["facing"]] = 1
    return FighterRows(
        state=state,
        action=np.array(action, np.int16),
        character=np.full(count, character, np.uint8),
        opponent_state=np.full_like(state, np.nan),
        opponent_action=np.zeros(count, np.int16),
        stage=BY_NAME[stage],
    )


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = Teleport().update(rows)
    assert values.shape == (len(rows.action), len(COLUMNS))
    assert values.dtype == np.float32
    return {name: values[:, index] for name, index in INDEX.items()}


def cut(rows: FighterRows, start: int, stop: int) -> FighterRows:
    arrays = ("state", "action", "character", "opponent_state", "opponent_action")
    return attrs.evolve(rows, **{name: getattr(rows, name)[start:stop] for name in arrays})


def teleport_rows(direction: tuple[float, float] = (1.0, 0.0), then: list[int] | None = None) -> FighterRows:
    """One frame of falling, a whole teleport in the air from (-120, 10), then special fall."""
    action = [29] + [356] * 7 + [357] * 10 + [358] * 15 + (then or [35] * 10)
    steps = np.clip(np.arange(len(action)) - 7, 0, 10) * STEP
    x, y = -120 + steps * direction[0], 10 + steps * direction[1]
    return rows_of(action, list(x), list(y))


def test_the_phases_are_told_apart() -> None:
    told = track(teleport_rows())
    assert told["starting"].tolist() == [0] + [1] * 7 + [0] * 35
    assert told["vanished"].tolist() == [0] * 8 + [1] * 10 + [0] * 25
    assert told["ending"].tolist() == [0] * 18 + [1] * 15 + [0] * 10


@pytest.mark.parametrize(("start", "vanished", "ending"), [(353, 354, 355), (356, 357, 358), (353, 357, 358)])
def test_on_the_ground_and_in_the_air(start: int, vanished: int, ending: int) -> None:
    told = track(rows_of([14, start, vanished, ending, 14]))
    phases = np.stack([told["starting"], told["vanished"], told["ending"]])
    np.testing.assert_array_equal(phases, [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]])


def test_the_clock_runs_from_the_start_into_the_fall_and_stops_at_one() -> None:
    clock = track(teleport_rows(then=[35] * 60 + [43] * 3))["clock"]
    np.testing.assert_allclose(clock[1:61], np.arange(60) / 60, rtol=1e-6)
    assert (clock[61:93] == 1).all()
    assert (clock[93:] == 0).all()


def test_the_direction_is_known_from_the_first_frame_out_of_sight_until_the_end() -> None:
    told = track(teleport_rows(direction=(0.6, 0.8), then=[35] * 5 + [42] * 5))
    assert (told["direction_x"][:8] == 0).all()
    np.testing.assert_allclose(told["direction_x"][8:38], 0.6, atol=1e-5)
    np.testing.assert_allclose(told["direction_y"][8:38], 0.8, atol=1e-5)
    assert (told["direction_y"][38:] == 0).all()


def test_what_is_left_ends_where_he_appears() -> None:
    rows = teleport_rows(direction=(0.6, -0.8))
    told = track(rows)
    for frame in range(8, 18):
        x = rows.column("x")[frame] + told["left_x"][frame] * RANGE
        y = rows.column("y")[frame] + told["left_y"][frame] * RANGE
        np.testing.assert_allclose([x, y], [rows.column("x")[18], rows.column("y")[18]], atol=1e-3)
    assert (told["left_x"][18:] == 0).all()


def test_how_far_he_has_come_is_measured_from_the_start() -> None:
    told = track(teleport_rows(direction=(0.0, 1.0)))
    np.testing.assert_allclose(told["moved_y"][8:18], np.arange(1, 11) * STEP / 60, rtol=1e-5)
    assert (told["moved_x"] == 0).all()


def test_only_the_fall_after_a_teleport_is_helpless_here() -> None:
    told = track(rows_of([236, 35, 35, 43, 14, 356, 357, 358, 35, 35, 43]))
    assert told["helpless"].tolist() == [0] * 8 + [1, 1, 0]


@pytest.mark.parametrize(
    ("then", "what"),
    [(43, "landing"), (252, "the ledge"), (253, "hanging"), (88, "a hit"), (0, "death"), (12, "a new stock")],
)
def test_a_teleport_is_to_be_had_again_after(then: int, what: str) -> None:
    ready = track(rows_of([29, 356, 357, 358, 35, 35, then, 29]))["ready"]
    assert ready.tolist() == [1, 0, 0, 0, 0, 0, 1, 1], what


def test_an_air_dodge_costs_the_teleport_too() -> None:
    assert track(rows_of([25, 236, 236, 35, 35, 43]))["ready"].tolist() == [1, 0, 0, 0, 0, 1]


def test_a_second_teleport_starts_anew() -> None:
    action = [356, 357, 357, 252, 253, 29, 356, 356, 357]
    told = track(rows_of(action, [0, 5, 10, 10, 10, 10, 10, 10, 5], [0] * 9))
    np.testing.assert_allclose(told["clock"] * 60, [0, 1, 2, 0, 0, 0, 0, 1, 2], atol=1e-5)
    assert told["direction_x"].tolist() == [0, 1, 1, 0, 0, 0, 0, 0, -1]
    np.testing.assert_allclose(told["moved_x"] * 60, [0, 5, 10, 0, 0, 0, 0, 0, -5], atol=1e-5)


def test_a_tracker_that_comes_in_the_middle_says_what_it_can() -> None:
    told = track(rows_of([357, 357, 358, 35], [0, 5, 6, 7], [0, 0, 0, 0]))
    assert told["vanished"].tolist() == [1, 1, 0, 0]
    assert (told["direction_x"] == 0).all()
    assert told["helpless"].tolist() == [0, 0, 0, 1]


def test_the_ledge_is_the_stages_own_and_the_nearer_one() -> None:
    for stage in STAGES:
        told = track(rows_of([29] * 3, [-200, -50, 60], [-13.85] * 3, stage=stage.name))
        expected = np.clip(
            [(200 - stage.ledge_x) / 100, (50 - stage.ledge_x) / 100, (stage.ledge_x - 60) / 100], -1, 1
        )
        np.testing.assert_allclose(told["ledge_x"], expected, atol=1e-5)
        assert (told["ledge_y"] == 0).all()


def test_reach_is_zero_where_a_teleport_just_gets_there() -> None:
    ledge = BY_NAME["bf"].ledge_x
    x = [-ledge, -ledge - float(RANGE), -ledge - 3 * float(RANGE)]
    np.testing.assert_allclose(track(rows_of([29] * 3, x, [-13.85] * 3))["reach"], [1, 0, -1], atol=1e-5)


def test_nobody_else_teleports() -> None:
    # 353 to 358 are Fox's own specials.
    told = track(attrs.evolve(teleport_rows(), character=np.full(43, FOX, np.uint8)))
    assert all((values == 0).all() for values in told.values())


def test_a_replay_without_positions_still_has_phases() -> None:
    told = track(rows_of([29, 356, 357, 358, 35, 43]))
    assert told["vanished"].tolist() == [0, 0, 1, 0, 0, 0]
    assert told["ready"].tolist() == [1, 0, 0, 0, 0, 1]
    for name in ("direction_x", "moved_y", "left_x", "ledge_x", "reach"):
        assert (told[name] == 0).all()


def test_no_frames_give_no_rows() -> None:
    assert Teleport().update(rows_of([])).shape == (0, len(COLUMNS))


# Chains as they occur, and everything else: any id in any order, and characters that change.
_CHAINS = st.sampled_from(
    [
        [356] * 7, [353] * 3, [357] * 4, [354] * 2, [358] * 5, [355],
        [35] * 6, [36], [43] * 2, [236, 35], [252, 253], [29],
    ]
)  # fmt: skip
_ACTIONS = st.one_of(
    st.lists(_CHAINS, min_size=1, max_size=20).map(lambda chains: [a for chain in chains for a in chain]),
    st.lists(st.integers(0, 511), min_size=1, max_size=60),
)
_NUMBERS = st.one_of(
    st.floats(-300, 300, width=32),
    st.sampled_from([np.nan, 0.0, 1e38, -1e38, np.inf, -np.inf]),
)


@st.composite
def any_rows(draw: st.DrawFn) -> FighterRows:
    action = draw(_ACTIONS)
    count = len(action)
    x, y, facing = (draw(st.lists(_NUMBERS, min_size=count, max_size=count)) for _ in range(3))
    rows = rows_of(action, x, y, stage=draw(st.sampled_from([s.name for s in STAGES])))
    rows.state[:, STATE["facing"]] = facing
    if draw(st.booleans()):
        who = draw(st.lists(st.sampled_from([MEWTWO, FOX]), min_size=count, max_size=count))
        rows = attrs.evolve(rows, character=np.array(who, np.uint8))
    return rows


@settings(max_examples=150, deadline=None)
@given(rows=any_rows(), data=st.data())
def test_however_the_frames_are_cut_the_values_are_the_same(rows: FighterRows, data: st.DataObject) -> None:
    count = len(rows.action)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=8), label="cuts"))
    whole = Teleport().update(rows)
    for edges in ([0, *cuts, count], range(count + 1)):
        tracker = Teleport()
        parts = [
            tracker.update(cut(rows, a, b)) for a, b in zip(list(edges)[:-1], list(edges)[1:], strict=True)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=150, deadline=None)
@given(rows=any_rows())
def test_values_are_finite_and_in_their_ranges_whatever_the_state(rows: FighterRows) -> None:
    values = Teleport().update(rows)
    assert np.isfinite(values).all()
    for index, column in enumerate(COLUMNS):
        assert (values[:, index] >= column.low).all(), column.name
        assert (values[:, index] <= column.high).all(), column.name


@settings(max_examples=100, deadline=None)
@given(rows=any_rows())
def test_a_mirror_flips_the_mirrored_columns_and_nothing_else(rows: FighterRows) -> None:
    signs = np.ones(len(STATE_COLUMNS), np.float32)
    signs[[STATE[name] for name in MIRRORED]] = -1
    mirrored = attrs.evolve(rows, state=rows.state * signs)
    np.testing.assert_array_equal(Teleport().update(mirrored), Teleport().update(rows) * FLIP)


def test_a_long_game_takes_under_20_ms() -> None:
    once = [29] * 100 + [356] * 7 + [357] * 10 + [358] * 15 + [35] * 20 + [43] * 10
    action = (once * 80)[:10_000]
    rng = np.random.default_rng(0)
    rows = rows_of(action, list(rng.normal(0, 60, 10_000)), list(rng.normal(0, 30, 10_000)))
    took = []
    for _ in range(5):
        before = time.perf_counter()
        Teleport().update(rows)
        took.append(time.perf_counter() - before)
    assert min(took) < 0.02
