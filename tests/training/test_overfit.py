"""Every backbone can learn one stretch of a game by heart: if that fails, nothing else matters."""

from __future__ import annotations

import pytest
import torch

from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.models.prior import fit_prior
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import Game
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import build_store
from exphil_core.training.samples import Windows

FRAMES, STEPS = 40, 400
# The share of the first loss that is left when the stretch is known by heart.
LEARNED = 0.07


@pytest.mark.parametrize("name", load_plugins().names("exphil_backbones"))
def test_one_stretch_is_learned_by_heart(name: str, manager: PluginManager, demo_games: list[Game]) -> None:
    store = build_store(demo_games[:1], [(0,)])
    prior = fit_prior(*store.targets())
    torch.manual_seed(0)
    policy = build_policy(manager, policy_shape(name, (48,), {}, observation_schema()))
    policy.head.set_prior(prior)
    batch = store.batch(Windows.single(0, 0, 300, 300 + FRAMES))
    tensors = to_tensors(batch, torch.device("cpu"))
    optimiser = torch.optim.Adam(policy.parameters(), lr=5e-3)
    losses = []
    for _ in range(STEPS):
        parts, _ = policy.loss(
            tensors.floats, tensors.ids, tensors.decided, tensors.target, policy.initial_state(1)
        )
        loss = parts.sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if losses[-1] < LEARNED * losses[0]:
            break
    baseline = prior.repeat_loss(batch.target, batch.decided).sum(-1).mean()
    assert losses[0] == pytest.approx(baseline, rel=0.01)
    assert losses[-1] < LEARNED * losses[0]
