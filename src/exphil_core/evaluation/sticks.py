"""How far a predicted stick is from the human's, in degrees and in length. Shapes: n decisions, 2 axes as cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.replays.controller import AXIS_VALUES, C_X, C_Y, MAIN_X, MAIN_Y, Cells

STICKS = {"main": (MAIN_X, MAIN_Y), "c": (C_X, C_Y)}
SOURCES = ("greedy", "drawn", "repeat")
# Columns of `stick_sums`.
OUT, BOTH, DEGREES, MAGNITUDE, MISSED, CENTRED, STRAYS = range(7)


def stick_sums(human_n2: Cells, predicted_n2: Cells) -> npt.NDArray[np.float64]:
    """What `StickError` is made of, (n, 7): is the human's stick out of the centre, are both, the angle between them
    where both are, the difference of their lengths and whether the predicted one is in the centre where the human's
    is out, is the human's centred, and does the predicted one stray then."""
    human, predicted = (AXIS_VALUES[cells].astype(np.float64) for cells in (human_n2, predicted_n2))
    length, guessed = np.hypot(*human.T), np.hypot(*predicted.T)
    out, strays = length > 0, guessed > 0
    both = out & strays
    turned = np.arctan2(human[:, 1], human[:, 0]) - np.arctan2(predicted[:, 1], predicted[:, 0])
    degrees = np.abs((np.degrees(turned) + 180) % 360 - 180)
    return np.stack(
        [
            out,
            both,
            np.where(both, degrees, 0),
            np.where(out, np.abs(length - guessed), 0),
            out & ~strays,
            ~out,
            ~out & strays,
        ],
        axis=1,
    ).astype(np.float64)
