"""Stretches of games in random order, looked up piece by piece: nothing is held but a few numbers a run."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.training.frames import FrameStore
from exphil_core.training.hiding import NOTHING, Hiding, nothing_hidden
from exphil_core.training.shuffle import chances, shuffled
from exphil_core.training.swapping import nothing_swapped, swaps
from exphil_core.training.table import Longs, Runs

# Segments are looked up so many at a time.
_CHUNK = 4096


@attrs.frozen(kw_only=True, eq=False)
class Segments:
    """Pieces of runs: (n,) each, rows counted from the game's first."""

    game: Longs
    fighter: npt.NDArray[np.int8]
    start: Longs
    stop: Longs
    mirrored: npt.NDArray[np.bool_]
    swapped: npt.NDArray[np.bool_]  # (n, pairs)
    hidden: npt.NDArray[np.bool_]  # (n, groups)

    def __len__(self) -> int:
        return len(self.game)

    def taken(self, chosen: Longs | slice) -> Segments:
        """Some of them."""
        return Segments(**{name: getattr(self, name)[chosen] for name in _SEGMENT_COLUMNS})


_SEGMENT_COLUMNS = tuple(field.name for field in attrs.fields(Segments))


class Cutting:
    """Runs cut every `length` rows at a random phase, in random order; each piece mirrored, twin buttons swapped
    and groups of columns hidden in it, with a chance."""

    def __init__(
        self,
        store: FrameStore,
        runs: Runs,
        length: int,
        mirror: float,
        key: int,
        hiding: Hiding = NOTHING,
        swap: float = 0.0,
    ) -> None:
        self._store, self._runs, self._length, self._mirror, self._key = store, runs, length, mirror, key
        self._hiding, self._swap = hiding, swap
        phases = (chances(key, np.arange(len(runs.side))) * length).astype(np.int64)
        # The first piece is `phase` rows long, a whole one if that is 0.
        self._first = np.where(phases == 0, length, phases)
        self._ends = np.cumsum(1 + -(-np.maximum(runs.lengths - self._first, 0) // length))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def chunks(self, size: int = _CHUNK) -> Iterator[Segments]:
        """All of them in their random order, `size` at a time."""
        for begin in range(0, len(self), size):
            places = np.arange(begin, min(begin + size, len(self)))
            yield self._at(shuffled(self._key + 1, len(self), places))

    def runs(self, rows: int) -> Iterator[Runs]:
        """The first of them in that order, until they hold so many rows."""
        for begin in range(0, len(self), _CHUNK):
            found = self._pieces(
                shuffled(self._key + 1, len(self), np.arange(begin, min(begin + _CHUNK, len(self))))
            )
            yield found
            rows -= int(found.lengths.sum())
            if rows <= 0:
                return

    def _pieces(self, piece: Longs) -> Runs:
        run = np.searchsorted(self._ends, piece, "right")
        number = piece - np.r_[0, self._ends][run]
        start = np.where(number == 0, 0, self._first[run] + (number - 1) * self._length)
        stop = np.minimum(self._first[run] + number * self._length, self._runs.lengths[run])
        offset = self._runs.start[run]
        return Runs(side=self._runs.side[run], start=start + offset, stop=stop + offset)

    def _at(self, piece: Longs) -> Segments:
        found = self._pieces(piece)
        return Segments(
            game=self._store.sides.game[found.side],
            fighter=self._store.sides.fighter[found.side],
            start=found.start,
            stop=found.stop,
            mirrored=chances(self._key + 2, piece) < self._mirror,
            swapped=swaps(self._swap, self._key, piece),
            hidden=self._hiding.drawn(self._key, piece),
        )


class Queue:
    """Segments in their order, taken from the front."""

    def __init__(self, cutting: Cutting) -> None:
        self._chunks = cutting.chunks()
        self._chunk = next(self._chunks, None)
        self._at = 0

    def take(self, count: int) -> Segments:
        """The next `count`, or as many as are left."""
        parts: list[Segments] = []
        while self._chunk is not None:
            parts.append(self._chunk.taken(slice(self._at, self._at + count - sum(map(len, parts)))))
            self._at += len(parts[-1])
            if self._at < len(self._chunk):
                break
            self._chunk, self._at = next(self._chunks, None), 0
        if not parts:
            return NO_SEGMENTS
        return Segments(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _SEGMENT_COLUMNS}
        )


NO_SEGMENTS = Segments(
    game=np.zeros(0, np.int64),
    fighter=np.zeros(0, np.int8),
    start=np.zeros(0, np.int64),
    stop=np.zeros(0, np.int64),
    mirrored=np.zeros(0, bool),
    swapped=nothing_swapped(0),
    hidden=nothing_hidden(0),
)


def replaced(lanes: Segments, filled: Longs, following: Segments) -> Segments:
    columns = {name: getattr(lanes, name).copy() for name in _SEGMENT_COLUMNS}
    for name, column in columns.items():
        column[filled] = getattr(following, name)
    return Segments(**columns)
