"""Frames of a recorded game, as they would come in play."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.game import NO_ACTION, Game
from exphil_core.serving.live_frame import LiveFrame, LiveItem

_ITEM = ("type", "state", "owner", "x", "y", "vx", "vy", "timer", "spawn_id")


def replayed_frames(game: Game) -> Iterator[LiveFrame]:
    """All frames of `game`, from the first one on."""
    nobody = np.full_like(game.state_TPF[0], np.nan), np.full(2, NO_ACTION, np.int16)
    unknown = np.full(2, np.nan, np.float32)
    columns = [getattr(game.items, name).tolist() for name in _ITEM]
    bounds = game.items.offset.tolist()
    for at in range(len(game)):
        partner_state, partner_action = nobody
        if game.partner_state_TPF is not None and game.partner_action_TP is not None:
            partner_state, partner_action = game.partner_state_TPF[at], game.partner_action_TP[at]
        items = (
            LiveItem(**dict(zip(_ITEM, (column[item] for column in columns), strict=True)))
            for item in range(bounds[at], bounds[at + 1])
        )
        yield LiveFrame(
            frame=FIRST_FRAME + at,
            stage=game.info.stage.internal,
            state_PF=game.state_TPF[at],
            action_P=game.action_TP[at],
            character_P=game.character_TP[at],
            controller_PC=game.controller_TPC[at],
            partner_state_PF=partner_state,
            partner_action_P=partner_action,
            items=tuple(items) if game.items.known else None,
            platform_S=unknown if game.platform_TS is None else game.platform_TS[at],
            form=0 if game.form_T is None else int(game.form_T[at]),
        )
