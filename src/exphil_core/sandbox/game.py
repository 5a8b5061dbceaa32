"""A game of two: one `step` a frame, with whatever controllers the caller has.

The sandbox is *not* Melee. It borrows Melee's ids, frame numbers and stages so that everything that reads
replays or plays can be tried without the game, and it is deterministic: same controllers, same states.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME
from exphil_core.melee.characters import Character
from exphil_core.melee.stages import Stage
from exphil_core.sandbox import actions as act
from exphil_core.sandbox import air, attacks, combat, defence, ground, holding, hurt, motion, specials
from exphil_core.sandbox.arena import Arena
from exphil_core.sandbox.controller import NEUTRAL, Controller
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.items import Item
from exphil_core.sandbox.kit import NO_KIT
from exphil_core.sandbox.kits import KITS
from exphil_core.sandbox.link_items import Bomb
from exphil_core.sandbox.partner import Partner
from exphil_core.sandbox.state import GameState

_HANDLERS: dict[int, Callable[[Fighter], None]] = {
    **ground.HANDLERS,
    **air.HANDLERS,
    **attacks.HANDLERS,
    **defence.HANDLERS,
    **specials.HANDLERS,
    **hurt.HANDLERS,
    **holding.HANDLERS,
}

WITH_PARTNER = "iceclimbers"


@attrs.frozen(kw_only=True)
class Setup:
    """What a game is played with. `ports` count from 0 and rise; `last_frame` is where time runs out, `seed` decides
    what the game itself draws (Judge)."""

    stage: Stage
    characters: tuple[Character, Character]
    ports: tuple[int, int] = (0, 1)
    last_frame: int = 8 * 60 * 60
    seed: int = 0


class Game:
    """One game. `state` is None before the first step, whose frame is -123; inputs count from -39."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.state: GameState | None = None
        self._frame = FIRST_FRAME - 1
        self._items: list[Item] = []
        self._bombs: list[Bomb] = []
        self._items_made = 0
        arena = Arena.of(setup.stage)
        first, second = (
            Fighter(
                character=character, arena=arena, port=port, x=x, y=y, facing=-float(side),
                kit=KITS.get(character.name, NO_KIT), luck=random.Random(f"sandbox/{setup.seed}/{port}"),
                in_reach=self._bombs,
            )
            for character, port, side, (x, y) in zip(
                setup.characters, setup.ports, (-1, 1), (arena.start(-1), arena.start(1)), strict=True
            )
        )  # fmt: skip
        first.foe, second.foe = second, first
        self._fighters = (first, second)
        self._partners = tuple(
            Partner.of(f) if f.character.name == WITH_PARTNER else None for f in self._fighters
        )
        self._everybody = [
            f for lead, mind in zip(self._fighters, self._partners, strict=True)
            for f in ((lead,) if mind is None else (lead, mind.nana))
        ]  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether a player has no stock left or time is up."""
        return self._frame >= self.setup.last_frame or any(f.stocks == 0 for f in self._fighters)

    @property
    def winner(self) -> int | None:
        """Index of the player ahead by stocks, then by percent; None while they are level."""
        first, second = ((f.stocks, -f.percent) for f in self._fighters)
        return None if first == second else int(second > first)

    def step(self, controllers: Sequence[Controller]) -> GameState:
        """Play one frame with the controllers in force in it, and return the state that results."""
        self._frame += 1
        playable = self._frame >= FIRST_PLAYABLE_FRAME
        fighters = self._fighters
        for f, mind, given in zip(fighters, self._partners, controllers, strict=True):
            pad = given if playable else NEUTRAL
            f.read(pad)
            _advance(f)
            if mind is not None and mind.present:
                mind.nana.read(mind.think(pad) if playable else NEUTRAL)
                _advance(mind.nana)
        self._take_fired()
        _fight(*fighters)
        if self._items:
            self._advance_items()
        for f in self._present():
            motion.cross_blast_zone(f)
        # After it: a ball that is being charged goes with whoever charges it.
        self._clear_items()
        for f, mind in zip(fighters, self._partners, strict=True):
            if mind is not None:
                mind.follow_fate(f)
        one, two = (None if mind is None else mind.snapshot() for mind in self._partners)
        self.state = GameState(
            self._frame,
            (fighters[0].snapshot(), fighters[1].snapshot()),
            tuple([item.snapshot() for item in self._items]) if self._items else (),
            (one, two),
        )
        return self.state

    def _present(self) -> list[Fighter]:
        """Everybody but a Nana who is away."""
        away = [mind.nana for mind in self._partners if mind is not None and not mind.present]
        return [f for f in self._everybody if f not in away] if away else self._everybody

    def _take_fired(self) -> None:
        for f in self._everybody:
            if f.fired is not None:
                f.fired.id = self._items_made
                self._items_made += 1
                self._items.append(f.fired)
                if isinstance(f.fired, Bomb):
                    self._bombs.append(f.fired)
                f.fired = None

    def _advance_items(self) -> None:
        present = self._present()
        leads = {f.port: f for f in self._fighters}
        for item in self._items:
            item.advance()
            for f in present:
                combat.shoot(item, leads[item.owner], f)

    def _clear_items(self) -> None:
        if not self._items:
            return
        arena = self._fighters[0].arena
        self._items = [i for i in self._items if not i.gone(arena)]
        self._bombs[:] = [i for i in self._items if isinstance(i, Bomb)]


def _fight(one: Fighter, two: Fighter) -> None:
    """Both may land a blow in one frame, so no port comes first; two grabs at once cancel out."""
    blows = [
        (f, foe, combat.reaching(f, foe))
        for lead in (one, two)
        for f in _team(lead)
        for foe in _team(lead.foe)
    ]
    for f, foe, blow in blows:
        if blow is not None:
            combat.land(f, foe, blow)
    if combat.grabbing(one):
        if not combat.grabbing(two):
            combat.grab(one)
    elif combat.grabbing(two):
        combat.grab(two)
    if one.action in act.THROWN:
        hurt.carry(one)
    elif two.action in act.THROWN:
        hurt.carry(two)


def _team(lead: Fighter) -> tuple[Fighter, ...]:
    return (lead,) if lead.partner is None else (lead, lead.partner)


def _advance(f: Fighter) -> None:
    """One fighter's own frame: nothing but the clock while hit-lag lasts."""
    f.l_cancel = 0
    if f.hitlag > 0:
        f.hitlag -= 1
        if f.hitlag > 0:
            return
    if f.intangible:
        f.intangible -= 1
    if f.invulnerable:
        f.invulnerable -= 1
    if f.regrab:
        f.regrab -= 1
    f.age += 1.0
    (f.kit.handlers.get(f.action) or _HANDLERS[f.action])(f)
    defence.regrow_shield(f)
    motion.move(f)
