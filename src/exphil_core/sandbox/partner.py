"""Nana: Popo's partner, who does what he did a moment ago and runs after him when he is far.

She is never chosen, has no stock of her own, and when she dies she is away (no rows in the replay) until Popo's next
stock; with Popo, she dies too.
"""

from __future__ import annotations

from collections import deque

import attrs

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import NEUTRAL, Controller, Z, controller
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.hurt import DEAD_FRAMES, die
from exphil_core.sandbox.state import FighterState

LAG, FAR, JUMP_HEIGHT, START_APART = 6, 18.0, 16.0, 10.0
_FULL, _B = 80, 0x200
_JUMP = 0x400


@attrs.define(eq=False)
class Partner:
    """Nana's mind. `present` is False while she is away."""

    nana: Fighter
    present: bool = True
    seen: deque[Controller] = attrs.field(factory=lambda: deque(maxlen=LAG))

    @classmethod
    def of(cls, popo: Fighter) -> Partner:
        """A partner that starts beside `popo`, whose foe is known."""
        x = popo.x + START_APART * -popo.facing
        nana = Fighter(
            character=popo.character,
            arena=popo.arena,
            port=popo.port,
            x=x,
            y=popo.y,
            facing=popo.facing,
            leader=popo,
        )
        nana.foe = popo.foe
        popo.partner = nana
        return cls(nana)

    def think(self, pad: Controller) -> Controller:
        """Her controller, given Popo's: his of a moment ago, without grabs and specials."""
        self.seen.append(pad)
        nana, popo = self.nana, self.nana.leader
        assert popo is not None
        gap = popo.x - nana.x
        off_stage = nana.airborne and abs(nana.x) > nana.arena.stage.edge_x
        if (abs(gap) > FAR or off_stage) and popo.action not in act.DEAD:
            inward = -nana.x if off_stage else gap
            jumps = (popo.y - nana.y > JUMP_HEIGHT or off_stage) and nana.age % 12 == 0
            return controller(x=_FULL if inward > 0 else -_FULL, buttons=_JUMP if jumps else 0)
        old = self.seen[0]
        if not old.buttons & (Z | _B):
            return old
        return controller(old.x, old.y, old.cx, old.cy, old.left, old.right, old.buttons & ~(Z | _B))

    def follow_fate(self, popo: Fighter) -> None:
        """Die with Popo, stay away while dead, come back beside him. Called after everybody moved."""
        nana = self.nana
        if popo.action in act.DEAD and self.present and nana.action not in act.DEAD:
            die(nana, popo.action)
        nana.stocks = popo.stocks
        if nana.action in act.DEAD and nana.clock >= DEAD_FRAMES - 1:
            self.present = False
        if popo.action == act.REBIRTH and popo.age == 0:
            self._come_back(popo)

    def _come_back(self, popo: Fighter) -> None:
        nana = self.nana
        self.present = True
        self.seen.clear()
        nana.percent, nana.shield, nana.hitlag, nana.hitstun = 0.0, popo.shield, 0.0, 0.0
        nana.x, nana.y, nana.facing = popo.x + START_APART * -popo.facing, popo.y, popo.facing
        nana.vx, nana.vy, nana.jumps, nana.pad = 0.0, popo.vy, popo.jumps, NEUTRAL
        nana.enter(act.REBIRTH)

    def snapshot(self) -> FighterState | None:
        """Her row in the replay, if there is one."""
        return self.nana.snapshot() if self.present else None
