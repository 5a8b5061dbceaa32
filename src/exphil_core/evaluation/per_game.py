"""The validation loss game by game, so that two policies can be compared on the same games in pairs."""

from __future__ import annotations

import itertools

import attrs
import numpy as np
import torch

from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.prefetch import ahead
from exphil_core.training.sampling import validation_plans
from exphil_core.training.validation import LANES, WINDOW


@attrs.frozen(kw_only=True)
class GameLoss:
    """Nats a frame over all sides of one game: of all examples, and of those on which the controller changes (0
    without any). `parts` splits `loss` into buttons, main stick, C-stick, shoulder."""

    game: str
    loss: float
    loss_change: float
    parts: dict[str, float]
    frames: int
    change_frames: int


@torch.no_grad()
def per_game_losses(policy: Policy, store: FrameStore, device: torch.device) -> list[GameLoss]:
    """The canonical loss of `policy` on each game of `store` that has examples, in the store's order.

    Weighted with their frames they give `val_loss`, with their change frames `val_loss_change`.
    """
    was_training = policy.training
    policy.eval()
    state = policy.initial_state(0)
    # Columns: all examples, those that change.
    losses, counts = np.zeros((len(store.table), 2)), np.zeros((len(store.table), 2), np.int64)
    parts = np.zeros((len(store.table), len(GROUPS)))
    plans, again = itertools.tee(validation_plans(store, LANES, WINDOW))
    for plan, step in zip(again, ahead(plans, store), strict=True):
        tensors = to_tensors(step.batch, device)
        state = carried_state(policy, state, step, device)
        parts_BT6, state = policy.loss(tensors.floats, tensors.ids, tensors.decided, tensors.target, state)
        lane, frame = np.nonzero(step.batch.counts)
        loss_n6 = parts_BT6.cpu().numpy()[lane, frame].astype(np.float64)
        changed = (step.batch.target[lane, frame] != step.batch.decided[lane, frame]).any(axis=1)
        game = plan.windows.game[lane]
        for column, chosen in enumerate((slice(None), changed)):
            np.add.at(losses[:, column], game[chosen], loss_n6[chosen].sum(axis=1))
            np.add.at(counts[:, column], game[chosen], 1)
        for part, group in enumerate(PART_GROUPS):
            np.add.at(parts[:, group], game, loss_n6[:, part])
    policy.train(was_training)
    least_one = np.maximum(counts, 1)
    means, part_means = losses / least_one, parts / least_one[:, :1]
    return [
        GameLoss(
            game=name,
            loss=float(means[game, 0]),
            loss_change=float(means[game, 1]),
            parts=dict(zip(GROUPS, map(float, part_means[game]), strict=True)),
            frames=int(counts[game, 0]),
            change_frames=int(counts[game, 1]),
        )
        for game, name in enumerate(store.table.hashes())
        if counts[game, 0]
    ]
