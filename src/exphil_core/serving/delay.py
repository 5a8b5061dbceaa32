"""The reaction delay, where it is ours to keep: a game on one's own machine applies controllers at once."""

from __future__ import annotations

from collections import deque

import numpy as np

from exphil_core.replays.controller import NEUTRAL, Cells


class DelayQueue:
    """Controllers in the order in which they were decided, each given out `delay` frames later.

    A controller decided after frame t belongs to frame t + 1 + delay; neutral until the first one's turn comes. UMI
    keeps the delay itself: no queue there.
    """

    def __init__(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"a delay of {delay} frames: it can't be negative")
        self._delay = delay
        self._waiting: deque[Cells] = deque()
        self.clear()

    def push(self, decided: Cells) -> Cells:
        """Put in what was decided after a frame, (6,) or of several games (n, 6); get what to press for the next
        frame, of the same shape."""
        self._waiting.append(decided.copy())
        # Of the neutral ones there is one for all games.
        return np.broadcast_to(self._waiting.popleft(), decided.shape)

    def clear(self) -> None:
        """Empty at a game's start."""
        self._waiting.clear()
        self._waiting.extend([NEUTRAL.copy()] * self._delay)
