"""Fixtures that everything uses: games made by the sandbox, and real replays where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays

REPOSITORY = Path(__file__).resolve().parent.parent


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
