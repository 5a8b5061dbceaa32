"""One game: which fighter is ours, and what is pressed after each frame."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from exphil_core.errors import ExphilError
from exphil_core.melee import FIRST_FRAME
from exphil_core.melee.characters import BY_INTERNAL
from exphil_core.melee.stages import BY_INTERNAL as STAGE_BY_INTERNAL
from exphil_core.melee.stages import STAGES
from exphil_core.replays.controller import NEUTRAL, Cells
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS
from exphil_core.serving.delay import DelayQueue
from exphil_core.serving.dolphin.latency import Latencies
from exphil_core.serving.libmelee_source import LibmeleeSource
from exphil_core.serving.live_frame import LiveFrame
from exphil_core.serving.runner import Runner


@attrs.define(eq=False)
class LiveGame:
    """A game in play, from its first frame on."""

    source: LibmeleeSource
    own: int  # 0 or 1, in port order
    delay: int
    queue: DelayQueue
    runner: Runner
    latencies: Latencies = attrs.field(factory=Latencies)
    last_frame: int | None = None
    last_state: Any = None
    decided: Cells = attrs.field(factory=NEUTRAL.copy)

    @classmethod
    def begin(cls, console: Any, state: Any, runner: Runner, port: int, delay: int) -> LiveGame:
        """The game whose first frame is `state`, in which the model plays at `port`."""
        source = LibmeleeSource.of(console, state)
        if port not in source.ports:
            ports = " and ".join(map(str, source.ports))
            raise ExphilError(f"the game is between ports {ports}, but --port is {port}")
        runner.reset()
        return cls(
            source=source, own=source.ports.index(port), delay=delay, queue=DelayQueue(delay), runner=runner
        )

    def continues(self, state: Any) -> bool:
        """Whether `state` is a later frame of this game: libmelee leaves out frames that were rolled back."""
        return self.last_frame is None or int(state.frame) > self.last_frame

    def complete(self, state: Any) -> bool:
        """Whether both players are in `state`."""
        return set(self.source.ports) <= set(state.players)

    def decide(self, state: Any) -> tuple[Cells, Cells]:
        """After `state`: the controller (6,) that the model decides, and the one to press now."""
        decided = self.runner.step([self.source.frame(state)], [self.own])[0]
        self.last_state, self.decided = state, decided
        return decided, self.queue.push(decided)

    def repeat(self) -> Cells:
        """For a frame that the model doesn't see: it decides as before. The controller to press now."""
        return self.queue.push(self.decided)

    def gap(self, state: Any) -> int:
        """Frames that are missing before `state`, which is the last one from now on."""
        number, last = int(state.frame), self.last_frame
        self.last_frame = number
        return 0 if last is None else number - last - 1

    def neutral(self) -> Cells:
        """Nothing is pressed; the model is told so if it would take its last decision for pressed."""
        if not self.delay:
            self.runner.override(NEUTRAL[None])
        return NEUTRAL

    def describe(self) -> dict[str, Any]:
        """Who plays where, for the log."""
        players = [self.last_state.players[port] for port in self.source.ports]
        names = [_name(BY_INTERNAL.get(int(player.character.value))) for player in players]
        stage = STAGE_BY_INTERNAL.get(int(self.last_state.stage.value))
        return {
            "port": int(self.source.ports[self.own]),
            "character": names[self.own],
            "opponent": names[1 - self.own],
            "stage": "unknown" if stage is None else stage.name,
        }

    def result(self) -> dict[str, Any]:
        """Stocks and percent at the last frame, the model's first."""
        ports = (self.source.ports[self.own], self.source.ports[1 - self.own])
        players = [self.last_state.players[port] for port in ports]
        return {
            "last_frame": self.last_frame,
            "stocks": [int(player.stock) for player in players],
            "percent": [int(player.percent) for player in players],
        }


def warm_up(runner: Runner) -> None:
    """Let the model see a frame before the first one counts: a first step takes many times as long as another."""
    nobody = np.full((2, len(STATE_COLUMNS)), np.nan, np.float32)
    frame = LiveFrame(
        frame=FIRST_FRAME,
        stage=STAGES[-1].internal,
        state_PF=np.zeros_like(nobody),
        action_P=np.zeros(2, np.int16),
        character_P=np.zeros(2, np.uint8),
        controller_PC=np.stack([NEUTRAL, NEUTRAL]),
        partner_state_PF=nobody,
        partner_action_P=np.full(2, NO_ACTION, np.int16),
        items=(),
        platform_S=np.full(2, np.nan, np.float32),
        form=0,
    )
    runner.step([frame], [0])
    runner.reset()


def own_port(state: Any, port: int, opponents_code: str | None) -> int:
    """The port at which the model plays: `port`; in netplay the one that isn't the opponent's, as Slippi gives them
    out."""
    if opponents_code is None:
        return port
    others = [at for at, player in state.players.items() if player.connectCode != opponents_code]
    if len(others) != 1 or len(state.players) != 2:
        codes = ", ".join(f"{player.connectCode or '?'} at {at}" for at, player in state.players.items())
        raise ExphilError(f"can't tell which player is the model: none of them is {opponents_code} ({codes})")
    return int(others[0])


def _name(character: Any) -> str:
    return "unknown" if character is None else str(character.name)
