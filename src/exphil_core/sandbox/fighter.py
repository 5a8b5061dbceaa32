"""One fighter while a game runs: mutable state, edges of the inputs, transitions that all actions share."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

from exphil_core.melee.characters import NANA_INTERNAL, Character
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.arena import Arena
from exphil_core.sandbox.bodies import BODIES, DEFAULT_RISE, RISES, SHOTS, Body, Rise, Shot
from exphil_core.sandbox.controller import NEUTRAL, SHOULDERS, Controller, Z
from exphil_core.sandbox.items import Item
from exphil_core.sandbox.kit import NO_KIT, Kit
from exphil_core.sandbox.state import NO_GROUND, NOBODY, FighterState

if TYPE_CHECKING:
    from exphil_core.sandbox.link_items import Bomb, Boomerang

FULL_SHIELD = 60.0
STOCKS = 4
# Stick thresholds in 80ths: a dash is flung past 64, an up or down input past 53 (0.8 and 0.66 in Melee).
FLING_X, FLING_Y = 64, 53
FRESH = 3
# An L-cancel counts when a shoulder or Z was pressed at most 7 frames before landing; a tech 20.
L_CANCEL_WINDOW, TECH_WINDOW = 7, 20
FAR_PAST = 1000
# Each stock of Game & Watch's begins as if Judge had drawn 1 and then 2 (from the decompiled game).
FIRST_JUDGED = (1, 2)

_HITLAG, _HIT_VICTIM, _SHIELDING, _FASTFALL = 0x20, 0x10, 0x01, 0x08
_SHIELD_2, _HITSTUN, _GONE, _DEAD = 0x80, 0x02, 0x80, 0xC0


@attrs.define(eq=False, kw_only=True)
class Fighter:
    """A fighter. `port` counts from 0; `jumps` is what is left; ages, timers and stuns are in frames.

    `held` is a bomb in the hand, `in_reach` all bombs of the game; `luck` is what the game draws for this fighter.
    """

    character: Character
    arena: Arena
    port: int
    x: float
    y: float
    facing: float
    body: Body = attrs.field(init=False)
    shot: Shot | None = attrs.field(init=False)
    rise: Rise = attrs.field(init=False)
    foe: Fighter = attrs.field(init=False)
    # Nana, for Popo; she has a leader instead.
    partner: Fighter | None = None
    leader: Fighter | None = None
    kit: Kit = NO_KIT
    luck: random.Random = attrs.field(factory=lambda: random.Random(0))
    action: int = act.ENTRY
    age: float = -1.0
    airborne: bool = True
    ground: int = NO_GROUND
    vx: float = 0.0
    vy: float = 0.0
    ground_v: float = 0.0
    kx: float = 0.0
    ky: float = 0.0
    percent: float = 0.0
    shield: float = FULL_SHIELD
    stocks: int = STOCKS
    jumps: int = 1
    hitlag: float = 0.0
    hitstun: float = 0.0
    l_cancel: int = 0
    last_attack: int = 0
    combo: int = 0
    last_hit_by: int = NOBODY
    instance: int = 0
    hit_by_instance: int = 0
    fast_falling: bool = False
    connected: bool = False
    intangible: int = 0
    invulnerable: int = 0
    regrab: int = 0
    pass_through: int = 0
    clock: int = 0
    charge: int = 0
    item: Item | None = None
    fired: Item | None = None
    held: Bomb | None = None
    in_reach: list[Bomb] = attrs.field(factory=list)
    boomerang: Boomerang | None = None
    judged: tuple[int, int] = FIRST_JUDGED
    bucket: int = 0
    stale: list[int] = attrs.field(factory=list)
    pad: Controller = NEUTRAL
    pressed: int = 0
    since_x: int = FAR_PAST
    since_y: int = FAR_PAST
    since_shoulder: int = FAR_PAST
    c_flicked: bool = False

    def __attrs_post_init__(self) -> None:
        self.become(self.character, self.kit)
        self.jumps = self.body.jumps - 1

    def become(self, character: Character, kit: Kit) -> None:
        """Be `character` from now on, with its body and its specials."""
        self.character = character
        self.kit = kit
        self.body = BODIES[character.name]
        self.shot = SHOTS.get(character.name)
        self.rise = RISES.get(character.name, DEFAULT_RISE)

    # -- inputs -----------------------------------------------------------------------------------------

    def read(self, pad: Controller) -> None:
        """Take this frame's controller and note what changed: the game reacts to edges, not to holds."""
        last = self.pad
        if pad is last:
            self.pressed = 0
            self.since_x += 1
            self.since_y += 1
            self.since_shoulder += 1
            self.c_flicked = False
            return
        self.pad = pad
        self.pressed = pad.buttons & ~last.buttons
        flung = abs(pad.x) >= FLING_X and not (abs(last.x) >= FLING_X and last.x * pad.x > 0)
        self.since_x = 0 if flung else self.since_x + 1
        flung = abs(pad.y) >= FLING_Y and not (abs(last.y) >= FLING_Y and last.y * pad.y > 0)
        self.since_y = 0 if flung else self.since_y + 1
        squeezed = self.pressed & (SHOULDERS | Z) or (pad.shoulder and not last.shoulder)
        self.since_shoulder = 0 if squeezed else self.since_shoulder + 1
        self.c_flicked = max(abs(pad.cx), abs(pad.cy)) >= 40 > max(abs(last.cx), abs(last.cy))

    @property
    def flung_x(self) -> int:
        """-1 or 1 while the stick was just flung to that side, else 0."""
        if self.since_x <= FRESH and abs(self.pad.x) >= FLING_X:
            return 1 if self.pad.x > 0 else -1
        return 0

    @property
    def flung_y(self) -> int:
        """-1 or 1 while the stick was just flung down or up, else 0."""
        if self.since_y <= FRESH and abs(self.pad.y) >= FLING_Y:
            return 1 if self.pad.y > 0 else -1
        return 0

    # -- transitions ------------------------------------------------------------------------------------

    def enter(self, action: int, age: float = 0.0) -> None:
        """Begin `action`. Attacks and other moves begin at age 1, waiting states at 0, as in Melee."""
        self.action = action
        self.age = age
        self.connected = False
        self.instance += 1

    def stand(self) -> None:
        """Wait on the ground."""
        self.enter(act.WAIT)

    def take_off(self) -> None:
        """Leave the ground for the air, keeping the speed; the caller says for which action."""
        self.airborne = True
        self.jumps = self.body.jumps - 1
        self.vx = self.ground_v
        self.vy = 0.0
        self.ground_v = 0.0
        self.fast_falling = False

    def fall(self) -> None:
        """Fall freely (from the ground or out of an aerial action)."""
        if not self.airborne:
            self.take_off()
        self.enter(act.FALL if self.jumps else act.FALL_AERIAL)

    def alight(self) -> None:
        """Touch the ground, keeping the speed; the caller says for which action."""
        self.airborne = False
        self.jumps = self.body.jumps
        self.ground_v = self.vx
        self.vx = self.vy = self.ky = 0.0
        self.fast_falling = False

    def stop(self) -> None:
        """Lose all speed."""
        self.vx = self.vy = self.kx = self.ky = self.ground_v = 0.0

    def hold_nothing(self) -> None:
        """Drop what a special was holding (a Shadow Ball that was charging)."""
        if self.item is not None:
            self.item.timer = 0.0
            self.item = None

    # -- what others see --------------------------------------------------------------------------------

    @property
    def hurtbox(self) -> int:
        """Slippi's: 0 vulnerable, 1 invulnerable after a rebirth, 2 intangible."""
        return 2 if self.intangible > 0 else 1 if self.invulnerable > 0 else 0

    @property
    def internal(self) -> int:
        """The character's id in replays' frames."""
        return self.character.internal if self.leader is None else NANA_INTERNAL

    def snapshot(self) -> FighterState:
        """This frame as Slippi's post-frame event tells it."""
        action, airborne = self.action, self.airborne
        hurt = action in act.DAMAGE
        shielding = action in act.GUARDS
        dead = action in act.DEAD
        flags_1 = _FASTFALL if self.fast_falling else 0
        if self.hitlag > 0:
            flags_1 |= _HITLAG | (_HIT_VICTIM if hurt else 0)
        if shielding:
            flags_1 |= _SHIELDING
        # Outside damage states Slippi's field is another quantity, here as in Melee a shield's clock.
        misc = self.hitstun if hurt else float(self.clock) if shielding or action == act.GUARD_OFF else 0.0
        return FighterState(
            self.internal, action, self.x, self.y, self.facing, self.percent, self.shield,
            self.last_attack, self.combo, self.last_hit_by, self.stocks, self.age,
            0, flags_1, _SHIELD_2 if shielding else 0, _HITSTUN if hurt and self.hitstun > 0 else 0,
            _DEAD if dead else _GONE if action == act.REBIRTH else 0,
            misc, airborne, self.ground, self.jumps, self.l_cancel, self.hurtbox,
            self.vx if airborne else self.ground_v, self.vy, self.kx, self.ky,
            0.0 if airborne else self.ground_v,
            self.hitlag, act.ANIMATION[action], self.hit_by_instance & 0xFFFF, self.instance & 0xFFFF,
        )  # fmt: skip
