"""Which epoch is the best, and how long ago it was: one rule for early stopping and for what is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.training.outcome import EpochResult, Outcome
from exphil_core.training.validation import Validation


def after(losses: Sequence[float], min_delta: float = 0.0) -> Outcome:
    """What the training loop does with these `val_loss`es."""
    outcome = Outcome()
    for epoch, loss in enumerate(losses, 1):
        validation = Validation(
            val_loss=loss, val_loss_change=0, baseline_repeat=0, baseline_marginal=0, baseline_repeat_change=0,
            baseline_marginal_change=0, parts={}, frames=1, change_frames=1, rates={},
        )  # fmt: skip
        result = EpochResult(
            epoch=epoch, steps=epoch, frames=1, train_loss=0, lr=0, seconds=0, validation=validation
        )
        if outcome.improved(loss, min_delta):
            outcome.best = result
        outcome.history.append(result)
    return outcome


@pytest.mark.parametrize(
    ("losses", "min_delta", "best", "waited"),
    [
        ([3.0, 2.0, 1.0], 0.0, 3, 0),
        ([2.0, 2.0, 2.0], 0.0, 1, 2),  # at a tie the earlier stays
        ([2.0, 1.5, 1.0], 0.5, 3, 0),  # exactly min_delta lower is not better: 1.5 isn't, 1.0 is
        ([2.0, 1.75, 1.5], 0.5, 1, 2),
        ([2.0, 1.75, 1.49], 0.5, 3, 0),  # against the best, not against the last
        ([2.0, math.nan, 1.0], 0.0, 3, 0),
        ([2.0, math.nan, math.nan], 0.0, 1, 2),
        ([2.0, math.inf, 3.0], 0.0, 1, 2),
    ],
)
def test_ties_small_steps_and_nans(losses: list[float], min_delta: float, best: int, waited: int) -> None:
    outcome = after(losses, min_delta)
    assert outcome.best is not None
    assert (outcome.best.epoch, outcome.epochs_since_best()) == (best, waited)


@given(st.lists(st.floats(0, 10) | st.just(math.nan), min_size=1, max_size=12), st.floats(0, 2))
def test_what_is_waited_for_is_what_would_be_kept(losses: list[float], min_delta: float) -> None:
    losses[0] = 5.0
    outcome = after(losses, min_delta)
    assert outcome.best is not None
    kept = outcome.best.validation.val_loss
    # Nothing since was good enough to be kept, and nothing before that was kept is better by min_delta.
    assert not any(loss < kept - min_delta for loss in losses[outcome.best.epoch :])
    assert outcome.epochs_since_best() == len(losses) - outcome.best.epoch
    assert not math.isnan(kept)
