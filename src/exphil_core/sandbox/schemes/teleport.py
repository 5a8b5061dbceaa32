"""The answer to Mewtwo's Teleport: it depends on where he started and which way he went.

When he appears nothing on the screen says any more where he came from: he faces the way he went and slides on, but
the ground may have cut his way short, and whether it did and where he began is seen only by who followed him.
"""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import A, Z
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState

# He rose or dropped if he went up or down by more than `STEEP`; he came from afar if he started beyond `AFAR`.
STEEP, AFAR = 10.0, 50.0
ANSWERED_WITHIN, IGNORED = 14, 0.06
# How often he teleports of his own accord.
_BLINKS = {
    Situation.FAR: 0.6, Situation.MIDDLE: 0.45, Situation.BELOW: 0.4, Situation.ABOVE: 0.3, Situation.CLOSE: 0.3,
    Situation.THREAT: 0.2,
}  # fmt: skip
_STARTS, _ENDS = (act.TELEPORT, act.TELEPORT_AIR), (act.TELEPORT + 2, act.TELEPORT_AIR + 2)


class AgainstTeleport(Scheme):
    """Jumps after him if he rose, strikes behind if he passed, steps back from one who dropped in, shields or dodges
    if he came along the ground, chases if he fled."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._state = 0
        self._start: tuple[float, float] | None = None
        self._since_end = ANSWERED_WITHIN

    def watch(self, view: GameState) -> None:
        """Note where he starts and when he appears."""
        foe = view.fighters[1 - self._index]
        self._since_end += 1
        if foe.state in _STARTS and self._state not in _STARTS:
            self._start = (foe.x, foe.y)
        if foe.state in _ENDS and self._state not in _ENDS and self._start is not None:
            self._since_end = 0
            self.alarm = True
        self._state = foe.state

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """One answer to each teleport, if there is time for it."""
        if self._since_end >= ANSWERED_WITHIN or self._start is None or me.airborne:
            return None
        (x, y), self._start = self._start, None
        say = self._say
        if say.chance(IGNORED):
            return None
        side = say.side(me, foe)
        if foe.y - y > STEEP:
            return [*say.jump(side, short=False), Step(3), Step(2, cy=80), Step(14)]
        if (x - me.x) * side < 0:
            return [Step(2, cx=80 * side), *say.rest(30, side)]
        if y - foe.y > STEEP:
            return [say.dash(-side, 9), Step(2), Step(3, 0, -56, A), *say.rest(20, side)]
        if (foe.x - x) * side < 0:
            # He came this way: from afar it can be seen coming and is shielded, from near it is dodged and grabbed.
            if abs(x - me.x) > AFAR:
                held = Step(say.about(16), buttons=say.shield_button)
                return [held, held._replace(frames=2, buttons=held.buttons | Z), Step(12)]
            return [say.dash(-side, 12), say.dash(side, 10), Step(3, buttons=Z), *say.rest(18, side)]
        return [say.dash(side, 14), Step(3, *say.full(side), buttons=A), *say.rest(16, side)]


class Blink(Scheme):
    """Mewtwo's own: out of the dance he teleports through, over or away from the opponent, or jumps and teleports
    down to the ground, in turns; and grabs whom he came out behind."""

    patient = True
    # Along x by the opponent's side, and up; down from a jump, which the ground cuts short.
    _WAYS = (
        (1.0, 0.0), (1.0, -0.5), (1.0, 0.6), (-1.0, -0.4), (0.8, -0.8), (-1.0, 0.0), (1.0, -0.35), (0.8, 0.0),
        (-0.8, -0.7), (0.35, 1.0),
    )  # fmt: skip

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._turn = self._state = self._side = 0
        self._passed = False

    def watch(self, view: GameState) -> None:
        """Note on which side the opponent was at the start."""
        me, foe = view.fighters[self._index], view.fighters[1 - self._index]
        side = self._say.side(me, foe)
        if me.state in _STARTS and self._state not in _STARTS:
            self._side = side
        if me.state in _ENDS and self._state not in _ENDS:
            self._passed = side != self._side
        self._state = me.state

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """A grab behind the opponent, or sometimes a teleport."""
        if me.airborne or situation not in _BLINKS:
            return None
        side = self._say.side(me, foe)
        if self._passed:
            self._passed = False
            return [*self._say.face(me, side), Step(3, side * 45, buttons=Z), *self._say.rest(20, side)]
        if not self._say.chance(_BLINKS[situation]):
            return None
        self._turn += 1
        x, y = self._WAYS[self._turn % len(self._WAYS)]
        x *= side
        if abs(me.x + 50.0 * x) > self._edge and y < 0.5:
            x = -x
        if y < 0.0:
            rise = self._say.jump(0, short=self._say.chance(0.5))
            return [*rise, Step(self._say.about(6)), *self._say.teleport((x, y)), Step(10)]
        return [*self._say.teleport((x, y)), Step(10)]
