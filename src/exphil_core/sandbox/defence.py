"""Shields, rolls and dodges, the ledge, lying down and getting up."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.attacks import catch
from exphil_core.sandbox.controller import ALL, JUMPS, A, B, Z
from exphil_core.sandbox.drift import drift, skid
from exphil_core.sandbox.fighter import FULL_SHIELD, Fighter
from exphil_core.sandbox.ground import jump_squat

# Melee's: 0.28 a frame while held, 0.07 a frame back; broken shields start again at 30.
SHIELD_DRAIN, SHIELD_REGROWTH, SHIELD_AFTER_BREAK = 0.28, 0.07, 30.0
GUARD_ON_FRAMES, GUARD_OFF_FRAMES = 8, 15
ROLL_FRAMES, ROLL_SPEED, DODGE_FRAMES, ROLL_INTANGIBLE = 31, 1.7, 22, (4, 19)
CATCH_FRAMES, CLIMB_FRAMES, LEDGE_PATIENCE, REGRAB_FRAMES = 7, 32, 240, 30
BOUND_FRAMES, DOWN_PATIENCE, UP_FRAMES, TECH_FRAMES, TECH_SPEED = 26, 60, 30, 26, 1.2


def break_shield(f: Fighter) -> None:
    """The shield bursts: up, then dizzy."""
    f.shield = SHIELD_AFTER_BREAK
    f.take_off()
    f.vx, f.vy = 0.0, 2.2
    f.enter(act.SHIELD_BREAK_FLY)


def _guard(f: Fighter) -> None:
    skid(f)
    f.clock += 1
    f.age = -1.0
    f.shield -= SHIELD_DRAIN
    if f.shield <= 0:
        break_shield(f)
        return
    pad = f.pad
    if f.pressed & (Z | A):
        catch(f)
    elif jump_squat(f):
        return
    elif f.flung_x or (f.c_flicked and abs(pad.cx) > abs(pad.cy)):
        side = f.flung_x or (1 if pad.cx > 0 else -1)
        f.enter(act.ESCAPE_F if side == f.facing else act.ESCAPE_B, 1)
    elif f.flung_y < 0 or (f.c_flicked and pad.cy < 0):
        f.enter(act.ESCAPE, 1)
    elif not pad.shoulder:
        f.enter(act.GUARD_OFF)
    elif f.action == act.GUARD_ON and f.clock >= GUARD_ON_FRAMES:
        f.enter(act.GUARD, -1)


def _guard_stun(f: Fighter) -> None:
    skid(f)
    f.clock -= 1
    if f.clock <= 0:
        f.clock = GUARD_ON_FRAMES
        f.enter(act.GUARD, -1)


def _guard_off(f: Fighter) -> None:
    skid(f)
    f.clock += 1
    if not jump_squat(f) and f.age >= GUARD_OFF_FRAMES:
        f.stand()


def _roll(f: Fighter) -> None:
    first, last = ROLL_INTANGIBLE
    f.intangible = 1 if first <= f.age <= last else 0
    ahead = f.facing if f.action == act.ESCAPE_F else -f.facing
    f.ground_v = ahead * ROLL_SPEED if first <= f.age <= ROLL_FRAMES - 8 else 0.0
    if f.age > ROLL_FRAMES:
        if f.action == act.ESCAPE_F:
            f.facing = -f.facing
        f.stand()


def _spot_dodge(f: Fighter) -> None:
    f.intangible = 1 if 2 <= f.age <= 15 else 0
    skid(f)
    if f.age > DODGE_FRAMES:
        f.stand()


def _dizzy(f: Fighter) -> None:
    skid(f)
    # Mashing wakes up sooner, as in Melee.
    f.clock -= 4 if f.pressed else 1
    if f.clock <= 0:
        f.stand()


def _ledge_catch(f: Fighter) -> None:
    f.intangible = 30
    if f.age > CATCH_FRAMES:
        f.clock = 0
        f.enter(act.CLIFF_WAIT)


def _ledge_wait(f: Fighter) -> None:
    pad = f.pad
    f.clock += 1
    if f.pressed & JUMPS or f.flung_y > 0:
        f.regrab = REGRAB_FRAMES
        f.enter(act.CLIFF_JUMP)
        f.vx, f.vy = 0.4 * f.facing, f.body.jump
    elif pad.x * f.facing >= 23 or (pad.y >= 40 and abs(pad.y) > abs(pad.x)) or f.pressed & (A | B):
        f.enter(act.CLIFF_CLIMB_SLOW if f.percent >= 100 else act.CLIFF_CLIMB_QUICK, 1)
        f.intangible = CLIMB_FRAMES - 2
    elif pad.y <= -40 or pad.x * f.facing <= -40 or f.clock > LEDGE_PATIENCE:
        f.regrab = REGRAB_FRAMES
        f.fall()


def _ledge_climb(f: Fighter) -> None:
    if f.age > CLIMB_FRAMES:
        side = -f.facing
        f.alight()
        f.stop()
        f.x, f.y = side * (f.arena.stage.edge_x - 6.0), 0.0
        f.ground = f.arena.surfaces[0].ground
        f.stand()


def _ledge_jump(f: Fighter) -> None:
    drift(f)
    if f.age >= 10:
        f.fall()


def _down(f: Fighter) -> None:
    skid(f)
    if f.action == act.DOWN_BOUND:
        if f.age >= BOUND_FRAMES:
            f.enter(act.DOWN_WAIT)
    elif f.pressed & ALL or f.flung_y or f.flung_x or f.age > DOWN_PATIENCE:
        f.enter(act.DOWN_STAND)
        f.intangible = 22


def _get_up(f: Fighter) -> None:
    skid(f)
    if f.age >= UP_FRAMES:
        f.stand()


def _tech(f: Fighter) -> None:
    if f.action == act.PASSIVE:
        skid(f)
    elif 3 <= f.age <= 18:
        f.ground_v = TECH_SPEED * (f.facing if f.action == act.PASSIVE_F else -f.facing)
    else:
        f.ground_v = 0.0
    if f.age >= TECH_FRAMES:
        f.stand()


def regrow_shield(f: Fighter) -> None:
    """The shield comes back while it is down."""
    if f.shield < FULL_SHIELD and f.action not in act.GUARDS:
        f.shield = min(f.shield + SHIELD_REGROWTH, FULL_SHIELD)


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    act.GUARD_ON: _guard,
    act.GUARD: _guard,
    act.GUARD_SET_OFF: _guard_stun,
    act.GUARD_OFF: _guard_off,
    act.ESCAPE_F: _roll,
    act.ESCAPE_B: _roll,
    act.ESCAPE: _spot_dodge,
    act.FURA_FURA: _dizzy,
    act.CLIFF_CATCH: _ledge_catch,
    act.CLIFF_WAIT: _ledge_wait,
    act.CLIFF_CLIMB_SLOW: _ledge_climb,
    act.CLIFF_CLIMB_QUICK: _ledge_climb,
    act.CLIFF_JUMP: _ledge_jump,
    act.DOWN_BOUND: _down,
    act.DOWN_WAIT: _down,
    act.DOWN_STAND: _get_up,
    act.PASSIVE: _tech,
    act.PASSIVE_F: _tech,
    act.PASSIVE_B: _tech,
}
