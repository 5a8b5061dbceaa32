"""The tracker on real games, where they are at hand."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from exphil_char_ganondorf import plugin
from exphil_char_ganondorf.plugin import COLUMNS
from exphil_char_ganondorf.spacing import Spacing

from exphil_core.features.character import active_features, fighter_rows, game_features
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game
from exphil_core.testing import cut_rows, manager_with

REPOSITORY = Path(__file__).resolve().parents[3]
REPLAYS = Path(os.environ.get("EXPHIL_REPLAYS", REPOSITORY.parent / "shared" / "replays"))
# By port: Ganondorf's fighter in each.
GAMES = {"ganon-fox_DL_3.13.0_787703b9.slp": 0, "cfalcon-ganon_DL_3.12.0_afffb10a.slp": 1}
INDEX = {column.name: index for index, column in enumerate(COLUMNS)}
JAB, LAST_AERIAL = 44, 69


@cache
def game(name: str) -> Game:
    path = REPLAYS / "games" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there (set EXPHIL_REPLAYS)")
    return read_game(path, any_player=True)  # the second has a CPU player


def hits(game: Game, attacker: int) -> np.ndarray:
    """Frames in which a normal attack of `attacker` connects: damage, and hit-lag begins for both."""
    state = game.state_TPF
    hurt = np.diff(state[:, 1 - attacker, STATE["percent"]], prepend=0) > 0
    lag = state[..., STATE["hitlag"]] > 0
    begins = lag[:, attacker] & ~np.r_[False, lag[:-1, attacker]] & lag[:, 1 - attacker]
    action = game.action_TP[:, attacker]
    return np.flatnonzero(hurt & begins & (action >= JAB) & (action <= LAST_AERIAL))


def test_most_hits_happen_within_reach_and_most_frames_do_not() -> None:
    own, theirs, frames = [], [], []
    for name, ganondorf in GAMES.items():
        values = Spacing().update(fighter_rows(game(name), ganondorf))
        own.append(values[hits(game(name), ganondorf), INDEX["in_own"]])
        theirs.append(values[hits(game(name), 1 - ganondorf), INDEX["in_opponents"]])
        frames.append(values[:, INDEX["in_own"]])
    assert len(np.concatenate(own)) >= 20
    assert np.concatenate(own).mean() > 0.75
    assert np.concatenate(theirs).mean() > 0.6
    assert np.concatenate(frames).mean() < 0.35


@pytest.mark.parametrize("name", GAMES)
def test_they_come_nearer_before_a_hit(name: str) -> None:
    values = Spacing().update(fighter_rows(game(name), GAMES[name]))
    before = np.concatenate([hits(game(name), GAMES[name]) - back for back in range(1, 11)])
    closing = values[:, INDEX["closing_x"]]
    assert closing[before].mean() > closing.mean() + 0.02


@pytest.mark.parametrize("name", GAMES)
def test_frame_by_frame_is_the_whole_game(name: str) -> None:
    rows = next(cut_rows(fighter_rows(game(name), GAMES[name]), [600]))
    tracker = Spacing()
    parts = [tracker.update(piece) for piece in cut_rows(rows, range(1, len(rows.action)))]
    np.testing.assert_array_equal(np.concatenate(parts), Spacing().update(rows))


@pytest.mark.parametrize("name", GAMES)
def test_the_core_accepts_every_value_and_the_opponent_has_none(name: str) -> None:
    values = game_features(game(name), active_features(manager_with(plugin), ["spacing"]))
    assert values.shape == (len(game(name)), 2, len(COLUMNS))
    assert values[:, GAMES[name]].any(axis=0).all()
    assert not values[:, 1 - GAMES[name]].any()
