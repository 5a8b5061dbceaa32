"""Pytest fixtures for plugins: ``pytest_plugins = ["exphil_core.testing.fixtures"]`` in a conftest or test module.

The only module here that needs pytest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exphil_core.errors import ReplayError
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


@pytest.fixture(scope="session")
def exphil_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Game]]:
    """Games of a cast, read: ``exphil_sandbox("mewtwo", "fox", games=2, minutes=0.5, seed=1)``."""
    made: dict[tuple[object, ...], list[Game]] = {}

    def play(*characters: str, games: int = 2, minutes: float = 0.5, seed: int = SEED) -> list[Game]:
        key = (characters, games, minutes, seed)
        if key not in made:
            folder = tmp_path_factory.mktemp("exphil-sandbox")
            paths = make_replays(folder, games=games, minutes=minutes, seed=seed, characters=characters)
            made[key] = [read_game(path) for path in paths]
        return made[key]

    return play


@pytest.fixture(scope="session")
def exphil_real_games() -> Callable[[str], list[Game]]:
    """Your own replays below the folder EXPHIL_REPLAYS that match a pattern, CPU players' too; those that can't be
    read are left out. Where there are none, the test is skipped."""
    read: dict[str, list[Game]] = {}

    def find(pattern: str) -> list[Game]:
        folder = os.environ.get("EXPHIL_REPLAYS", "")
        if pattern not in read:
            read[pattern] = [] if not folder else list(_readable(sorted(Path(folder).rglob(pattern))))
        if not read[pattern]:
            pytest.skip(f"no real replays {pattern} in {folder or 'EXPHIL_REPLAYS, which is not set'}")
        return read[pattern]

    return find


def _readable(paths: list[Path]) -> Iterator[Game]:
    for path in paths:
        try:
            yield read_game(path, any_player=True)
        except ReplayError:
            continue
