"""Moving a fighter by its speeds: landing, edges, walls, ledges, blast zones."""

from __future__ import annotations

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.air import touch_down
from exphil_core.sandbox.drift import decay_knockback
from exphil_core.sandbox.fighter import FLING_Y, Fighter
from exphil_core.sandbox.hurt import die
from exphil_core.sandbox.specials import run_off, travelling

# Where the feet of a hanging fighter are, and the box below and beside the edge in which it catches.
HANG_Y, CATCH_X, CATCH_BOTTOM, CATCH_TOP = -18.0, 11.0, -26.0, -2.0

_RUNS_OFF = frozenset((act.DASH, act.RUN, act.RUN_BRAKE, act.LANDING_SPECIAL)) | act.DAMAGE
_HELD_STILL = act.DEAD | act.LEDGE | act.ENTRIES | act.THROWN | {act.CLIFF_CLIMB_SLOW, act.CLIFF_CLIMB_QUICK}
_DESCENDING = frozenset((act.REBIRTH, act.REBIRTH_WAIT))
_CATCHES_LEDGE = frozenset(
    (act.FALL, act.FALL_AERIAL, act.FALL_SPECIAL, act.DAMAGE_FALL, act.JUMP_F, act.JUMP_B)
) | {act.JUMP_AERIAL_F, act.JUMP_AERIAL_B}


def move(f: Fighter) -> None:
    """One frame of motion, with whatever it runs into."""
    if f.action in _HELD_STILL:
        return
    if f.action in _DESCENDING:
        f.y += f.vy
    elif f.airborne:
        _move_in_air(f)
    else:
        _move_on_ground(f)


def _move_on_ground(f: Fighter) -> None:
    speed = f.ground_v + f.kx
    if not speed:
        return
    f.x += speed
    if f.kx:
        decay_knockback(f)
    surface = f.arena.by_ground[f.ground]
    if surface.left <= f.x <= surface.right:
        return
    if travelling(f):
        run_off(f)
    elif f.action in act.DAMAGE:
        f.take_off()
        f.enter(act.DAMAGE_FALL)
        f.hitstun = 0.0
    elif f.action in _RUNS_OFF:
        f.fall()
    else:
        f.x = min(max(f.x, surface.left), surface.right)
        f.ground_v = f.kx = 0.0


def _move_in_air(f: Fighter) -> None:
    old_x, old_y = f.x, f.y
    f.x += f.vx + f.kx
    f.y += f.vy + f.ky
    if f.kx or f.ky:
        decay_knockback(f)
    if f.pass_through:
        f.pass_through -= 1
    if f.y < old_y and _lands(f, old_y):
        return
    edge = f.arena.stage.edge_x
    if f.y < 0.0 and -edge < f.x < edge:
        f.x = edge if old_x > 0 else -edge
        f.vx = 0.0
    _catch_ledge(f)


def _lands(f: Fighter, old_y: float) -> bool:
    for surface in f.arena.surfaces:
        if f.y <= surface.height <= old_y and surface.left <= f.x <= surface.right:
            platform = surface.height > 0.0
            falls_through = f.pad.y <= -FLING_Y and f.action not in act.DAMAGE
            if platform and (f.pass_through or falls_through):
                continue
            f.y = surface.height
            f.ground = surface.ground
            touch_down(f)
            return True
    return False


def _catch_ledge(f: Fighter) -> None:
    if f.regrab or not (f.action in _CATCHES_LEDGE or f.action in f.rise.actions):
        return
    if not CATCH_BOTTOM <= f.y <= CATCH_TOP:
        return
    stage = f.arena.stage
    side = 1.0 if f.x > 0 else -1.0
    if not 0.0 <= abs(f.x) - stage.edge_x <= CATCH_X or f.pad.y <= -FLING_Y:
        return
    if f.vy > 0 and not travelling(f):
        return
    if f.foe.action in act.LEDGE and f.foe.x * side > 0:
        return
    f.stop()
    f.x, f.y = side * stage.ledge_x, HANG_Y
    f.facing = -side
    f.jumps = f.body.jumps - 1
    f.fast_falling = False
    f.intangible = 30
    f.enter(act.CLIFF_CATCH, 1)


def cross_blast_zone(f: Fighter) -> None:
    """Kill a fighter that left the stage."""
    stage = f.arena.stage
    if not f.arena.outside(f.x, f.y) or f.action in act.DEAD or f.action in _DESCENDING:
        return
    if f.y < stage.blast_bottom:
        die(f, act.DEAD_DOWN)
    elif f.x < stage.blast_left:
        die(f, act.DEAD_LEFT)
    elif f.x > stage.blast_right:
        die(f, act.DEAD_RIGHT)
    else:
        die(f, act.DEAD_UP)
