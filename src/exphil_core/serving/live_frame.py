"""One frame of a game in play, in the same canonical form as replays are read to, whatever source it came from.

Shapes: P = 2 fighters in port order, F state columns, C = 6 controller cells, S = 2 sides of a stage.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.rows import Floats
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.controller import Cells

FOUNTAIN = BY_NAME["fountainofdreams"].internal


@attrs.frozen(kw_only=True)
class LiveItem:
    """One item of a frame; `owner` 0 or 1 in port order."""

    type: int
    state: int
    owner: int
    x: float
    y: float
    vx: float
    vy: float
    timer: float
    spawn_id: int


@attrs.frozen(kw_only=True, eq=False)
class LiveFrame:
    """See `exphil_core.replays.game.Game` for the columns. `items` are None where nothing is known of them, and come
    from the oldest to the newest."""

    frame: int
    stage: int
    state_PF: Floats
    action_P: npt.NDArray[np.int16]
    character_P: npt.NDArray[np.uint8]
    controller_PC: Cells
    partner_state_PF: Floats
    partner_action_P: npt.NDArray[np.int16]
    items: tuple[LiveItem, ...] | None
    platform_S: Floats
    form: int
