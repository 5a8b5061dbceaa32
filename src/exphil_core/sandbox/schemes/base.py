"""What a scheme is: it watches every frame and may have a plan when one is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod

from exphil_core.sandbox.controller import B
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.phrases import TILTED, Phrases, Plan
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState, ItemState


class Scheme(ABC):
    """One reason of one player. What it sees is as late as all that the player sees."""

    # Whether a reply to a hit that is still owed comes first.
    patient = False

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        self._setup = setup
        self._index = index
        self._say = phrases
        self._port, self._foes_port = setup.ports[index], setup.ports[1 - index]
        self._edge = setup.stage.edge_x
        # Whether the plan under way is to be dropped for this; whoever asks for a plan clears it.
        self.alarm = False

    @abstractmethod
    def watch(self, view: GameState) -> None:
        """See one more frame."""

    @abstractmethod
    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """What to do now for this reason; None to leave it to other reasons. Never asked for in trouble."""

    def _special(self, x: int, y: int, frames: int) -> Plan:
        """B with the stick at (x, y), each -1, 0 or 1, then wait for `frames`."""
        raised = TILTED // self._say.speed + 1
        x, y = x * TILTED, y * TILTED
        return [Step(raised, x, y), Step(2, x, y, B), Step(self._say.about(frames))]

    def _items(self, view: GameState, types: tuple[int, ...]) -> list[ItemState]:
        return [item for item in view.items if item.type in types]
