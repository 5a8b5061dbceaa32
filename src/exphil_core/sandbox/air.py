"""Jumping, falling, air-dodging and touching down."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.melee.controller import STICK_STEPS
from exphil_core.sandbox import actions as act
from exphil_core.sandbox import holding
from exphil_core.sandbox.attacks import aerial
from exphil_core.sandbox.controller import JUMPS, SHOULDERS
from exphil_core.sandbox.drift import drift
from exphil_core.sandbox.fighter import L_CANCEL_WINDOW, TECH_WINDOW, Fighter
from exphil_core.sandbox.ground import LANDING_SPECIAL_LAG
from exphil_core.sandbox.moves import MOVES
from exphil_core.sandbox.specials import land_neutral, land_rise, special

JUMP_FRAMES, FALL_LOOP = 40, 8
DODGE_SPEED, DODGE_KEEP, DODGE_FRAMES, DODGE_INTANGIBLE = 2.6, 0.9, 29, (4, 24)


def options(f: Fighter) -> bool:
    """Whatever a free fighter in the air may start; whether it did."""
    return special(f) or aerial(f) or _double_jump(f) or _air_dodge(f)


def _double_jump(f: Fighter) -> bool:
    if f.jumps and (f.pressed & JUMPS or f.flung_y > 0):
        backward = f.pad.x * f.facing < -20
        f.jumps -= 1
        f.vx = f.body.air_speed * f.pad.x / STICK_STEPS
        f.vy = f.body.jump * 0.95
        f.fast_falling = False
        f.enter(act.JUMP_AERIAL_B if backward else act.JUMP_AERIAL_F)
        return True
    return False


def _air_dodge(f: Fighter) -> bool:
    if f.pressed & SHOULDERS:
        f.vx = DODGE_SPEED * f.pad.x / STICK_STEPS
        f.vy = DODGE_SPEED * f.pad.y / STICK_STEPS
        f.enter(act.ESCAPE_AIR, 1)
        return True
    return False


def _fly(f: Fighter) -> None:
    if options(f):
        if f.action != act.ESCAPE_AIR and f.action not in f.rise.actions:
            drift(f)
        return
    drift(f)
    if f.action in (act.FALL, act.FALL_AERIAL):
        if f.age >= FALL_LOOP:
            f.age = 0.0
    elif f.age >= JUMP_FRAMES:
        f.fall()


def _helpless(f: Fighter) -> None:
    drift(f, 0.7)
    if f.age >= FALL_LOOP:
        f.age = 0.0


def _dodge(f: Fighter) -> None:
    first, last = DODGE_INTANGIBLE
    f.intangible = 1 if first <= f.age <= last else 0
    if f.age > DODGE_FRAMES:
        f.enter(act.FALL_SPECIAL)
        drift(f)
    else:
        f.vx *= DODGE_KEEP
        f.vy *= DODGE_KEEP


def touch_down(f: Fighter) -> None:
    """What landing does to whatever `f` was doing in the air. The caller has put it on a surface."""
    action = f.action
    f.alight()
    own = f.kit.landings.get(action)
    if own is not None:
        own(f)
    elif action in act.AERIALS:
        cancelled = f.since_shoulder <= L_CANCEL_WINDOW
        f.l_cancel = 1 if cancelled else 2
        f.clock = MOVES[action].lag // (2 if cancelled else 1)
        f.enter(act.LANDING_AIR_N + action - act.AIR_N)
    elif action in act.DAMAGE or action in (act.DAMAGE_FALL, act.SHIELD_BREAK_FLY):
        _crash(f)
    elif action in (act.FALL_SPECIAL, act.ESCAPE_AIR):
        f.clock = LANDING_SPECIAL_LAG
        f.enter(act.LANDING_SPECIAL)
    elif action in f.rise.actions:
        land_rise(f)
    elif action in act.ITEM_THROWS:
        holding.land(f)
    elif action in act.SPECIALS_N:
        land_neutral(f)
    else:
        f.enter(act.LANDING)


def _crash(f: Fighter) -> None:
    """Landing hurt: a light hit just lands, a tumble lies down unless a shoulder was pressed just before."""
    if f.action == act.SHIELD_BREAK_FLY:
        f.clock = 100
        f.enter(act.FURA_FURA)
    elif f.action in act.DAMAGE and f.action < act.DAMAGE_FLY:
        f.hitstun = 0.0
        f.enter(act.LANDING)
    elif f.since_shoulder <= TECH_WINDOW:
        f.kx = 0.0
        f.enter(act.PASSIVE if not f.pad.x else act.PASSIVE_F if f.pad.x * f.facing > 0 else act.PASSIVE_B)
        f.intangible = 20
    else:
        f.enter(act.DOWN_BOUND)
    f.hitstun = 0.0


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    act.JUMP_F: _fly,
    act.JUMP_B: _fly,
    act.JUMP_AERIAL_F: _fly,
    act.JUMP_AERIAL_B: _fly,
    act.FALL: _fly,
    act.FALL_AERIAL: _fly,
    act.PASS: _fly,
    act.FALL_SPECIAL: _helpless,
    act.ESCAPE_AIR: _dodge,
}
