"""Speeds: friction on the ground, gravity and drift in the air, the decay of knockback."""

from __future__ import annotations

import math

from exphil_core.melee.controller import STICK_STEPS
from exphil_core.sandbox.fighter import Fighter

# Melee's: knockback loses this much speed a frame, whatever its direction.
KNOCKBACK_DECAY = 0.051
AIR_FRICTION = 0.015


def approach(value: float, target: float, step: float) -> float:
    """`value` moved towards `target` by at most `step`."""
    if value < target:
        return min(value + step, target)
    return max(value - step, target)


def skid(f: Fighter, scale: float = 1.0) -> None:
    """Ground friction."""
    if f.ground_v:
        f.ground_v = approach(f.ground_v, 0.0, f.body.traction * scale)


def sink(f: Fighter) -> None:
    """Gravity alone; a fling down while falling falls fast."""
    body = f.body
    if f.fast_falling:
        f.vy = -body.fast_fall
        return
    f.vy = max(f.vy - body.gravity, -body.fall)
    if f.vy < 0 and f.flung_y < 0:
        f.fast_falling = True
        f.vy = -body.fast_fall


def drift(f: Fighter, control: float = 1.0) -> None:
    """Gravity and the stick's pull to the side."""
    body = f.body
    x = f.pad.x
    if x:
        f.vx = approach(f.vx, x / STICK_STEPS * body.air_speed * control, body.air_accel * control)
    else:
        f.vx = approach(f.vx, 0.0, AIR_FRICTION)
    sink(f)


def decay_knockback(f: Fighter) -> None:
    """One frame's loss of knockback: along its direction in the air, by friction on the ground."""
    if not f.airborne:
        f.kx = approach(f.kx, 0.0, f.body.traction)
        f.ky = 0.0
        return
    speed = math.sqrt(f.kx * f.kx + f.ky * f.ky)
    if speed <= KNOCKBACK_DECAY:
        f.kx = f.ky = 0.0
    else:
        keep = 1.0 - KNOCKBACK_DECAY / speed
        f.kx *= keep
        f.ky *= keep
