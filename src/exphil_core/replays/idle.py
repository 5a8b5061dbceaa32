"""Which frames of a side are examples to imitate: those in which inputs count and a hand is on the controller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME, FRAMES_PER_SECOND
from exphil_core.replays.game import Game

# A side without an input change for so long is no example to imitate: the controller lies on the table.
IDLE_FRAMES = 10 * FRAMES_PER_SECOND
# Rows before this one hold inputs without effect.
FIRST_ROW = FIRST_PLAYABLE_FRAME - FIRST_FRAME
Flags = npt.NDArray[np.bool_]


def target_rows(game: Game, fighter: int, drop_idle: bool) -> Flags:
    """Which rows' controllers are examples to imitate, (T,): from the first playable frame on, and not idle."""
    rows = np.arange(len(game)) >= FIRST_ROW
    return rows & ~idle_rows(game.controller_TPC[:, fighter]) if drop_idle else rows


def idle_rows(cells_TC: npt.NDArray[np.uint8]) -> Flags:
    """Rows (T,) of a stretch of IDLE_FRAMES or more without an input change. The input that such a stretch
    begins with was a decision, and is none of them."""
    idle = np.zeros(len(cells_TC), bool)
    for start, stop in idle_stretches(cells_TC):
        idle[start:stop] = True
    return idle


def idle_stretches(cells_TC: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The same as first row and the one after the last, in order."""
    # All cells in one comparison, then two at a time: reducing along an axis of six takes ten times as long.
    flat, cells = np.ascontiguousarray(cells_TC).reshape(-1), cells_TC.shape[1]
    changes = flat[cells:] != flat[:-cells]
    # A stretch holds one of these blocks of half its least length whole: nearly every game is through with that.
    half = IDLE_FRAMES // 2 * cells
    if changes[: len(changes) // half * half].reshape(-1, half).any(axis=1).all():
        return []
    differs = changes.view(np.uint16).reshape(-1, cells // 2)
    changed = np.flatnonzero(differs[:, 0] | differs[:, 1] | differs[:, 2]) + 1
    bounds = np.concatenate([[0], changed, [len(cells_TC)]])
    long = np.flatnonzero(np.diff(bounds) >= IDLE_FRAMES).tolist()
    # The game's first row was nobody's decision.
    return [(int(bounds[at]) + (at > 0), int(bounds[at + 1])) for at in long]
