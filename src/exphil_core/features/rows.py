"""What the encoder takes: frames as one player sees them, before they become numbers for a model.

Shapes: … any leading shape, P = 2 fighters (own, opponent), F state columns, C = 6 controller cells, E character
feature columns of a fighter, S = 2 sides of a stage, M items.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.controller import Cells
from exphil_core.replays.game import Game
from exphil_core.replays.habits import Habits, habits
from exphil_core.replays.items import ItemRows

Floats = npt.NDArray[np.float32]


@attrs.frozen(kw_only=True, eq=False)
class SeenItems:
    """The two fighters' items. `frame` counts frames of the flattened leading shape and never falls; in a frame the
    newest item comes last. `known` says of which frames anything is known."""

    frame: npt.NDArray[np.int64]  # (M,)
    owner: npt.NDArray[np.int8]  # (M,), 0 own, 1 the opponent's
    type: npt.NDArray[np.int32]  # (M,)
    state: npt.NDArray[np.uint8]  # (M,)
    x: Floats  # (M,)
    y: Floats  # (M,)
    vx: Floats  # (M,)
    vy: Floats  # (M,)
    timer: Floats  # (M,)
    known: npt.NDArray[np.bool_]  # (…)


@attrs.frozen(kw_only=True, eq=False)
class Rows:
    """Frames as one player sees them: the first fighter is oneself.

    `decided` is the last controller *decided*, which under a reaction delay of D is that of D frames later. Partners
    are None where nobody has one, `platform`, `form` and `items` where nothing is known of them (see `Game`).
    """

    frame: npt.NDArray[np.int32]  # (…), Slippi's frame numbers
    stage: npt.NDArray[np.uint8]  # (…), internal ids
    state: Floats  # (…, P, F), NaN where unknown
    action: npt.NDArray[np.int16]  # (…, P)
    character: npt.NDArray[np.uint8]  # (…, P)
    decided: Cells  # (…, C)
    habit: Habits  # (…), with `decided`; see `exphil_core.replays.habits`
    features: Floats  # (…, P, E)
    partner_state: Floats | None = None  # (…, P, F)
    partner_action: npt.NDArray[np.int16] | None = None  # (…, P)
    platform: Floats | None = None  # (…, S), NaN where unknown
    form: npt.NDArray[np.uint8] | None = None  # (…)
    items: SeenItems | None = None
    mirrored: npt.NDArray[np.bool_] | None = None  # (…): stage seen in a mirror


def seen_items(items: ItemRows) -> SeenItems:
    """A fighter's own `items` (owner 0 itself), frame after frame."""
    return SeenItems(
        frame=items.frame(),
        known=np.full(len(items), items.known),
        **{name: getattr(items, name) for name in ("owner", "type", "state", "x", "y", "vx", "vy", "timer")},
    )


def game_rows(game: Game, fighter: int, features: Floats | None = None, delay: int = 0) -> Rows:
    """All frames of `game` as `fighter` (0 or 1) sees them, with character `features` (T, P, E) in port order.

    The last `delay` frames, whose decided controller lies beyond the game's end, have the last one instead.
    """
    order = [fighter, 1 - fighter]
    count = len(game)
    extra = np.zeros((count, 2, 0), np.float32) if features is None else features
    partner_state, partner_action = game.partner_state_TPF, game.partner_action_TP
    decided = np.minimum(np.arange(count) + delay, count - 1)
    return Rows(
        frame=np.arange(FIRST_FRAME, FIRST_FRAME + count, dtype=np.int32),
        stage=np.full(count, game.info.stage.internal, np.uint8),
        state=game.state_TPF[:, order],
        action=game.action_TP[:, order],
        character=game.character_TP[:, order],
        decided=game.controller_TPC[decided, fighter],
        habit=habits(game.controller_TPC[:, fighter])[decided],
        features=extra[:, order],
        partner_state=None if partner_state is None else partner_state[:, order],
        partner_action=None if partner_action is None else partner_action[:, order],
        platform=game.platform_TS,
        form=game.form_T,
        items=seen_items(game.items.seen_by(fighter)),
    )
