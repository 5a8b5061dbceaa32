"""What a backbone remembers of each of many games."""

from __future__ import annotations

import numpy as np
import torch

from exphil_core.models.backbones.base import State
from exphil_core.serving.live_batch import Longs


class GameStates:
    """One row a lane of `start`, the state of that many games that just started.

    A batch of games usually comes again frame after frame, so its state is kept as the backbone gave it and taken
    apart only when its lanes come in other company: copying a window of attention for 128 games takes as long as
    computing with it.
    """

    def __init__(self, start: State) -> None:
        # All games start alike.
        self._start = tuple(part[:1].clone() for part in start)
        self._rows = tuple(part.clone() for part in start)
        lanes = len(start[0]) if start else 0
        self._batch_of = np.full(lanes, -1)  # which batch holds a lane's state, -1: none
        self._batches: dict[int, tuple[Longs, State]] = {}
        self._next = 0

    def take(self, lanes: Longs) -> State:
        """The state of these lanes, no lane twice."""
        if not self._rows:
            return ()
        number = int(self._batch_of[lanes[0]])
        if number >= 0 and np.array_equal(self._batches[number][0], lanes):
            return self._batches[number][1]
        self._take_apart(lanes)
        index = torch.from_numpy(lanes)
        return tuple(part.index_select(0, index) for part in self._rows)

    def put(self, lanes: Longs, state: State) -> None:
        """The state of these lanes from now on; nobody may change it afterwards."""
        if not self._rows:
            return
        number = int(self._batch_of[lanes[0]])
        if number < 0 or not np.array_equal(self._batches[number][0], lanes):
            self._take_apart(lanes)
            number, self._next = self._next, self._next + 1
            self._batch_of[lanes] = number
            lanes = lanes.copy()
        self._batches[number] = (lanes, state)

    def reset(self, lanes: Longs) -> None:
        """Back to a game's start."""
        if not self._rows or not len(lanes):
            return
        self._take_apart(lanes)
        index = torch.from_numpy(lanes)
        for part, start in zip(self._rows, self._start, strict=True):
            part.index_copy_(0, index, start.expand(len(lanes), *start.shape[1:]))

    def _take_apart(self, lanes: Longs) -> None:
        """Write every batch that holds one of these lanes back to the rows."""
        for number in set(self._batch_of[lanes].tolist()) - {-1}:
            held, state = self._batches.pop(number)
            self._batch_of[held] = -1
            index = torch.from_numpy(held)
            for part, value in zip(self._rows, state, strict=True):
                part.index_copy_(0, index, value.to(part.dtype))
