"""Fixtures that everything uses: games made by the sandbox, and real replays where they are at hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays

if TYPE_CHECKING:
    from exphil_core.models.policy import Policy

# How fast examples are made says how busy the machine is, not whether the code is right.
settings.register_profile("exphil", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("exphil")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let the processes that tests start be interrupted: a shell's background jobs ignore SIGINT, those of `nohup`
    SIGHUP, and both hand that down."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing that a test reads ends in the user's cache."""
    os.environ["EXPHIL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six short demo games."""
    folder = tmp_path_factory.mktemp("demo")
    make_replays(folder, games=6, minutes=0.4, seed=7)
    return folder


@pytest.fixture(scope="session")
def demo_games(demo_folder: Path) -> list[Game]:
    return [read_game(path) for path in sorted(demo_folder.glob("*.slp"))]


@pytest.fixture(scope="session")
def manager() -> PluginManager:
    return load_plugins()


@pytest.fixture(scope="session")
def real_replays() -> Path:
    """The folder of real replays; tests that need it are skipped without it."""
    folder = Path(os.environ.get("EXPHIL_REPLAYS", REPOSITORY.parent / "shared" / "replays"))
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no real replays in {folder}; set EXPHIL_REPLAYS")
    return folder


@pytest.fixture(scope="session")
def made_policy(manager: PluginManager) -> Callable[..., Policy]:
    """``made_policy("gru", features=("teleport",), delay=2)``: a small policy with weights everywhere, as if trained,
    and with its description."""
    import torch

    from exphil_core.checkpoints.needs import BACKBONE, FEATURES, plugins_json
    from exphil_core.features.schema import observation_schema
    from exphil_core.models.policy import build_policy, policy_shape
    from exphil_core.replays.controller import PARTS

    def make(
        backbone: str = "gru",
        *,
        features: tuple[str, ...] = (),
        delay: int = 0,
        hidden: tuple[int, ...] = (24, 24),
        **description: Any,
    ) -> Policy:
        entries = [manager.get(FEATURES, name) for name in features]
        schema = observation_schema([entry.spec for entry in entries])
        generator = torch.Generator().manual_seed(5)
        torch.manual_seed(5)
        policy = build_policy(manager, policy_shape(backbone, hidden, {}, schema)).eval()
        with torch.no_grad():
            for weight in policy.parameters():
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        origins = [(BACKBONE, manager.get(BACKBONE, backbone)), *((FEATURES, entry) for entry in entries)]
        policy.description = {
            "observation": schema.as_json(),
            "controller": {"parts": list(PARTS)},
            "delay": delay,
            "character": None,
            "plugins": plugins_json(origins),
            "total_epochs": 1,
            **description,
        }
        return policy

    return make
