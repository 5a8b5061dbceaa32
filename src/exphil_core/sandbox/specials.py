"""Special moves: the neutral one (a projectile, or a slow punch) and the up one (teleport, or a rise).

Who has side and down specials has them in its kit; for anybody else B with any direction but up is the neutral
special. `clock` counts the frames since a special began.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from exphil_core.melee.controller import STICK_STEPS
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.bodies import DEFAULT_RISE, RISES, Shot
from exphil_core.sandbox.controller import SHOULDERS, B
from exphil_core.sandbox.drift import drift, sink, skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.items import MUZZLE_X, MUZZLE_Y, Item
from exphil_core.sandbox.kit import Handler
from exphil_core.sandbox.moves import MOVES

SHOT_LAUNCH, SHOT_TOTAL = 10, 28
CHARGE_START, CANCEL_FRAMES, FULL_FRAMES, FIRE_LAUNCH, FIRE_TOTAL = 12, 8, 8, 8, 32
# Ids of the air version of a charged special are 5 above the ground version's.
_AIR = act.SPECIAL_N_AIR_START - act.SPECIAL_N_START
# Melee shows Mewtwo's travel at a standing age of 34.
TRAVEL_AGE = 34.0
_UP_THRESHOLD = 40


def special(f: Fighter) -> bool:
    """Start the special that this frame's input asks for, if B was pressed."""
    if not f.pressed & B:
        return False
    pad = f.pad
    f.clock = 0
    if pad.y >= _UP_THRESHOLD and pad.y > abs(pad.x):
        f.enter((f.rise.air if f.airborne else f.rise.ground)[0], 1)
        if f.airborne:
            f.jumps = 0
            f.vx *= 0.5
            f.vy = f.vy * 0.4 if f.vy > 0 else 0.0
        return True
    own = _own_special(f)
    if own is not None:
        own(f)
    elif f.shot is not None and f.shot.charge:
        full = f.charge >= f.shot.charge
        action = act.SPECIAL_N_FIRE if full else act.SPECIAL_N_START
        if full:
            _make_item(f, f.shot, launched=False)
        f.enter(action + (_AIR if f.airborne else 0), 1)
    else:
        f.enter(act.SHOT_AIR if f.airborne else act.SHOT_GROUND, 1)
    return True


def _own_special(f: Fighter) -> Handler | None:
    """What the character's kit has for this direction."""
    pad = f.pad
    if pad.y <= -_UP_THRESHOLD and -pad.y > abs(pad.x):
        return f.kit.down or f.kit.neutral
    if abs(pad.x) >= _UP_THRESHOLD and f.kit.side is not None:
        f.facing = 1.0 if pad.x > 0 else -1.0
        return f.kit.side
    return f.kit.neutral


# -- up special -----------------------------------------------------------------------------------------


def _rise(f: Fighter) -> None:
    rise = f.rise
    f.clock += 1
    if f.clock <= rise.start - 1:
        if f.airborne:
            sink(f)
            f.vy *= 0.5
        else:
            skid(f)
    elif f.clock == rise.start:
        _set_off(f)
    elif f.clock < rise.start + rise.travel:
        _travel(f)
    elif f.clock == rise.start + rise.travel and rise.end:
        f.enter((rise.air if f.airborne else rise.ground)[2], 1)
        f.vx *= 0.2
        f.vy *= 0.2
        f.ground_v *= 0.2
        f.intangible = 0
    elif f.clock >= rise.start + rise.travel + rise.end:
        _end_rise(f)
    elif f.airborne:
        drift(f, 0.5)
    else:
        skid(f)


def _set_off(f: Fighter) -> None:
    """The stick of this frame says where to; with a centred stick it is straight up. Along the ground it goes at full
    speed even if the stick points down into it."""
    rise, pad = f.rise, f.pad
    x, y = pad.x / STICK_STEPS, pad.y / STICK_STEPS
    length = (x * x + y * y) ** 0.5
    if length < 0.3:
        x, y, length = 0.0, 1.0, 1.0
    x, y = x / length * rise.speed, y / length * rise.speed
    if x:
        f.facing = 1.0 if x > 0 else -1.0
    if not f.airborne and y > 0.1:
        f.take_off()
        f.jumps = 0
    f.enter((rise.air if f.airborne else rise.ground)[1], TRAVEL_AGE)
    if f.airborne:
        f.vx, f.vy = x, y
    else:
        f.ground_v = math.copysign(rise.speed, x) if x else 0.0
    _travel(f)


def _travel(f: Fighter) -> None:
    f.age = TRAVEL_AGE
    if f.rise.intangible:
        f.intangible = 1


def _end_rise(f: Fighter) -> None:
    f.intangible = 0
    if f.airborne:
        f.enter(act.FALL_SPECIAL)
        drift(f, 0.7)
    else:
        f.stand()


def travelling(f: Fighter) -> bool:
    """Whether an up special is on its way (it may run off an edge and catch a ledge from below)."""
    rise = f.rise
    return f.action in rise.actions and rise.start <= f.clock < rise.start + rise.travel


def run_off(f: Fighter) -> None:
    """An up special that travels along the ground goes on in the air."""
    speed = f.ground_v
    f.take_off()
    f.jumps = 0
    f.vx = speed
    f.enter(f.rise.air[1], TRAVEL_AGE)


def land_rise(f: Fighter) -> None:
    """An up special touches the ground: the start goes on there, the travel ends there."""
    rise = f.rise
    if f.clock < rise.start:
        f.enter(rise.ground[0], f.age)
    elif f.clock < rise.start + rise.travel:
        # However steep and short the way was, he slides on as after a whole one along the ground.
        f.clock = rise.start + rise.travel
        f.ground_v = math.copysign(0.2 * rise.speed, f.ground_v) if f.ground_v else 0.0
        f.intangible = 0
        f.enter(rise.ground[2], 1)
    else:
        f.clock = 10
        f.enter(act.LANDING_SPECIAL)


# -- neutral special ------------------------------------------------------------------------------------


def _neutral(f: Fighter) -> None:
    f.clock += 1
    if f.airborne:
        drift(f)
    else:
        skid(f)
    if f.shot is None:
        if f.age > MOVES[act.PUNCH_GROUND].total:
            _end(f)
    elif f.shot.charge:
        _CHARGE_PHASES[f.action - (_AIR if f.action >= act.SPECIAL_N_AIR_START else 0)](f, f.shot)
    else:
        if f.age == SHOT_LAUNCH:
            _launch(f, _make_item(f, f.shot, launched=True))
        if f.age > SHOT_TOTAL:
            _end(f)


def _end(f: Fighter) -> None:
    f.hold_nothing()
    if f.airborne:
        f.fall()
    else:
        f.stand()


def _make_item(f: Fighter, shot: Shot, launched: bool) -> Item:
    x, y = f.x + f.facing * MUZZLE_X, f.y + MUZZLE_Y
    item = Item(shot, 0, f.port, f.instance, x, y, f.facing, float(shot.life), launched)
    f.fired = item
    if not launched:
        f.item = item
    return item


def _launch(f: Fighter, item: Item) -> None:
    """Let go: a full charge flies twice as fast as none."""
    item.launched = True
    level = item.charge / item.shot.charge if item.shot.charge else 0.0
    item.vx = item.shot.speed * (1.0 + level) * f.facing


def _enter_phase(f: Fighter, action: int, age: float = 0.0) -> None:
    f.enter(action + (_AIR if f.airborne else 0), age)


def _charge_start(f: Fighter, shot: Shot) -> None:
    if f.age > CHARGE_START:
        # Seven levels, each held from its beginning, as in Melee.
        f.charge -= f.charge % (shot.charge // 7)
        _make_item(f, shot, launched=False).charge = f.charge
        _enter_phase(f, act.SPECIAL_N_HOLD)


def _charge_hold(f: Fighter, shot: Shot) -> None:
    f.charge += 1
    if f.item is not None:
        f.item.charge = f.charge
    if f.pressed & B:
        _enter_phase(f, act.SPECIAL_N_FIRE, 1)
    elif f.pressed & SHOULDERS:
        f.hold_nothing()
        _enter_phase(f, act.SPECIAL_N_CANCEL)
    elif f.charge >= shot.charge:
        f.hold_nothing()
        _enter_phase(f, act.SPECIAL_N_FULL)


def _charge_fire(f: Fighter, shot: Shot) -> None:
    if f.age == FIRE_LAUNCH and f.item is not None:
        f.item.charge = f.charge
        _launch(f, f.item)
        f.item = None
        f.charge = 0
    if f.age > FIRE_TOTAL:
        _end(f)


def _charge_wind_down(f: Fighter, shot: Shot) -> None:
    if f.age >= CANCEL_FRAMES:
        _end(f)


_CHARGE_PHASES: dict[int, Callable[[Fighter, Shot], None]] = {
    act.SPECIAL_N_START: _charge_start,
    act.SPECIAL_N_HOLD: _charge_hold,
    act.SPECIAL_N_FULL: _charge_wind_down,
    act.SPECIAL_N_CANCEL: _charge_wind_down,
    act.SPECIAL_N_FIRE: _charge_fire,
}


def land_neutral(f: Fighter) -> None:
    """A neutral special touches the ground: a charged one goes on there, another one ends in a landing."""
    if f.shot is not None and f.shot.charge and f.action >= act.SPECIAL_N_AIR_START:
        f.enter(f.action - _AIR, f.age)
    else:
        f.enter(act.LANDING)


_RISING = frozenset().union(DEFAULT_RISE.actions, *(rise.actions for rise in RISES.values()))
HANDLERS: dict[int, Callable[[Fighter], None]] = {
    **dict.fromkeys(act.SPECIALS_N, _neutral),
    **dict.fromkeys(_RISING, _rise),
}
