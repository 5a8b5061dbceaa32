"""The canonical loss is what its definition says, however it is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import ControllerPrior, fit_prior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import Game
from exphil_core.training import validation
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.samples import Windows
from exphil_core.training.validation import validate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games[:2], [(0, 1), (1,)], delay=1)


@pytest.fixture(scope="module")
def prior(demo_games: list[Game]) -> ControllerPrior:
    return fit_prior(*build_store(demo_games[2:], [(0, 1)] * 4).targets())


@pytest.fixture(params=["mlp", "gru", "mamba"])
def policy(request: pytest.FixtureRequest, manager: PluginManager, prior: ControllerPrior) -> Policy:
    torch.manual_seed(1)
    policy = build_policy(manager, policy_shape(request.param, (8,), {}, observation_schema()))
    policy.head.set_prior(prior)
    for module in policy.head.logits:
        torch.nn.init.normal_(module.weight, std=0.3)
    return policy


def test_it_does_not_depend_on_lanes_and_windows(
    policy: Policy, store: FrameStore, prior: ControllerPrior, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = []
    for lanes, window in ((32, 256), (1, 100), (2, 5000)):
        monkeypatch.setattr(validation, "LANES", lanes)
        monkeypatch.setattr(validation, "WINDOW", window)
        scores.append(validate(policy, store, prior, CPU))
    for score in scores[1:]:
        assert score.val_loss == pytest.approx(scores[0].val_loss, abs=1e-5)
        assert score.val_loss_change == pytest.approx(scores[0].val_loss_change, abs=1e-5)
        assert score.frames == scores[0].frames


def test_it_is_the_mean_over_examples_of_each_side_run_alone(
    policy: Policy, store: FrameStore, prior: ControllerPrior
) -> None:
    policy.eval()
    losses, changed = [], []
    sides = store.sides
    for game, fighter, rows in zip(sides.game, sides.fighter, sides.rows, strict=True):
        batch = store.batch(Windows.single(game, fighter, 0, rows))
        tensors = to_tensors(batch, CPU)
        with torch.no_grad():
            parts, _ = policy.loss(
                tensors.floats, tensors.ids, tensors.decided, tensors.target, policy.initial_state(1)
            )
        losses.append(parts.sum(-1).numpy()[batch.counts])
        changed.append((batch.target != batch.decided).any(-1)[batch.counts])
    loss, change = np.concatenate(losses), np.concatenate(changed)
    score = validate(policy, store, prior, CPU)
    assert score.val_loss == pytest.approx(loss.mean(), abs=1e-5)
    assert score.val_loss_change == pytest.approx(loss[change].mean(), abs=1e-4)
    assert (score.frames, score.change_frames) == (len(loss), int(change.sum()))
    assert sum(score.parts.values()) == pytest.approx(score.val_loss, abs=1e-6)


def test_baselines_are_those_of_the_same_frames(
    policy: Policy, store: FrameStore, prior: ControllerPrior
) -> None:
    target, last = store.targets()
    score = validate(policy, store, prior, CPU)
    assert score.baseline_repeat == pytest.approx(prior.repeat_loss(target, last).sum(-1).mean())
    assert score.baseline_marginal == pytest.approx(prior.marginal_loss(target).sum(-1).mean())


def test_validating_leaves_the_policy_in_training(
    policy: Policy, store: FrameStore, prior: ControllerPrior
) -> None:
    policy.train()
    validate(policy, store, prior, CPU)
    assert policy.training
