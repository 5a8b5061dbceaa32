"""Which frames each step sees.

A temporal backbone walks along segments of games, one a lane, in windows; its state is carried from window to
window and reset where a lane begins another segment. Other backbones get single frames out of a large pool of short
segments. Nothing crosses from one game into another.

The order of an epoch is a function of its random generator alone, and holds nothing that grows with the data but a
few numbers a side: plans are made first, step by step, and cut and encoded later, maybe elsewhere. Where several
processes train together, each follows the plans of all and keeps its part of every step. Shapes: B lanes, T frames.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.training.encoding import Batch
from exphil_core.training.frames import FrameStore
from exphil_core.training.hiding import NOTHING, Hiding, nothing_hidden
from exphil_core.training.samples import Frames, Windows, joined
from exphil_core.training.segments import NO_SEGMENTS, Cutting, Queue, Segments, replaced
from exphil_core.training.shuffle import chances
from exphil_core.training.swapping import nothing_swapped, swaps
from exphil_core.training.table import Longs, whole_sides
from exphil_core.training.team import WHOLE, Part

# Windows in a segment: long enough that few windows start without memory (1 in 20), short enough that a batch
# holds many situations and a few games fill all lanes.
SEGMENT_WINDOWS = 20
# Epochs of more steps are not planned only to count them: that takes 50 µs a step.
COUNTED = 4000
# Single frames are drawn from so many at a time, in segments of so many consecutive ones: 1,024 places of the whole
# data, 20 kB read at each, 21 MB of rows in memory.
POOL_FRAMES = 1 << 17
POOL_SEGMENT = 128


@attrs.frozen(kw_only=True, eq=False)
class Step:
    """One training step's batch. `kept` are the lanes of the step before that go on (in this step's order) and
    `fresh` (B,) says which lanes begin a segment; `game` (B,) is each lane's game in the store, `lane` (B,) its
    number among those that the epoch began with."""

    batch: Batch
    game: Longs
    kept: Longs
    fresh: npt.NDArray[np.bool_]
    lane: Longs

    def __len__(self) -> int:
        return len(self.fresh)


class Plan(Protocol):
    """What a step will see."""

    def step(self, store: FrameStore) -> Step:
        """Cut and encode it. Safe to call in any thread, in any order."""
        ...


class Sampler(Protocol):
    """Orders the frames of a store into epochs."""

    @property
    def store(self) -> FrameStore: ...

    def step_count(self, rng: np.random.Generator) -> int:
        """Steps of the epoch that `rng` orders; of a long one, nearly."""
        ...

    def plans(self, rng: np.random.Generator, start: int = 0) -> Iterator[Plan]:
        """The steps of one epoch, from step `start` on: the same ones, whatever the start."""
        ...

    def epoch(self, rng: np.random.Generator, start: int = 0) -> Iterator[Step]:
        """The same, cut and encoded one by one."""
        ...


def _key(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


@attrs.frozen(kw_only=True, eq=False)
class WindowPlan:
    """Windows of lanes that walk along segments."""

    windows: Windows
    kept: Longs
    fresh: npt.NDArray[np.bool_]
    lane: Longs

    def step(self, store: FrameStore) -> Step:
        return Step(
            batch=store.batch(self.windows),
            game=self.windows.game,
            kept=self.kept,
            fresh=self.fresh,
            lane=self.lane,
        )


@attrs.frozen(kw_only=True, eq=False)
class WindowSampler:
    """Windows for a temporal backbone: `lanes` of them, `window` frames long, of which `part` is ours."""

    store: FrameStore
    lanes: int
    window: int
    mirror: float
    swap: float = 0.0
    hiding: Hiding = NOTHING
    part: Part = WHOLE

    def step_count(self, rng: np.random.Generator) -> int:
        """Steps of the epoch that `rng` orders. Up to COUNTED they are counted; of more it is the longest lane's
        windows, as if all lanes were kept equally busy, which leaves out how the last of them run dry."""
        windows = int((-(-self.store.sides.rows // self.window)).sum())
        about = max(1, -(-windows // self.lanes))
        return about if about > COUNTED else sum(1 for _ in self._all_plans(rng))

    def epoch(self, rng: np.random.Generator, start: int = 0) -> Iterator[Step]:
        """The steps of one epoch: every row of every side once. Lanes fall away when nothing is left for them."""
        return (plan.step(self.store) for plan in self.plans(rng, start))

    def plans(self, rng: np.random.Generator, start: int = 0) -> Iterator[WindowPlan]:
        """Plans of the steps from `start` on. Passing over a step takes 50 µs."""
        return itertools.islice(parts_of(self._all_plans(rng), self.part), start, None)

    def _all_plans(self, rng: np.random.Generator) -> Iterator[WindowPlan]:
        """Of the whole epoch, all parts together."""
        runs, length = whole_sides(self.store.sides), self.window * SEGMENT_WINDOWS
        waiting = Queue(Cutting(self.store, runs, length, self.mirror, _key(rng), self.hiding, self.swap))
        return self._walk(waiting)

    def _walk(self, waiting: Queue) -> Iterator[WindowPlan]:
        lanes = waiting.take(self.lanes)
        at, kept = lanes.start, np.arange(len(lanes))
        number = kept
        fresh = np.ones(len(lanes), bool)
        while len(lanes):
            # No longer than the longest lane: a window beyond every segment's end would be padding alone.
            width = min(self.window, int((lanes.stop - at).max()))
            yield WindowPlan(windows=_windows(lanes, at, width), kept=kept, fresh=fresh, lane=number)
            at = at + self.window
            over = np.flatnonzero(at >= lanes.stop)
            kept, fresh = np.arange(len(lanes)), np.zeros(len(lanes), bool)
            if len(over):
                following = waiting.take(len(over))
                filled, empty = over[: len(following)], over[len(following) :]
                lanes, at = replaced(lanes, filled, following), at.copy()
                at[filled], fresh[filled] = following.start, True
                kept = np.delete(kept, empty)
                lanes, at, fresh, number = lanes.taken(kept), at[kept], fresh[kept], number[kept]


def is_part(part: Part, number: Longs) -> npt.NDArray[np.bool_]:
    """Which of the lanes, or segments, with these numbers are `part`'s. A lane is one part's for the whole epoch, so
    that its state stays where it is."""
    ours: npt.NDArray[np.bool_] = number % part.count == part.index
    return ours


def parts_of(plans: Iterator[WindowPlan], part: Part) -> Iterator[WindowPlan]:
    """What is `part`'s of each of `plans`, from the first on: as many plans, some of them maybe without a lane."""
    if part.count == 1:
        yield from plans
        return
    before = np.zeros(0, bool)
    for plan in plans:
        ours = is_part(part, plan.lane)
        # Where all lanes begin, it doesn't matter what was before.
        place = np.cumsum(before) - 1
        yield WindowPlan(
            windows=plan.windows.taken(ours),
            kept=np.arange(ours.sum()) if plan.fresh.all() else place[plan.kept[ours]],
            fresh=plan.fresh[ours],
            lane=plan.lane[ours],
        )
        before = ours


def _windows(lanes: Segments, at: Longs, width: int) -> Windows:
    return Windows(
        game=lanes.game,
        fighter=lanes.fighter,
        start=at,
        stop=lanes.stop,
        width=width,
        mirrored=lanes.mirrored,
        swapped=lanes.swapped,
        hidden=lanes.hidden,
    )


_NONE = np.zeros(0, np.int64)
_NO_WINDOWS = _windows(NO_SEGMENTS, _NONE, 1)


class _Pool:
    """Segments cut on first use, of which single frames are picked. The last batch that uses it lets go of it."""

    def __init__(self, segments: Segments) -> None:
        self._segments, self._lock = segments, threading.Lock()
        self.games = segments.game
        self._frames: Frames | None = None

    def frames(self, store: FrameStore) -> Frames:
        """The frames of all segments, (segments, POOL_SEGMENT)."""
        with self._lock:
            if self._frames is None:
                width = int((self._segments.stop - self._segments.start).max())
                self._frames = store.cut(_windows(self._segments, self._segments.start, width))
            return self._frames

    def part(self, part: Part) -> _PoolPart:
        """`part`'s segments of it."""
        ours = is_part(part, np.arange(len(self._segments)))
        return _PoolPart(pool=_Pool(self._segments.taken(np.flatnonzero(ours))), ours=ours)


@attrs.frozen(kw_only=True, eq=False)
class _Pick:
    """Single frames of a pool, which of them are mirrored, and what is swapped and hidden in each."""

    pool: _Pool
    lane: Longs
    frame: Longs
    mirrored: npt.NDArray[np.bool_]
    swapped: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_]

    def taken(self, chosen: slice | npt.NDArray[np.bool_]) -> _Pick:
        """Some of them."""
        return _Pick(
            pool=self.pool,
            lane=self.lane[chosen],
            frame=self.frame[chosen],
            mirrored=self.mirrored[chosen],
            swapped=self.swapped[chosen],
            hidden=self.hidden[chosen],
        )

    def games(self) -> Longs:
        """The game of each, (n,)."""
        return self.pool.games[self.lane]

    def frames(self, store: FrameStore) -> Frames:
        """They themselves, (n, 1)."""
        frames = self.pool.frames(store)
        return frames.pick(self.lane, self.frame, self.mirrored, self.swapped, self.hidden)


@attrs.frozen(kw_only=True, eq=False)
class _PoolPart:
    """Some of a pool's segments, as a pool of their own."""

    pool: _Pool
    ours: npt.NDArray[np.bool_]

    def of(self, pick: _Pick) -> _Pick:
        """What `pick` has of them."""
        taken = pick.taken(self.ours[pick.lane])
        return attrs.evolve(taken, pool=self.pool, lane=(np.cumsum(self.ours) - 1)[taken.lane])


@attrs.frozen(kw_only=True, eq=False)
class FramePlan:
    """Single frames picked from pools."""

    picks: tuple[_Pick, ...]

    def step(self, store: FrameStore) -> Step:
        if not self.picks:
            return WindowPlan(windows=_NO_WINDOWS, kept=_NONE, fresh=_NONE.astype(bool), lane=_NONE).step(
                store
            )
        frames = joined([pick.frames(store) for pick in self.picks])
        return Step(
            batch=store.encoded(frames),
            game=np.concatenate([pick.games() for pick in self.picks]),
            kept=np.arange(len(frames)),
            fresh=np.ones(len(frames), bool),
            lane=np.arange(len(frames)),
        )


@attrs.frozen(kw_only=True, eq=False)
class FrameSampler:
    """Single frames for a backbone without memory: `size` of them a step, examples only, of which `part` is ours."""

    store: FrameStore
    size: int
    mirror: float
    swap: float = 0.0
    hiding: Hiding = NOTHING
    part: Part = WHOLE

    def step_count(self, rng: np.random.Generator) -> int:
        """Steps of an epoch, the same for all."""
        return max(1, -(-self.store.example_count() // self.size))

    def epoch(self, rng: np.random.Generator, start: int = 0) -> Iterator[Step]:
        """The steps of one epoch: every example once, shuffled within pools of POOL_FRAMES, which are segments
        from everywhere."""
        return (plan.step(self.store) for plan in self.plans(rng, start))

    def plans(self, rng: np.random.Generator, start: int = 0) -> Iterator[FramePlan]:
        """Plans of the steps from `start` on. Passing over a step takes 0.1 ms: no frame is read for it."""
        key = _key(rng)
        cutting = Cutting(self.store, self.store.examples(), POOL_SEGMENT, 0.0, key)
        return itertools.islice(self._parts(self._dealt(cutting, key)), start, None)

    def _parts(self, plans: Iterator[FramePlan]) -> Iterator[FramePlan]:
        """Ours of each: a segment of a pool is one part's, which alone reads it."""
        if self.part.count == 1:
            yield from plans
            return
        pool, ours = None, None
        for plan in plans:
            picks = []
            for pick in plan.picks:
                if pick.pool is not pool:
                    pool, ours = pick.pool, pick.pool.part(self.part)
                assert ours is not None
                picks.append(ours.of(pick))
            yield FramePlan(picks=tuple(pick for pick in picks if len(pick.lane)))

    def _dealt(self, cutting: Cutting, key: int) -> Iterator[FramePlan]:
        """Pools shuffled and dealt out; a batch may take the end of one and the beginning of the next."""
        hand: list[_Pick] = []
        missing = self.size
        for number, segments in enumerate(cutting.chunks(POOL_FRAMES // POOL_SEGMENT)):
            lengths = segments.stop - segments.start
            lane = np.repeat(np.arange(len(segments)), lengths)
            frame = np.arange(len(lane)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            order = np.random.default_rng([key, number]).permutation(len(lane))
            whole = _Pick(
                pool=_Pool(segments),
                lane=lane[order],
                frame=frame[order],
                mirrored=chances(key + 3 + number, order) < self.mirror,
                swapped=swaps(self.swap, key + 3 + number, order),
                hidden=self.hiding.drawn(key + 3 + number, order),
            )
            begin = 0
            while begin < len(order):
                hand.append(whole.taken(slice(begin, begin + missing)))
                dealt = len(hand[-1].lane)
                begin, missing = begin + dealt, missing - dealt
                if missing == 0:
                    yield FramePlan(picks=tuple(hand))
                    hand, missing = [], self.size
        if hand:
            yield FramePlan(picks=tuple(hand))


def validation_plans(store: FrameStore, lanes: int, window: int, part: Part = WHOLE) -> Iterator[WindowPlan]:
    """Whole sides from their first row on, `lanes` at a time for each part, the longest first; nothing is left
    out. All parts get as many plans, some of them maybe without a lane."""
    return parts_of(_validation_plans(store, lanes * part.count, window), part)


def _validation_plans(store: FrameStore, lanes: int, window: int) -> Iterator[WindowPlan]:
    sides = store.sides
    order = np.argsort(sides.rows, kind="stable")[::-1]
    for first in range(0, len(order), lanes):
        group = order[first : first + lanes]
        kept = number = np.arange(len(group))
        for offset in range(0, int(sides.rows[group[0]]), window):
            still = np.flatnonzero(sides.rows[group] > offset)
            kept, group, number = still, group[still], number[still]
            width = min(window, int(sides.rows[group[0]]) - offset)
            windows = Windows(
                game=sides.game[group],
                fighter=sides.fighter[group],
                start=np.full(len(group), offset, np.int64),
                stop=sides.rows[group],
                width=width,
                mirrored=np.zeros(len(group), bool),
                swapped=nothing_swapped(len(group)),
                hidden=nothing_hidden(len(group)),
            )
            fresh = np.full(len(group), offset == 0)
            yield WindowPlan(windows=windows, kept=kept, fresh=fresh, lane=number)


def validation_steps(store: FrameStore, lanes: int, window: int) -> Iterator[Step]:
    """The same, cut and encoded one by one."""
    return (plan.step(store) for plan in validation_plans(store, lanes, window))
