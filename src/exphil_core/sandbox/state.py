"""What one frame of the sandbox looks like from outside: immutable, in the order of Slippi's fields."""

from __future__ import annotations

from typing import NamedTuple

# Slippi's "nobody" in last_hit_by, and the ground id of a fighter that never stood.
NOBODY = 6
NO_GROUND = 0xFFFF


class FighterState(NamedTuple):
    """One fighter after a frame: Slippi's post-frame fields from the character on, named as peppi does.

    Lengths in Melee's units, velocities in units a frame, `misc_as` is the hit-stun left in damage states.
    """

    character: int
    state: int
    x: float
    y: float
    direction: float
    percent: float
    shield: float
    last_attack_landed: int
    combo_count: int
    last_hit_by: int
    stocks: int
    state_age: float
    flags_0: int
    flags_1: int
    flags_2: int
    flags_3: int
    flags_4: int
    misc_as: float
    airborne: int
    ground: int
    jumps: int
    l_cancel: int
    hurtbox_state: int
    self_x_air: float
    self_y: float
    knockback_x: float
    knockback_y: float
    self_x_ground: float
    hitlag: float
    animation_index: int
    last_hit_by_instance: int
    instance_id: int


class ItemState(NamedTuple):
    """One item after a frame: exactly Slippi's item fields. `owner` is a port from 0, `timer` in frames."""

    type: int
    state: int
    direction: float
    velocity_x: float
    velocity_y: float
    x: float
    y: float
    damage: int
    timer: float
    id: int
    misc_0: int
    misc_1: int
    misc_2: int
    misc_3: int
    owner: int
    instance_id: int


class GameState(NamedTuple):
    """One frame: Slippi's frame id, the two fighters in the order of their ports, the items, and each fighter's
    partner (Nana, for Ice Climbers whose Nana lives)."""

    frame: int
    fighters: tuple[FighterState, FighterState]
    items: tuple[ItemState, ...]
    partners: tuple[FighterState | None, FighterState | None] = (None, None)
