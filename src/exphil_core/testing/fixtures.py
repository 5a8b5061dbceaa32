"""Pytest fixtures for plugins: ``pytest_plugins = ["exphil_core.testing.fixtures"]`` in a conftest or test module.

The only module here that needs pytest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from exphil_core.features.character import FighterRows, fighter_rows
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays
from exphil_core.testing.rows import random_rows

# Ten seconds each: the sandbox plays and the reader reads all four in half a second.
GAMES, MINUTES, SEED = 4, 1 / 6, 11


@pytest.fixture(scope="session")
def exphil_manager() -> PluginManager:
    """Everything installed."""
    return load_plugins()


@pytest.fixture(scope="session")
def exphil_replays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four short `.slp` files made by the sandbox (Fox, Falco, Marth, Mewtwo); not Melee."""
    folder = tmp_path_factory.mktemp("exphil-replays")
    make_replays(folder, games=GAMES, minutes=MINUTES, seed=SEED)
    return folder


@pytest.fixture(scope="session")
def exphil_games(exphil_replays: Path) -> list[Game]:
    """The games of `exphil_replays`, read."""
    return [read_game(path) for path in sorted(exphil_replays.glob("*.slp"))]


@pytest.fixture(scope="session")
def exphil_game_rows(exphil_games: list[Game]) -> list[FighterRows]:
    """Both fighters of each of `exphil_games`, as features see them."""
    return [fighter_rows(game, fighter) for game in exphil_games for fighter in (0, 1)]


@pytest.fixture
def exphil_rows() -> FighterRows:
    """300 made-up frames of a Fox on Battlefield, some of the state unknown."""
    return random_rows(0, unknown=0.1)
