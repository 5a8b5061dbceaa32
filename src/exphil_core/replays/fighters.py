"""Columns of one fighter, leader or partner, out of peppi's struct array, in the canonical form that every source
of frames is brought to: live sources floor percent, truncate counters, know facing as left or right, and don't
have the flag that tells hit-stun outside of damage states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.melee.characters import UNKNOWN_INTERNAL
from exphil_core.replays.arrow import Struct
from exphil_core.replays.controller import Cells, chords_from_slippi, encode
from exphil_core.replays.game import NO_ACTION, STATE, STATE_COLUMNS

States = npt.NDArray[np.float32]
Actions = npt.NDArray[np.int16]

# Hit-stun stands in misc_as only in damage states; elsewhere it is another quantity, from -1 to beyond 200.
DAMAGE_ACTIONS = frozenset({*range(75, 92), 193, 247})
MAX_ACTION = 511
_IN_DAMAGE = np.zeros(MAX_ACTION + 1, bool)
_IN_DAMAGE[list(DAMAGE_ACTIONS)] = True

# Our column -> where Slippi keeps it.
_SOURCES: dict[str, tuple[str, ...]] = {
    "x": ("position", "x"),
    "y": ("position", "y"),
    "facing": ("direction",),
    "percent": ("percent",),
    "shield": ("shield",),
    "action_frame": ("state_age",),
    "speed_air_x": ("velocities", "self_x_air"),
    "speed_y": ("velocities", "self_y"),
    "knock_x": ("velocities", "knockback_x"),
    "knock_y": ("velocities", "knockback_y"),
    "speed_ground_x": ("velocities", "self_x_ground"),
    "hitlag": ("hitlag",),
    "hitstun": ("misc_as",),
    "stocks": ("stocks",),
    "airborne": ("airborne",),
    "jumps": ("jumps",),
    "invulnerable": ("hurtbox_state",),
}
_TRUNCATED = [STATE[name] for name in ("percent", "action_frame", "hitlag", "hitstun")]
_NOT_NEGATIVE = [STATE[name] for name in ("hitlag", "hitstun")]
# Slippi gives numbers, live sources whether they are 0.
_YES_OR_NO = [STATE[name] for name in ("airborne", "invulnerable")]
_FACING, _HITSTUN = STATE["facing"], STATE["hitstun"]
# Largest absolute values that a game can hold, far beyond what real replays show (x to 274, y to 264, percent to
# 317, shield to 60, hit-lag to 18); what lies beyond is damage.
PLAUSIBLE = {
    "x": 2000, "y": 2000, "facing": 1, "percent": 1000, "shield": 100, "action_frame": 1e5,
    "speed_air_x": 200, "speed_y": 200, "knock_x": 200, "knock_y": 200, "speed_ground_x": 200, "hitlag": 1000,
    "hitstun": 1000,
}  # fmt: skip


def canonical_state(state: States, action: npt.NDArray[Any]) -> None:
    """Bring raw states (…, F) of fighters in `action` (…), below 512, to the form that all sources share. In place;
    what is NaN stays NaN, and a second time changes nothing."""
    for index in _TRUNCATED:
        np.trunc(state[..., index], out=state[..., index])
    state[..., _HITSTUN] *= _IN_DAMAGE.take(action)
    for index in _NOT_NEGATIVE:
        np.maximum(state[..., index], 0, out=state[..., index])
    for index in _YES_OR_NO:
        np.sign(np.abs(state[..., index]), out=state[..., index])
    facing = np.sign(state[..., _FACING])
    state[..., _FACING] = np.where(facing == 0, np.float32(-1), facing)


def canonical_actions(actions: npt.NDArray[Any]) -> Actions:
    """Melee's action ids; what lies beyond the known ones is `MAX_ACTION`."""
    known: Actions = np.minimum(actions, MAX_ACTION).astype(np.int16)
    return known


def read_fighters(sides: Sequence[Struct]) -> tuple[States, Actions]:
    """States (T, P, F) and actions (T, P) of leaders."""
    # Column by column, so that all that is done with them works on consecutive numbers; whoever wants rows puts
    # these together once.
    states = np.empty((len(sides), len(STATE_COLUMNS), len(sides[0])), np.float32).transpose(2, 0, 1)
    actions = np.empty((len(sides), len(sides[0])), np.int16).T
    for index, side in enumerate(sides):
        _read(side, states[:, index], actions[:, index])
    return states, actions


def _read(side: Struct, state: States, action: Actions) -> None:
    """Put a leader's or a partner's states into (T, F) and actions into (T,)."""
    action[:] = canonical_actions(side.column("post", "state"))
    for name, path in _SOURCES.items():
        source = side.get("post", *path)
        state[:, STATE[name]] = np.nan if source is None else source
    there = side.valid()
    if there is not None:
        state[~there], action[~there] = np.nan, NO_ACTION
    # Outside of damage states any number may stand in for hit-stun.
    hitstun = state[:, _HITSTUN]
    hitstun[np.isinf(hitstun)] = np.nan
    canonical_state(state, action)


def read_partners(
    seats: Sequence[Struct],
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.int16] | None]:
    """States (T, P, F) and actions (T, P) of both ports' partners; None where nobody has one."""
    followers = [seat.child("follower") for seat in seats]
    if all(follower is None for follower in followers):
        return None, None
    shape = (len(seats[0]), len(seats))
    states = np.full((*shape, len(STATE_COLUMNS)), np.nan, np.float32)
    actions = np.full(shape, NO_ACTION, np.int16)
    for index, follower in enumerate(followers):
        if follower is not None:
            _read(follower, states[:, index], actions[:, index])
    return states, actions


def read_characters(side: Struct) -> npt.NDArray[np.uint8]:
    """Internal ids, frame by frame: Zelda and Sheik share one slot."""
    characters = side.column("post", "character")
    internal: npt.NDArray[np.uint8] = np.minimum(characters, UNKNOWN_INTERNAL).astype(np.uint8)
    return internal


def refuse_implausible(side: Struct) -> None:
    """Raise ReplayError where a leader or a partner holds what no game can: damaged bytes read as floats of any
    size, and one of 1e30 would make every weight of a model NaN."""
    there = side.valid()
    for name, limit in PLAUSIBLE.items():
        source = side.get("post", *_SOURCES[name])
        if source is None:
            continue
        # Two numbers at first: nearly every column is through with that, NaN isn't.
        if -limit <= np.minimum.reduce(source) and np.maximum.reduce(source) <= limit:
            continue
        wild = np.abs(source) > limit
        if name == "hitstun":
            wild &= _IN_DAMAGE[canonical_actions(side.column("post", "state"))]
        if there is not None:
            wild &= there
        for row in np.flatnonzero(wild)[:1]:
            raise ReplayError(f"damaged: {name} is {source[row]:g} in frame {row + FIRST_FRAME}")


def read_controller(side: Struct) -> Cells:
    """Cells of the controller in force: physical buttons, processed analog parts.

    Physical triggers are garbage up to version 1.0.0 and drift at rest; the processed ones are right.
    """

    def of(*path: str) -> npt.NDArray[Any]:
        return side.column("pre", *path)

    return encode(
        chords_from_slippi(of("buttons_physical")),
        (of("joystick", "x"), of("joystick", "y")),
        (of("cstick", "x"), of("cstick", "y")),
        of("triggers"),
    )
