"""Being hit, thrown, and the way through a stock: entering the game, dying, coming back."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.air import options
from exphil_core.sandbox.drift import drift, sink, skid
from exphil_core.sandbox.fighter import FIRST_JUDGED, FULL_SHIELD, Fighter
from exphil_core.sandbox.holding import drop
from exphil_core.sandbox.state import NO_GROUND, NOBODY

# Frames of each phase as measured on real games: 60 dead, 60 descending by 0.93 units, up to 240 waiting.
DEAD_FRAMES, DESCENT_FRAMES, REBIRTH_PATIENCE, REBIRTH_INVULNERABLE = 60, 60, 240, 120
REBIRTH_TOP, REBIRTH_X = 135.0, 12.8
_DESCENT = -0.9333333
# 322 from the first frame, 323 from -118, 324 from -89, free fall from -59: by the frames since the first.
ENTRY_PHASES = ((5, act.ENTRY_START, 0.0), (34, act.ENTRY_END, -1.0), (64, act.FALL, 0.0))


def _tumble(f: Fighter) -> None:
    f.hitstun -= 1
    if f.airborne:
        sink(f)
        f.vx = 0.0
    else:
        skid(f)
    if f.hitstun > 0:
        return
    f.hitstun = 0.0
    if not f.airborne:
        f.stand()
    elif f.action >= act.DAMAGE_FLY:
        f.enter(act.DAMAGE_FALL)
    else:
        f.fall()


def _damage_fall(f: Fighter) -> None:
    if options(f):
        return
    drift(f)
    if f.since_x <= 1 and f.flung_x:
        # Wiggling out of the tumble.
        f.fall()
    elif f.age >= 30:
        f.age = 0.0


def _shield_broken(f: Fighter) -> None:
    sink(f)


def _thrown(f: Fighter) -> None:
    thrower = f.foe
    if thrower.action not in act.THROWS:
        f.fall()
        return
    f.stop()
    f.airborne = False
    f.ground = thrower.ground


def carry(f: Fighter) -> None:
    """Hold a thrown fighter before its thrower, who has moved by now."""
    f.x = f.foe.x + f.foe.facing * 7.0
    f.y = f.foe.y


def die(f: Fighter, action: int) -> None:
    """Lose a stock. Percent stays on show until the rebirth, as in Melee."""
    f.stocks -= 1
    f.hold_nothing()
    drop(f)
    f.charge = 0
    f.judged = FIRST_JUDGED
    f.stop()
    f.airborne = True
    f.hitlag = f.hitstun = 0.0
    f.intangible = f.invulnerable = 0
    f.jumps = 0
    f.clock = 0
    f.enter(action, -1)


def _dead(f: Fighter) -> None:
    f.age = -1.0
    f.clock += 1
    if f.clock < DEAD_FRAMES or f.stocks <= 0 or f.leader is not None:
        return
    f.percent = 0.0
    f.shield = FULL_SHIELD
    f.last_attack = f.combo = 0
    f.last_hit_by = NOBODY
    f.ground = NO_GROUND
    f.stale.clear()
    f.jumps = f.body.jumps - 1
    f.x = REBIRTH_X if f.port % 2 == 0 else -REBIRTH_X
    f.y = REBIRTH_TOP
    f.facing = -1.0 if f.x > 0 else 1.0
    f.vy = _DESCENT
    f.enter(act.REBIRTH)


def _rebirth(f: Fighter) -> None:
    f.vy = _DESCENT
    f.invulnerable = REBIRTH_INVULNERABLE
    if f.age >= DESCENT_FRAMES:
        f.vy = 0.0
        f.clock = 0
        f.enter(act.REBIRTH_WAIT)


def _rebirth_wait(f: Fighter) -> None:
    f.invulnerable = REBIRTH_INVULNERABLE
    f.clock += 1
    if f.clock > REBIRTH_PATIENCE or f.pressed or f.flung_x or f.flung_y or f.c_flicked:
        f.fall()
        drift(f)


def _entry(f: Fighter) -> None:
    f.clock += 1
    f.age = f.age if f.action == act.ENTRY_START else -1.0
    for frame, action, age in ENTRY_PHASES:
        if f.clock == frame:
            f.enter(action, age)


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    **dict.fromkeys(act.DAMAGE, _tumble),
    act.DAMAGE_FALL: _damage_fall,
    act.SHIELD_BREAK_FLY: _shield_broken,
    **dict.fromkeys(act.THROWN, _thrown),
    **dict.fromkeys(act.DEAD, _dead),
    act.REBIRTH: _rebirth,
    act.REBIRTH_WAIT: _rebirth_wait,
    **dict.fromkeys(act.ENTRIES, _entry),
}
