"""Frames of the Universal Melee Interface (umi-melee 0.1), in canonical form, and controllers for it.

Where UMI differs from what replays are read to:

- controllers are raw, sticks in 0…1: no dead zone, beyond the circle, no shoulder where L, R or Z press it;
- facing is 1 for right and 0 for left; fighters are oneself and the opponent, not in the order of ports;
- an item stays in its slot for its life; those of nobody are there, and timers aren't whole;
- Fountain's platforms are 0 on other stages; Stadium's form isn't told;
- Ice Climbers' partner is there or not; an item has no direction or misc bytes.

Shapes: n games, P = 2 fighters, 13 values of UMI's controller row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.features.rows import Floats
from exphil_core.melee.characters import UNKNOWN_INTERNAL
from exphil_core.melee.controller import BUTTONS, SHOULDER_STEPS, Z_SHOULDER
from exphil_core.melee.stages import UNKNOWN_INTERNAL as UNKNOWN_STAGE
from exphil_core.replays.controller import Cells, decode, encode
from exphil_core.replays.fighters import canonical_actions, canonical_state
from exphil_core.replays.game import NO_ACTION, STATE, STATE_COLUMNS
from exphil_core.serving.live_batch import LiveBatch, LiveItems
from exphil_core.serving.live_frame import FOUNTAIN

# Our column -> UMI's field of a fighter, but for facing and airborne.
_FIELDS = {
    "x": "x",
    "y": "y",
    "percent": "percent",
    "shield": "shield_strength",
    "action_frame": "action_frame",
    "speed_air_x": "speed_air_x_self",
    "speed_y": "speed_y_self",
    "knock_x": "speed_x_attack",
    "knock_y": "speed_y_attack",
    "speed_ground_x": "speed_ground_x_self",
    "hitlag": "hitlag_left",
    "hitstun": "hitstun_left",
    "stocks": "stocks",
    "jumps": "jumps_left",
    "invulnerable": "hurtbox_state",
}
_PRESSES = 1 << BUTTONS.index("L") | 1 << BUTTONS.index("R")
_Z = 1 << BUTTONS.index("Z")
_Z_PRESS = np.float32(Z_SHOULDER / SHOULDER_STEPS)


def umi_batch(frames: npt.NDArray[Any]) -> LiveBatch:
    """UMI's `Frame[n]` as frames whose fighter 0 is oneself."""
    players, partners = frames["players"], frames["nana"]
    state, action = _fighters(players)
    partner_state, partner_action = _fighters(partners)
    absent = partners["exists"] == 0
    partner_state[absent], partner_action[absent] = np.nan, NO_ACTION
    stage = np.minimum(frames["stage"], UNKNOWN_STAGE)
    platform = np.stack([frames["fod_left"], frames["fod_right"]], axis=1)
    return LiveBatch(
        frame=frames["frame"].astype(np.int32),
        stage=stage,
        state=state,
        action=action,
        character=np.minimum(players["character"], UNKNOWN_INTERNAL),
        controller=umi_cells(players["controller"]),
        partner_state=partner_state,
        partner_action=partner_action,
        platform=np.where((stage == FOUNTAIN)[:, None], platform, np.float32(np.nan)),
        form=np.zeros(len(frames), np.uint8),
        items=_items(frames["items"]),
    )


def umi_cells(controllers: npt.NDArray[Any]) -> Cells:
    """Cells (…, 6) of UMI's raw controllers (…)."""
    pressed = controllers["buttons"]
    shoulder = np.where(pressed & _Z, np.maximum(controllers["shoulder"], _Z_PRESS), controllers["shoulder"])
    shoulder = np.where(pressed & _PRESSES, np.float32(1), shoulder)
    main, c = (
        tuple(2 * (controllers[f"{stick}_{axis}"] - np.float32(0.5)) for axis in "xy")
        for stick in ("main", "c")
    )
    return encode(pressed, (main[0], main[1]), (c[0], c[1]), shoulder)


def umi_rows(cells: Cells) -> Floats:
    """UMI's controller rows (n, 13), sticks in 0…1, of cells (n, 6)."""
    rows = decode(cells)
    rows[..., :4] = rows[..., :4] / 2 + np.float32(0.5)
    return rows


def _fighters(fighters: npt.NDArray[Any]) -> tuple[Floats, npt.NDArray[np.int16]]:
    """States (n, P, F) and actions (n, P)."""
    state = np.empty((*fighters.shape, len(STATE_COLUMNS)), np.float32)
    for name, field in _FIELDS.items():
        state[..., STATE[name]] = fighters[field]
    state[..., STATE["facing"]] = np.where(fighters["facing"], 1, -1)
    state[..., STATE["airborne"]] = fighters["on_ground"] == 0
    action = canonical_actions(fighters["action"])
    canonical_state(state, action)
    return state, action


def _items(slots: npt.NDArray[Any]) -> LiveItems:
    """Items of one of the two fighters, out of UMI's slots (n, 15)."""
    game, slot = np.nonzero((slots["exists"] != 0) & (slots["owner"] >= 0) & (slots["owner"] < 2))
    found = slots[game, slot]
    oldest_first = np.lexsort((found["spawn_id"], game))
    game, found = game[oldest_first], found[oldest_first]
    return LiveItems(
        game=game,
        owner=found["owner"],
        type=found["type"].astype(np.int32),
        state=found["state"],
        x=found["x"],
        y=found["y"],
        vx=found["vx"],
        vy=found["vy"],
        timer=np.trunc(found["timer"]),
        spawn_id=found["spawn_id"].astype(np.int64),
        known=np.ones(len(slots), bool),
    )
