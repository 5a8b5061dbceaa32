"""The tracker on whole games: real replays where there are any, and sandbox games always."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from exphil_char_gameandwatch import plugin
from exphil_char_gameandwatch.hammer import GAME_AND_WATCH, Hammer
from exphil_char_gameandwatch.plugin import AERIALS, COLUMNS

from exphil_core.features.character import fighter_rows
from exphil_core.replays.game import Game
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

MANY_AERIALS = "gnw-mewtwo_FD_3.19.1_f09ea8a8.slp"
ALL_AERIALS = "gnw-fox_FD_3.12.0_fa7977e5.slp"
INDEX = {column.name: index for index, column in enumerate(COLUMNS)}

Games = Callable[..., list[Game]]


def uses(game: Game, fighter: int) -> dict[str, int]:
    """How often each flag went up."""
    values = Hammer().update(fighter_rows(game, fighter))
    ups = (np.diff(values, axis=0, prepend=0) > 0).sum(axis=0)
    return {column.name: int(ups[index]) for index, column in enumerate(COLUMNS)}


def his_sides(games: list[Game]) -> list[tuple[Game, int]]:
    return [(g, side) for g in games for side in (0, 1) if g.character_TP[0, side] == GAME_AND_WATCH]


def test_real_aerials_are_counted(exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(MANY_AERIALS)
    told = uses(game, 0)
    assert [told[aerial] for aerial in AERIALS] == [0, 61, 16, 4, 18]
    assert told["cancellable"] == 79
    assert told["landing"] == 59 + 16 + 14
    assert told["judging"] == 0


def test_every_aerial_occurs_with_its_own_landing(exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(ALL_AERIALS)
    told = uses(game, 0)
    assert [told[aerial] for aerial in AERIALS] == [1, 1, 1, 1, 1]
    assert (told["cancellable"], told["landing"]) == (2, 5)


def test_real_games_never_use_the_common_ids_that_he_has_his_own_for(exphil_real_games: Games) -> None:
    for game, side in his_sides(exphil_real_games("*gnw*.slp")):
        assert not np.isin(game.action_TP[:, side], (65, 67, 68, 70, 72, 73)).any()


def test_seven_numbers_can_always_come_next(exphil_real_games: Games, exphil_sandbox: Games) -> None:
    games = [*exphil_real_games("*gnw*.slp"), *exphil_sandbox("gameandwatch", "fox", games=4, minutes=1.0)]
    check_feature_on_games("hammer", games, manager=manager_with(plugin))
    for game, side in his_sides(games):
        values = Hammer().update(fighter_rows(game, side))
        assert (values[:, INDEX["next_1"] : INDEX["next_9"] + 1].sum(axis=1) == 7).all()


def test_no_judge_of_the_sandbox_comes_that_was_ruled_out(exphil_sandbox: Games) -> None:
    draws = set()
    for game, side in his_sides(exphil_sandbox("gameandwatch", "fox", games=4, minutes=1.0)):
        values = Hammer().update(fighter_rows(game, side))
        begins = np.flatnonzero(np.diff(values[:, INDEX["judging"]], prepend=0) > 0)
        for frame in begins:
            number = round(float(values[frame, INDEX["last"]]) * 9)
            assert values[frame - 1, INDEX[f"next_{number}"]] == 1
            draws.add(number)
    assert len(draws) >= 4
