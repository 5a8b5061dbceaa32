"""Sessions against the fake Dolphin, by the real libmelee."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.serving.dolphin.log import SessionLog
from exphil_core.serving.dolphin.session import Outcome, play_session
from exphil_core.serving.dolphin.settings import DolphinSettings
from exphil_core.serving.runner import Runner
from exphil_core.testing.fake_dolphin import FakeDolphin, install, read_log
from exphil_core.training.interrupts import StopRequest

REPLAY = "games/mewtwo-fox_FD_3.19.1_46e643c5.slp"


@attrs.define
class Played:
    """What a session left. `outcome` is None if it raised `error`."""

    outcome: Outcome | None
    error: Exception | None
    said: list[str]
    fake: list[dict[str, Any]]
    log: list[dict[str, Any]]
    settings: DolphinSettings

    def flushes(self, port: int, game: int = 1) -> list[dict[str, Any]]:
        """What came through a pipe in a game, flush by flush."""
        return [
            line
            for line in self.fake
            if line["what"] == "flush"
            and line["port"] == port
            and line["game"] == game
            and line["after"] != "menu"
        ]

    def of(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["what"] == what]

    def fake_of(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.fake if line["what"] == what]


Player = Callable[..., Played]


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    """The beginning of what a disc image of Melee 1.02 begins with, which is all that anybody looks at here."""
    return make_iso(tmp_path / "melee.iso")


def make_iso(path: Path, id: bytes = b"GALE01", revision: int = 2) -> Path:
    header = bytearray(0x440)
    header[:6], header[7], header[0x1C:0x20] = id, revision, b"\xc2\x33\x9f\x3d"
    path.write_bytes(header)
    return path


@pytest.fixture(scope="session")
def play_in(real_replays: Path) -> Player:
    """``play_in(folder, runner, frames=100, games=2, settings={"port": 2}, ...)``: a session; what isn't a setting is
    the fake's. Afterwards neither Dolphin nor its folder is left."""

    def start(
        folder: Path,
        runner: Runner,
        replay: Path | None = None,
        settings: dict[str, Any] | None = None,
        **fake: Any,
    ) -> Played:
        wanted = FakeDolphin(replay=replay or real_replays / REPLAY, log=folder / "fake.jsonl", **fake)
        chosen = DolphinSettings(
            **{
                "dolphin": install(folder / "dolphin", wanted),
                "iso": make_iso(folder / "melee.iso"),
                "character": CHARACTERS["mewtwo"],
                "cpu": 9,
                "opponent_character": CHARACTERS["fox"],
                "stage": STAGES["battlefield"],
                "session": folder / "session",
                "games": wanted.games,
                "stall_ms": 5000,
                **(settings or {}),
            }
        )
        said: list[str] = []
        log = SessionLog(chosen.session)
        outcome, error = None, None
        try:
            outcome = play_session(chosen, runner, log, StopRequest(), said.append)
        except Exception as raised:
            error = raised
        played = Played(outcome, error, said, read_log(wanted.log), read_log(log.path), chosen)
        assert_nothing_is_left(played)
        return played

    return start


@pytest.fixture
def play(play_in: Player, tmp_path: Path) -> Player:
    """``play_in`` the test's own folder."""
    return partial(play_in, tmp_path)


def assert_nothing_is_left(played: Played) -> None:
    """No Dolphin, not even a dead one that nobody asked about; no pipes, no folder."""
    (began,) = played.fake_of("began")
    with pytest.raises(ProcessLookupError):
        os.kill(began["process"], 0)
    for pads in played.fake_of("pads"):
        assert not Path(pads["home"]).parent.exists()


@pytest.fixture
def runner(new_runner: Callable[..., Runner]) -> Runner:
    return new_runner(seed=3)


@pytest.fixture(scope="session")
def new_runner(made_policy: Callable[..., Any], manager: Any) -> Callable[..., Runner]:
    """``new_runner(seed=1, delay=7)``: of a small network with random weights, which presses a lot."""

    def new(seed: int, **description: Any) -> Runner:
        policy = made_policy("gru", **description)
        return Runner(policy, policy.description, manager, seed=seed)

    return new
