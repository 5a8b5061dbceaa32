"""Projectiles: items with an owner that fly straight until they hit, time out or leave the stage.

Other items (Link's bombs, Game & Watch's sausages) can join here: a game only asks an item to `advance`.
"""

from __future__ import annotations

import attrs

from exphil_core.sandbox.bodies import Shot
from exphil_core.sandbox.state import ItemState

# What a projectile leaves the hand at, and the radius in which it hits, in Melee's units.
MUZZLE_X, MUZZLE_Y, RADIUS = 9.0, 9.0, 3.0


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

    def advance(self) -> None:
        """Fly on for a frame."""
        if self.launched:
            self.x += self.vx
            self.timer -= 1.0

    @property
    def damage(self) -> float:
        """Percent that it deals; a full charge adds 20."""
        return self.shot.damage + (20.0 * self.charge / self.shot.charge if self.shot.charge else 0.0)

    def snapshot(self) -> ItemState:
        """This frame as Slippi's item event tells it; misc 2 is launched, misc 3 the charge (0 to 7)."""
        charges = self.shot.charge > 0
        state = 4 if charges and self.launched else 0
        launched = int(self.launched) if charges else 0
        level = 7 * self.charge // self.shot.charge if charges else 0
        return ItemState(
            self.shot.item, state, self.facing, self.vx, 0.0, self.x, self.y, 0, self.timer, self.id,
            0, 0, launched, level, self.owner, self.instance & 0xFFFF,
        )  # fmt: skip
