"""What the model decides arrives in the game, and what the game says in the model, with nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.features.encoder import encode
from exphil_core.features.rows import game_rows
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.habits import habits
from exphil_core.replays.slp import read_game
from exphil_core.serving.runner import Runner
from exphil_core.testing.fake_dolphin.pressed import pressed

Play = Callable[..., Any]
MEWTWO_FOX = "games/mewtwo-fox_FD_3.19.1_46e643c5.slp"


def decided(played: Any) -> np.ndarray:
    return np.array([line["decided"] for line in played.of("frame")], np.uint8)


def through_the_pipe(played: Any, port: int, game: int = 1) -> np.ndarray:
    """What is pressed after each frame of a game, the first time that it comes: libmelee flushes at a game's start,
    and for frames that were rolled back, without asking anybody."""
    flushes = played.flushes(port, game)
    everything = pressed(line["lines"] for line in flushes)
    first = {
        line["after"]: at for at, line in reversed(list(enumerate(flushes))) if type(line["after"]) is int
    }
    return everything[sorted(first.values())]


def watched(runner: Runner) -> list[tuple[np.ndarray, np.ndarray]]:
    """Everything that the network is shown from now on."""
    seen = []
    frame = runner.policy.frame

    def watch(floats: torch.Tensor, ids: torch.Tensor, state: Any) -> Any:
        seen.append((floats.numpy().copy(), ids.numpy().copy()))
        return frame(floats, ids, state)

    runner.policy.frame = watch
    return seen


def assert_played_as_trained(played: Any, seen: list[Any], replay: Path, own: int, own_port: int) -> None:
    """Commands invert to what was decided, and the network saw what training would have shown it."""
    assert played.error is None
    cells, shown = decided(played), seen[-len(played.of("frame")) :]
    np.testing.assert_array_equal(through_the_pipe(played, own_port)[: len(cells)], cells)
    rows = game_rows(read_game(replay, rollback="first"), own)
    before = rows.decided.copy()
    before[: len(cells)] = np.concatenate([NEUTRAL[None], cells[:-1]])
    trained = encode(attrs.evolve(rows, decided=before, habit=habits(before)))
    np.testing.assert_array_equal(
        np.concatenate([floats for floats, _ in shown]), trained.floats[: len(cells)]
    )
    np.testing.assert_array_equal(np.concatenate([ids for _, ids in shown]), trained.ids[: len(cells)])


@pytest.fixture(scope="module")
def session(
    play_in: Play, new_runner: Callable[..., Runner], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, list[Any]]:
    """One session of 400 frames, and what the network saw in it."""
    runner = new_runner(seed=3)
    seen = watched(runner)
    return play_in(tmp_path_factory.mktemp("session"), runner, frames=400, skip_menus=True), seen


def test_commands_are_what_was_decided_and_observations_what_training_shows(
    session: tuple[Any, list[Any]], real_replays: Path
) -> None:
    played, seen = session
    assert len(played.of("frame")) == 400
    assert len(np.unique(decided(played), axis=0)) > 100
    assert_played_as_trained(played, seen, real_replays / MEWTWO_FOX, own=0, own_port=1)


def test_only_what_changes_is_sent(session: tuple[Any, list[Any]]) -> None:
    played, _ = session
    lines = [flush["lines"] for flush in played.flushes(1) if type(flush["after"]) is int]
    assert len(lines[0]) == 11  # eight buttons, two sticks, a trigger
    for before, now, said in zip(decided(played)[:-1], decided(played)[1:], lines[1:], strict=False):
        buttons = int(before[0] ^ now[0]).bit_count()
        sticks = sum((before[at : at + 2] != now[at : at + 2]).any() for at in (1, 3))
        assert len(said) == buttons + sticks + (before[5] != now[5])


def test_the_session_is_kept_as_a_replay_and_a_log(session: tuple[Any, list[Any]]) -> None:
    played, _ = session
    (saved,) = played.fake_of("saved")
    assert Path(saved["path"]).parent == played.settings.session
    assert len(read_game(Path(saved["path"]))) == 400
    (end,) = played.of("game_end")
    assert end["stocks"] == [4, 4]
    assert (end["latency"]["frames"], end["latency"]["missing"]) == (400, 0)
    assert all(line["ms"] > 0 for line in played.of("frame"))
    assert played.log[-1]["what"] == "end"


def test_who_plays_whom_is_said(session: tuple[Any, list[Any]]) -> None:
    played, _ = session
    assert played.said[0] == "game 1: mewtwo at port 1 against fox on finaldestination"
    assert "stocks 4-4 after 0:04; a frame took" in played.said[1]


@pytest.mark.all_only
@pytest.mark.parametrize(
    ("replay", "own", "frames"),
    [
        (MEWTWO_FOX, 0, None),
        ("games/ics-falco_DL_3.12.0_d2ba1a09.slp", 1, 1500),
        ("games/cfalcon-fox_FOD_3.13.0_27311d7b.slp", 0, 1500),
    ],
)
def test_over_whole_real_games(
    play: Play, runner: Runner, real_replays: Path, replay: str, own: int, frames: int | None
) -> None:
    """The first to its end; one with partners and frames that were rolled back; one whose platforms move."""
    seen = watched(runner)
    path = real_replays / replay
    game = read_game(path, rollback="first")
    seats = [player.port + 1 for player in game.info.players]
    settings = {"port": seats[own], "opponent_port": seats[1 - own], "blocking": True}
    played = play(runner, path, settings, skip_menus=True, frames=frames)
    assert len(played.of("frame")) == len(game) if frames is None else len(played.of("frame")) > 1000
    assert_played_as_trained(played, seen, path, own, seats[own])


def test_a_delay_is_waited_for(play: Play, new_runner: Any) -> None:
    played = play(new_runner(seed=1, delay=7), frames=60, skip_menus=True)
    cells = decided(played)
    sent = through_the_pipe(played, 1)[: len(cells)]
    assert (sent[:7] == NEUTRAL).all()
    np.testing.assert_array_equal(sent[7:], cells[:-7])
    np.testing.assert_array_equal(sent, [line["pressed"] for line in played.of("frame")])


@pytest.mark.all_only
def test_the_model_can_sit_at_another_port(play: Play, runner: Runner, real_replays: Path) -> None:
    seen = watched(runner)
    played = play(runner, settings={"port": 2, "opponent_port": 1}, frames=150, skip_menus=True)
    assert played.of("game")[0]["character"] == "fox"
    assert "plays fox, not mewtwo" in played.said[1]
    assert_played_as_trained(played, seen, real_replays / MEWTWO_FOX, own=1, own_port=2)


def test_games_follow_each_other_each_from_the_beginning(play: Play, runner: Runner) -> None:
    seen = watched(runner)
    played = play(runner, games=3, frames=40)
    assert played.outcome.games == 3
    assert played.outcome.ended == "games"
    assert [line["number"] for line in played.of("game_end") if line["finished"]] == [1, 2, 3]
    shown = [floats for floats, _ in seen[-120:]]
    np.testing.assert_array_equal(
        shown[0], shown[40]
    )  # the same replay: the same first frame, nothing decided yet
    for game in (1, 2, 3):
        sent = through_the_pipe(played, 1, game)[:40]
        np.testing.assert_array_equal(sent, decided(played)[40 * (game - 1) : 40 * game])


@pytest.mark.all_only
def test_the_same_seed_presses_the_same(play: Play, new_runner: Any, tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((1, 1, 2)):
        settings = {"session": tmp_path / f"session{number}"}
        found.append(decided(play(new_runner(seed=seed), settings=settings, frames=40, skip_menus=True)))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize("blocking", [True, pytest.param(False, marks=pytest.mark.all_only)])
def test_rolled_back_frames_are_not_played_twice(
    play: Play, runner: Runner, real_replays: Path, blocking: bool
) -> None:
    """The first version of a frame is what the player saw; the game goes on in either way of reading pipes."""
    path = real_replays / rolled_back(real_replays)
    seats = [player.port + 1 for player in read_game(path).info.players]
    settings = {"port": seats[0], "opponent_port": seats[1], "blocking": blocking}
    played = play(runner, path, settings, frames=300, skip_menus=True)
    numbers = [line["f"] for line in played.of("frame")]
    assert numbers == list(range(-123, -123 + len(numbers)))
    assert 100 < len(numbers) < 300
    assert played.outcome.latencies.missing == 0


def rolled_back(real_replays: Path) -> str:
    import csv

    with (real_replays / "MANIFEST.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if int(row["rollback_dups"] or 0) > 200 and row["human_ports"] == "2"
        ]
    return str(rows[0]["file"])


@pytest.mark.all_only
def test_a_game_of_other_ports_is_refused(play: Play, runner: Runner) -> None:
    played = play(runner, settings={"port": 3}, frames=20, skip_menus=True)
    assert str(played.error) == "the game is between ports 1 and 2, but --port is 3"
    assert played.of("end")[0]["why"] == str(played.error)
