"""Frames from libmelee, of a running Dolphin or of a file, in canonical form.

Where libmelee (0.47.6) differs from what replays are read to:

- `action_frame` is one higher for some actions of some characters, of leaders alone: moved back;
- hit-stun isn't gated: it counts in damage states only; percent isn't floored;
- sticks lie in 0…1, and facing is whether a fighter looks right;
- players are numbered by port from 1, an item's owner as well (0: nobody);
- what the running version of Slippi doesn't say is 0, 1 or False instead of unknown;
- an item has no damage, direction or misc bytes; a partner's controller is lost;
- of a rolled-back frame the first version is given, which is what the player saw.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from exphil_core.errors import ExphilError
from exphil_core.features.rows import Floats
from exphil_core.melee.characters import UNKNOWN_INTERNAL
from exphil_core.melee.controller import BUTTONS
from exphil_core.melee.stages import BY_NAME, FORM_BY_SLIPPI, NORMAL_FORM
from exphil_core.replays.controller import Cells, encode
from exphil_core.replays.fighters import canonical_actions, canonical_state
from exphil_core.replays.game import NO_ACTION, STATE, STATE_COLUMNS
from exphil_core.serving.live_frame import LiveFrame, LiveItem

if TYPE_CHECKING:
    import melee

# Our column -> libmelee's attribute of a player, in the order of STATE_COLUMNS but for positions and facing.
_ATTRIBUTES = {
    "percent": "percent",
    "shield": "shield_strength",
    "action_frame": "action_frame",
    "speed_air_x": "speed_air_x_self",
    "speed_y": "speed_y_self",
    "knock_x": "speed_x_attack",
    "knock_y": "speed_y_attack",
    "speed_ground_x": "speed_ground_x_self",
    "hitlag": "hitlag_left",
    "hitstun": "hitstun_frames_left",
    "stocks": "stock",
    "jumps": "jumps_left",
    "invulnerable": "invulnerable",
}
# Versions of Slippi before which libmelee makes values up.
_SPEEDS_SINCE, _HITLAG_SINCE, _OWNERS_SINCE = (3, 5, 0), (3, 8, 0), (3, 6, 0)
_SPEEDS = [STATE[name] for name in ("speed_air_x", "speed_y", "knock_x", "knock_y", "speed_ground_x")]
_STADIUM = BY_NAME["pokemonstadium"].internal


@attrs.frozen(kw_only=True)
class LibmeleeSource:
    """Makes frames of libmelee's states of one game: `ports` (1 to 4) of the two players, in order, the `version`
    of Slippi, libmelee's `zero_indices` (actions of each character whose frames it counts from 1 instead of 0), and
    whether Stadium is `frozen`."""

    ports: tuple[int, int]
    version: tuple[int, int, int]
    zero_indices: Mapping[int, Collection[int]]
    frozen: bool = False

    @classmethod
    def of(cls, console: melee.Console, state: melee.GameState) -> LibmeleeSource:
        """For the game that `console` is in, at its first frame `state`."""
        ports = tuple(sorted(state.players))
        if len(ports) != 2:
            raise ExphilError(f"{len(ports)} players in the game; ExPhil plays games of two")
        major, minor, build = (int(part) for part in console.slp_version_tuple)
        return cls(
            ports=(ports[0], ports[1]),
            version=(major, minor, build),
            zero_indices=console.zero_indices,
            frozen=bool(console.is_frozen_ps),
        )

    def frame(self, state: melee.GameState) -> LiveFrame:
        """`state` in canonical form."""
        players = [state.players[port] for port in self.ports]
        fighters = [self._fighter(player, leader=True) for player in players]
        partners = [self._partner(player.nana) for player in players]
        platforms, stage = state.fod_platforms, int(state.stage.value)
        heights = (np.nan, np.nan) if platforms is None else (platforms.left, platforms.right)
        return LiveFrame(
            frame=int(state.frame),
            stage=stage,
            state_PF=np.stack([values for values, _ in fighters]),
            action_P=np.array([action for _, action in fighters], np.int16),
            character_P=np.array(
                [min(int(player.character.value), UNKNOWN_INTERNAL) for player in players], np.uint8
            ),
            controller_PC=np.stack([_controller(player.controller_state) for player in players]),
            partner_state_PF=np.stack([values for values, _ in partners]),
            partner_action_P=np.array([action for _, action in partners], np.int16),
            items=self._items(state.projectiles) if self.version >= _OWNERS_SINCE else None,
            platform_S=np.array(heights, np.float32),
            form=self._form(state.stadium_transformation) if stage == _STADIUM else 0,
        )

    def _partner(self, nana: Any) -> tuple[Floats, int]:
        if nana is None:
            return np.full(len(STATE_COLUMNS), np.nan, np.float32), NO_ACTION
        return self._fighter(nana, leader=False)

    def _fighter(self, player: Any, *, leader: bool) -> tuple[Floats, int]:
        state = np.empty(len(STATE_COLUMNS), np.float32)
        for name, attribute in _ATTRIBUTES.items():
            state[STATE[name]] = getattr(player, attribute)
        state[STATE["x"]], state[STATE["y"]] = player.position.x, player.position.y
        state[STATE["facing"]] = 1 if player.facing else -1
        state[STATE["airborne"]] = not player.on_ground
        raw = int(player.action.value)
        if leader and raw in self.zero_indices.get(int(player.character.value), ()):
            state[STATE["action_frame"]] -= 1
        if self.version < _SPEEDS_SINCE:
            state[_SPEEDS] = np.nan
        if self.version < _HITLAG_SINCE:
            state[STATE["hitlag"]] = np.nan
        action = canonical_actions(np.array(raw))
        canonical_state(state, action)
        return state, int(action)

    def _items(self, projectiles: Any) -> tuple[LiveItem, ...]:
        found = []
        for item in projectiles:
            port = int(item.owner)
            if port in self.ports:
                found.append(
                    LiveItem(
                        type=int(item.type.value),
                        state=int(item.subtype),
                        owner=self.ports.index(port),
                        x=float(item.position.x),
                        y=float(item.position.y),
                        vx=float(item.speed.x),
                        vy=float(item.speed.y),
                        timer=float(math.trunc(item.expiration_frames)),
                        spawn_id=int(item.spawn_id),
                    )
                )
        return tuple(sorted(found, key=lambda item: item.spawn_id))

    def _form(self, transformation: Any) -> int:
        if self.frozen:
            return NORMAL_FORM
        if transformation is None:
            return 0
        return FORM_BY_SLIPPI.get(int(transformation.type.value), 0)


def _controller(pad: Any) -> Cells:
    """Cells of a libmelee controller: physical buttons, processed sticks in 0…1, the shoulder as the game has it."""
    pressed = {button.name.removeprefix("BUTTON_"): down for button, down in pad.button.items()}
    chord = sum(1 << bit for bit, name in enumerate(BUTTONS) if pressed.get(name))
    main, c = (
        tuple(2 * (np.float32(v) - np.float32(0.5)) for v in stick) for stick in (pad.main_stick, pad.c_stick)
    )
    return encode(chord, (main[0], main[1]), (c[0], c[1]), pad.l_shoulder)
