"""Small policies with a will of their own, and what they are judged on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.config.resolve import resolve
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import ControllerPrior, fit_prior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import Game
from exphil_core.sandbox import make_replays
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, train

NOW = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
TINY = {"epochs": "1", "max_steps": "4", "window_size": "30", "batch_size": "4", "seed": "3"}

MakePolicy = Callable[..., Policy]


@pytest.fixture(scope="session")
def prior(demo_games: list[Game]) -> ControllerPrior:
    """Fitted on games that nothing here is judged on."""
    return fit_prior(*build_store(demo_games[4:], [(0, 1)] * 2).targets())


@pytest.fixture(scope="session")
def store(demo_games: list[Game]) -> FrameStore:
    """One game has no side to judge, and two have one each."""
    return build_store(demo_games[:4], [(0, 1), (1,), (), (0,)], delay=2)


@pytest.fixture(scope="session")
def make_policy(manager: PluginManager, prior: ControllerPrior) -> MakePolicy:
    def make(backbone: str = "gru", seed: int = 1) -> Policy:
        torch.manual_seed(seed)
        policy = build_policy(manager, policy_shape(backbone, (8,), {}, observation_schema()))
        policy.head.set_prior(prior)
        for module in policy.head.logits:
            torch.nn.init.normal_(module.weight, std=0.3)
        return policy.eval()

    return make


@pytest.fixture(scope="session")
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six demo games of eight seconds each."""
    folder = tmp_path_factory.mktemp("short")
    make_replays(folder, games=6, minutes=0.13, seed=7)
    return folder


@pytest.fixture(scope="session")
def trained(
    manager: PluginManager, short_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainedModel]:
    """Two models of one folder, which differ in everything."""
    folder = tmp_path_factory.mktemp("models")

    def run(**flags: Any) -> TrainedModel:
        given = {"replays": (str(short_folder),), "checkpoints": str(folder), **TINY, **flags}
        model = train(resolve(manager, flags=given), manager, SilentReporter(), now=NOW)
        assert isinstance(model, TrainedModel)
        return model

    return {
        "gru": run(backbone="gru", hidden_sizes="8"),
        "mlp": run(backbone="mlp", hidden_sizes="16,16", delay="3", batch_size="256", features="teleport"),
    }
