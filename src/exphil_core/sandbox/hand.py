"""A thumb on a stick: it takes a frame or more to get anywhere and does not hold perfectly still."""

from __future__ import annotations

import random
from typing import NamedTuple

from exphil_core.sandbox.controller import NEUTRAL, Controller, controller, snap_stick

# Chance a frame that a stick held off centre creeps by 1/80 along an axis.
TREMOR = 0.05


class Step(NamedTuple):
    """Hold this for `frames`: main stick and C-stick in 80ths, shoulders in 140ths, button bits."""

    frames: int
    x: int = 0
    y: int = 0
    buttons: int = 0
    cx: int = 0
    cy: int = 0
    left: int = 0
    right: int = 0


class Hand:
    """Moves the main stick towards each step's target by at most `speed` 80ths a frame and axis."""

    def __init__(self, speed: int, rng: random.Random) -> None:
        self._speed = speed
        self._rng = rng
        self._x = 0
        self._y = 0
        self._held: Step | None = None
        self._last = NEUTRAL

    def move(self, step: Step) -> Controller:
        """The controller of this frame on the way to `step`."""
        arrived = self._x == step.x and self._y == step.y
        if arrived:
            if not (step.x or step.y) or self._rng.random() >= TREMOR:
                if step is not self._held:
                    self._held = step
                    self._last = self._at(step, step.x, step.y)
                return self._last
            self._held = None
            return self._at(step, *self._tremble(step))
        speed = self._speed
        self._x += max(-speed, min(speed, step.x - self._x))
        self._y += max(-speed, min(speed, step.y - self._y))
        self._held = None
        return self._at(step, self._x, self._y)

    def _tremble(self, step: Step) -> tuple[int, int]:
        shift = 1 if self._rng.random() < 0.5 else -1
        return (step.x + shift, step.y) if self._rng.random() < 0.5 else (step.x, step.y + shift)

    @staticmethod
    def _at(step: Step, x: int, y: int) -> Controller:
        snapped_x, snapped_y = snap_stick(x, y)
        return controller(snapped_x, snapped_y, step.cx, step.cy, step.left, step.right, step.buttons)
