"""Frames from the sandbox in canonical form, and controllers for it: what reading a game's replay gives, without
writing one.

Shapes: n games, P = 2 fighters in port order, F state columns, C = 6 controller cells.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exphil_core.features.rows import Floats
from exphil_core.melee.controller import BUTTONS, CHORDS, SHOULDER_STEPS, SLIPPI_BITS, Z_SHOULDER
from exphil_core.melee.stages import BY_NAME, NORMAL_FORM, Stage
from exphil_core.replays import controller as codec
from exphil_core.replays.controller import Cells
from exphil_core.replays.fighters import canonical_state
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS
from exphil_core.sandbox.controller import L, R, Z, controller
from exphil_core.sandbox.controller import Controller as Pad
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.state import FighterState, GameState, ItemState
from exphil_core.serving.live_frame import LiveFrame, LiveItem

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


def sandbox_frames(
    states: Sequence[GameState], pads: Sequence[Sequence[Pad]], setups: Sequence[Setup]
) -> list[LiveFrame]:
    """The newest frame of each of n games: its state, the controllers in force in it, what it is played with."""
    count = len(states)
    state_nPF, action_nP, character_nP = _fighters([f for state in states for f in state.fighters])
    cells_nPC = to_cells([pad for both in pads for pad in both]).reshape(count, 2, -1)
    frames = []
    for at, (state, setup) in enumerate(zip(states, setups, strict=True)):
        partner_state, partner_action = _partners(state)
        frames.append(
            LiveFrame(
                frame=state.frame,
                stage=setup.stage.internal,
                state_PF=state_nPF[2 * at : 2 * at + 2],
                action_P=action_nP[2 * at : 2 * at + 2],
                character_P=character_nP[2 * at : 2 * at + 2],
                controller_PC=cells_nPC[at],
                partner_state_PF=partner_state,
                partner_action_P=partner_action,
                items=_items(state.items, setup.ports) if state.items else (),
                platform_S=_platforms(setup.stage),
                form=NORMAL_FORM if setup.stage is _STADIUM else 0,
            )
        )
    return frames


def _fighters(
    fighters: Sequence[FighterState],
) -> tuple[Floats, npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Canonical states, actions and characters of fighters."""
    raw = np.array(fighters)
    state = raw[:, _COLUMNS].astype(np.float32)
    action = raw[:, _ACTION].astype(np.int16)
    canonical_state(state, action)
    return state, action, raw[:, _CHARACTER].astype(np.uint8)


def _partners(state: GameState) -> tuple[Floats, npt.NDArray[np.int16]]:
    if state.partners == (None, None):
        return _NO_PARTNERS, _NO_ACTIONS
    states, actions = _NO_PARTNERS.copy(), _NO_ACTIONS.copy()
    for seat, nana in enumerate(state.partners):
        if nana is not None:
            own, action, _ = _fighters([nana])
            states[seat], actions[seat] = own[0], action[0]
    return states, actions


_NO_PARTNERS: Floats = np.full((2, len(STATE_COLUMNS)), np.nan, np.float32)
_NO_ACTIONS: npt.NDArray[np.int16] = np.full(2, NO_ACTION, np.int16)
for _shared in (_NO_PARTNERS, _NO_ACTIONS):
    _shared.flags.writeable = False


def _items(items: Sequence[ItemState], ports: tuple[int, int]) -> tuple[LiveItem, ...]:
    found = [
        LiveItem(
            type=item.type,
            state=item.state,
            owner=ports.index(item.owner),
            x=float(np.float32(item.x)),
            y=float(np.float32(item.y)),
            vx=float(np.float32(item.velocity_x)),
            vy=float(np.float32(item.velocity_y)),
            timer=float(math.trunc(item.timer)),
            spawn_id=item.id,
        )
        for item in items
    ]
    return tuple(sorted(found, key=lambda item: item.spawn_id))


@functools.cache
def _platforms(stage: Stage) -> Floats:
    """Fountain's platforms, which stand still in the sandbox; unknown elsewhere, as in replays."""
    heights = [p.height if stage is _FOUNTAIN else math.nan for p in stage.platforms[:2]] or [math.nan] * 2
    made = np.array(heights, np.float32)
    made.flags.writeable = False
    return made


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
