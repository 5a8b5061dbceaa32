"""What training hides from a model now and then, so that it can do without: columns that a source may lack, the
controller decided last, which is easily copied, and who plays where, which tells games apart."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.augment import GROUPS
from exphil_core.features.columns import DECIDED, IDENTITY
from exphil_core.training.shuffle import chances, scrambled

Flags = npt.NDArray[np.bool_]

# Keeps these draws apart from all others that are made with the same key.
_STREAM = 0x48494445


@attrs.frozen(kw_only=True)
class Hiding:
    """Chances: `mask` of each group of maskable columns, `controller` of the decided controller, `identity` of
    characters and stage together."""

    mask: float = 0.0
    controller: float = 0.0
    identity: float = 0.0

    def drawn(self, key: int, index: npt.NDArray[np.int64]) -> Flags:
        """Which groups (n, len(GROUPS)) each of the examples `index` (n,) goes without: a function of `key`."""
        hidden = np.zeros((len(index), len(GROUPS)), bool)
        for group, name in enumerate(GROUPS):
            chance = {DECIDED: self.controller, IDENTITY: self.identity}.get(name, self.mask)
            if chance > 0:
                stream = int(scrambled(key ^ _STREAM, group)[0])
                hidden[:, group] = chances(stream, index) < chance
        return hidden


NOTHING = Hiding()


def nothing_hidden(lanes: int) -> Flags:
    """Of so many lanes, (lanes, len(GROUPS))."""
    return np.zeros((lanes, len(GROUPS)), bool)
