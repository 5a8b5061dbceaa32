"""What is taken of a model's logits before they go: a few numbers a decision.

Shapes: n decisions, V cells of a part, 6 parts, B buttons, R regions of sticks and shoulder.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from exphil_core.melee.controller import BUTTONS
from exphil_core.replays.controller import AXIS_VALUES, BUTTON_PART, CHORD_BITS, PARTS, SHOULDER, Cells

# Named as in `training.rates`.
REGIONS = (
    "main left", "main right", "main down", "main up", "c left", "c right", "c down", "c up", "shoulder",
)  # fmt: skip
HELD = (*BUTTONS, *REGIONS)


@attrs.frozen(kw_only=True, eq=False)
class Watched:
    """What the model said of n decisions."""

    rank_n6: npt.NDArray[np.int64]  # values likelier than the human's: 0 is the likeliest
    sure_n6: npt.NDArray[np.float32]  # chance of the likeliest value
    held_nK: npt.NDArray[np.float32]  # chances that each of HELD is held


class Watcher:
    """To be shown each part's logits by `PolicyHead.loss`; `target_n6` are the human's controllers."""

    def __init__(self, target_n6: Tensor) -> None:
        self._target_n6 = target_n6
        self._ranks: list[Tensor] = []
        self._sure: list[Tensor] = []
        self._held: list[Tensor] = []
        self._bits_VB = torch.from_numpy(CHORD_BITS).to(target_n6.device)
        axis = torch.from_numpy(AXIS_VALUES).to(target_n6.device)
        self._sides_V2 = torch.stack([axis < 0, axis > 0], dim=1).float()

    def __call__(self, part: int, logits_nV: Tensor) -> None:
        target_n1 = self._target_n6[:, part, None]
        at_target_n1 = logits_nV.gather(1, target_n1)
        # Of equally likely values the first one counts as likelier, as argmax has it.
        before_nV = torch.arange(logits_nV.shape[1], device=logits_nV.device) < target_n1
        likelier_nV = (logits_nV > at_target_n1) | ((logits_nV == at_target_n1) & before_nV)
        self._ranks.append(likelier_nV.sum(dim=1))
        chances_nV = torch.softmax(logits_nV, dim=1)
        self._sure.append(chances_nV.amax(dim=1))
        if part == BUTTON_PART:
            self._held.append(chances_nV @ self._bits_VB)
        elif part == SHOULDER:
            self._held.append(chances_nV[:, 1:].sum(dim=1, keepdim=True))
        else:
            self._held.append(chances_nV @ self._sides_V2)

    def watched(self) -> Watched:
        """What was seen, after the last part."""
        assert len(self._ranks) == len(PARTS)
        return Watched(
            rank_n6=torch.stack(self._ranks, dim=1).cpu().numpy(),
            sure_n6=torch.stack(self._sure, dim=1).cpu().numpy(),
            held_nK=torch.cat(self._held, dim=1).cpu().numpy(),
        )


def held(cells_n6: Cells) -> npt.NDArray[np.bool_]:
    """Which of HELD these controllers (n, 6) hold, (n, K)."""
    columns = [CHORD_BITS[cells_n6[:, BUTTON_PART]] > 0]
    for part in range(1, len(PARTS) - 1):
        value_n1 = AXIS_VALUES[cells_n6[:, part, None]]
        columns += [value_n1 < 0, value_n1 > 0]
    columns.append(cells_n6[:, SHOULDER, None] > 0)
    return np.concatenate(columns, axis=1)
