"""Projectiles: items with an owner that fly straight until they hit, time out or leave the stage.

Other items (Link's, in `link_items`) are kinds of `Item`: a game asks each to `advance`, whether it is `gone` and
what it looks like; combat asks whether it is `active`, how far it reaches and tells it what it `struck`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from exphil_core.sandbox.arena import Arena
from exphil_core.sandbox.bodies import Shot
from exphil_core.sandbox.state import ItemState

if TYPE_CHECKING:
    from exphil_core.sandbox.fighter import Fighter

# What a projectile leaves the hand at, and the radius in which it hits, in Melee's units.
MUZZLE_X, MUZZLE_Y, RADIUS = 9.0, 9.0, 3.0
# Mewtwo's Shadow Ball fades into state 4 when it flies.
_BALL_FLIES = 4


@attrs.define(eq=False)
class Item:
    """One item. `owner` is a port from 0, `timer` the frames left; `launched` says whether it flies."""

    shot: Shot
    id: int
    owner: int
    instance: int
    x: float
    y: float
    facing: float
    timer: float
    launched: bool = True
    charge: int = 0
    vx: float = 0.0
    vy: float = 0.0

    def advance(self) -> None:
        """Fly on for a frame."""
        if self.launched:
            self.x += self.vx
            self.timer -= 1.0

    @property
    def active(self) -> bool:
        """Whether it would hit what it touches."""
        return self.launched and self.timer > 0

    @property
    def reach(self) -> float:
        """Radius in which it hits, in units."""
        return RADIUS + self.charge * 0.03

    @property
    def damage(self) -> float:
        """Percent that it deals; a full charge adds 20."""
        return self.shot.damage + (20.0 * self.charge / self.shot.charge if self.shot.charge else 0.0)

    def hits(self, fighter: Fighter) -> bool:
        """Whether it can still hit `fighter`, wherever that is: anybody but its owner."""
        return fighter.port != self.owner

    def struck(self, fighter: Fighter) -> None:
        """It hit `fighter`, or a shield: most are used up by that."""
        self.timer = 0.0

    def push(self, fighter: Fighter) -> float:
        """To which side it sends `fighter`: -1 or 1."""
        return self.facing

    def gone(self, arena: Arena) -> bool:
        """Whether it is there no more."""
        return self.timer <= 0 or arena.outside(self.x, self.y)

    @property
    def look(self) -> tuple[int, tuple[int, int, int, int]]:
        """Slippi's state and its four unnamed bytes; of a charged shot 2 is launched, 3 the charge (0 to 7)."""
        if not self.shot.charge:
            return 0, (0, 0, 0, 0)
        level = 7 * self.charge // self.shot.charge
        return _BALL_FLIES if self.launched else 0, (0, 0, int(self.launched), level)

    def snapshot(self) -> ItemState:
        """This frame as Slippi's item event tells it."""
        state, misc = self.look
        return ItemState(
            self.shot.item, state, self.facing, self.vx, self.vy, self.x, self.y, 0, self.timer, self.id,
            *misc, self.owner, self.instance & 0xFFFF,
        )  # fmt: skip


@attrs.define(eq=False)
class Prop(Item):
    """Something that is only seen, as Game & Watch's hammer; whoever made it takes it away."""

    def advance(self) -> None:
        """It stays where it appeared."""

    @property
    def active(self) -> bool:
        """Never hits by itself."""
        return False
