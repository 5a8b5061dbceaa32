"""A model over one game, frame by frame: how likely the player's controller was, and what else it thought likely.

Row t of everything here is frame t of the game: the controller in force there, and the chances that the model gave
it 1 + delay frames before. The same batches as in validation, so that the mean over examples is the game's loss.

Shapes: T frames, G = 4 parts of the controller (`prior.GROUPS`), B = 8 buttons, K likeliest cells of a stick,
n frames of a window, V cells of a part.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from exphil_core.errors import ExphilError
from exphil_core.features.character import ActiveFeature
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS
from exphil_core.replays.controller import (
    AXIS_CELLS,
    BUTTON_PART,
    C_X,
    CHORD_BITS,
    MAIN_X,
    SHOULDER,
    Cells,
)
from exphil_core.replays.game import Game
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import build_store
from exphil_core.training.prefetch import ahead
from exphil_core.training.sampling import validation_plans
from exphil_core.training.validation import WINDOW

# Cells of each stick that are kept, the likeliest first: they hold nearly all of the chances of a trained model.
MAIN_KEPT, C_KEPT = 5, 2


@attrs.frozen(kw_only=True, eq=False)
class StickChances:
    """The likeliest cells of a stick in each frame, the likeliest first; chance 0 where nothing was predicted."""

    x_TK: Cells
    y_TK: Cells
    chance_TK: npt.NDArray[np.float32]


@attrs.frozen(kw_only=True, eq=False)
class Timeline:
    """What a model with reaction delay `delay` makes of `fighter` (0 or 1) in `game`.

    `loss_TG` are nats of the player's controller, part by part, each given those before it; NaN where there is no
    prediction (the first 1 + delay frames). `example_T` says which frames count in `val_loss`. `press_TB` are
    chances that each button is held. A stick's chances are given the player's buttons of that frame (and the main
    stick, for the C-stick), as in the loss; `shoulder_T` is the chance that the shoulder is pressed at all.
    """

    game: Game
    fighter: int
    delay: int
    example_T: npt.NDArray[np.bool_]
    loss_TG: npt.NDArray[np.float64]
    press_TB: npt.NDArray[np.float32]
    shoulder_T: npt.NDArray[np.float32]
    main: StickChances
    c: StickChances

    def __len__(self) -> int:
        return len(self.game)

    @property
    def controllers(self) -> Cells:
        """The player's controllers, (T, 6)."""
        return self.game.controller_TPC[:, self.fighter]

    @property
    def changed(self) -> npt.NDArray[np.bool_]:
        """Frames (T,) whose controller is another one than the frame's before."""
        changed = np.zeros(len(self), bool)
        changed[1:] = (self.controllers[1:] != self.controllers[:-1]).any(axis=1)
        return changed

    @property
    def loss(self) -> float:
        """Nats a frame over the examples, as in `val_loss`."""
        return float(self.loss_TG[self.example_T].sum(axis=1).mean()) if self.example_T.any() else 0.0


@torch.no_grad()
def timeline(
    policy: Policy,
    game: Game,
    fighter: int,
    *,
    delay: int,
    features: Sequence[ActiveFeature] = (),
    drop_idle: bool = True,
    device: torch.device | None = None,
) -> Timeline:
    """Run `policy` over one side of `game`. Raises ExphilError if the game has no frame to predict."""
    device = device or torch.device("cpu")
    store = build_store([game], [(fighter,)], features=features, delay=delay, drop_idle=drop_idle)
    if not len(store.sides):
        raise ExphilError(f"{game.info.path}: {len(game)} frames are too few for a timeline")
    was_training = policy.training
    policy.eval()
    state = policy.initial_state(0)
    windows: list[_Window] = []
    for step in ahead(validation_plans(store, 1, WINDOW), store):
        tensors = to_tensors(step.batch, device)
        state = carried_state(policy, state, step, device)
        y_BTH, state = policy.backbone(policy.embedding(tensors.floats, tensors.ids), state)
        y_nH, target_n6, last_n6 = y_BTH[0], tensors.target[0], tensors.decided[0]
        windows.append(_window(policy, y_nH, target_n6, last_n6, step.batch.counts[0]))
    policy.train(was_training)
    return _joined(windows, game, fighter, delay)


@attrs.frozen(kw_only=True, eq=False)
class _Window:
    example_n: npt.NDArray[np.bool_]
    loss_n6: npt.NDArray[np.float64]
    press_nB: npt.NDArray[np.float32]
    shoulder_n: npt.NDArray[np.float32]
    main: tuple[
        npt.NDArray[np.int64], npt.NDArray[np.float32]
    ]  # cells x * AXIS_CELLS + y (n, K), chances (n, K)
    c: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def _window(
    policy: Policy, y_nH: Tensor, target_n6: Tensor, last_n6: Tensor, example_n: npt.NDArray[np.bool_]
) -> _Window:
    chances: dict[int, Tensor] = {}

    def watch(part: int, logits_nV: Tensor) -> None:
        chances[part] = torch.softmax(logits_nV, dim=1)

    loss_n6 = policy.head.loss(y_nH, target_n6, last_n6, watch=watch)
    bits_VB = torch.from_numpy(CHORD_BITS).to(y_nH.device)
    sticks = [
        _likeliest(policy, y_nH, target_n6, last_n6, x, chances[x], kept)
        for x, kept in ((MAIN_X, MAIN_KEPT), (C_X, C_KEPT))
    ]
    return _Window(
        example_n=example_n,
        loss_n6=loss_n6.cpu().numpy().astype(np.float64),
        press_nB=(chances[BUTTON_PART] @ bits_VB).cpu().numpy(),
        shoulder_n=(1 - chances[SHOULDER][:, 0]).cpu().numpy(),
        main=sticks[0],
        c=sticks[1],
    )


def _likeliest(
    policy: Policy,
    y_nH: Tensor,
    target_n6: Tensor,
    last_n6: Tensor,
    x_part: int,
    chance_nV: Tensor,
    kept: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """A stick's likeliest cells (n, kept) and their chances: of the `kept` likeliest x, each with all of its y.

    A cell can only be missing if its x is not among those, and then it is no likelier than the next x.
    """
    chance_nK, x_nK = chance_nV.topk(kept, dim=1)
    joint: list[Tensor] = []

    def watch(part: int, logits_nV: Tensor) -> None:
        if part == x_part + 1:
            joint.append(torch.softmax(logits_nV, dim=1))

    for k in range(kept):
        supposed_n6 = target_n6.clone()
        supposed_n6[:, x_part] = x_nK[:, k]
        policy.head.loss(y_nH, supposed_n6, last_n6, watch=watch)
        joint[k] *= chance_nK[:, k, None]
    best_nK, place_nK = torch.cat(joint, dim=1).topk(kept, dim=1)
    x = x_nK.gather(1, place_nK // AXIS_CELLS)
    return (x * AXIS_CELLS + place_nK % AXIS_CELLS).cpu().numpy(), best_nK.cpu().numpy()


def _joined(windows: Sequence[_Window], game: Game, fighter: int, delay: int) -> Timeline:
    """The windows one after the other, each row moved to the frame whose controller it is about."""
    count = len(game)

    def moved(parts: Sequence[npt.NDArray[np.generic]], fill: float) -> npt.NDArray[np.generic]:
        rows = np.concatenate(parts)
        whole = np.full((count, *rows.shape[1:]), fill, rows.dtype)
        whole[1 + delay :] = rows
        return whole

    def stick(cells: npt.NDArray[np.generic], chances: npt.NDArray[np.generic]) -> StickChances:
        wide = cells.astype(np.int64)
        return StickChances(
            x_TK=(wide // AXIS_CELLS).astype(np.uint8),
            y_TK=(wide % AXIS_CELLS).astype(np.uint8),
            chance_TK=chances.astype(np.float32),
        )

    losses_T6 = moved([window.loss_n6 for window in windows], np.nan).astype(np.float64)
    loss_TG = np.zeros((count, len(GROUPS)))
    for part, group in enumerate(PART_GROUPS):
        loss_TG[:, group] += losses_T6[:, part]
    centre = AXIS_CELLS // 2 * (AXIS_CELLS + 1)
    main, c = (
        stick(moved([w[0] for w in pairs], centre), moved([w[1] for w in pairs], 0.0))
        for pairs in ([window.main for window in windows], [window.c for window in windows])
    )
    press_TB = moved([window.press_nB for window in windows], 0.0).astype(np.float32)
    assert press_TB.shape[1] == len(BUTTONS)
    return Timeline(
        game=game,
        fighter=fighter,
        delay=delay,
        example_T=moved([window.example_n for window in windows], 0).astype(np.bool_),
        loss_TG=loss_TG,
        press_TB=press_TB,
        shoulder_T=moved([window.shoulder_n for window in windows], 0.0).astype(np.float32),
        main=main,
        c=c,
    )
