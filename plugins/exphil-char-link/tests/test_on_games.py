"""The tracker on whole games: real replays where there are any, and sandbox games always."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_link import plugin
from exphil_char_link.items import LINKS, ItemTracking
from exphil_char_link.plugin import COLUMNS

from exphil_core.errors import ReplayError
from exphil_core.features.character import FighterRows, active_features, fighter_rows, game_features
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.testing import check_character_feature, cut_rows, manager_with

REPOSITORY = Path(__file__).resolve().parents[3]
REPLAYS = Path(os.environ.get("EXPHIL_REPLAYS", REPOSITORY.parent / "shared" / "replays"))
WITH_EVERYTHING = "falco-ylink_PS_3.9.0_484ef831.slp"


@cache
def real_games() -> dict[str, Game]:
    games = {}
    for path in sorted((REPLAYS / "games").glob("*link*.slp")):
        try:
            games[path.name] = read_game(path, any_player=True)
        except ReplayError as error:
            print(f"{path.name}: {error}")
    return games


def young_link() -> FighterRows:
    if WITH_EVERYTHING not in real_games():
        pytest.skip(f"{WITH_EVERYTHING} is not in {REPLAYS} (set EXPHIL_REPLAYS)")
    return fighter_rows(real_games()[WITH_EVERYTHING], 1)


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = ItemTracking().update(rows)
    return {column.name: values[:, index] for index, column in enumerate(COLUMNS)}


def test_every_item_of_a_real_young_link_is_told() -> None:
    rows = young_link()
    told = track(rows)
    assert told["known"].all()
    for kind, item, ever in (
        ("bomb", 0x3B, 4),
        ("boomerang", 0x3D, 2),
        ("arrow", 0x41, 8),
        ("hookshot", 0x3F, 14),
    ):
        own = (rows.items.type == item) & (rows.items.owner == 0)
        assert len(np.unique(rows.items.spawn_id[own])) == ever
        count = np.bincount(rows.items.frame()[own], minlength=len(rows.action))
        np.testing.assert_array_equal(told[f"{kind}_count"], np.minimum(count, 4) / 4)


def test_a_real_bomb_is_drawn_held_thrown_and_goes_off() -> None:
    rows = young_link()
    told, items = track(rows), rows.items
    # The first bomb: 104 frames in hand, 61 in the air, 80 of explosion; the only one in these frames.
    first = items.frame()[items.type == 0x3B][0]
    life = slice(first, first + 245)
    assert told["bomb_held"][life].tolist() == [1] * 104 + [0] * 141
    assert told["bomb_exploding"][life].tolist() == [0] * 165 + [1] * 80
    assert told["bomb"][first + 245] == 0
    assert told["bomb_left"][first] == 1
    assert told["bomb_left"][first + 103] == pytest.approx(197 / 300)
    np.testing.assert_allclose(told["bomb_age"][life], np.arange(245) / 300, rtol=1e-6)
    # In hand it is with him; as it leaves the hand it is still near.
    assert not told["bomb_x"][first : first + 104].any()
    assert np.hypot(told["bomb_x"], told["bomb_y"])[first + 104] < 0.1


def test_the_arrow_nearest_to_him_flies_as_the_replay_says() -> None:
    rows = young_link()
    told, items = track(rows), rows.items
    flying = np.flatnonzero((items.type == 0x41) & (items.state == 1))
    frame = items.frame()[flying]
    alone = told["arrow_count"][frame] == 0.25
    assert alone.sum() > 100
    way = (items.x[flying] - rows.column("x")[frame]) / 100
    np.testing.assert_allclose(told["arrow_x"][frame[alone]], np.clip(way, -2, 2)[alone], atol=1e-6)


def test_frame_by_frame_is_the_whole() -> None:
    rows = young_link()
    _, piece, _ = cut_rows(rows, (4400, 4800))  # the first bomb's life
    tracker = ItemTracking()
    parts = [tracker.update(one) for one in cut_rows(piece, range(1, len(piece.action)))]
    np.testing.assert_array_equal(np.concatenate(parts), ItemTracking().update(piece))


def test_the_core_accepts_real_games_and_others_have_no_items() -> None:
    if not real_games():
        pytest.skip(f"no real replays with Link or Young Link in {REPLAYS} (set EXPHIL_REPLAYS)")
    features = active_features(manager_with(plugin), ["item-tracking"])
    for game in real_games().values():
        values = game_features(game, features)
        for fighter in (0, 1):
            links = np.isin(game.character_TP[:, fighter], LINKS)
            assert not values[~links, fighter].any()


def test_sandbox_games_keep_the_contract(tmp_path: Path) -> None:
    from exphil_core.sandbox import make_replays

    paths = make_replays(tmp_path, games=1, minutes=0.05, seed=5, characters=("link", "falco"))
    rows = [fighter_rows(read_game(path), fighter) for path in paths for fighter in (0, 1)]
    check_character_feature("item-tracking", rows=rows, manager=manager_with(plugin), frames=10)
