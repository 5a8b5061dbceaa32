"""The tracker on whole games: real replays where there are any, and sandbox games always."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_link import plugin
from exphil_char_link.items import IN_HAND, LINKS, TYPES, ItemTracking
from exphil_char_link.plugin import COLUMNS

from exphil_core.features.character import FighterRows, fighter_rows
from exphil_core.replays.game import Game
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

WITH_EVERYTHING = "falco-ylink_PS_3.9.0_484ef831.slp"

Games = Callable[..., list[Game]]


@pytest.fixture
def young_link(exphil_real_games: Games) -> FighterRows:
    (game,) = exphil_real_games(WITH_EVERYTHING)
    return fighter_rows(game, 1)


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = ItemTracking().update(rows)
    return {column.name: values[:, index] for index, column in enumerate(COLUMNS)}


def test_every_item_of_a_real_young_link_is_told(young_link: FighterRows) -> None:
    rows = young_link
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


def test_a_real_bomb_is_drawn_held_thrown_and_goes_off(young_link: FighterRows) -> None:
    rows = young_link
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


def test_the_arrow_nearest_to_him_flies_as_the_replay_says(young_link: FighterRows) -> None:
    rows = young_link
    told, items = track(rows), rows.items
    flying = np.flatnonzero((items.type == 0x41) & (items.state == 1))
    frame = items.frame()[flying]
    alone = told["arrow_count"][frame] == 0.25
    assert alone.sum() > 100
    way = (items.x[flying] - rows.column("x")[frame]) / 100
    np.testing.assert_allclose(told["arrow_x"][frame[alone]], np.clip(way, -2, 2)[alone], atol=1e-6)


def test_it_holds_on_real_games(exphil_real_games: Games) -> None:
    check_feature_on_games("item-tracking", exphil_real_games("*link*.slp"), manager=manager_with(plugin))


def test_bombs_of_the_sandbox_are_told_with_who_has_them(exphil_sandbox: Games) -> None:
    games = exphil_sandbox("link", "marth", games=10, minutes=1.0)
    check_feature_on_games("item-tracking", games[:3], manager=manager_with(plugin))
    held = theirs = 0
    for game in games:
        for side in (0, 1):
            if game.character_TP[0, side] not in LINKS:
                continue
            rows = fighter_rows(game, side)
            told, items = track(rows), rows.items
            bomb = np.isin(items.type, TYPES["bomb"])
            for state, owner, column in ((IN_HAND, 0, "bomb_held"), (IN_HAND, 1, "bomb_in_their_hand")):
                frames = items.frame()[bomb & (items.state == state) & (items.owner == owner)]
                alone = frames[told["bomb_count"][frames] == 0.25]
                assert (told[column][alone] == 1).all()
                held += len(alone) * (owner == 0)
                theirs += len(alone) * (owner == 1)
    assert held > 500
    assert theirs > 5


def test_a_bomb_that_will_hit_says_so_before_it_does(exphil_sandbox: Games) -> None:
    soon, all_frames = [], []
    for game in exphil_sandbox("link", "marth", games=10, minutes=1.0):
        for side in (0, 1):
            if game.character_TP[0, side] not in LINKS:
                continue
            rows = fighter_rows(game, side)
            told = track(rows)
            goes_off = np.flatnonzero(np.diff(told["bomb_exploding"], prepend=0) > 0)
            hurt = np.diff(rows.opponent_state[:, 3], append=rows.opponent_state[-1, 3]) > 0
            hits = [frame for frame in goes_off if hurt[frame - 2 : frame + 2].any()]
            soon += [told["bomb_soon"][frame - 4] for frame in hits]
            all_frames.append(told["bomb_soon"])
    assert len(soon) >= 5
    assert np.mean(soon) > np.concatenate(all_frames).mean() + 0.3
