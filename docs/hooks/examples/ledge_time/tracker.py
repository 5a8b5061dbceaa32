"""The tracker: one for each fighter of each game. Shapes: T frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.features.character import FighterRows

# CliffCatch and CliffWait: the same ids for every character.
ON_THE_LEDGE = (252, 253)
LONGEST = 60


class LedgeTime:
    """Columns: hanging, since. What the next call needs of this one is kept in `_since`."""

    def __init__(self) -> None:
        self._since = LONGEST

    def update(self, rows: FighterRows) -> npt.NDArray[np.float32]:
        hanging = np.isin(rows.action, ON_THE_LEDGE)
        frame = np.arange(len(hanging))
        last = np.maximum.accumulate(np.where(hanging, frame, -1 - self._since))
        since = np.minimum(frame - last, LONGEST)
        if len(since):
            self._since = int(since[-1])
        return np.column_stack([hanging, since / LONGEST]).astype(np.float32)
