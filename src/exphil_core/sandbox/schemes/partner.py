"""Ice Climbers stay together: Popo waits for a Nana who is far, and keeps away from fights without her."""

from __future__ import annotations

from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState

APART, ROOM = 30.0, 25.0


class Together(Scheme):
    """Cautious without Nana."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._nana: FighterState | None = None

    def watch(self, view: GameState) -> None:
        """Look where she is."""
        self._nana = view.partners[self._index]

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """Wait, or back away."""
        if me.airborne or situation not in (Situation.CLOSE, Situation.MIDDLE):
            return None
        if self._nana is None:
            away = -self._say.side(me, foe)
            if abs(me.x + ROOM * away) < self._edge and self._say.chance(0.7):
                return [self._say.dash(away, 10), Step(self._say.about(4))]
        elif abs(self._nana.x - me.x) > APART:
            return [Step(self._say.about(8))]
        return None
