"""Carrying something in the hand: picking a bomb up and throwing it, which any fighter can."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.drift import drift, skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.link_items import BOMB_DROPPED, BOMB_RESTING, BOMB_THROWN, IN_HAND, Bomb

PICK_FRAMES, PICK_RANGE, PICK_HEIGHT = 6, 10.0, 6.0
THROW_RELEASE, THROW_FRAMES = 6, 20
# Units a frame: ahead, back, up; down is put down, and comes to rest.
_SPEEDS = {0: (2.0, 0.5), 1: (-2.0, 0.5), 2: (0.3, 1.8), 3: (0.0, -0.4)}
_DOWN = 3


def handle(f: Fighter) -> bool:
    """Throw what is in the hand, or pick up what lies at the feet, if A was just pressed (Z throws as well)."""
    if f.held is not None:
        return _throw(f)
    return not f.airborne and _pick_up(f)


def _throw(f: Fighter) -> bool:
    pad = f.pad
    way = 1 if pad.x * f.facing < 0 else 0
    if abs(pad.y) > abs(pad.x):
        way = 2 if pad.y > 0 else _DOWN
    f.enter((act.THROW_AIR_F if f.airborne else act.THROW_LIGHT_F) + way, 1)
    return True


def _pick_up(f: Fighter) -> bool:
    bomb = next((b for b in f.in_reach if lies_near(b, f)), None)
    if bomb is None:
        return False
    take(f, bomb)
    f.enter(act.PICK_UP, 1)
    return True


def lies_near(bomb: Bomb, f: Fighter) -> bool:
    """Whether `bomb` lies where `f` can pick it up."""
    return bomb.state == BOMB_RESTING and abs(bomb.x - f.x) <= PICK_RANGE and abs(bomb.y - f.y) <= PICK_HEIGHT


def take(f: Fighter, bomb: Bomb) -> None:
    """Have `bomb` in the hand; whoever holds it owns it."""
    bomb.holder, bomb.owner, bomb.state = f, f.port, IN_HAND
    f.held = bomb


def drop(f: Fighter) -> None:
    """Let go of what is in the hand: it falls and lies."""
    bomb = f.held
    if bomb is not None:
        bomb.release()
        bomb.state, bomb.vx, bomb.vy = BOMB_DROPPED, 0.0, 0.0


def _picking(f: Fighter) -> None:
    skid(f)
    if f.age > PICK_FRAMES:
        f.stand()


def _throwing(f: Fighter) -> None:
    if f.airborne:
        drift(f)
    else:
        skid(f)
    if f.age == THROW_RELEASE and f.held is not None:
        _let_fly(f, f.held)
    if f.age > THROW_FRAMES:
        if f.airborne:
            f.fall()
        else:
            f.stand()


def _let_fly(f: Fighter, bomb: Bomb) -> None:
    way = f.action - (act.THROW_AIR_F if f.action >= act.THROW_AIR_F else act.THROW_LIGHT_F)
    speed_x, speed_y = _SPEEDS[way]
    bomb.release()
    bomb.state = BOMB_DROPPED if way == _DOWN else BOMB_THROWN
    bomb.vx, bomb.vy = speed_x * f.facing, speed_y


def land(f: Fighter) -> None:
    """A throw in the air touches the ground and goes on there."""
    f.enter(f.action - act.THROW_AIR_F + act.THROW_LIGHT_F, f.age)


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    act.PICK_UP: _picking,
    **dict.fromkeys(act.ITEM_THROWS, _throwing),
}
