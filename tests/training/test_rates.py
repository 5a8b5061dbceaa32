"""Press rates: sums of chances by name; and what counts as a collapse."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from exphil_core.melee.controller import BUTTONS
from exphil_core.replays.controller import AXIS_VALUES, CELL_COUNTS, NEUTRAL, decode
from exphil_core.training.rates import RateSums, collapse_warnings
from exphil_core.training.validation import Validation

CPU = torch.device("cpu")


def cells(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(size, size=count) for size in CELL_COUNTS], axis=1).astype(np.uint8)


def test_a_model_that_is_sure_of_what_was_pressed_has_the_players_rates() -> None:
    target = cells(500)
    counts = torch.from_numpy(np.random.default_rng(1).random(500) < 0.7)
    sums = RateSums(CPU)
    watch = sums.watcher(counts.view(20, 25))
    for part, size in enumerate(CELL_COUNTS):
        sure = torch.nn.functional.one_hot(torch.from_numpy(target[:, part]).long(), size) * 100.0
        watch(part, sure)
    kept = target[counts.numpy()]
    sums.add(kept)
    shares = sums.shares()
    assert shares["predicted"] == pytest.approx(shares["actual"], abs=1e-5)
    # Against the codec: what a decoded controller holds.
    decoded = decode(kept)
    for index, name in enumerate(BUTTONS):
        assert shares["actual"][name] == pytest.approx((decoded[:, 5 + index] > 0.5).mean())
    assert shares["actual"]["main left"] == pytest.approx((AXIS_VALUES[kept[:, 1]] < 0).mean())
    assert shares["actual"]["c up"] == pytest.approx((AXIS_VALUES[kept[:, 4]] > 0).mean())
    assert shares["actual"]["shoulder"] == pytest.approx((kept[:, 5] > 0).mean())


def test_a_model_that_always_says_neutral_presses_nothing() -> None:
    sums = RateSums(CPU)
    watch = sums.watcher(torch.ones(4, dtype=torch.bool))
    for part, size in enumerate(CELL_COUNTS):
        watch(part, torch.nn.functional.one_hot(torch.full((4,), int(NEUTRAL[part])), size) * 1000.0)
    assert set(sums.shares()["predicted"].values()) == {0.0}


HEALTHY = Validation(
    val_loss=1.0,
    val_loss_change=5.0,
    baseline_repeat=2.0,
    baseline_marginal=5.0,
    baseline_repeat_change=8.0,
    baseline_marginal_change=8.5,
    parts={},
    frames=1000,
    change_frames=200,
    rates={"predicted": {"A": 0.04, "Z": 0.0}, "actual": {"A": 0.05, "Z": 0.0005}},
)


def test_a_healthy_epoch_warns_of_nothing() -> None:
    assert collapse_warnings(HEALTHY) == []


def test_collapse_to_neutral_and_to_copying_are_named() -> None:
    rates = {"predicted": {"A": 0.01, "B": 0.03}, "actual": {"A": 0.05, "B": 0.03}}
    (line,) = collapse_warnings(attrs.evolve(HEALTHY, rates=rates))
    assert line.startswith(
        "the model hardly presses A (1.00% of frames, players 5.00%): it is collapsing to neutral"
    )
    (line,) = collapse_warnings(attrs.evolve(HEALTHY, val_loss_change=8.1))
    assert "no better than repeating the last one (8.100 against 8.000 nats)" in line
