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

from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.sampling import validation_steps

LANES, WINDOW = 32, 256


@attrs.frozen(kw_only=True)
class Validation:
    """Nats a frame on held-out games. `parts` splits `val_loss` into buttons, main stick, C-stick, shoulder."""

    val_loss: float
    val_loss_change: float
    baseline_repeat: float
    baseline_marginal: float
    baseline_repeat_change: float
    baseline_marginal_change: float
    parts: dict[str, float]
    frames: int
    change_frames: int

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
) -> Validation:
    """Score `policy` on every example of `store`'s sides. `between` is called after each batch; what it raises ends
    the validation."""
    was_training = policy.training
    policy.eval()
    state = policy.initial_state(0)
    losses, targets, lasts = [], [], []
    for step in validation_steps(store, LANES, WINDOW):
        tensors = to_tensors(step.batch, device)
        state = carried_state(policy, state, step, device)
        parts, state = policy.loss(tensors.floats, tensors.ids, tensors.decided, tensors.target, state)
        counts = step.batch.counts
        losses.append(parts.cpu().numpy()[counts].astype(np.float64))
        targets.append(step.batch.target[counts])
        lasts.append(step.batch.decided[counts])
        between()
    policy.train(was_training)
    return _scored(np.concatenate(losses), np.concatenate(targets), np.concatenate(lasts), prior)


def _scored(
    loss_n6: npt.NDArray[np.float64],
    target_n6: npt.NDArray[np.uint8],
    last_n6: npt.NDArray[np.uint8],
    prior: ControllerPrior,
) -> Validation:
    changed = (target_n6 != last_n6).any(axis=1)

    def mean(values: npt.NDArray[np.float64]) -> float:
        return float(values.mean()) if len(values) else 0.0

    total = loss_n6.sum(axis=1)
    repeat = prior.repeat_loss(target_n6, last_n6).sum(axis=1)
    marginal = prior.marginal_loss(target_n6).sum(axis=1)
    parts = {
        name: mean(loss_n6[:, [part for part, g in enumerate(PART_GROUPS) if g == group]].sum(axis=1))
        for group, name in enumerate(GROUPS)
    }
    return Validation(
        val_loss=mean(total),
        val_loss_change=mean(total[changed]),
        baseline_repeat=mean(repeat),
        baseline_marginal=mean(marginal),
        baseline_repeat_change=mean(repeat[changed]),
        baseline_marginal_change=mean(marginal[changed]),
        parts=parts,
        frames=len(total),
        change_frames=int(changed.sum()),
    )
