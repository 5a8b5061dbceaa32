"""Whatever happens to Dolphin, the network or the model: nothing stays pressed, nothing stays behind, one line says
what it was. (The `play` fixture looks for processes, pipes and folders.)"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from exphil_core.replays.controller import NEUTRAL
from exphil_core.serving.dolphin.console import DolphinGone
from exphil_core.serving.runner import Runner
from exphil_core.testing.fake_dolphin.pressed import pressed
from exphil_core.training.interrupts import StopRequest

Play = Callable[..., Any]


@pytest.mark.all_only
def test_a_dolphin_that_dies_is_said_to_have_died(play: Play, runner: Runner) -> None:
    played = play(runner, frames=200, die_after=80, skip_menus=True, settings={"stall_ms": 300})
    assert isinstance(played.error, DolphinGone)
    assert str(played.error) == "Dolphin ended (killed by signal 9)"
    assert [line["finished"] for line in played.of("game_end")] == [False]
    assert played.log[-1] == {**played.log[-1], "what": "end", "ended": "died", "why": str(played.error)}
    assert len(played.of("frame")) >= 79


def test_a_dolphin_that_is_closed_ends_the_session_well(play: Play, runner: Runner) -> None:
    played = play(runner, frames=200, leave_after=80, skip_menus=True)
    assert played.error is None
    assert (played.outcome.ended, played.outcome.games) == ("closed", 0)
    assert played.said[-1].startswith("  left with stocks 4-4")


@pytest.mark.all_only
def test_a_dolphin_that_does_not_end_when_asked_is_killed(play: Play, runner: Runner) -> None:
    played = play(runner, frames=20, stubborn=True, skip_menus=True)
    assert played.outcome.ended == "games"


@pytest.mark.all_only
def test_everything_is_let_go_of_at_the_end(play: Play, runner: Runner) -> None:
    played = play(runner, frames=60, skip_menus=True)
    after = [line["lines"] for line in played.fake if line["what"] == "flush" and line["port"] == 1]
    assert (pressed(after)[-1] == NEUTRAL).all()


@pytest.mark.parametrize("delay", [0, pytest.param(4, marks=pytest.mark.all_only)])
def test_in_a_pause_nothing_is_held_and_then_it_goes_on(play: Play, new_runner: Any, delay: int) -> None:
    played = play(
        new_runner(seed=3, delay=delay),
        frames=120,
        pause_after=60,
        pause_seconds=1.0,
        settings={"stall_ms": 100},
        skip_menus=True,
    )
    pausing = [line for line in played.flushes(1) if line["after"] == -123 + 59]
    cells = pressed(line["lines"] for line in played.flushes(1))
    held = [at for at, line in enumerate(played.flushes(1)) if line in pausing]
    assert len(held) > 3  # libmelee flushes whenever it is asked for a frame
    assert (cells[held[1:]] == NEUTRAL).all()
    assert [line["f"] for line in played.of("stall")] == [-123 + 59]
    frames = played.of("frame")
    assert len(frames) == 120
    resumed = np.array([line["pressed"] for line in frames[60:]], np.uint8)
    np.testing.assert_array_equal(cells[held[-1] + 1 :][:60], resumed)


def test_an_output_that_is_not_finite_presses_nothing_and_is_said_once(
    play: Play, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, count = runner.policy.frame, 0

    def broken(floats: torch.Tensor, ids: torch.Tensor, state: Any) -> Any:
        nonlocal count
        count += 1
        y, state = frame(floats, ids, state)
        return (y * float("nan") if count > 20 else y), state

    monkeypatch.setattr(runner.policy, "frame", broken)
    played = play(runner, frames=60, skip_menus=True)
    frames = played.of("frame")
    assert any(line["pressed"] != NEUTRAL.tolist() for line in frames[:15])
    assert all(line["pressed"] == NEUTRAL.tolist() for line in frames[25:])
    assert len([line for line in played.said if "not a finite number" in line]) == 1
    assert len(played.of("neutral")) > 30


class Stopping:
    """Counts the steps of a runner and asks to stop in one of them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, runner: Runner, at: int, seconds: float = 0.0
    ) -> None:
        self._step, self._at, self._seconds, self.count = runner.step, at, seconds, 0
        self._stops: list[StopRequest] = []
        graceful = StopRequest.graceful

        def remembering(stop: StopRequest) -> Any:
            self._stops.append(stop)
            return graceful(stop)

        monkeypatch.setattr(StopRequest, "graceful", remembering)
        monkeypatch.setattr(runner, "step", self.step)

    def step(self, *arguments: Any) -> Any:
        self.count += 1
        if self.count == self._at:
            self._stops[0].ask()
        time.sleep(self._seconds)
        return self._step(*arguments)


@pytest.mark.all_only
def test_asked_to_stop_it_stops_amid_a_game(
    play: Play, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopping(monkeypatch, runner, at=30)
    played = play(runner, frames=200, skip_menus=True)
    assert (played.outcome.ended, played.outcome.games) == ("interrupted", 0)
    assert len(played.of("frame")) == 29  # one step before the first frame warms up
    assert played.of("game_end")[0]["finished"] is False


@pytest.mark.all_only
def test_it_ends_although_dolphin_is_far_ahead(
    play: Play, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More frames wait to be read than fit into the pipe from libmelee's reader."""
    Stopping(monkeypatch, runner, at=5, seconds=0.5)  # before it skips any
    played = play(runner, rate=2000.0, skip_menus=True)
    assert played.outcome.ended == "interrupted"


@pytest.mark.all_only
def test_a_machine_that_is_too_slow_skips_frames_instead_of_falling_behind(
    play: Play, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopping(monkeypatch, runner, at=-1, seconds=0.03)
    played = play(runner, rate=200.0, frames=200, skip_menus=True)
    times = played.outcome.latencies.summary()
    assert (times["frames"] + times["skipped"], played.outcome.ended) == (200, "games")
    assert times["skipped"] > 50
    assert times["missing"] == 0
    assert played.of("game_end")[0]["latency"]["skipped"] == times["skipped"]
