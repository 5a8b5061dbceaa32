"""The attacks: frame data and hit circles, shared by all characters (each scales reach and power).

A hit circle's centre is `dx` ahead of and `dy` above the fighter's feet. Frames count from 1 as Melee's do.
Directions are unit vectors written out, because sin and cos may differ in the last bit between platforms.
"""

from __future__ import annotations

import attrs

from exphil_core.sandbox import actions as act

LOW = (0.940, 0.342)
DIAGONAL = (0.755, 0.656)
STEEP = (0.423, 0.906)
UP = (0.174, 0.985)
DOWN = (0.259, -0.966)


@attrs.frozen
class Move:
    """One attack, active from frame `start` to `end`. `attack` is Slippi's id for "last attack landed"."""

    attack: int
    start: int
    end: int
    total: int
    dx: float
    dy: float
    radius: float
    damage: float
    base: float
    growth: float
    direction: tuple[float, float]
    lag: int = 0


MOVES: dict[int, Move] = {
    act.ATTACK_JAB: Move(2, 4, 6, 17, 9.0, 8.0, 5.0, 4.0, 12.0, 50.0, DIAGONAL),
    act.ATTACK_DASH: Move(6, 7, 13, 36, 9.0, 6.0, 6.0, 9.0, 40.0, 70.0, STEEP),
    act.ATTACK_F: Move(7, 7, 10, 28, 12.0, 8.0, 6.0, 9.0, 20.0, 90.0, DIAGONAL),
    act.ATTACK_UP: Move(8, 6, 12, 30, 4.0, 16.0, 8.0, 9.0, 30.0, 100.0, UP),
    act.ATTACK_LOW: Move(9, 7, 9, 27, 12.0, 3.0, 6.0, 9.0, 25.0, 80.0, STEEP),
    act.SMASH_F: Move(10, 13, 17, 43, 14.0, 9.0, 7.0, 16.0, 30.0, 100.0, DIAGONAL),
    act.SMASH_UP: Move(11, 9, 14, 40, 2.0, 18.0, 9.0, 15.0, 30.0, 105.0, UP),
    act.SMASH_LOW: Move(12, 7, 11, 44, 0.0, 4.0, 12.0, 14.0, 25.0, 85.0, LOW),
    act.AIR_N: Move(13, 4, 22, 40, 2.0, 7.0, 8.0, 10.0, 20.0, 90.0, DIAGONAL, lag=14),
    act.AIR_F: Move(14, 7, 11, 36, 10.0, 8.0, 7.0, 11.0, 22.0, 95.0, DIAGONAL, lag=16),
    act.AIR_B: Move(15, 7, 10, 34, -10.0, 8.0, 7.0, 13.0, 25.0, 95.0, DIAGONAL, lag=16),
    act.AIR_UP: Move(16, 6, 11, 33, 0.0, 15.0, 8.0, 11.0, 25.0, 95.0, UP, lag=15),
    act.AIR_LOW: Move(17, 9, 18, 42, 1.0, -2.0, 7.0, 12.0, 20.0, 80.0, DOWN, lag=20),
    # Characters without a projectile punch with their neutral special.
    act.PUNCH_GROUND: Move(18, 20, 25, 55, 12.0, 8.0, 8.0, 19.0, 35.0, 100.0, DIAGONAL),
    act.PUNCH_AIR: Move(18, 20, 25, 55, 12.0, 8.0, 8.0, 19.0, 35.0, 100.0, DIAGONAL),
}


@attrs.frozen
class Throw:
    """A throw: Slippi's attack id, damage and the way it sends (x is ahead of the thrower)."""

    attack: int
    damage: float
    base: float
    growth: float
    direction: tuple[float, float]


THROW_RELEASE, THROW_TOTAL = 11, 26
THROWS: dict[int, Throw] = {
    act.THROW_F: Throw(53, 7.0, 50.0, 60.0, DIAGONAL),
    act.THROW_B: Throw(54, 8.0, 50.0, 65.0, (-DIAGONAL[0], DIAGONAL[1])),
    act.THROW_UP: Throw(55, 6.0, 60.0, 70.0, UP),
    act.THROW_LOW: Throw(56, 6.0, 45.0, 45.0, STEEP),
}
