"""When Zelda becomes Sheik and back: Sheik to build damage up, Zelda to finish, and only with room to do it."""

from __future__ import annotations

from exphil_core.melee.characters import ZELDA_INTERNAL
from exphil_core.sandbox.change import ARRIVE_FRAMES, LEAVE_FRAMES
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState

FINISH, ROOM, PATIENCE = 70.0, 60.0, 300


class Change(Scheme):
    """Wants to be Zelda once the opponent's percent is high, at most every 5 seconds."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._form = setup.characters[index].internal
        self._since = PATIENCE

    def watch(self, view: GameState) -> None:
        """Count the frames in this form."""
        form = view.fighters[self._index].character
        self._since = 0 if form != self._form else self._since + 1
        self._form = form

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """The down special, when the other form is wanted and the opponent is far or gone."""
        wants_zelda = foe.percent >= FINISH
        if wants_zelda == (me.character == ZELDA_INTERNAL) or self._since < PATIENCE or me.airborne:
            return None
        if situation is Situation.ALONE or abs(foe.x - me.x) > ROOM:
            return self._special(0, -1, LEAVE_FRAMES + ARRIVE_FRAMES)
        return None
