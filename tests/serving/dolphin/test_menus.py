"""The menus lead into the game that was asked for, as far as the fake Dolphin's sketch of them goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.replays.controller import NEUTRAL
from exphil_core.serving.runner import Runner

Play = Callable[..., Any]


def on_select_screen(name: str) -> int:
    from melee import enums

    return int(enums.from_internal(enums.Character(CHARACTERS[name].internal)))


def chosen(played: Any) -> dict[str, Any]:
    (line,) = played.fake_of("chosen")
    return line


SLOW = pytest.mark.all_only
ASKED = [
    ("mewtwo", "fox", "battlefield", 9, 1),
    *(
        pytest.param(*asked, marks=SLOW)
        for asked in [
            ("fox", "falco", "finaldestination", 1, 1),
            ("gameandwatch", "iceclimbers", "dreamland", 5, 2),
            ("link", "younglink", "pokemonstadium", 3, 3),
            ("ganondorf", "marth", "yoshisstory", 9, 1),
            ("zelda", "zelda", "fountainofdreams", 7, 1),
        ]
    ),
]


@pytest.mark.parametrize(("character", "opponent", "stage", "level", "port"), ASKED)
def test_characters_stage_and_cpu_level_are_chosen(
    play: Play, runner: Runner, character: str, opponent: str, stage: str, level: int, port: int
) -> None:
    other = 2 if port != 2 else 1
    settings = {
        "character": CHARACTERS[character],
        "opponent_character": CHARACTERS[opponent],
        "stage": STAGES[stage],
        "cpu": level,
        "port": port,
        "opponent_port": other,
    }
    found = chosen(play(runner, settings=settings, frames=2))
    seats = {str(port): on_select_screen(character), str(other): on_select_screen(opponent)}
    assert found["characters"] == seats
    assert found["cpu"] == {str(other): level}
    assert found["stage"] == stage


@pytest.mark.all_only
def test_a_human_starts_and_chooses_the_stage_himself(play: Play, runner: Runner) -> None:
    settings = {"cpu": None, "chooses_stage": False, "stage": STAGES["dreamland"]}
    played = play(runner, settings=settings, frames=5)
    assert played.fake_of("pads")[0] == {**played.fake_of("pads")[0], "ports": [1], "humans": [2]}
    assert chosen(played)["stage"] == "battlefield"


@pytest.mark.all_only
def test_a_stage_that_was_asked_for_is_chosen_against_a_human_too(play: Play, runner: Runner) -> None:
    settings = {"cpu": None, "chooses_stage": True, "stage": STAGES["dreamland"]}
    assert chosen(play(runner, settings=settings, frames=5))["stage"] == "dreamland"


def test_in_netplay_the_code_is_typed_and_the_port_is_the_one_that_slippi_gave(
    play: Play, new_runner: Any, tmp_path: Path
) -> None:
    """And Slippi's own delay is taken off the model's."""
    account = tmp_path / "user.json"
    account.write_text(json.dumps({"connectCode": "BOT#7"}))
    settings = {
        "connect_code": "FOE#042",
        "user_json": account,
        "cpu": None,
        "opponent_port": None,
        "online_delay": 2,
        "character": CHARACTERS["fox"],
    }
    played = play(new_runner(seed=1, delay=5), settings=settings, codes={1: "FOE#042", 2: "BOT#7"}, frames=30)
    assert chosen(played)["code"] == "FOE#042"
    assert played.of("game")[0]["port"] == 2
    assert played.of("game")[0]["character"] == "fox"
    frames = played.of("frame")
    decided = np.array([line["decided"] for line in frames])
    pressed = np.array([line["pressed"] for line in frames])
    assert (pressed[:3] == NEUTRAL).all()
    np.testing.assert_array_equal(pressed[3:], decided[:-3])


@pytest.mark.all_only
def test_a_game_against_somebody_else_is_not_played(play: Play, runner: Runner, tmp_path: Path) -> None:
    account = tmp_path / "user.json"
    account.write_text("{}")
    settings = {"connect_code": "FOE#042", "user_json": account, "cpu": None, "opponent_port": None}
    played = play(runner, settings=settings, codes={1: "WHO#1", 2: "BOT#7"}, frames=30)
    assert "none of them is FOE#042" in str(played.error)


@pytest.mark.all_only
def test_settings_of_a_dolphin_folder_are_copied(play: Play, runner: Runner, tmp_path: Path) -> None:
    """The human's own controller among them: nothing is put in its place."""
    folder = tmp_path / "user"
    (folder / "Config").mkdir(parents=True)
    (folder / "Config/GCPadNew.ini").write_text("[GCPad2]\nDevice = SDL/0/Pad\n")
    played = play(runner, settings={"home": folder, "cpu": None, "chooses_stage": False}, frames=5)
    assert played.fake_of("pads")[0]["humans"] == [2]
    assert (folder / "Config/GCPadNew.ini").read_text() == "[GCPad2]\nDevice = SDL/0/Pad\n"
