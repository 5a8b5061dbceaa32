"""The two baselines of a model, out of its own weights: a policy file alone says what it must beat."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from exphil_core.models.head import PolicyHead
from exphil_core.models.prior import ControllerPrior, Doubles
from exphil_core.replays.controller import BUTTON_PART, C_X, C_Y, MAIN_X, MAIN_Y, SHOULDER


@torch.no_grad()
def prior_of(head: PolicyHead) -> ControllerPrior:
    """The prior that `head` was given (`PolicyHead.set_prior`), to the precision of float32 logarithms."""

    def table(kind: str, part: int) -> Doubles:
        buffer: Tensor = head.get_buffer(f"{kind}_{part}")
        numbers: Doubles = buffer.double().cpu().numpy()
        return numbers

    def single(part: int) -> Doubles:
        return _normed(np.exp(table("base", part)))

    def joint(x: int, y: int) -> Doubles:
        return _normed(np.exp(table("base", x))[:, None] * np.exp(table("base", y))).reshape(-1)

    odds = [float(table("odds", part)) for part in (BUTTON_PART, MAIN_X, C_X, SHOULDER)]
    return ControllerPrior(
        marginals=(single(BUTTON_PART), joint(MAIN_X, MAIN_Y), joint(C_X, C_Y), single(SHOULDER)),
        repeats=tuple(each / (1 + each) for each in odds),
    )


def _normed(chances: Doubles) -> Doubles:
    normed: Doubles = chances / chances.sum()
    return normed
