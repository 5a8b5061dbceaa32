"""The two baselines: what they say, and that they are fitted as they claim."""

from __future__ import annotations

import numpy as np
import pytest

from exphil_core.models.prior import GROUPS, fit_prior, group_values
from exphil_core.replays.controller import NEUTRAL, STICK_CELLS

RIGHT = np.array([0, 116, 58, 58, 58, 0], np.uint8)
JUMP = np.array([4, 58, 58, 58, 58, 0], np.uint8)


def held(*controllers: np.ndarray, frames: int = 100) -> np.ndarray:
    return np.repeat(np.stack(controllers), frames, axis=0)


def test_every_controller_that_exists_has_a_chance_and_all_sum_to_one() -> None:
    cells = held(NEUTRAL, RIGHT, JUMP)
    prior = fit_prior(cells[1:], cells[:-1])
    for name, marginal in zip(GROUPS, prior.marginals, strict=True):
        assert marginal.sum() == pytest.approx(1)
        possible = STICK_CELLS.reshape(-1) if name in ("main", "c") else np.ones(len(marginal), bool)
        assert (marginal[possible] > 0).all()
        assert (marginal[~possible] == 0).all()


def test_the_marginal_follows_the_counts() -> None:
    cells = held(NEUTRAL, NEUTRAL, NEUTRAL, RIGHT, frames=5000)
    prior = fit_prior(cells[1:], cells[:-1])
    main = group_values(np.stack([NEUTRAL, RIGHT]))[:, 1]
    assert prior.marginals[1][main] == pytest.approx([0.75, 0.25], abs=0.01)


def test_the_repeat_probability_is_the_likeliest_one() -> None:
    rng = np.random.default_rng(0)
    pool = held(NEUTRAL, RIGHT, JUMP, frames=1)
    cells = [NEUTRAL]
    for _ in range(20_000):
        cells.append(cells[-1] if rng.random() < 0.8 else pool[rng.integers(3)])
    stacked = np.stack(cells)
    target, last = stacked[1:], stacked[:-1]
    prior = fit_prior(target, last)
    assert prior.repeats[1] == pytest.approx(0.8, abs=0.03)
    fitted = prior.repeat_loss(target, last)[:, 1].mean()
    for other in (prior.repeats[1] - 0.05, prior.repeats[1] + 0.05):
        worse = type(prior)(marginals=prior.marginals, repeats=(0.5, other, 0.5, 0.5))
        assert worse.repeat_loss(target, last)[:, 1].mean() > fitted


def test_repeating_beats_the_marginal_where_inputs_are_held() -> None:
    cells = held(NEUTRAL, RIGHT, JUMP)
    target, last = cells[1:], cells[:-1]
    prior = fit_prior(target, last)
    assert prior.repeat_loss(target, last).sum(axis=1).mean() < prior.marginal_loss(target).sum(axis=1).mean()


def test_an_unseen_controller_costs_much_but_not_infinitely() -> None:
    cells = held(NEUTRAL, RIGHT)
    prior = fit_prior(cells[1:], cells[:-1])
    strange = np.array([[255, 0, 58, 116, 58, 50]], np.uint8)
    loss = prior.marginal_loss(strange).sum()
    assert 20 < loss < 200
    assert np.isfinite(prior.repeat_loss(strange, NEUTRAL[None])).all()
