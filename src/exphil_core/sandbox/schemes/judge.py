"""Mr. Game & Watch's reasons: Judge by what it can draw, the bucket by what is in it."""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox import judge
from exphil_core.sandbox.fighter import FIRST_JUDGED
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState

# In units; from `AFAR` on Judge is only for the numbers that it draws.
NEAR, AFAR, RISKY = 32.0, 45.0, 40.0
INCOMING = 140.0
_FORGETS = act.DEAD | {act.REBIRTH}
_CATCHES = (judge.BUCKET_CATCH, judge.BUCKET_CATCH + judge.BUCKET_AIR)
_POURS = (judge.BUCKET_POUR, judge.BUCKET_POUR + judge.BUCKET_AIR)


class Judge(Scheme):
    """Near the opponent, Judge if a 9 can come and a 1 can't (or it is worth the risk); afar, to get a 9 back."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._last_two = FIRST_JUDGED
        self._state = 0

    def watch(self, view: GameState) -> None:
        """Note the own numbers."""
        state = view.fighters[self._index].state
        if state in _FORGETS:
            self._last_two = FIRST_JUDGED
        elif state != self._state and not _judging(self._state):
            number = _judging(state)
            if number:
                self._last_two = (self._last_two[1], number)
        self._state = state

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """Judge towards the opponent, or nothing."""
        if me.airborne or foe.airborne:
            return None
        numbers = judge.possible(self._last_two)
        distance = abs(foe.x - me.x)
        if 9 in numbers:
            worth_it = 1 not in numbers or foe.percent > RISKY
            use = situation in (Situation.CLOSE, Situation.MIDDLE) and distance < NEAR and worth_it
        else:
            use = situation in (Situation.FAR, Situation.MIDDLE) and distance > AFAR
        return self._special(self._say.side(me, foe), 0, judge.JUDGE_FRAMES) if use else None


def _judging(state: int) -> int:
    """The number of the Judge that `state` is, or 0."""
    if judge.GROUND < state <= judge.GROUND + 9:
        return state - judge.GROUND
    return state - judge.AIR if judge.AIR < state <= judge.AIR + 9 else 0


class Bucket(Scheme):
    """Holds the bucket out against what comes flying; full, it is poured over who is near."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._caught = self._state = 0
        self._coming = False

    def watch(self, view: GameState) -> None:
        """Count what was caught, and look out for projectiles."""
        me = view.fighters[self._index]
        if me.state != self._state:
            self._caught = 0 if me.state in _POURS else self._caught + (me.state in _CATCHES)
        self._state = me.state
        coming = any(
            item.owner == self._foes_port
            and (me.x - item.x) * item.velocity_x > 0
            and abs(me.x - item.x) < INCOMING
            for item in view.items
        )
        self.alarm = self.alarm or (coming and not self._coming)
        self._coming = coming

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """Down special if there is something to catch, or something to pour and somebody to pour it on."""
        if me.airborne:
            return None
        if self._caught >= judge.FULL:
            return self._special(0, -1, 40) if abs(foe.x - me.x) < NEAR else None
        return self._special(0, -1, 40) if self._coming else None
