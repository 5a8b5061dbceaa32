"""The tracker on real games, where they are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exphil_char_zelda import plugin
from exphil_char_zelda.dual import DualCharacter
from exphil_char_zelda.plugin import COLUMNS

from exphil_core.features.character import fighter_rows
from exphil_core.melee.characters import SHEIK_INTERNAL, ZELDA_INTERNAL
from exphil_core.replays.filters import GameFilter, select
from exphil_core.replays.game import Game
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at
from exphil_core.replays.slp import read_game
from exphil_core.replays.sources import find_replays
from exphil_core.sandbox import make_replays
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

BOTH_FORMS = "zelda-mario_BF_3.12.0_b1c859bb.slp"  # against a CPU player
SHEIK_ONLY = "sheik-falco_YS_2.0.1_38731120.slp"
INDEX = {column.name: index for index, column in enumerate(COLUMNS)}

Games = Callable[..., list[Game]]


def test_a_real_change_is_followed(exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(BOTH_FORMS)
    values = DualCharacter().update(fighter_rows(game, 0))
    told = {name: values[:, index] for name, index in INDEX.items()}
    assert np.flatnonzero(told["leaving"]).tolist() == list(range(489, 532))
    assert np.flatnonzero(told["arriving"]).tolist() == list(range(532, 558))
    assert told["zelda"][:532].all()
    assert told["sheik"][532:].all()
    assert (told["since_change"][:532] == 1).all()
    assert told["since_change"][532] == 0
    assert told["since_change"][832] == 0.5
    assert told["other_share"][-1] == pytest.approx(532 / len(values))


def test_who_never_changes_is_sheik_all_along(exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(SHEIK_ONLY)
    values = DualCharacter().update(fighter_rows(game, 0))
    expected = {"zelda": 0, "sheik": 1, "leaving": 0, "arriving": 0, "since_change": 1, "other_share": 0}
    for name, value in expected.items():
        assert (values[:, INDEX[name]] == value).all(), name


def test_it_holds_on_real_games(exphil_real_games: Games) -> None:
    games = [*exphil_real_games(BOTH_FORMS), *exphil_real_games(SHEIK_ONLY)]
    check_feature_on_games("dual-character", games, manager=manager_with(plugin))


def test_changes_of_the_sandbox_are_followed_both_ways(exphil_sandbox: Games) -> None:
    games = exphil_sandbox("zelda", "sheik", games=4, minutes=1.5)
    check_feature_on_games("dual-character", games, manager=manager_with(plugin))
    seen = set()
    for game in games:
        for side in (0, 1):
            form = game.character_TP[:, side]
            values = DualCharacter().update(fighter_rows(game, side))
            for frame in np.flatnonzero(np.diff(form.astype(int))):
                assert values[frame, INDEX["leaving"]] == values[frame + 1, INDEX["arriving"]] == 1
                assert values[frame + 1, INDEX["since_change"]] == 0
                seen.add(int(form[frame]))
    assert seen == {ZELDA_INTERNAL, SHEIK_INTERNAL}


def test_a_model_of_zelda_learns_from_both_forms_and_from_whoever_became_zelda(tmp_path: Path) -> None:
    """Sides that started as Sheik count once they were Zelda, and all their frames are imitated."""
    make_replays(tmp_path / "games", games=6, minutes=1.5, seed=11, characters=("zelda", "sheik", "fox"))
    files = find_replays([str(tmp_path / "games")])
    with ReplayIndex(tmp_path / "cache") as index:
        chosen = select(files, look_at(files, index), GameFilter(character="zelda")).chosen
    started_as_sheik = forms = 0
    for item in chosen:
        game = read_game(tmp_path / "games" / item.file.name)
        for side in item.sides:
            shown = set(np.unique(game.character_TP[:, side]).tolist())
            assert ZELDA_INTERNAL in shown
            forms += SHEIK_INTERNAL in shown
            started_as_sheik += game.character_TP[0, side] == SHEIK_INTERNAL
    assert forms >= 2
    assert started_as_sheik >= 1
