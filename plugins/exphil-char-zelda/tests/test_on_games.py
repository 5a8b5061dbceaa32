"""The tracker on real games, where they are at hand."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from exphil_char_zelda import plugin
from exphil_char_zelda.dual import DualCharacter
from exphil_char_zelda.plugin import COLUMNS

from exphil_core.features.character import active_features, fighter_rows, game_features
from exphil_core.replays.filters import played
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.testing import cut_rows, manager_with

REPOSITORY = Path(__file__).resolve().parents[3]
REPLAYS = Path(os.environ.get("EXPHIL_REPLAYS", REPOSITORY.parent / "shared" / "replays"))
BOTH_FORMS = "zelda-mario_BF_3.12.0_b1c859bb.slp"  # against a CPU player
SHEIK_ONLY = "sheik-falco_YS_2.0.1_38731120.slp"
INDEX = {column.name: index for index, column in enumerate(COLUMNS)}


@cache
def game(name: str) -> Game:
    path = REPLAYS / "games" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there (set EXPHIL_REPLAYS)")
    return read_game(path, any_player=True)


def test_a_real_change_is_followed() -> None:
    values = DualCharacter().update(fighter_rows(game(BOTH_FORMS), 0))
    told = {name: values[:, index] for name, index in INDEX.items()}
    assert np.flatnonzero(told["leaving"]).tolist() == list(range(489, 532))
    assert np.flatnonzero(told["arriving"]).tolist() == list(range(532, 558))
    assert told["zelda"][:532].all()
    assert told["sheik"][532:].all()
    assert (told["since_change"][:532] == 1).all()
    assert told["since_change"][532] == 0
    assert told["since_change"][832] == 0.5
    assert told["other_share"][-1] == pytest.approx(532 / len(values))


def test_who_never_changes_is_sheik_all_along() -> None:
    values = DualCharacter().update(fighter_rows(game(SHEIK_ONLY), 0))
    expected = {"zelda": 0, "sheik": 1, "leaving": 0, "arriving": 0, "since_change": 1, "other_share": 0}
    for name, value in expected.items():
        assert (values[:, INDEX[name]] == value).all(), name


@pytest.mark.parametrize("name", [BOTH_FORMS, SHEIK_ONLY])
def test_frame_by_frame_is_the_whole_game(name: str) -> None:
    rows = next(cut_rows(fighter_rows(game(name), 0), [1200]))
    tracker = DualCharacter()
    parts = [tracker.update(piece) for piece in cut_rows(rows, range(1, len(rows.action)))]
    np.testing.assert_array_equal(np.concatenate(parts), DualCharacter().update(rows))


@pytest.mark.parametrize("name", [BOTH_FORMS, SHEIK_ONLY])
def test_the_core_accepts_every_value_and_the_opponent_has_none(name: str) -> None:
    values = game_features(game(name), active_features(manager_with(plugin), ["dual-character"]))
    assert values.shape == (len(game(name)), 2, len(COLUMNS))
    assert values[:, 0].any()
    assert not values[:, 1].any()


def test_a_side_that_changes_counts_as_both() -> None:
    assert played(game(BOTH_FORMS), 0, "zelda")
    assert played(game(BOTH_FORMS), 0, "sheik")
