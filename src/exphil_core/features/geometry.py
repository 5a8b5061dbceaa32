"""Where things are on a stage, as the encoder sees it: one column a stage, and the same seen in a mirror."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.melee.stages import INTERNAL_IDS, STAGES, Stage

Floats = npt.NDArray[np.float32]

EDGE, LEDGE, BLAST_LEFT, BLAST_RIGHT, BLAST_TOP, BLAST_BOTTOM = range(6)
# From here on four rows a platform (left, right, top): is there one, its height, its left and its right end.
PLATFORM = 6
PRESENT, HEIGHT, LEFT, RIGHT = range(4)
ROWS = PLATFORM + 4 * 3
TOP = 2


def _column(stage: Stage, mirrored: bool) -> list[float]:
    blast = (-stage.blast_right, -stage.blast_left) if mirrored else (stage.blast_left, stage.blast_right)
    platforms = [0.0] * (4 * 3)
    for index, platform in enumerate(stage.platforms):
        slot = index if index == TOP or not mirrored else 1 - index
        ends = (-platform.right, -platform.left) if mirrored else (platform.left, platform.right)
        platforms[4 * slot : 4 * slot + 4] = [1.0, platform.height, *ends]
    return [stage.edge_x, stage.ledge_x, *blast, stage.blast_top, stage.blast_bottom, *platforms]


def _table() -> Floats:
    """(ROWS, stages and then the same seen in a mirror), 0 for unknown stages."""
    table = np.zeros((ROWS, 2 * INTERNAL_IDS), np.float32)
    for stage in STAGES:
        for mirrored in (False, True):
            table[:, stage.internal + INTERNAL_IDS * mirrored] = _column(stage, mirrored)
    return table


TABLE = _table()


def geometry(stage: npt.NDArray[np.uint8], mirrored: npt.NDArray[np.bool_] | None) -> Floats:
    """(ROWS, n) of the stages (n,), seen in a mirror where `mirrored` (n,)."""
    index = stage if mirrored is None else stage + INTERNAL_IDS * mirrored.astype(np.uint8)
    return TABLE.take(index, axis=1)
