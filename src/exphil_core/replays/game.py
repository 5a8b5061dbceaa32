"""A game in memory: two fighters, one row a frame, as the game ended up.

Shapes: T frames, P = 2 fighters in port order, F state columns, C = 6 controller cells.
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
    """All frames of one game, from frame -123 on, without gaps."""

    info: GameInfo
    state_TPF: npt.NDArray[np.float32]
    action_TP: npt.NDArray[np.int16]
    character_TP: npt.NDArray[np.uint8]
    controller_TPC: Cells
    items: ItemRows

    def __len__(self) -> int:
        return len(self.action_TP)
