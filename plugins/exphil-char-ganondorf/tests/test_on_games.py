"""The tracker on real games, where they are at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from exphil_char_ganondorf import plugin
from exphil_char_ganondorf.plugin import COLUMNS
from exphil_char_ganondorf.spacing import Spacing

from exphil_core.features.character import fighter_rows
from exphil_core.replays.game import STATE, Game
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

# By port: Ganondorf's fighter in each.
GAMES = {"ganon-fox_DL_3.13.0_787703b9.slp": 0, "cfalcon-ganon_DL_3.12.0_afffb10a.slp": 1}
INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
JAB, LAST_AERIAL = 44, 69

Games = Callable[..., list[Game]]


def hits(game: Game, attacker: int) -> np.ndarray:
    """Frames in which a normal attack of `attacker` connects: damage, and hit-lag begins for both."""
    state = game.state_TPF
    hurt = np.diff(state[:, 1 - attacker, STATE["percent"]], prepend=0) > 0
    lag = state[..., STATE["hitlag"]] > 0
    begins = lag[:, attacker] & ~np.r_[False, lag[:-1, attacker]] & lag[:, 1 - attacker]
    action = game.action_TP[:, attacker]
    return np.flatnonzero(hurt & begins & (action >= JAB) & (action <= LAST_AERIAL))


def test_most_hits_happen_within_reach_and_most_frames_do_not(exphil_real_games: Games) -> None:
    own, theirs, frames = [], [], []
    for name, ganondorf in GAMES.items():
        (game,) = exphil_real_games(name)
        values = Spacing().update(fighter_rows(game, ganondorf))
        own.append(values[hits(game, ganondorf), INDEX["in_own"]])
        theirs.append(values[hits(game, 1 - ganondorf), INDEX["in_opponents"]])
        frames.append(values[:, INDEX["in_own"]])
    assert len(np.concatenate(own)) >= 20
    assert np.concatenate(own).mean() > 0.75
    assert np.concatenate(theirs).mean() > 0.6
    assert np.concatenate(frames).mean() < 0.35


@pytest.mark.parametrize("name", GAMES)
def test_they_come_nearer_before_a_hit(name: str, exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(name)
    values = Spacing().update(fighter_rows(game, GAMES[name]))
    before = np.concatenate([hits(game, GAMES[name]) - back for back in range(1, 11)])
    closing = values[:, INDEX["closing_x"]]
    assert closing[before].mean() > closing.mean() + 0.02


def test_it_holds_on_real_games(exphil_real_games: Games) -> None:
    check_feature_on_games("spacing", exphil_real_games("*ganon*.slp"), manager=manager_with(plugin))


def test_it_holds_on_sandbox_games(exphil_sandbox: Games) -> None:
    games = exphil_sandbox("ganondorf", "marth")
    check_feature_on_games("spacing", games, manager=manager_with(plugin))
    sides = [(g, s) for g in games for s in (0, 1) if g.info.players[s].character.name == "ganondorf"]
    for game, side in sides:
        values = Spacing().update(fighter_rows(game, side))
        struck = hits(game, side)
        if len(struck) > 5:
            assert values[struck, INDEX["in_own"]].mean() > values[:, INDEX["in_own"]].mean() + 0.2
