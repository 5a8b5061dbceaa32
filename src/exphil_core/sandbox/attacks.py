"""Starting and running the attacks that use A, the C-stick or Z."""

from __future__ import annotations

from collections.abc import Callable

from exphil_core.sandbox import actions as act
from exphil_core.sandbox import holding
from exphil_core.sandbox.controller import A, Z
from exphil_core.sandbox.drift import drift, skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.moves import MOVES, THROW_TOTAL, Move

CATCH_START, CATCH_END, CATCH_TOTAL = 7, 8, 30
_TILT = 23


def ground_attack(f: Fighter) -> bool:
    """Start the ground attack that this frame's input asks for, if any."""
    pad = f.pad
    if f.pressed & (A | Z) and holding.handle(f):
        return True
    if f.pressed & Z:
        catch(f)
    elif f.c_flicked:
        if abs(pad.cx) > abs(pad.cy):
            f.facing = 1.0 if pad.cx > 0 else -1.0
            f.enter(act.SMASH_F, 1)
        else:
            f.enter(act.SMASH_UP if pad.cy > 0 else act.SMASH_LOW, 1)
    elif f.pressed & A:
        f.enter(_choose_ground(f), 1)
    else:
        return False
    return True


def catch(f: Fighter) -> None:
    """Reach out to grab."""
    f.enter(act.CATCH)
    if f.kit.grabs is not None:
        f.kit.grabs(f)


def move_of(f: Fighter) -> Move | None:
    """The attack that the current action is, hitting or not."""
    return f.kit.moves.get(f.action) or MOVES.get(f.action)


def _choose_ground(f: Fighter) -> int:
    """Smash when the stick was just flung, tilt when it leans, dash attack when running, else jab."""
    pad = f.pad
    if abs(pad.y) > abs(pad.x) and abs(pad.y) >= _TILT:
        if f.flung_y:
            return act.SMASH_UP if pad.y > 0 else act.SMASH_LOW
        return act.ATTACK_UP if pad.y > 0 else act.ATTACK_LOW
    if f.action in (act.DASH, act.RUN) and not f.flung_x:
        return act.ATTACK_DASH
    if abs(pad.x) >= _TILT:
        f.facing = 1.0 if pad.x > 0 else -1.0
        return act.SMASH_F if f.flung_x else act.ATTACK_F
    return act.ATTACK_JAB


def aerial(f: Fighter) -> bool:
    """Start the aerial that this frame's input asks for, if any (Z counts as A in the air)."""
    pad = f.pad
    if f.held is not None and f.pressed & (A | Z):
        return holding.handle(f)
    if f.c_flicked:
        x, y = pad.cx, pad.cy
    elif f.pressed & (A | Z):
        x, y = pad.x, pad.y
    else:
        return False
    if x == y == 0:
        action = act.AIR_N
    elif abs(y) > abs(x):
        action = act.AIR_UP if y > 0 else act.AIR_LOW
    else:
        action = act.AIR_F if x * f.facing > 0 else act.AIR_B
    f.enter(f.kit.aerials.get(action, action), 1)
    return True


def _on_ground(f: Fighter) -> None:
    skid(f)
    if f.age > MOVES[f.action].total:
        f.stand()


def in_air(f: Fighter) -> None:
    """A frame of an aerial."""
    move = move_of(f)
    if move is not None and f.age > move.total:
        f.fall()
    drift(f)


def _catch(f: Fighter) -> None:
    skid(f)
    if f.age >= CATCH_TOTAL:
        f.hold_nothing()
        f.stand()


def _throw(f: Fighter) -> None:
    skid(f)
    if f.age > THROW_TOTAL:
        f.stand()


HANDLERS: dict[int, Callable[[Fighter], None]] = {
    **{action: _on_ground for action in MOVES if action in act.GROUND_ATTACKS},
    **dict.fromkeys(act.AERIALS, in_air),
    **dict.fromkeys(act.THROWS, _throw),
    act.CATCH: _catch,
}
