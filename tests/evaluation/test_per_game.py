"""Losses game by game are those that the canonical loss is the mean of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exphil_core.evaluation.per_game import per_game_losses
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import ControllerPrior, fit_prior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import Game
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.validation import validate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    # One game has no side to imitate, and two have one each.
    return build_store(demo_games[:4], [(0, 1), (1,), (), (0,)], delay=2)


@pytest.fixture(scope="module")
def prior(demo_games: list[Game]) -> ControllerPrior:
    return fit_prior(*build_store(demo_games[4:], [(0, 1)] * 2).targets())


@pytest.fixture(params=["mlp", "gru", "sliding_window"])
def policy(request: pytest.FixtureRequest, manager: PluginManager, prior: ControllerPrior) -> Policy:
    torch.manual_seed(1)
    policy = build_policy(manager, policy_shape(request.param, (8,), {}, observation_schema()))
    policy.head.set_prior(prior)
    for module in policy.head.logits:
        torch.nn.init.normal_(module.weight, std=0.3)
    return policy.train()


def test_their_weighted_mean_is_val_loss(policy: Policy, store: FrameStore, prior: ControllerPrior) -> None:
    games, score = per_game_losses(policy, store, CPU), validate(policy, store, prior, CPU)
    frames = np.array([game.frames for game in games])
    changes = np.array([game.change_frames for game in games])
    assert (frames.sum(), changes.sum()) == (score.frames, score.change_frames)
    assert np.average([g.loss for g in games], weights=frames) == pytest.approx(score.val_loss, abs=1e-6)
    change = np.average([g.loss_change for g in games], weights=changes)
    assert change == pytest.approx(score.val_loss_change, abs=1e-6)
    for part, nats in score.parts.items():
        assert np.average([g.parts[part] for g in games], weights=frames) == pytest.approx(nats, abs=1e-6)


def test_each_is_that_of_its_game_alone(
    policy: Policy, store: FrameStore, prior: ControllerPrior, demo_games: list[Game]
) -> None:
    fighters = {0: (0, 1), 1: (1,), 3: (0,)}
    games = per_game_losses(policy, store, CPU)
    assert [game.game for game in games] == [demo_games[index].info.game_hash for index in fighters]
    for (index, sides), game in zip(fighters.items(), games, strict=True):
        alone = validate(policy, build_store([demo_games[index]], [sides], delay=2), prior, CPU)
        assert game.loss == pytest.approx(alone.val_loss, abs=1e-5)
        assert game.frames == alone.frames


def test_the_policy_stays_in_training(policy: Policy, store: FrameStore) -> None:
    per_game_losses(policy, store, CPU)
    assert policy.training
