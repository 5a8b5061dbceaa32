"""Sums by game, and the intervals that come from drawing games anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.evaluation import sums
from exphil_core.evaluation.bins import HEAT_CENTRES, HEAT_OF_AXIS, PRESS, SURE, bin_of
from exphil_core.evaluation.sums import Resampling, Runs, UnitSums, unit_of_games
from exphil_core.replays.controller import AXIS_VALUES


def drawn(frames: np.ndarray, seed: int = 0, samples: int = 400) -> Resampling:
    return Resampling.drawn(np.asarray(frames, float), samples, seed, 0.95)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 9)), min_size=5, max_size=30), st.integers(0, 2**31)
)
def test_an_interval_holds_the_figure_and_stays_among_the_games(
    games: list[tuple[int, float]], seed: int
) -> None:
    frames, means = (np.array(column, float) for column in zip(*games, strict=True))
    found = drawn(frames, seed).ratio(frames * means, frames)
    slack = 1e-9
    assert found.low is not None
    assert found.high is not None
    assert means.min() - slack <= found.low <= found.high <= means.max() + slack
    # The figure itself lies in it but for the most lopsided games, and then within the games' range.
    assert means.min() - slack <= found.value <= means.max() + slack
    assert drawn(frames, seed).ratio(frames * means, frames) == found


def test_it_is_the_interval_of_games_drawn_one_by_one() -> None:
    rng = np.random.default_rng(1)
    frames, losses = rng.integers(100, 900, 25).astype(float), rng.gamma(2, 300, 25)
    found = drawn(frames, samples=4000).ratio(losses, frames)
    draws = []
    for _ in range(4000):
        chosen = rng.integers(0, 25, 25)
        draws.append(losses[chosen].sum() / frames[chosen].sum())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.value == pytest.approx(losses.sum() / frames.sum())
    assert found.low == pytest.approx(low, rel=0.02)
    assert found.high == pytest.approx(high, rel=0.02)


def test_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    rng, held = np.random.default_rng(2), 0
    for trial in range(200):
        frames = rng.integers(500, 1500, 40).astype(float)
        found = drawn(frames, seed=trial, samples=200).ratio(frames * rng.normal(2, 0.5, 40), frames)
        held += found.low <= 2 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_equal_games_leave_no_doubt() -> None:
    found = drawn(np.full(8, 100.0)).ratio(np.full(8, 250.0), np.full(8, 100.0))
    assert (found.value, found.low, found.high) == (2.5, 2.5, 2.5)


def test_what_few_games_tell_has_no_interval() -> None:
    draw, times = drawn(np.full(9, 100.0)), np.arange(9.0)
    for telling in range(1, 9):
        below = np.where(times < telling, 10.0, 0.0)
        told = draw.ratio(times * below, below)
        assert told.value == pytest.approx(np.arange(telling).mean())
        assert (told.low is None) == (told.high is None) == (telling < 5)
    nothing = draw.ratio(np.zeros(9), np.zeros(9))
    assert (nothing.value, nothing.low) == (None, None)


def test_games_without_a_decision_are_not_drawn() -> None:
    frames = np.array([100.0, 0, 100.0, 0])
    assert not drawn(frames).weight_RU[:, [1, 3]].any()
    assert (drawn(frames).weight_RU.sum(axis=1) == 2).all()


def test_pairs_tell_what_two_intervals_do_not() -> None:
    """Games differ far more than models do: drawn together, their difference is certain all the same."""
    rng = np.random.default_rng(3)
    frames, base = np.full(30, 1000.0), rng.normal(2, 1, 30)
    draw = drawn(frames)
    first, second = frames * base, frames * (base + 0.05 + rng.normal(0, 0.01, 30))
    alone, other = draw.ratio(first, frames), draw.ratio(second, frames)
    assert alone.high > other.low
    pair = draw.ratio(first - second, frames)
    assert pair.high < 0
    assert pair.value == pytest.approx(alone.value - other.value)


def test_runs_add_what_lies_side_by_side() -> None:
    game = np.array([4, 4, 1, 1, 1, 4])
    runs = Runs.of(game)
    values = np.arange(12).reshape(6, 2)
    found = UnitSums(np.arange(5))
    found.add("x", runs, runs.summed(values))
    assert found["x"][4].tolist() == [0 + 2 + 10, 1 + 3 + 11]
    assert found["x"][1].tolist() == [4 + 6 + 8, 5 + 7 + 9]
    together = UnitSums(np.array([0, 0, 1, 1, 0]))
    together.add("x", runs, runs.summed(values))
    assert together["x"].tolist() == [values.sum(axis=0).tolist(), [0, 0]]
    place = np.array([0, 2, 2, -1, 0, 1])
    counted = runs.counted(place, 3, (None, values[:, 1]))
    assert counted[0].tolist() == [[1, 1], [0, 0], [1, 3]]
    assert counted[1].tolist() == [[1, 9], [0, 0], [1, 5]]
    assert counted[2].tolist() == [[0, 0], [1, 11], [0, 0]]
    assert Runs.of(np.zeros(0, int)).summed(values[:0]).shape == (0, 2)


def test_beyond_so_many_games_units_stop_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "UNITS", 16)
    few, many = ([f"{index * 2654435761 % 2**32:08x}" for index in range(count)] for count in (16, 5000))
    assert unit_of_games(few).tolist() == list(range(16))
    units = unit_of_games(many)
    assert np.bincount(units, minlength=16).min() > 200
    assert len(np.bincount(units)) == 16
    # Whatever else is there, a game belongs to the same unit.
    assert unit_of_games(many[::-1]).tolist() == units.tolist()[::-1]


def test_bins_leave_nothing_out() -> None:
    for bounds in (SURE, PRESS):
        chances = np.array([0.0, *bounds, np.nextafter(1, 0), 1.0])
        for chance, place in zip(chances, bin_of(chances, bounds), strict=True):
            last = place == len(bounds) - 2
            assert bounds[place] <= chance < bounds[place + 1] or (last and chance == 1)


def test_a_heat_map_s_cells_are_those_nearest() -> None:
    for value, cell in zip(AXIS_VALUES, HEAT_OF_AXIS, strict=True):
        assert abs(HEAT_CENTRES[cell] - value) <= 1 / 16 + 1e-6
    assert (HEAT_OF_AXIS + HEAT_OF_AXIS[::-1] == len(HEAT_CENTRES) - 1).all()
