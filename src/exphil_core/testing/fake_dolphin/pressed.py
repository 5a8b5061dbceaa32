"""What Melee makes of the commands on a pipe, by Dolphin's own arithmetic instead of that of whoever wrote them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
import numpy as np

from exphil_core.melee.controller import BUTTONS
from exphil_core.replays.controller import Cells, encode


@attrs.define
class Pipe:
    """The state of one controller."""

    pressed: set[str] = attrs.field(factory=set)
    sticks: dict[str, tuple[float, float]] = attrs.field(
        factory=lambda: {"MAIN": (0.5, 0.5), "C": (0.5, 0.5)}
    )
    triggers: dict[str, float] = attrs.field(factory=lambda: {"L": 0.0, "R": 0.0})

    def take(self, lines: Iterable[str]) -> None:
        for line in lines:
            command, name, *values = line.split()
            if command == "PRESS":
                self.pressed.add(name)
            elif command == "RELEASE":
                self.pressed.discard(name)
            elif name in self.sticks:
                self.sticks[name] = (float(values[0]), float(values[1]))
            else:
                self.triggers[name] = float(values[0])

    def cells(self) -> Cells:
        """The controller as the game reads it: axes in steps of 1/80, the trigger in steps of 1/140."""
        assert self.pressed <= set(BUTTONS), self.pressed
        chord = sum(1 << BUTTONS.index(name) for name in self.pressed)
        main, c = (
            tuple(math.floor((value - 0.5) * 254) / 80 for value in self.sticks[name])
            for name in ("MAIN", "C")
        )
        return encode(
            chord, (main[0], main[1]), (c[0], c[1]), math.floor(max(self.triggers.values()) * 255) / 140
        )


def pressed(flushes: Iterable[Iterable[str]]) -> Cells:
    """The controllers (n, 6) after each flush, from the commands of all flushes of a pipe."""
    pipe = Pipe()
    found = []
    for lines in flushes:
        pipe.take(lines)
        found.append(pipe.cells())
    return np.array(found, np.uint8)
