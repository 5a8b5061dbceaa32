"""Buttons that do the same in the game, in each other's place now and then: of few players a model learns the habits
by heart, and expects them of others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.melee.controller import TWINS
from exphil_core.training.shuffle import chances, scrambled

Flags = npt.NDArray[np.bool_]

# Keeps these draws apart from all others that are made with the same key.
_STREAM = 0x53574150


def swaps(share: float, key: int, index: npt.NDArray[np.int64]) -> Flags:
    """Which pairs (n, len(TWINS)) change places in each of the examples `index` (n,): a function of `key`."""
    swapped = nothing_swapped(len(index))
    if share > 0:
        for pair in range(len(TWINS)):
            swapped[:, pair] = chances(int(scrambled(key ^ _STREAM, pair)[0]), index) < share
    return swapped


def nothing_swapped(lanes: int) -> Flags:
    """Of so many lanes, (lanes, len(TWINS))."""
    return np.zeros((lanes, len(TWINS)), bool)
