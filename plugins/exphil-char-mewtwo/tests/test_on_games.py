"""The tracker on whole games: real replays where there are any, and sandbox games always."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_mewtwo import plugin
from exphil_char_mewtwo.plugin import COLUMNS
from exphil_char_mewtwo.teleport import RANGE, Teleport

from exphil_core.features.character import FighterRows, fighter_rows
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.game import Game
from exphil_core.testing import check_feature_on_games, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

THIRTEEN_TELEPORTS = "sheik-mewtwo_BF_3.16.0_e69c540c.slp"

Values = dict[str, npt.NDArray[np.float32]]
Games = Callable[..., list[Game]]


@pytest.fixture(scope="module")
def sandbox_games(exphil_sandbox: Games) -> list[Game]:
    return exphil_sandbox("mewtwo", "fox", games=4, minutes=1.0, seed=5)


def mewtwo_sides(games: list[Game]) -> list[tuple[Game, int]]:
    return [
        (game, fighter)
        for game in games
        for fighter in (0, 1)
        if game.info.players[fighter].character.name == "mewtwo"
    ]


def track(rows: FighterRows) -> Values:
    values = Teleport().update(rows)
    return {column.name: values[:, index] for index, column in enumerate(COLUMNS)}


def check_side(game: Game, fighter: int) -> int:
    """Check one Mewtwo's columns against the actions they come from; the number of his teleports."""
    rows = fighter_rows(game, fighter)
    told, action = track(rows), rows.action
    np.testing.assert_array_equal(told["starting"] == 1, np.isin(action, (353, 356)))
    np.testing.assert_array_equal(told["vanished"] == 1, np.isin(action, (354, 357)))
    np.testing.assert_array_equal(told["ending"] == 1, np.isin(action, (355, 358)))
    phases = told["starting"] + told["vanished"] + told["ending"]
    assert phases.max(initial=0) <= 1
    assert not (told["ready"] * phases).any()
    assert not (told["ready"] * told["helpless"]).any()
    assert np.isin(action[told["helpless"] == 1], (35, 36, 37)).all()
    length = np.hypot(told["direction_x"], told["direction_y"])
    np.testing.assert_allclose(length[told["vanished"] == 1], 1, atol=1e-4)
    before = np.concatenate([[0], told["starting"][:-1]])
    return int(((told["starting"] == 1) & (before == 0)).sum())


def check_where_it_ends(game: Game, fighter: int) -> int:
    """From every frame out of sight of whole teleports, the way left leads to where he appeared (to 1 unit)."""
    rows = fighter_rows(game, fighter)
    told, x, y = track(rows), rows.column("x"), rows.column("y")
    vanished = np.concatenate([[0], told["vanished"], [0]])
    first, after = np.flatnonzero(np.diff(vanished) == 1), np.flatnonzero(np.diff(vanished) == -1)
    whole = 0
    for start, stop in zip(first, after, strict=True):
        if stop - start != 10:
            continue  # a ledge caught on the way
        whole += 1
        ends = np.array([x[stop - 1], y[stop - 1]])
        for frame in range(start, stop):
            left = np.array([told["left_x"][frame], told["left_y"][frame]]) * RANGE
            assert np.abs(np.array([x[frame], y[frame]]) + left - ends).max() < 1, (
                game.info.path.name,
                frame,
            )
    return whole


def test_real_games_give_the_chain(exphil_real_games: Games) -> None:
    counts = [check_side(game, fighter) for game, fighter in mewtwo_sides(exphil_real_games("*mewtwo*.slp"))]
    assert sum(counts) >= 1


def test_real_teleports_end_where_it_says(exphil_real_games: Games) -> None:
    sides = mewtwo_sides(exphil_real_games("*mewtwo*.slp"))
    assert sum(check_where_it_ends(game, fighter) for game, fighter in sides) >= 1


def test_a_real_teleport_that_falls_short_of_the_stage(exphil_real_games: Games) -> None:
    (game,) = exphil_real_games(THIRTEEN_TELEPORTS)
    assert check_side(game, 1) == 13
    # From x 174 he teleports at frame row 3355, appears at 136, falls helplessly for 74 frames and dies.
    told = track(fighter_rows(game, 1))
    assert told["reach"][3355] == -1
    assert (told["ready"][3355 : 3355 + 106] == 0).all()
    assert told["helpless"][3387 : 3387 + 74].all()
    assert told["ready"][3387 + 74] == 1
    assert told["ledge_x"][3387 + 60] == pytest.approx(
        (BY_NAME["battlefield"].ledge_x - game.state_TPF[3387 + 60, 1, 0]) / 100, abs=1e-5
    )


def test_sandbox_games_give_the_chain(sandbox_games: list[Game]) -> None:
    sides = mewtwo_sides(sandbox_games)
    assert sum(check_side(game, fighter) for game, fighter in sides) >= 5


def test_sandbox_teleports_are_followed_to_the_end(sandbox_games: list[Game]) -> None:
    for game, fighter in mewtwo_sides(sandbox_games):
        told = track(fighter_rows(game, fighter))
        assert told["ready"][200:].any()
        after_fall = np.flatnonzero(np.diff(told["helpless"]) == -1) + 1
        assert (told["ready"][after_fall] == 1).all()


def test_both_features_hold_on_whole_games(sandbox_games: list[Game], exphil_real_games: Games) -> None:
    games = [*sandbox_games, *exphil_real_games("*mewtwo*.slp")]
    for feature in plugin.exphil_character_features():
        check_feature_on_games(feature.name, games, manager=manager_with(plugin))


def test_sandbox_teleports_end_where_it_says(sandbox_games: list[Game]) -> None:
    assert sum(check_where_it_ends(game, fighter) for game, fighter in mewtwo_sides(sandbox_games)) >= 5
