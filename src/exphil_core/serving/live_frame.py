"""One frame of a game in play, in the same canonical form as replays are read to, whatever source it came from.

Shapes: P = 2 fighters in port order, F state columns, C = 6 controller cells, S = 2 sides of a stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.rows import Floats, Rows, SeenItems
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.controller import Cells
from exphil_core.replays.game import NO_ACTION

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


def live_rows(frames: Sequence[LiveFrame], own: int, decided: Cells, features: Floats) -> Rows:
    """Rows (n,) of `frames` as the fighter `own` (0 or 1) sees them, given the controllers decided last (n, C) and
    character features (n, P, E), own first. The frames may be consecutive ones or of different games."""
    order = [own, 1 - own]

    def stacked(name: str) -> npt.NDArray[np.float32]:
        return np.stack([getattr(frame, name)[order] for frame in frames])

    action = np.stack([frame.action_P[order] for frame in frames])
    partner_action = np.stack([frame.partner_action_P[order] for frame in frames])
    partners = bool((partner_action != NO_ACTION).any())
    stage = np.array([frame.stage for frame in frames], np.uint8)
    return Rows(
        frame=np.array([frame.frame for frame in frames], np.int32),
        stage=stage,
        state=stacked("state_PF"),
        action=action,
        character=np.stack([frame.character_P[order] for frame in frames]),
        decided=decided,
        features=features,
        partner_state=stacked("partner_state_PF") if partners else None,
        partner_action=partner_action if partners else None,
        platform=np.stack([frame.platform_S for frame in frames]) if (stage == FOUNTAIN).any() else None,
        form=np.array([frame.form for frame in frames], np.uint8),
        items=_seen(frames, own),
    )


def _seen(frames: Sequence[LiveFrame], own: int) -> SeenItems:
    found = [(at, item) for at, frame in enumerate(frames) for item in frame.items or ()]

    return SeenItems(
        frame=np.array([at for at, _ in found], np.int64),
        owner=np.array([item.owner ^ own for _, item in found], np.int8),
        type=np.array([item.type for _, item in found], np.int32),
        state=np.array([item.state for _, item in found], np.uint8),
        **{
            name: np.array([getattr(item, name) for _, item in found], np.float32)
            for name in ("x", "y", "vx", "vy", "timer")
        },
        known=np.array([frame.items is not None for frame in frames], bool),
    )
