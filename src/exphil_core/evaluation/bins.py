"""Where chances are cut into bins, and stick positions into cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.replays.controller import AXIS_STEPS

# Chances of the likeliest value: most are near 1, where bins are finer.
SURE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
# Chances that a button goes down, mostly small. The bounds are the thresholds that `best_f1` tries, too.
PRESS = (
    0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
)  # fmt: skip
HALF = PRESS.index(0.5)

# Cells of a heat map along each axis: odd, so that one lies in the middle. The dead zone (23 of 80 steps) is wider
# than half a cell: the middle cell holds the resting axis alone.
HEAT_CELLS = 17
HEAT_CENTRES = tuple(round(float(centre), 6) for centre in np.linspace(-1, 1, HEAT_CELLS))
# The heat map's cell of each cell of an axis.
HEAT_OF_AXIS: npt.NDArray[np.int64] = np.rint((AXIS_STEPS / 80 + 1) / 2 * (HEAT_CELLS - 1)).astype(np.int64)


def bin_of(chances: npt.NDArray[np.floating], bounds: tuple[float, ...]) -> npt.NDArray[np.int64]:
    """Which of `len(bounds) - 1` bins each chance lies in: from its lower bound up to, but not, the next; the last
    one holds 1 as well."""
    inner = np.asarray(bounds[1:-1], chances.dtype)
    found: npt.NDArray[np.int64] = np.searchsorted(inner, chances, side="right").astype(np.int64)
    return found
