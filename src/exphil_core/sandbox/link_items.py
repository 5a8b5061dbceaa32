"""Link's and Young Link's bomb, boomerang, arrow and hookshot, through the states that a real game shows.

States, timers and speeds are those of a real game of Young Link. While an item is in a hand (state 0), its recorded
position stays where it was taken, as in Melee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from exphil_core.sandbox.arena import Arena
from exphil_core.sandbox.items import Item

if TYPE_CHECKING:
    from exphil_core.sandbox.fighter import Fighter

IN_HAND = 0
BOMB_THROWN, BOMB_DROPPED, BOMB_RESTING, BOMB_EXPLODING = 2, 3, 4, 5
BOMB_LIFE, EXPLOSION, EXPLOSION_HITS = 300, 80, 12
BOMB_GRAVITY, BOMB_HEIGHT, BOMB_RADIUS, EXPLOSION_RADIUS, HAND_Y = 0.049, 1.5, 3.5, 13.0, 9.0
BOOMERANG_LIFE, BOOMERANG_SPEED, BOOMERANG_SLOWS, BOOMERANG_BACK = 180, 2.9, 0.047, 2.4
BOOMERANG_OUT_FRAMES, BOOMERANG_TURNS, CATCH_RANGE = 3, 0.75, 8.0
ARROW_LIFE, ARROW_GRAVITY, ARROW_STAYS, ARROW_STUCK = 55, 0.06, -299, 4
HOOKSHOT_LIFE, HOOKSHOT_PHASES = 1400, ((3, 0), (7, 1))


@attrs.define(eq=False)
class Bomb(Item):
    """Explodes 300 frames after it was drawn, or on touch when thrown; hurts everybody near, each once."""

    holder: Fighter | None = None
    arena: Arena = attrs.field(kw_only=True)
    state: int = IN_HAND
    burnt: list[Fighter] = attrs.field(factory=list)

    def advance(self) -> None:
        """One frame: the fuse burns in hand as well."""
        self.timer -= 1.0
        if self.state == BOMB_EXPLODING:
            return
        if self.state in (BOMB_THROWN, BOMB_DROPPED):
            self._fall()
        if self.timer <= 0 and self.state != BOMB_EXPLODING:
            self.explode()

    def _fall(self) -> None:
        old = self.y
        self.vy -= BOMB_GRAVITY
        self.x += self.vx
        self.y += self.vy
        for surface in self.arena.surfaces:
            top = surface.height + BOMB_HEIGHT
            if self.y <= top <= old and surface.left <= self.x <= surface.right:
                self.y = top
                if self.state == BOMB_THROWN:
                    self.explode()
                else:
                    self.state, self.vx, self.vy = BOMB_RESTING, 0.0, 0.0
                return

    def explode(self) -> None:
        """Go off where it is, in the hand of whoever holds it as well."""
        if self.holder is not None:
            self.release()
        self.state, self.timer, self.vx, self.vy = BOMB_EXPLODING, float(EXPLOSION), 0.0, 0.0

    def release(self) -> None:
        """Leave the hand, from where that is now."""
        holder = self.holder
        if holder is not None:
            self.x, self.y, self.facing = holder.x, holder.y + HAND_Y, holder.facing
            holder.held = self.holder = None

    @property
    def active(self) -> bool:
        """Thrown, or in the first frames of the explosion."""
        burns = self.state == BOMB_EXPLODING and self.timer > EXPLOSION - EXPLOSION_HITS
        return burns or self.state == BOMB_THROWN

    @property
    def reach(self) -> float:
        """The explosion's radius is larger than the bomb's."""
        return EXPLOSION_RADIUS if self.state == BOMB_EXPLODING else BOMB_RADIUS

    def hits(self, fighter: Fighter) -> bool:
        """The explosion knows no friends."""
        if self.state == BOMB_EXPLODING:
            return not any(fighter is other for other in self.burnt)
        return fighter.port != self.owner

    def struck(self, fighter: Fighter) -> None:
        """A touch sets it off; that blow is the explosion's."""
        if self.state != BOMB_EXPLODING:
            self.explode()
        self.burnt.append(fighter)

    def push(self, fighter: Fighter) -> float:
        """Away from the middle."""
        return self.facing if fighter.x == self.x else 1.0 if fighter.x > self.x else -1.0

    @property
    def look(self) -> tuple[int, tuple[int, int, int, int]]:
        """Slippi's state; the unnamed bytes say nothing."""
        return self.state, (0, 0, 0, 0)


@attrs.define(eq=False)
class Boomerang(Item):
    """Flies out slower and slower, then home to its thrower; hits once on each way."""

    thrower: Fighter = attrs.field(kw_only=True)
    state: int = IN_HAND
    flown: int = 0
    spent: bool = False

    def throw(self) -> None:
        """Leave the hand."""
        f = self.thrower
        self.state, self.timer = 1, BOOMERANG_LIFE + 1.0
        self.x, self.y = f.x + 9.0 * f.facing, f.y + 7.7
        self.facing = f.facing
        self.vx = BOOMERANG_SPEED * f.facing

    def advance(self) -> None:
        """Out for as long as it is fast enough, then towards where its thrower is."""
        if self.state == IN_HAND:
            return
        self.timer -= 1.0
        self.flown += 1
        if self.state == 3:
            self._come_home()
        else:
            self.vx -= BOOMERANG_SLOWS * self.facing
            if self.vx * self.facing <= BOOMERANG_TURNS:
                self.state, self.spent = 3, False
            elif self.flown > BOOMERANG_OUT_FRAMES:
                self.state = 2
        self.x += self.vx
        self.y += self.vy

    def _come_home(self) -> None:
        x, y = self.thrower.x - self.x, self.thrower.y + 8.0 - self.y
        length = (x * x + y * y) ** 0.5
        if length <= CATCH_RANGE:
            self.timer = 0.0
            return
        self.vx, self.vy = x / length * BOOMERANG_BACK, y / length * BOOMERANG_BACK

    @property
    def active(self) -> bool:
        """In flight, and not yet through somebody on this way."""
        return self.state != IN_HAND and not self.spent

    def struck(self, fighter: Fighter) -> None:
        """It flies on."""
        self.spent = True

    @property
    def look(self) -> tuple[int, tuple[int, int, int, int]]:
        """Slippi's state; the second unnamed byte counts the frames of flight up to 15."""
        return self.state, (0, min(self.flown, 15), 0, 20)


@attrs.define(eq=False)
class Arrow(Item):
    """Waits on the string, flies a flat arc, and stays where it struck ground."""

    archer: Fighter = attrs.field(kw_only=True)
    arena: Arena = attrs.field(kw_only=True)
    state: int = IN_HAND

    def loose(self, speed: float) -> None:
        """Leave the string at `speed` units a frame."""
        f = self.archer
        self.state, self.timer, self.launched = 1, ARROW_LIFE + 1.0, True
        self.x, self.y, self.facing = f.x + 9.0 * f.facing, f.y + 8.0, f.facing
        self.vx, self.vy = speed * f.facing, 0.09 * speed

    def advance(self) -> None:
        """On the string it goes where the archer goes."""
        if self.state == IN_HAND:
            self.x, self.y = self.archer.x, self.archer.y + 8.0
            return
        self.timer -= 1.0
        if self.state == ARROW_STUCK:
            return
        old = self.y
        self.vy -= ARROW_GRAVITY
        self.x += self.vx
        self.y += self.vy
        for surface in self.arena.surfaces:
            if self.y <= surface.height <= old and surface.left <= self.x <= surface.right:
                self.y, self.vx, self.vy, self.state = surface.height, 0.0, 0.0, ARROW_STUCK

    @property
    def active(self) -> bool:
        """In flight."""
        return self.state == 1 and self.timer > 0

    def struck(self, fighter: Fighter) -> None:
        """It is used up."""
        self.state, self.timer = 1, 0.0

    def gone(self, arena: Arena) -> bool:
        """Stuck, it stays for longer than it flies."""
        return self.timer <= (ARROW_STAYS if self.state == ARROW_STUCK else 0) or arena.outside(
            self.x, self.y
        )

    @property
    def look(self) -> tuple[int, tuple[int, int, int, int]]:
        """Slippi's state; the unnamed bytes say nothing."""
        return self.state, (0, 0, 0, 0)


@attrs.define(eq=False)
class Hookshot(Item):
    """Shot out with a grab; the game records neither its speed nor where its end is."""

    age: int = 0

    def advance(self) -> None:
        """Its states go by the clock; the grab ends it."""
        self.age += 1

    @property
    def active(self) -> bool:
        """The grab does the work."""
        return False

    @property
    def look(self) -> tuple[int, tuple[int, int, int, int]]:
        """Slippi's state: in hand, shooting out, then coming back."""
        return next((state for until, state in HOOKSHOT_PHASES if self.age <= until), 3), (32, 0, 0, 0)
