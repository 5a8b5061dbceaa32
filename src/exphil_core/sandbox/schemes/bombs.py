"""Bombs: what one does depends on who has one and on how long it will still burn."""

from __future__ import annotations

from exphil_core.sandbox import links
from exphil_core.sandbox.controller import A
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.holding import PICK_RANGE
from exphil_core.sandbox.link_items import BOMB_EXPLODING, BOMB_GRAVITY, BOMB_RESTING, BOMB_THROWN, IN_HAND
from exphil_core.sandbox.phrases import Phrases, Plan
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.situation import Situation
from exphil_core.sandbox.state import FighterState, GameState, ItemState

BOMBS = tuple(kinds[0] for kinds in links.ITEMS.values())
BOOMERANGS = tuple(kinds[1] for kinds in links.ITEMS.values())
# Frames left: below `HOT` it must go, below `WARM` it is thrown at who is near or laid down; worth picking up above.
HOT, WARM, WORTH_IT = 60, 225, 110
THROW_RANGE, DANGER, SEE_IT = 85.0, 45.0, 40.0
# How often one is thrown out of a jump, from higher up and so further.
JUMPS = 0.5
# A flying bomb that will pass within `HITS` units of the body within `SOON` frames is shielded.
HITS, SOON, MIDDLE = 12.0, 45.0, 8.0


def throw(say: Phrases, me: FighterState, side: int) -> Plan:
    """What is in the hand, ahead to `side`."""
    return [*say.face(me, side), Step(2, side * 45), Step(2, side * 45, buttons=A), Step(say.about(16))]


def jump_and_throw(say: Phrases, me: FighterState, side: int) -> Plan:
    """The same out of a short hop or a full jump, early or late in it."""
    rise = say.jump(0, short=say.chance(0.5))
    wait = Step(2 + int(14 * say.share()))
    return [*say.face(me, side), *rise, wait, Step(2, side * 45, buttons=A), Step(say.about(20))]


def _comes(bomb: ItemState, me: FighterState) -> bool:
    """Whether it flies this way and will be here soon."""
    way = me.x - bomb.x
    return way * bomb.velocity_x > 0 and abs(way) < SOON * abs(bomb.velocity_x)


def _miss(bomb: ItemState, me: FighterState) -> float:
    """How far above the middle of the body it will come by: on its arc, as it flies now."""
    frames = (me.x - bomb.x) / bomb.velocity_x
    height = bomb.y + bomb.velocity_y * frames - BOMB_GRAVITY * frames * frames / 2
    return height - me.y - MIDDLE


class Bombs(Scheme):
    """The Links' own: a fresh bomb is kept in hand, a warm one thrown or laid down, a hot one got rid of."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._left: float | None = None  # on the fuse of the one in hand
        self._out = self._away = False

    def watch(self, view: GameState) -> None:
        """Look after the own bomb and boomerang."""
        bombs = [b for b in self._items(view, BOMBS) if b.state != BOMB_EXPLODING]
        held = [b for b in bombs if b.owner == self._port and b.state == IN_HAND]
        left = held[0].timer if held else None
        was_hot = self._left is not None and self._left <= HOT
        if left is not None and left <= HOT and not was_hot:
            self.alarm = True
        self._left = left
        self._out = any(b.owner == self._port and b.state != BOMB_RESTING for b in bombs)
        self._away = any(item.owner == self._port for item in self._items(view, BOOMERANGS))

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """By the fuse of the bomb in hand; with empty hands, something to throw."""
        side, distance = self._say.side(me, foe), abs(foe.x - me.x)
        if self._left is not None:
            return self._with_bomb(self._left, me, side, distance)
        if me.airborne or situation not in (Situation.MIDDLE, Situation.FAR):
            return None
        if not self._out and self._say.chance(0.75):
            return self._special(0, -1, links.BOMB_FRAMES - 4)
        if not self._away and self._say.chance(0.25):
            return self._special(side, 0, links.RANG_FRAMES - 6)
        return None

    def _with_bomb(self, left: float, me: FighterState, side: int, distance: float) -> Plan | None:
        if left <= HOT:
            return throw(self._say, me, side)
        if left <= WARM:
            if distance < THROW_RANGE:
                from_above = not me.airborne and self._say.chance(JUMPS)
                return jump_and_throw(self._say, me, side) if from_above else throw(self._say, me, side)
            if not me.airborne:
                return [Step(3, 0, -60), Step(2, 0, -60, buttons=A), Step(self._say.about(18))]
            return None
        # A fresh one is kept: back and forth out of reach.
        return [self._say.dash(-side, 9), self._say.walk(side, 12), Step(self._say.about(4))]


class AgainstBombs(Scheme):
    """Whoever meets a Link: away from a hot bomb, pick up a fresh one and throw it back. A flying one is shielded if
    it will hit, run under if it flies too high and backed away from if it falls short."""

    def __init__(self, setup: Setup, index: int, phrases: Phrases) -> None:
        super().__init__(setup, index, phrases)
        self._throws_back = setup.characters[index].name not in links.ITEMS
        self._bombs: list[ItemState] = []
        self._flying: ItemState | None = None
        self._answered = False

    def watch(self, view: GameState) -> None:
        """Look at all bombs; one that comes flying is an alarm."""
        self._bombs = [b for b in self._items(view, BOMBS) if b.state != BOMB_EXPLODING]
        me = view.fighters[self._index]
        theirs = (b for b in self._bombs if b.state == BOMB_THROWN and b.owner != self._port)
        flying = next((b for b in theirs if _comes(b, me)), None)
        if flying is not None and self._flying is None:
            self.alarm, self._answered = True, False
        self._flying = flying

    def plan(self, situation: Situation, me: FighterState, foe: FighterState) -> Plan | None:
        """What presses most comes first: in the air, in the own hand, at the feet, in the opponent's hand."""
        say, side = self._say, self._say.side(me, foe)
        if self._flying is not None and not self._answered and not me.airborne:
            self._answered = True
            return self._to_a_flying_one(_miss(self._flying, me), side)
        held = [b for b in self._bombs if b.state == IN_HAND]
        if any(b.owner == self._port for b in held):
            if not self._throws_back:
                return None
            return throw(self._say, me, side)
        if me.airborne:
            return None
        for bomb in self._bombs:
            if bomb.state == BOMB_RESTING and abs(bomb.x - me.x) < SEE_IT and abs(bomb.y - me.y) < 8.0:
                return self._at_my_feet(bomb, me)
        hot = any(b.owner == self._foes_port and b.timer <= WARM for b in held)
        if hot and abs(foe.x - me.x) < DANGER + 20.0 and abs(me.x - 25.0 * side) < self._edge:
            return [say.dash(-side, 13), Step(say.about(3))]
        return None

    def _to_a_flying_one(self, miss: float, side: int) -> Plan:
        say = self._say
        if miss > HITS:
            return [say.dash(side, 12), Step(3, side * 45, buttons=A), *say.rest(14, side)]
        if miss < -HITS:
            return [say.dash(-side, 10), Step(2), say.walk(side, 8), Step(say.about(8))]
        return [Step(say.about(22), buttons=say.shield_button), Step(4)]

    def _at_my_feet(self, bomb: ItemState, me: FighterState) -> Plan:
        say = self._say
        towards = 1 if bomb.x >= me.x else -1
        if bomb.timer < WORTH_IT:
            away = -towards if abs(me.x - 25.0 * towards) < self._edge else towards
            return [say.dash(away, 13), Step(say.about(3))]
        if abs(bomb.x - me.x) > PICK_RANGE - 3.0:
            return [say.walk(towards, 5)]
        return [Step(2), Step(2, buttons=A), Step(say.about(8))]
