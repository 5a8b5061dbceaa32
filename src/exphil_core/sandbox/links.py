"""Link's and Young Link's specials: bow, boomerang, bomb; and the hookshot that goes with their grab.

Action ids are those of a real game of Young Link; Link's are the same in the decompiled game.
"""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.bodies import Shot
from exphil_core.sandbox.controller import B
from exphil_core.sandbox.drift import drift, skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.holding import take
from exphil_core.sandbox.kit import Handler, Kit, goes_on
from exphil_core.sandbox.link_items import (
    ARROW_LIFE,
    BOMB_LIFE,
    HOOKSHOT_LIFE,
    Arrow,
    Bomb,
    Boomerang,
    Hookshot,
)  # fmt: skip

# On the ground and, 3 (bow, boomerang) or 1 (bomb) further, in the air.
BOW_DRAW, BOW_FULL, BOW_END, BOW_AIR = 344, 345, 346, 3
RANG_THROW, RANG_CATCH, RANG_EMPTY, RANG_AIR = 350, 351, 352, 3
BOMB_DRAW, BOMB_DRAW_AIR = 358, 359
DRAW_LEAST, DRAW_FULL, DRAW_WAIT, BOW_END_FRAMES = 17, 45, 16, 25
RANG_APPEARS, RANG_LEAVES, RANG_FRAMES = 4, 26, 45
BOMB_APPEARS, BOMB_FRAMES = 15, 39
SLOWEST, FASTEST = 1.35, 3.98
# Link's item ids, then Young Link's: bomb, boomerang, hookshot. The arrow is his `Shot`.
ITEMS = {"link": (0x3A, 0x3C, 0x3E), "younglink": (0x3B, 0x3D, 0x3F)}


def _glide(f: Fighter) -> None:
    if f.airborne:
        drift(f)
    else:
        skid(f)


def _over(f: Fighter) -> None:
    if f.airborne:
        f.fall()
    else:
        f.stand()


def _shot(f: Fighter, which: int, damage: float) -> Shot:
    return Shot(ITEMS[f.character.name][which], 0.0, 0, damage, knockback=25.0)


def _start_bow(f: Fighter) -> None:
    f.enter(BOW_DRAW + (BOW_AIR if f.airborne else 0), 1)


def _bow(f: Fighter) -> None:
    _glide(f)
    action = f.action - (BOW_AIR if f.action >= BOW_DRAW + BOW_AIR else 0)
    air = BOW_AIR if f.airborne else 0
    if action == BOW_END:
        if f.age > BOW_END_FRAMES:
            f.hold_nothing()
            _over(f)
        return
    if action == BOW_DRAW and f.age == 3:
        assert f.shot is not None
        f.item = f.fired = Arrow(
            f.shot, 0, f.port, f.instance, f.x, f.y + 8.0, f.facing, float(ARROW_LIFE), False,
            archer=f, arena=f.arena,
        )  # fmt: skip
    f.clock += 1
    released = not f.pad.buttons & B and f.clock >= DRAW_LEAST
    if released or f.clock >= DRAW_FULL + DRAW_WAIT:
        if isinstance(f.item, Arrow):
            drawn = min(max(f.clock - DRAW_LEAST, 0) / (DRAW_FULL - DRAW_LEAST), 1.0)
            f.item.loose(SLOWEST + (FASTEST - SLOWEST) * drawn)
            f.item = None
        f.enter(BOW_END + air, 1)
    elif action == BOW_DRAW and f.clock >= DRAW_FULL:
        f.enter(BOW_FULL + air)


def _start_boomerang(f: Fighter) -> None:
    """With the boomerang away the throw is an empty one."""
    away = f.boomerang is not None and f.boomerang.timer > 0
    f.enter((RANG_EMPTY if away else RANG_THROW) + (RANG_AIR if f.airborne else 0), 1)


def _boomerang(f: Fighter) -> None:
    _glide(f)
    if f.age == RANG_APPEARS and f.action in (RANG_THROW, RANG_THROW + RANG_AIR):
        f.boomerang = Boomerang(
            _shot(f, 1, 8.0), 0, f.port, f.instance, f.x, f.y + 14.0, f.facing, 140.0, thrower=f
        )
        f.item = f.fired = f.boomerang
    if f.age == RANG_LEAVES and f.item is f.boomerang is not None:
        f.boomerang.throw()
        f.item = None
    if f.age > RANG_FRAMES:
        _over(f)


def _start_bomb(f: Fighter) -> None:
    """Draw a bomb, or throw the one in hand."""
    if f.held is not None:
        f.enter(act.THROW_AIR_F if f.airborne else act.THROW_LIGHT_F, 1)
    else:
        f.enter(BOMB_DRAW_AIR if f.airborne else BOMB_DRAW, 1)


def _bomb(f: Fighter) -> None:
    _glide(f)
    if f.age == BOMB_APPEARS and f.held is None:
        bomb = Bomb(
            _shot(f, 0, 9.0), 0, f.port, f.instance, f.x, f.y + 9.0, f.facing, BOMB_LIFE + 1.0, arena=f.arena
        )
        f.fired = bomb
        take(f, bomb)
    if f.age > BOMB_FRAMES:
        _over(f)


def _hookshot(f: Fighter) -> None:
    item = Hookshot(_shot(f, 2, 0.0), 0, f.port, f.instance, f.x, f.y + 9.0, f.facing, float(HOOKSHOT_LIFE))
    f.item = f.fired = item


_BOW = (BOW_DRAW, BOW_FULL, BOW_END)
_RANG = (RANG_THROW, RANG_CATCH, RANG_EMPTY)
_HANDLERS: dict[int, Handler] = {
    **{action + air: _bow for action in _BOW for air in (0, BOW_AIR)},
    **{action + air: _boomerang for action in _RANG for air in (0, RANG_AIR)},
    BOMB_DRAW: _bomb,
    BOMB_DRAW_AIR: _bomb,
}
LINKS = Kit(
    neutral=_start_bow,
    side=_start_boomerang,
    down=_start_bomb,
    handlers=_HANDLERS,
    landings={
        **{action + BOW_AIR: goes_on(action) for action in _BOW},
        **{action + RANG_AIR: goes_on(action) for action in _RANG},
        BOMB_DRAW_AIR: goes_on(BOMB_DRAW),
    },
    grabs=_hookshot,
)
