"""Standing, walking, dashing, running, turning, crouching and the squat before a jump."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.melee.controller import STICK_STEPS
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.arena import FLOOR
from exphil_core.sandbox.attacks import ground_attack
from exphil_core.sandbox.controller import JUMPS
from exphil_core.sandbox.drift import approach, skid
from exphil_core.sandbox.fighter import FLING_Y, Fighter
from exphil_core.sandbox.specials import special

DASH_FRAMES, RUN_HOLD = 12, 50
TURN_FRAMES, BRAKE_FRAMES, RISE_FRAMES = 6, 14, 6
LANDING_LAG, LANDING_FRAMES, LANDING_SPECIAL_LAG = 4, 20, 10
WALK_ACCEL, RUN_ACCEL = 0.1, 0.1
# Real fighters idle in a loop of about this many frames.
WAIT_LOOP = 60


def jump_squat(f: Fighter) -> bool:
    """Bend the knees when X or Y is pressed or the stick is flung up."""
    if f.pressed & JUMPS or f.flung_y > 0:
        f.enter(act.KNEE_BEND)
        return True
    return False


def _raise_shield(f: Fighter) -> bool:
    if f.pad.shoulder and f.shield > 1.0:
        f.clock = 0
        f.enter(act.GUARD_ON, -1)
        return True
    return False


def _drop_through(f: Fighter) -> bool:
    if f.flung_y < 0 and f.ground != FLOOR:
        f.take_off()
        f.vy = -0.5
        f.pass_through = 8
        f.enter(act.PASS)
        return True
    return False


def options(f: Fighter) -> bool:
    """Whatever a free fighter on the ground may start, but for moving about; whether it did."""
    return special(f) or ground_attack(f) or jump_squat(f) or _raise_shield(f) or _drop_through(f)


def _move_about(f: Fighter) -> bool:
    pad = f.pad
    side = f.flung_x
    if side:
        if side == f.facing:
            f.enter(act.DASH, 1)
            f.ground_v = f.body.dash * side
        else:
            f.facing = float(side)
            f.enter(act.TURN, 1)
    elif pad.y <= -FLING_Y:
        f.enter(act.SQUAT)
    elif pad.x:
        if pad.x * f.facing > 0:
            f.enter(_walk_action(pad.x), 1)
        else:
            f.facing = -f.facing
            f.enter(act.TURN, 1)
    else:
        return False
    return True


def _walk_action(x: int) -> int:
    return act.WALK_SLOW if abs(x) < 40 else act.WALK_MIDDLE if abs(x) < FLING_Y else act.WALK_FAST


def _wait(f: Fighter) -> None:
    skid(f)
    if options(f) or _move_about(f):
        return
    if f.age >= WAIT_LOOP:
        f.age = 0.0


def _walk(f: Fighter) -> None:
    pad = f.pad
    f.ground_v = approach(f.ground_v, pad.x / STICK_STEPS * f.body.walk, WALK_ACCEL)
    if options(f):
        return
    if f.flung_x or pad.y <= -FLING_Y or pad.x * f.facing <= 0:
        if not _move_about(f):
            f.stand()
        return
    action = _walk_action(pad.x)
    if action != f.action:
        f.enter(action, f.age)
    elif f.age > WAIT_LOOP:
        f.age = 1.0


def _turn(f: Fighter) -> None:
    skid(f)
    if options(f):
        return
    if f.pad.x * f.facing >= 64 and f.since_x <= 4:
        f.enter(act.DASH, 1)
        f.ground_v = f.body.dash * f.facing
    elif f.age > TURN_FRAMES and not _move_about(f):
        f.stand()


def _dash(f: Fighter) -> None:
    if options(f):
        return
    if f.flung_x == -f.facing:
        f.facing = -f.facing
        f.enter(act.TURN, 1)
    elif f.age > DASH_FRAMES:
        if f.pad.x * f.facing >= RUN_HOLD:
            f.enter(act.RUN)
        else:
            f.stand()
    elif f.age > 3 and f.pad.x * f.facing < RUN_HOLD:
        skid(f)


def _run(f: Fighter) -> None:
    if options(f):
        return
    if f.pad.x * f.facing < RUN_HOLD:
        f.enter(act.RUN_BRAKE, 1)
        return
    f.ground_v = approach(f.ground_v, f.body.run * f.facing, RUN_ACCEL)
    if f.age > WAIT_LOOP:
        f.age = 0.0


def _brake(f: Fighter) -> None:
    skid(f)
    if not jump_squat(f) and f.age > BRAKE_FRAMES:
        f.stand()


def _crouch(f: Fighter) -> None:
    skid(f)
    if options(f):
        return
    if f.pad.y > -FLING_Y:
        f.enter(act.SQUAT_RV)
    elif f.action == act.SQUAT and f.age > RISE_FRAMES:
        f.enter(act.SQUAT_WAIT)


def _uncrouch(f: Fighter) -> None:
    skid(f)
    if not options(f) and f.age > RISE_FRAMES and not _move_about(f):
        f.stand()


def _knee_bend(f: Fighter) -> None:
    skid(f)
    if f.age < f.body.squat:
        return
    pad, body = f.pad, f.body
    backward = pad.x * f.facing < -20
    f.take_off()
    f.vx = f.vx * 0.75 + 0.6 * body.air_speed * pad.x / STICK_STEPS
    f.vy = body.jump if pad.buttons & JUMPS or pad.y >= FLING_Y else body.hop
    f.enter(act.JUMP_B if backward else act.JUMP_F)


def _landing(f: Fighter) -> None:
    skid(f)
    if f.age < LANDING_LAG or options(f) or _move_about(f):
        return
    if f.age >= LANDING_FRAMES:
        f.stand()


def landing_lag(f: Fighter) -> None:
    """After an aerial or a helpless fall: `clock` counts the lag down."""
    skid(f)
    f.clock -= 1
    if f.clock <= 0:
        f.stand()


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    act.WAIT: _wait,
    act.WALK_SLOW: _walk,
    act.WALK_MIDDLE: _walk,
    act.WALK_FAST: _walk,
    act.TURN: _turn,
    act.DASH: _dash,
    act.RUN: _run,
    act.RUN_BRAKE: _brake,
    act.KNEE_BEND: _knee_bend,
    act.SQUAT: _crouch,
    act.SQUAT_WAIT: _crouch,
    act.SQUAT_RV: _uncrouch,
    act.LANDING: _landing,
    act.LANDING_SPECIAL: landing_lag,
    **dict.fromkeys(range(act.LANDING_AIR_N, act.LANDING_AIR_LOW + 1), landing_lag),
}
