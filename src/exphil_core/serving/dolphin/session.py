"""A session: from menus to games and back, until it is enough."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from typing import Any

import attrs

from exphil_core.errors import ExphilError
from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.serving.dolphin.console import DolphinGone, RunningDolphin, running_dolphin
from exphil_core.serving.dolphin.game import LiveGame, own_port, warm_up
from exphil_core.serving.dolphin.latency import Latencies
from exphil_core.serving.dolphin.log import SessionLog
from exphil_core.serving.dolphin.menus import Menus
from exphil_core.serving.dolphin.pad import PadWriter
from exphil_core.serving.dolphin.settings import DolphinSettings
from exphil_core.serving.runner import Runner
from exphil_core.training.interrupts import StopRequest

Say = Callable[[str], None]
_LONG_STALL_SECONDS = 10.0
# Frames in a row after each of which another one waits already: a tenth of a second behind the game.
_PATIENCE = 6


@attrs.define
class Outcome:
    """What became of a session: `ended` is "games", "interrupted", "closed" (Dolphin, by its user) or "died"."""

    games: int = 0
    ended: str = "died"
    latencies: Latencies = attrs.field(factory=Latencies)


class Session:
    """Plays in a Dolphin that runs already."""

    def __init__(
        self,
        settings: DolphinSettings,
        runner: Runner,
        dolphin: RunningDolphin,
        log: SessionLog,
        outcome: Outcome,
        say: Say,
    ) -> None:
        from melee.enums import Menu

        self._in_game = (Menu.IN_GAME, Menu.SUDDEN_DEATH)
        self._settings, self._runner, self._dolphin = settings, runner, dolphin
        self._log, self._outcome, self._say = log, outcome, say
        self._menus = Menus(settings, dolphin.own, dolphin.other)
        self._pad = PadWriter(dolphin.own)
        self._game: LiveGame | None = None
        # Slippi keeps its own delay in netplay, which is part of the one that the model knows.
        kept = settings.online_delay if settings.connect_code is not None else 0
        self._delay = max(runner.delay - kept, 0)
        self._broken, self._warned = runner.not_finite, False
        self._stalled_at: float | None = None
        self._long_stall = False
        self._behind = 0

    def run(self, stop: StopRequest) -> None:
        """Until the games are played or somebody asks to stop. Raises DolphinGone."""
        try:
            while not stop.asked:
                state = self._dolphin.step()
                arrived = time.perf_counter()
                if state is None:
                    self._stall(arrived)
                elif state.menu_state in self._in_game:
                    self._frame(state, arrived)
                elif not self._menu(state):
                    break
            else:
                self._outcome.ended = "interrupted"
            self._release()
        finally:
            self._end_game(finished=False)

    def _menu(self, state: Any) -> bool:
        """A frame in the menus; False if it is enough."""
        self._end_game(finished=True)
        if self._settings.games is not None and self._outcome.games >= self._settings.games:
            self._outcome.ended = "games"
            return False
        self._menus.step(state)
        return True

    def _frame(self, state: Any, arrived: float) -> None:
        if len(state.players) < 2:
            return  # Slippi sometimes sends menus amid a game
        game = self._game
        if game is None or not game.continues(state):
            self._end_game(finished=True)
            game = self._game = self._begin(state)
        if not game.complete(state):
            return
        self._stalled_at = None
        missing = game.gap(state)
        self._behind = self._behind + 1 if self._dolphin.behind() else 0
        if self._behind > _PATIENCE:
            self._skip(game, missing)
            return
        decided, pressed = game.decide(state)
        self._pad.send(pressed)
        ms = (time.perf_counter() - arrived) * 1000
        game.latencies.add(ms, missing)
        self._outcome.latencies.add(ms, missing)
        self._log.frame(int(state.frame), decided, pressed, ms)
        if self._runner.not_finite != self._broken:
            self._not_finite(game)

    def _skip(self, game: LiveGame, missing: int) -> None:
        """The machine is too slow. What was decided long after its frame is worth less than a frame not seen."""
        self._pad.send(game.repeat())
        for latencies in (game.latencies, self._outcome.latencies):
            latencies.skipped += 1
            latencies.missing += missing

    def _begin(self, state: Any) -> LiveGame:
        self._menus.played()
        self._pad.forget()
        port = own_port(state, self._settings.port, self._settings.connect_code)
        game = LiveGame.begin(self._dolphin.console, state, self._runner, port, self._delay)
        game.last_state = state
        who = game.describe()
        number = self._outcome.games + 1
        self._log.write("game", number=number, **who)
        self._say(
            f"game {number}: {who['character']} at port {port} against {who['opponent']} on {who['stage']}"
        )
        if who["character"] != self._settings.character.name:
            self._say(
                f"  it plays {who['character']}, not {self._settings.character.name}: somebody chose so"
            )
        return game

    def _not_finite(self, game: LiveGame) -> None:
        """The runner has given a neutral controller instead; say so once a session, log each."""
        if not self._warned:
            self._warned = True
            self._say("  the model's output is not a finite number: neutral inputs until it is (see the log)")
        self._broken = self._runner.not_finite
        self._log.write("neutral", f=game.last_frame, why="the output was not finite")

    def _stall(self, now: float) -> None:
        """No frames: a pause, or a connection that hangs. Nothing may be held meanwhile."""
        if self._game is None:
            return
        if self._stalled_at is None:
            self._stalled_at, self._long_stall = now, False
            self._pad.send(self._game.neutral())
            self._log.write("stall", f=self._game.last_frame, after_ms=self._settings.stall_ms)
        elif not self._long_stall and now - self._stalled_at > _LONG_STALL_SECONDS:
            self._long_stall = True
            self._say(f"  no frames for {_LONG_STALL_SECONDS:.0f} s: paused? Ctrl-C ends the session")

    def _end_game(self, finished: bool) -> None:
        game, self._game = self._game, None
        if game is None or game.last_frame is None:
            return
        number = self._outcome.games + 1
        self._outcome.games += finished
        result = {"number": number, "finished": finished, **game.result()}
        self._log.write("game_end", **result, latency=game.latencies.summary())
        stocks = "-".join(map(str, result["stocks"]))
        seconds = max(result["last_frame"], 0) // FRAMES_PER_SECOND
        left = "" if finished else "left with "
        self._say(f"  {left}stocks {stocks} after {seconds // 60}:{seconds % 60:02}; {game.latencies.text()}")
        gc.collect()

    def _release(self) -> None:
        """Let go of everything, and say so to Dolphin."""
        with contextlib.suppress(OSError):
            for controller in self._dolphin.console.controllers:
                controller.release_all()
                controller.flush()


def play_session(
    settings: DolphinSettings, runner: Runner, log: SessionLog, stop: StopRequest, say: Say
) -> Outcome:
    """Play until the games are over, somebody asks to stop, or Dolphin is closed.

    Dolphin is gone afterwards, its pipes with it, and the log is complete. Raises DolphinGone if it died, ExphilError
    if it can't be started or no game of two is played.
    """
    outcome = Outcome()
    why = ""
    warm_up(runner)
    gc.collect()
    gc.freeze()  # the model's own objects are not looked through again amid a game
    try:
        with running_dolphin(settings, stop) as dolphin:
            session = Session(settings, runner, dolphin, log, outcome, say)
            with stop.graceful():
                session.run(stop)
    except DolphinGone as error:
        why = str(error)
        if stop.asked:
            outcome.ended = "interrupted"  # the terminal's Ctrl-C reached Dolphin too
        elif error.closed:
            outcome.ended = "closed"
        else:
            raise
    except KeyboardInterrupt:
        outcome.ended = "interrupted"
    except ExphilError as error:
        why = str(error)
        raise
    finally:
        gc.unfreeze()
        log.write(
            "end", ended=outcome.ended, why=why, games=outcome.games, latency=outcome.latencies.summary()
        )
        log.close()
    return outcome
