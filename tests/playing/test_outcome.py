"""Rates and means with their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from exphil_core.playing.outcome import DRAWN, LOST, WON, GameResult, mean_estimate, summary, wilson


def result(number: int, outcome: str, **more: float) -> GameResult:
    figures = {"stocks": 2, "opponent_stocks": 0, "damage_dealt": 300.0, "damage_taken": 100.0, **more}
    return GameResult(
        number=number,
        outcome=outcome,
        character="fox",
        opponent="marth",
        stage="battlefield",
        port=1,
        seconds=90.0,
        **figures,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    # From R's prop.test(…, correct=FALSE).
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (80, 100, 0.7112, 0.8666)],
)
def test_wilsons_interval_is_the_known_one(successes: int, count: int, low: float, high: float) -> None:
    estimate = wilson(successes, count)
    assert estimate.value == successes / count
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)


def test_a_means_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        estimate = mean_estimate(rng.normal(5.0, 2.0, 60))
        covered += estimate.low <= 5.0 <= estimate.high
    assert 180 <= covered <= 199


def test_one_game_has_no_spread() -> None:
    estimate = mean_estimate(np.array([3.0]))
    assert (estimate.value, estimate.low, estimate.high) == (3.0, 3.0, 3.0)


def test_a_summary_counts_a_draw_as_half_a_win() -> None:
    results = [result(0, WON), result(1, LOST, stocks=0, opponent_stocks=3), result(2, DRAWN), result(3, WON)]
    together = summary(results)
    assert (together.games, together.won, together.lost, together.drawn) == (4, 2, 1, 1)
    assert together.win_rate.value == 2.5 / 4
    assert together.stocks.value == 1.5
    assert together.stocks_ahead.value == pytest.approx((2 - 3 + 2 + 2) / 4)
    assert together.stocks_ahead.low < together.stocks_ahead.value < together.stocks_ahead.high
    assert together.damage_ahead.value == 200.0
    assert together.minutes == 1.5


def test_the_same_results_give_the_same_intervals() -> None:
    results = [result(number, WON, damage_dealt=float(number * number)) for number in range(20)]
    assert summary(results) == summary(results)
