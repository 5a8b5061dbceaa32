"""The tracker on whole games: real replays where there are any, and sandbox games always."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from exphil_char_gameandwatch import plugin
from exphil_char_gameandwatch.hammer import GAME_AND_WATCH, Hammer
from exphil_char_gameandwatch.plugin import AERIALS, COLUMNS

from exphil_core.errors import ReplayError
from exphil_core.features.character import active_features, fighter_rows, game_features
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.testing import check_character_feature, manager_with

REPOSITORY = Path(__file__).resolve().parents[3]
REPLAYS = Path(os.environ.get("EXPHIL_REPLAYS", REPOSITORY.parent / "shared" / "replays"))
MANY_AERIALS = "gnw-mewtwo_FD_3.19.1_f09ea8a8.slp"
ALL_AERIALS = "gnw-fox_FD_3.12.0_fa7977e5.slp"


@cache
def real_games() -> dict[str, Game]:
    games = {}
    for path in sorted((REPLAYS / "games").glob("*gnw*.slp")):
        try:
            games[path.name] = read_game(path, any_player=True)
        except ReplayError as error:
            print(f"{path.name}: {error}")
    return games


def real_game(name: str) -> Game:
    if name not in real_games():
        pytest.skip(f"{name} is not in {REPLAYS} (set EXPHIL_REPLAYS)")
    return real_games()[name]


def uses(game: Game, fighter: int) -> dict[str, int]:
    """How often each flag went up."""
    values = Hammer().update(fighter_rows(game, fighter))
    ups = (np.diff(values, axis=0, prepend=0) > 0).sum(axis=0)
    return {column.name: int(ups[index]) for index, column in enumerate(COLUMNS)}


def test_real_aerials_are_counted() -> None:
    told = uses(real_game(MANY_AERIALS), 0)
    assert [told[aerial] for aerial in AERIALS] == [0, 61, 16, 4, 18]
    assert told["cancellable"] == 79
    assert told["landing"] == 59 + 16 + 14
    assert told["judging"] == 0


def test_every_aerial_occurs_with_its_own_landing() -> None:
    told = uses(real_game(ALL_AERIALS), 0)
    assert [told[aerial] for aerial in AERIALS] == [1, 1, 1, 1, 1]
    assert (told["cancellable"], told["landing"]) == (2, 5)


def test_real_games_never_use_the_common_ids_that_he_has_his_own_for() -> None:
    if not real_games():
        pytest.skip(f"no real replays with Mr. Game & Watch in {REPLAYS} (set EXPHIL_REPLAYS)")
    for game in real_games().values():
        his = game.action_TP[game.character_TP == GAME_AND_WATCH]
        assert not np.isin(his, (65, 67, 68, 70, 72, 73)).any()


def test_the_core_accepts_real_games_and_others_have_no_hammer() -> None:
    if not real_games():
        pytest.skip(f"no real replays with Mr. Game & Watch in {REPLAYS} (set EXPHIL_REPLAYS)")
    features = active_features(manager_with(plugin), ["hammer"])
    for game in real_games().values():
        values = game_features(game, features)
        for fighter in (0, 1):
            his = game.character_TP[:, fighter] == GAME_AND_WATCH
            assert not values[~his, fighter].any()
            assert (values[his, fighter, 3:12].sum(axis=1) == 7).all()


def test_sandbox_games_keep_the_contract(tmp_path: Path) -> None:
    from exphil_core.sandbox import make_replays

    paths = make_replays(tmp_path, games=1, minutes=0.05, seed=5, characters=("gameandwatch", "fox"))
    rows = [fighter_rows(read_game(path), fighter) for path in paths for fighter in (0, 1)]
    check_character_feature("hammer", rows=rows, manager=manager_with(plugin), frames=10)
