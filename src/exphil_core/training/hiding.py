"""What training hides from a model now and then, so that it can do without: columns that a source may lack, and the
controller decided last, which is easily copied."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.augment import GROUPS
from exphil_core.features.columns import DECIDED
from exphil_core.training.shuffle import chances, scrambled

Flags = npt.NDArray[np.bool_]

# Keeps these draws apart from all others that are made with the same key.
_STREAM = 0x48494445


@attrs.frozen(kw_only=True)
class Hiding:
    """Chances: `mask` of each group of maskable columns, `controller` of the decided controller."""

    mask: float = 0.0
    controller: float = 0.0

    def drawn(self, key: int, index: npt.NDArray[np.int64]) -> Flags:
        """Which groups (n, len(GROUPS)) each of the examples `index` (n,) goes without: a function of `key`."""
        hidden = np.zeros((len(index), len(GROUPS)), bool)
        if self.mask == 0 and self.controller == 0:
            return hidden
        for group, name in enumerate(GROUPS):
            stream = int(scrambled(key ^ _STREAM, group)[0])
            hidden[:, group] = chances(stream, index) < (self.controller if name == DECIDED else self.mask)
        return hidden


NOTHING = Hiding()


def nothing_hidden(lanes: int) -> Flags:
    """Of so many lanes, (lanes, len(GROUPS))."""
    return np.zeros((lanes, len(GROUPS)), bool)
