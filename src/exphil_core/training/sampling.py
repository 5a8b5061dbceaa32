"""Which frames each step sees.

A temporal backbone walks along segments of games, one a lane, in windows; its state is carried from window to
window and reset where a lane begins another segment. Other backbones get single frames drawn from everywhere.
Nothing crosses from one game into another. Shapes: B lanes, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.training.frames import Batch, FrameStore, Side

# Windows in a segment: long enough that few windows start without memory (1 in 20), short enough that a batch
# holds many situations and a few games fill all lanes.
SEGMENT_WINDOWS = 20


@attrs.frozen(kw_only=True, eq=False)
class Step:
    """One training step's batch. `kept` are the lanes of the step before that go on (in this step's order) and
    `fresh` (B,) says which lanes begin a segment."""

    batch: Batch
    kept: npt.NDArray[np.int64]
    fresh: npt.NDArray[np.bool_]


@attrs.frozen(kw_only=True)
class Segment:
    """Consecutive rows of one side."""

    fighter: int
    start: int
    stop: int
    mirrored: bool


@attrs.frozen(kw_only=True, eq=False)
class WindowSampler:
    """Windows for a temporal backbone: `lanes` of them, `window` frames long."""

    store: FrameStore
    lanes: int
    window: int
    mirror: float

    def step_count(self) -> int:
        """Steps of an epoch: the longest lane's windows, if all lanes are kept equally busy (an estimate; the
        random phase of the segments moves it by a few)."""
        windows = sum(-(-len(side) // self.window) for side in self.store.sides)
        return max(1, -(-windows // self.lanes))

    def segments(self, rng: np.random.Generator) -> list[Segment]:
        """All sides cut into segments at a random phase, in random order."""
        length = self.window * SEGMENT_WINDOWS
        found = [
            Segment(fighter=side.fighter, start=a, stop=b, mirrored=bool(rng.random() < self.mirror))
            for side in self.store.sides
            for a, b in _pieces(side, length, int(rng.integers(length)))
        ]
        return [found[index] for index in rng.permutation(len(found))]

    def epoch(self, rng: np.random.Generator) -> Iterator[Step]:
        """The steps of one epoch: every row of every side once. Lanes fall away when nothing is left for them."""
        waiting = self.segments(rng)[::-1]
        lanes = [waiting.pop() for _ in range(min(self.lanes, len(waiting)))]
        at = [segment.start for segment in lanes]
        kept, fresh = list(range(len(lanes))), [True] * len(lanes)
        while lanes:
            yield self._step(lanes, at, kept, fresh)
            kept, fresh, next_lanes, next_at = [], [], [], []
            for lane, segment in enumerate(lanes):
                position = at[lane] + self.window
                begins = position >= segment.stop
                if begins:
                    if not waiting:
                        continue
                    segment = waiting.pop()
                    position = segment.start
                kept.append(lane)
                fresh.append(begins)
                next_lanes.append(segment)
                next_at.append(position)
            lanes, at = next_lanes, next_at

    def _step(self, lanes: list[Segment], at: list[int], kept: list[int], fresh: list[bool]) -> Step:
        stops = np.array([segment.stop for segment in lanes])[:, None]
        # No longer than the longest lane: a window beyond every game's end would be padding alone.
        width = min(self.window, max(segment.stop - start for segment, start in zip(lanes, at, strict=True)))
        rows = np.array(at, np.int64)[:, None] + np.arange(width)
        batch = self.store.batch(
            np.minimum(rows, stops - 1),
            np.array([segment.fighter for segment in lanes], np.int64),
            rows < stops,
            np.array([segment.mirrored for segment in lanes]),
        )
        return Step(batch=batch, kept=np.array(kept, np.int64), fresh=np.array(fresh))


def _pieces(side: Side, length: int, phase: int) -> list[tuple[int, int]]:
    """`side` cut every `length` rows, the first piece `phase` rows long (none if that is 0)."""
    cuts = [side.start, *range(side.start + phase, side.stop, length), side.stop]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]


@attrs.frozen(kw_only=True, eq=False)
class FrameSampler:
    """Single frames for a backbone without memory: `size` of them a step, examples only."""

    store: FrameStore
    size: int
    mirror: float

    def step_count(self) -> int:
        """Steps of an epoch."""
        return max(1, -(-self.store.example_count() // self.size))

    def epoch(self, rng: np.random.Generator) -> Iterator[Step]:
        """The steps of one epoch: every example once, in random order."""
        rows = np.concatenate([np.flatnonzero(self.store.examples(s)) + s.start for s in self.store.sides])
        counts = [int(self.store.examples(side).sum()) for side in self.store.sides]
        fighters = np.repeat([side.fighter for side in self.store.sides], counts)
        order = rng.permutation(len(rows))
        for start in range(0, len(order), self.size):
            chosen = order[start : start + self.size]
            mirrored = rng.random(len(chosen)) < self.mirror
            batch = self.store.batch(
                rows[chosen][:, None], fighters[chosen], np.ones((len(chosen), 1), bool), mirrored
            )
            yield Step(batch=batch, kept=np.arange(len(chosen)), fresh=np.ones(len(chosen), bool))


def validation_steps(store: FrameStore, lanes: int, window: int) -> Iterator[Step]:
    """Whole sides from their first row on, `lanes` at a time, the longest first; nothing is left out."""
    waiting = sorted(store.sides, key=len)
    while waiting:
        group = [waiting.pop() for _ in range(min(lanes, len(waiting)))]
        longest = len(group[0])
        live = list(range(len(group)))
        for offset in range(0, longest, window):
            still = [lane for lane in live if offset < len(group[lane])]
            kept = np.array([live.index(lane) for lane in still], np.int64)
            live = still
            stops = np.array([group[lane].stop for lane in live])[:, None]
            starts = np.array([group[lane].start for lane in live], np.int64)[:, None]
            rows = starts + offset + np.arange(min(window, longest - offset))
            fighters = np.array([group[lane].fighter for lane in live], np.int64)
            batch = store.batch(np.minimum(rows, stops - 1), fighters, rows < stops)
            yield Step(batch=batch, kept=kept, fresh=np.full(len(live), offset == 0))
