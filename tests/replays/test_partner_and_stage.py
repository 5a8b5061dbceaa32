"""What else stands in a replay: the Ice Climbers' partner, and what moves on a stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exphil_core.melee import FIRST_FRAME
from exphil_core.melee.stages import STADIUM_FORMS
from exphil_core.replays.game import NO_ACTION, STATE, Game
from exphil_core.replays.slp import _parsed, frame_rows, read_game


def test_a_partner_is_there_until_it_dies_and_is_unknown_afterwards(real_replays: Path) -> None:
    path = next(real_replays.glob("games/ics-falco_DL_*.slp"))
    game = read_game(path)
    state, action = game.partner_state_TPF, game.partner_action_TP
    assert state is not None
    assert action is not None
    there = action[:, 0] != NO_ACTION
    assert 0.5 < there.mean() < 1
    assert (action[:, 1] == NO_ACTION).all()
    assert np.isfinite(state[there, 0]).all()
    assert np.isnan(state[~there]).all()
    frames = _parsed(path).frames
    follower = frames.field("ports").field("P1").field("follower")
    rows = frame_rows(np.asarray(frames.field("id")), "last")[: len(game)]
    partners = [follower[row].as_py() for row in rows.tolist()]
    assert [partner is not None for partner in partners] == there.tolist()
    expected = [partner["post"]["position"]["x"] for partner in partners if partner is not None]
    assert state[there, 0, STATE["x"]].tolist() == expected


def test_nobody_else_has_a_partner(real_replays: Path) -> None:
    game = read_game(next(real_replays.glob("games/fox-gnw_FD_3.19.1_7*.slp")))
    assert game.partner_state_TPF is None
    assert game.partner_action_TP is None


def test_stadium_has_the_form_that_was_announced_last(real_replays: Path) -> None:
    game = read_game(next(real_replays.glob("games/fox-mewtwo_PS_3.19.1_*.slp")), any_player=True)
    assert game.form_T is not None
    changes = np.flatnonzero(np.diff(game.form_T)) + 1
    # By peppi's own events: water is announced in frame 3704, back to normal in 6110, fire in 10447.
    assert (changes + FIRST_FRAME).tolist() == [3704, 6110, 10447, 12401]
    forms = [STADIUM_FORMS[form] for form in game.form_T[[0, *changes]]]
    assert forms == ["normal", "water", "normal", "fire", "normal"]


@pytest.mark.parametrize("pattern", ["games/falco-ylink_PS_3.9.0_*", "games/cfalcon-fox_FOD_3.13.0_*"])
def test_older_replays_say_nothing_of_what_moves(real_replays: Path, pattern: str) -> None:
    game = read_game(next(real_replays.glob(pattern + ".slp")))
    assert game.form_T is None
    assert game.platform_TS is None


def test_fountain_platforms_stand_where_the_events_put_them(demo_games: list[Game]) -> None:
    games = [game for game in demo_games if game.info.stage.name == "fountainofdreams"]
    for game in games:
        assert game.platform_TS is not None
        assert (game.platform_TS == [platform.height for platform in game.info.stage.platforms[:2]]).all()
    for game in demo_games:
        assert (game.platform_TS is not None) == (game in games)
