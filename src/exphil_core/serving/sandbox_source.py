"""Frames from the sandbox in canonical form, and controllers for it: what reading a game's replay gives, without
writing one.

Shapes: n games, P = 2 fighters in port order, F state columns, C = 6 controller cells.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.features.rows import Floats
from exphil_core.melee.controller import BUTTONS, CHORDS, SHOULDER_STEPS, SLIPPI_BITS, Z_SHOULDER
from exphil_core.melee.stages import BY_NAME, NORMAL_FORM, STAGES
from exphil_core.replays import controller as codec
from exphil_core.replays.controller import Cells
from exphil_core.replays.fighters import canonical_state
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS
from exphil_core.sandbox.controller import Controller as Pad
from exphil_core.sandbox.controller import L, R, Z, controller
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.state import FighterState, GameState
from exphil_core.serving.live_batch import LiveBatch, LiveItems

# Our column -> the sandbox's name of it, where that is another.
_NAMES = {
    "facing": "direction", "action_frame": "state_age", "speed_air_x": "self_x_air", "speed_y": "self_y",
    "knock_x": "knockback_x", "knock_y": "knockback_y", "speed_ground_x": "self_x_ground", "hitstun": "misc_as",
    "invulnerable": "hurtbox_state",
}  # fmt: skip
_COLUMNS = [FighterState._fields.index(_NAMES.get(name, name)) for name in STATE_COLUMNS]
_ACTION, _CHARACTER = FighterState._fields.index("state"), FighterState._fields.index("character")
_FOUNTAIN, _STADIUM = BY_NAME["fountainofdreams"], BY_NAME["pokemonstadium"]
_CHORD_BITS = [
    sum(SLIPPI_BITS[name] for bit, name in enumerate(BUTTONS) if chord >> bit & 1) for chord in range(CHORDS)
]


def sandbox_batch(
    states: Sequence[GameState], pads: Sequence[Sequence[Pad]], setups: Sequence[Setup]
) -> LiveBatch:
    """The newest frame of each of n games: its state, the controllers in force in it, what it is played with."""
    count = len(states)
    state, action, character = _fighters([f for each in states for f in each.fighters])
    partner_state, partner_action = _partners(states)
    return LiveBatch(
        frame=np.array([each.frame for each in states], np.int32),
        stage=np.array([setup.stage.internal for setup in setups], np.uint8),
        state=state.reshape(count, 2, -1),
        action=action.reshape(count, 2),
        character=character.reshape(count, 2),
        controller=to_cells([pad for both in pads for pad in both]).reshape(count, 2, -1),
        partner_state=partner_state,
        partner_action=partner_action,
        platform=np.array([_PLATFORMS[setup.stage.internal] for setup in setups], np.float32),
        form=np.array([NORMAL_FORM if setup.stage is _STADIUM else 0 for setup in setups], np.uint8),
        items=_items(states, setups),
    )


def _fighters(
    fighters: Sequence[FighterState],
) -> tuple[Floats, npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Canonical states, actions and characters of fighters."""
    raw = np.array(fighters)
    state = raw[:, _COLUMNS].astype(np.float32)
    action = raw[:, _ACTION].astype(np.int16)
    canonical_state(state, action)
    return state, action, raw[:, _CHARACTER].astype(np.uint8)


def _partners(states: Sequence[GameState]) -> tuple[Floats, npt.NDArray[np.int16]]:
    """States (n, P, F) and actions (n, P) of partners."""
    state = np.full((len(states), 2, len(STATE_COLUMNS)), np.nan, np.float32)
    action = np.full((len(states), 2), NO_ACTION, np.int16)
    there = [
        (game, seat, nana)
        for game, each in enumerate(states)
        if each.partners != _NOBODY
        for seat, nana in enumerate(each.partners)
        if nana is not None
    ]
    if there:
        game, seat, nanas = (list(column) for column in zip(*there, strict=True))
        state[game, seat], action[game, seat], _ = _fighters(nanas)
    return state, action


def _items(states: Sequence[GameState], setups: Sequence[Setup]) -> LiveItems:
    found = [
        (
            game, setup.ports.index(item.owner), item.type, item.state, item.x, item.y, item.velocity_x,
            item.velocity_y, math.trunc(item.timer), item.id,
        )
        for game, (each, setup) in enumerate(zip(states, setups, strict=True))
        if each.items
        for item in sorted(each.items, key=_id_of)
    ]  # fmt: skip
    columns = np.array(found, np.float64).reshape(-1, len(_ITEM_TYPES)).T
    named = {
        name: column.astype(dtype) for (name, dtype), column in zip(_ITEM_TYPES.items(), columns, strict=True)
    }
    return LiveItems(known=np.ones(len(states), bool), **named)


_NOBODY = (None, None)
_id_of = operator.attrgetter("id")
_ITEM_TYPES: dict[str, Any] = {
    "game": np.int64, "owner": np.int8, "type": np.int32, "state": np.uint8, "x": np.float32, "y": np.float32,
    "vx": np.float32, "vy": np.float32, "timer": np.float32, "spawn_id": np.int64,
}  # fmt: skip


# By stage: Fountain's platforms, which stand still in the sandbox; unknown elsewhere, as in replays.
_PLATFORMS = {
    stage.internal: (_FOUNTAIN.platforms[0].height, _FOUNTAIN.platforms[1].height)
    if stage is _FOUNTAIN
    else (math.nan, math.nan)
    for stage in STAGES
}


@functools.lru_cache(maxsize=1 << 16)
def _cells_of(pad: Pad) -> Cells:
    steps_x, steps_y = (np.array(pair, np.float32) / 80 for pair in ((pad.x, pad.cx), (pad.y, pad.cy)))
    x, y = codec.stick_cells(steps_x, steps_y)
    chord = _CHORD_BITS.index(pad.buttons)
    shoulder = int(codec.shoulder_cells(np.float32(pad.shoulder / SHOULDER_STEPS)))
    return np.array([chord, x[0], y[0], x[1], y[1], shoulder], np.uint8)


def to_cells(pads: Sequence[Pad]) -> Cells:
    """Cells (n, C) of the sandbox's controllers, as their replay would be read."""
    return np.stack([_cells_of(pad) for pad in pads])


def to_pads(cells: Cells) -> list[Pad]:
    """Controllers for the sandbox of cells (n, C); `to_cells` gives the same cells again where the game can produce
    them (Z presses the shoulder to 49/140, L and R press it through)."""
    return [_pad_of(row) for row in map(bytes, cells)]


@functools.lru_cache(maxsize=1 << 16)
def _pad_of(row: bytes) -> Pad:
    chord, x, y, cx, cy, shoulder = row
    buttons, level = _CHORD_BITS[chord], int(codec.SHOULDER_LEVELS[shoulder])
    if buttons & (L | R) or (buttons & Z and level == Z_SHOULDER):
        level = 0  # the button does it
    axis = codec.AXIS_STEPS
    return controller(int(axis[x]), int(axis[y]), int(axis[cx]), int(axis[cy]), left=level, buttons=buttons)
