"""Shadow Ball's charge from actions alone, compared with what real replays and the sandbox record of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from exphil_char_mewtwo import plugin
from exphil_char_mewtwo.ball import BALL, ShadowBall
from exphil_char_mewtwo.plugin import BALL_COLUMNS
from exphil_char_mewtwo.teleport import MEWTWO

from exphil_core.features.character import FighterRows, fighter_rows
from exphil_core.replays.game import Game
from exphil_core.testing import check_character_feature, make_rows, manager_with

pytest_plugins = ["exphil_core.testing.fixtures"]

WAIT, HOLD, CANCEL, FIRE, HURT, DEAD = 14, 342, 344, 345, 80, 4


def track(rows: FighterRows) -> dict[str, npt.NDArray[np.float32]]:
    values = ShadowBall().update(rows)
    return {column.name: values[:, index] for index, column in enumerate(BALL_COLUMNS)}


def levels(*stretches: tuple[int, int]) -> list[int]:
    """The charge at the end of each stretch of (action, frames)."""
    told = track(make_rows([a for a, count in stretches for _ in range(count)], character="mewtwo"))
    ends = np.cumsum([count for _, count in stretches]) - 1
    return np.rint(told["charge"][ends] * 7).astype(int).tolist()


def test_a_level_comes_every_17_frames_of_holding() -> None:
    assert levels((HOLD, 17), (HOLD, 1), (HOLD, 16), (HOLD, 1)) == [0, 1, 1, 2]
    assert levels((HOLD, 40), (CANCEL, 8), (WAIT, 50), (HOLD, 17), (HOLD, 1)) == [2, 2, 2, 2, 3]
    assert levels((347, 10), (HOLD, 8)) == [0, 1]  # landing goes on counting


def test_it_ends_at_seven() -> None:
    assert levels((HOLD, 119), (343, 8), (WAIT, 9), (HOLD, 40)) == [6, 7, 7, 7]


@pytest.mark.parametrize("end", [(FIRE, 24), (DEAD, 60), (HURT, 20)])
def test_it_is_spent_by_firing_and_lost_by_death_and_by_a_hit_while_charging(end: tuple[int, int]) -> None:
    assert levels((HOLD, 40), end, (WAIT, 30)) == [2, 0, 0]


def test_a_hit_elsewhere_takes_nothing() -> None:
    assert levels((HOLD, 40), (CANCEL, 8), (WAIT, 3), (HURT, 20), (WAIT, 5)) == [2, 2, 2, 2, 2]


def recorded(game: Game, fighter: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Frames in which the replay tells a held ball's charge, and the charge."""
    items = game.items
    held = (items.type == BALL) & (items.state == 0) & (items.owner == fighter)
    return items.frame()[held], items.misc[held, 3].astype(np.int64)


def check_against_the_replay(game: Game, fighter: int) -> int:
    rows = fighter_rows(game, fighter)
    told, (frame, charge) = track(rows), recorded(game, fighter)
    waiting = ~np.isin(rows.action[frame], (345, 350))
    np.testing.assert_array_equal(np.rint(told["charge"][frame[waiting]] * 7), charge[waiting])
    flying = (game.items.type == BALL) & (game.items.state == 4) & (game.items.owner == fighter)
    at = game.items.frame()[flying]
    np.testing.assert_array_equal(np.rint(told["shot_charge"][at] * 7), game.items.misc[flying, 3])
    assert (told["shot"][at] == 1).all()
    return len(frame)


def test_charges_of_a_real_game_are_those_that_it_records(
    exphil_real_games: Callable[[str], list[Game]],
) -> None:
    (game,) = exphil_real_games("sheik-mewtwo_BF_3.16.0_e69c540c.slp")
    assert check_against_the_replay(game, 1) == 287


def test_charges_of_sandbox_games_are_those_that_they_record(
    exphil_sandbox: Callable[..., list[Game]],
) -> None:
    games = exphil_sandbox("mewtwo", "fox", games=4, minutes=1.0)
    sides = [(g, s) for g in games for s in (0, 1) if g.character_TP[0, s] == MEWTWO]
    assert sum(check_against_the_replay(game, side) for game, side in sides) > 100


def test_the_feature_keeps_its_contract() -> None:
    check_character_feature("shadow-ball", manager=manager_with(plugin), frames=100)
