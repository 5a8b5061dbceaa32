"""The canonical validation loss, the same whatever the training loss was, and the two baselines beside it.

Mean negative log-likelihood of the held-out controllers, in nats a frame, unweighted, over whole games with the
state carried along; also over the frames alone on which the controller changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch

from exphil_core.models.backbones.base import State
from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.prefetch import ahead
from exphil_core.training.rates import RateSums, Shares
from exphil_core.training.sampling import Step, validation_plans
from exphil_core.training.team import ALONE, Team

LANES, WINDOW = 32, 256


@attrs.frozen(kw_only=True)
class Validation:
    """Nats a frame on held-out games. `parts` splits `val_loss` into buttons, main stick, C-stick, shoulder; `rates`
    are the shares of frames on which each button and stick region is pressed, predicted and actual."""

    val_loss: float
    val_loss_change: float
    baseline_repeat: float
    baseline_marginal: float
    baseline_repeat_change: float
    baseline_marginal_change: float
    parts: dict[str, float]
    frames: int
    change_frames: int
    rates: dict[str, Shares]

    def as_json(self) -> dict[str, Any]:
        """For config file and metrics."""
        return attrs.asdict(self)


@torch.no_grad()
def validate(
    policy: Policy,
    store: FrameStore,
    prior: ControllerPrior,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
    team: Team = ALONE,
) -> Validation:
    """Score `policy` on every example of `store`'s sides, each rank of `team` on its part of them. `between` is
    called after each batch, on all ranks as often; what it raises ends the validation."""
    was_training = policy.training
    policy.eval()
    state, sums, rates = policy.initial_state(0), _Sums(), RateSums(device)
    for step in ahead(validation_plans(store, LANES, WINDOW, team.part), store):
        if len(step):
            state = _scored(policy, step, state, device, prior, sums, rates)
        between()
    policy.train(was_training)
    if team.world > 1:
        sums.share_with(team)
        rates.share_with(team)
    return sums.scored(rates.shares())


def _scored(
    policy: Policy,
    step: Step,
    state: State,
    device: torch.device,
    prior: ControllerPrior,
    sums: _Sums,
    rates: RateSums,
) -> State:
    """Add up the losses of one batch."""
    tensors = to_tensors(step.batch, device)
    state = carried_state(policy, state, step, device)
    parts, state = policy.loss(
        tensors.floats,
        tensors.ids,
        tensors.decided,
        tensors.target,
        state,
        watch=rates.watcher(tensors.counts),
    )
    counts = step.batch.counts
    loss_n6 = parts.cpu().numpy()[counts].astype(np.float64)
    sums.add(loss_n6, step.batch.target[counts], step.batch.decided[counts], prior)
    rates.add(step.batch.target[counts])
    return state


class _Sums:
    """Running sums of losses; nothing is kept of a batch, so that any number of games can be held out."""

    def __init__(self) -> None:
        self._frames = self._changes = 0
        # Rows: the model, repeat, marginal. Columns: all frames, frames that change.
        self._totals = np.zeros((3, 2))
        self._parts = np.zeros(len(GROUPS))

    def add(
        self,
        loss_n6: npt.NDArray[np.float64],
        target_n6: npt.NDArray[np.uint8],
        last_n6: npt.NDArray[np.uint8],
        prior: ControllerPrior,
    ) -> None:
        """Count these frames."""
        changed = (target_n6 != last_n6).any(axis=1)
        repeat, marginal = prior.repeat_loss(target_n6, last_n6), prior.marginal_loss(target_n6)
        for row, loss in enumerate((loss_n6, repeat, marginal)):
            each = loss.sum(axis=1)
            self._totals[row] += each.sum(), each[changed].sum()
        np.add.at(self._parts, list(PART_GROUPS), loss_n6.sum(axis=0))
        self._frames += len(changed)
        self._changes += int(changed.sum())

    def share_with(self, team: Team) -> None:
        """Add up what all ranks have counted."""
        mine = [*self._totals.flat, *self._parts, self._frames, self._changes]
        *losses, frames, changes = team.sums(mine)
        self._totals = np.array(losses[: self._totals.size]).reshape(3, 2)
        self._parts = np.array(losses[self._totals.size :])
        self._frames, self._changes = int(frames), int(changes)

    def scored(self, rates: dict[str, Shares]) -> Validation:
        """The means."""
        means = self._totals / np.maximum([self._frames, self._changes], 1)
        parts = self._parts / max(self._frames, 1)
        return Validation(
            val_loss=float(means[0, 0]),
            val_loss_change=float(means[0, 1]),
            baseline_repeat=float(means[1, 0]),
            baseline_marginal=float(means[2, 0]),
            baseline_repeat_change=float(means[1, 1]),
            baseline_marginal_change=float(means[2, 1]),
            parts=dict(zip(GROUPS, map(float, parts), strict=True)),
            frames=self._frames,
            change_frames=self._changes,
            rates=rates,
        )
