"""A game in memory: two fighters, one row a frame, as the game ended up.

Shapes: T frames, P = 2 fighters in port order, F state columns, C = 6 controller cells, S = 2 sides of a stage.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee.characters import Character
from exphil_core.melee.stages import Stage
from exphil_core.replays.controller import Cells
from exphil_core.replays.items import ItemRows

# The action of a partner that isn't there.
NO_ACTION = -1

# Post-frame state of a fighter, in this order. Lengths in Melee's units, speeds in units a frame. What an old
# replay doesn't record is NaN: unknown, never zero.
STATE_COLUMNS = (
    "x", "y", "facing", "percent", "shield", "action_frame", "speed_air_x", "speed_y", "knock_x", "knock_y",
    "speed_ground_x", "hitlag", "hitstun", "stocks", "airborne", "jumps", "invulnerable",
)  # fmt: skip
STATE = {name: index for index, name in enumerate(STATE_COLUMNS)}
# Columns whose sign flips in a mirror.
MIRRORED = ("x", "facing", "speed_air_x", "knock_x", "speed_ground_x")


@attrs.frozen(kw_only=True)
class Player:
    """Who sits at a port (0 to 3) and how: chosen character, human or CPU, name and code where known."""

    port: int
    character: Character
    human: bool
    tag: str = ""
    code: str = ""


@attrs.frozen(kw_only=True)
class GameInfo:
    """What is known of a game besides its frames. `sha256` is that of the file's bytes, `game_hash` that of the game
    in it, which other files may hold as well."""

    path: Path
    sha256: str
    game_hash: str
    version: tuple[int, int, int]
    stage: Stage
    players: tuple[Player, Player]
    rows: int
    rolled_back: int


@attrs.frozen(kw_only=True, eq=False)
class Game:
    """All frames of one game, from frame -123 on, without gaps.

    A partner is the second of the Ice Climbers: its state has the columns of a fighter's, all NaN (and its action
    `NO_ACTION`) while it isn't there. None: nobody in this game has one.

    `platform_TS` holds the heights of Fountain of Dreams' left and right platforms, `form_T` the form that Pokémon
    Stadium has or is changing into (an index of `melee.stages.STADIUM_FORMS`). None: another stage, or a replay that
    doesn't say (both came with Slippi 3.18; a frozen Stadium is known from 2.0 on).
    """

    info: GameInfo
    state_TPF: npt.NDArray[np.float32]
    action_TP: npt.NDArray[np.int16]
    character_TP: npt.NDArray[np.uint8]
    controller_TPC: Cells
    items: ItemRows
    partner_state_TPF: npt.NDArray[np.float32] | None = None
    partner_action_TP: npt.NDArray[np.int16] | None = None
    platform_TS: npt.NDArray[np.float32] | None = None
    form_T: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.action_TP)
