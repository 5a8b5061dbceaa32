"""Whom a model learns to play."""

from __future__ import annotations

from collections import Counter

import numpy as np

from exphil_core.melee.characters import BY_INTERNAL
from exphil_core.training.frames import FrameStore
from exphil_core.training.hiding import nothing_hidden
from exphil_core.training.samples import Windows
from exphil_core.training.swapping import nothing_swapped

# Sides looked into at a time.
_AT_ONCE = 4096


def imitated_characters(store: FrameStore) -> list[str]:
    """The characters that the sides of `store` begin their games as, the most frequent first. Zelda and Sheik change
    later on."""
    sides, counts = store.sides, Counter[str]()
    for first in range(0, len(sides), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        fighter = sides.fighter[some]
        windows = Windows(
            game=sides.game[some],
            fighter=fighter,
            start=np.zeros(len(fighter), np.int64),
            stop=sides.rows[some],
            width=1,
            mirrored=np.zeros(len(fighter), bool),
            swapped=nothing_swapped(len(fighter)),
            hidden=nothing_hidden(len(fighter)),
        )
        internal = store.rows(windows, 0)["character"][np.arange(len(fighter)), 0, fighter]
        counts.update(BY_INTERNAL[id].name for id in internal.tolist() if id in BY_INTERNAL)
    return [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
