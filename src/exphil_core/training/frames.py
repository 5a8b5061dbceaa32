"""The frames of a run's games, wherever they lie, and the batches cut out of them.

A sample at row t pairs the observation of frame t with the controller of row t+1+D, D being the reaction delay;
the "decided" controller is that of row t+D. Shapes: P = 2 fighters in port order, B lanes, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.augment import Augmenter
from exphil_core.features.character import ActiveFeature, game_features
from exphil_core.features.schema import ObservationSchema, observation_schema
from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.controller import Cells
from exphil_core.replays.game import Game
from exphil_core.replays.rows import ITEMS, ROW, ROWS, arrays_of, item_type, pack
from exphil_core.training.encoding import Batch, encoded
from exphil_core.training.gathering import gather
from exphil_core.training.samples import GATHERED, Block, Frames, Items, Windows
from exphil_core.training.table import (
    FIRST_TARGET,
    GameTable,
    Longs,
    Runs,
    Sides,
    example_runs,
    game_table,
    sides_of,
)


class GameSource(Protocol):
    """Where frames come from: memory, or a cache on disk. Games are numbered as in the store's table."""

    def places(self, name: str, games: Longs) -> tuple[Sequence[memoryview | None], Longs]:
        """For each of `games`, bytes in which the rows of its array `name` follow each other, and the byte at which
        the first begins; -1 where it has none. `rows` are records of ROW, `items` of item_type, others blocks."""
        ...


@attrs.frozen(kw_only=True, eq=False, slots=False)
class FrameStore:
    """All games of one kind (to train on, or held out) and the sides of them to imitate.

    Holds a few numbers a game; frames stay where `source` has them until a batch is cut.
    """

    table: GameTable
    sides: Sides
    source: GameSource
    delay: int
    drop_idle: bool
    features: tuple[Block, ...]  # the columns of each character feature, (T, P, E)
    schema: ObservationSchema
    weight: npt.NDArray[np.float32]  # (G, P): how much a side's examples count in training

    @cached_property
    def augmenter(self) -> Augmenter:
        """What mirrors and hides observations of this store."""
        return Augmenter(self.schema)

    def examples(self) -> Runs:
        """The rows that are examples."""
        return example_runs(self.table, self.sides, self.delay, self.drop_idle)

    @cached_property
    def _example_count(self) -> int:
        return int(self.examples().lengths.sum())

    def example_count(self) -> int:
        """Number of examples on all sides."""
        return self._example_count

    def targets(self) -> tuple[Cells, Cells]:
        """All controllers to imitate (n, 6), and the ones decided just before them (n, 6); for small stores."""
        pairs = list(self.targets_of(self.examples()))
        none = np.zeros((0, 6), np.uint8)
        return np.concatenate([none, *(p[0] for p in pairs)]), np.concatenate([none, *(p[1] for p in pairs)])

    def targets_of(self, runs: Runs) -> Iterator[tuple[Cells, Cells]]:
        """The same of each of `runs`, one after the other."""
        games, fighters, shift = self.sides.game[runs.side], self.sides.fighter[runs.side], 1 + self.delay
        for index, (start, stop) in enumerate(zip(runs.start + shift, runs.stop + shift, strict=True)):
            (view,), (origin,) = self.source.places(ROWS, games[index : index + 1])
            assert view is not None
            rows = np.frombuffer(view, ROW, stop - start + 1, origin + (start - 1) * ROW.itemsize)
            controllers = rows["controller"][:, fighters[index]]
            yield controllers[1:], controllers[:-1]

    def batch(self, windows: Windows) -> Batch:
        """The batch of `windows`, encoded."""
        return self.encoded(self.cut(windows))

    def cut(self, windows: Windows) -> Frames:
        """The samples of `windows`, copied out of the source."""
        span = windows.width + 1 + self.delay
        rows = self._rows(windows, span)
        own = np.arange(len(windows))
        controller = rows["controller"][own, :, windows.fighter]
        habit = rows["habit"][own, :, windows.fighter]
        seen = rows[:, : windows.width]
        return Frames(
            rows=seen,
            decided=controller[:, self.delay : self.delay + windows.width],
            habit=habit[:, self.delay : self.delay + windows.width],
            target=controller[:, 1 + self.delay :],
            counts=self._counts(windows),
            weight=self.weight[windows.game, windows.fighter],
            fighter=windows.fighter,
            stage=self.table.stage[windows.game],
            mirrored=windows.mirrored,
            swapped=windows.swapped,
            hidden=windows.hidden,
            frame=(windows.start[:, None] + np.arange(windows.width) + FIRST_FRAME).astype(np.int32),
            blocks=self._blocks(windows),
            items=self._items(windows, rows),
        )

    def rows(self, windows: Windows, shift: int) -> npt.NDArray[np.void]:
        """Rows (B, width) of ROW, from `shift` rows after each window's start on; beyond a game's end its last
        row."""
        return self._rows(attrs.evolve(windows, start=windows.start + shift), windows.width)

    def _rows(self, windows: Windows, span: int) -> npt.NDArray[np.void]:
        """`span` rows from each lane's start on; beyond a game's end its last row is repeated."""
        raw = np.empty((len(windows), span), ROW)
        there = np.minimum(self.table.frames[windows.game] - windows.start, span)
        self._copy(ROWS, windows.game, windows.start, there, raw)
        # As bytes: numpy would copy a row's fields one by one.
        plain = raw.view(np.uint8).reshape(len(windows), span, ROW.itemsize)
        for lane in np.flatnonzero(there < span):
            plain[lane, there[lane] :] = plain[lane, there[lane] - 1]
        return raw

    def _copy(self, name: str, games: Longs, start: Longs, count: Longs, into: npt.NDArray[Any]) -> None:
        """Put `count` rows from `start` on into each lane of `into` (B, T, …); lanes without that array stay."""
        row_bytes = into.nbytes // max(into.shape[0] * into.shape[1], 1)
        views, origins = self.source.places(name, games)
        gather(views, origins + start * row_bytes, (origins >= 0) * count * row_bytes, into)

    def _counts(self, windows: Windows) -> npt.NDArray[np.bool_]:
        row = windows.start[:, None] + np.arange(windows.width)
        counts = (row < windows.stop[:, None]) & (row + 1 + self.delay >= FIRST_TARGET)
        if not self.drop_idle:
            return counts
        owner = 2 * windows.game + windows.fighter
        first, last = self.table.idle_offset[owner], self.table.idle_offset[owner + 1]
        for lane in np.flatnonzero(last > first):
            shift = 1 + self.delay + int(windows.start[lane])
            for start, stop in self.table.idle[first[lane] : last[lane]]:
                counts[lane, max(start - shift, 0) : max(stop - shift, 0)] = False
        return counts

    def _blocks(self, windows: Windows) -> dict[str, npt.NDArray[Any]]:
        """The blocks (B, T, …) that a game of the batch has."""
        there = np.minimum(self.table.frames[windows.game] - windows.start, windows.width)
        gathered = {}
        for block in (*GATHERED, *self.features):
            if (self.source.places(block.name, windows.game)[1] >= 0).any():
                gathered[block.name] = block.empty(len(windows), windows.width)
                self._copy(block.name, windows.game, windows.start, there, gathered[block.name])
        return gathered

    def _items(self, windows: Windows, rows: npt.NDArray[np.void]) -> Items:
        """Items of the observations that are no padding. Row `stop` exists: a side ends before its game does."""
        views, origins = self.source.places(ITEMS, windows.game)
        length = np.minimum(windows.width, windows.stop - windows.start)
        before = rows["item"].astype(np.int64)
        lane = np.arange(len(windows))
        first, last = before[lane, 0], before[lane, length]
        counts = np.where(origins < 0, 0, last - first)
        records = np.empty(counts.sum(), item_type())
        target, at, size = records.view(np.uint8).data, 0, records.dtype.itemsize
        for each in np.flatnonzero(counts).tolist():
            begin, nbytes = int(origins[each] + first[each] * size), int(counts[each]) * size
            target[at : at + nbytes] = views[each][begin : begin + nbytes]
            at += nbytes
        # How many items each observation has; none where it is padding.
        frame = np.arange(windows.width)
        each_BT = np.where(frame < length[:, None], np.diff(before[:, : windows.width + 1]), 0)
        each_BT[origins < 0] = 0
        return Items(
            lane=np.repeat(lane, counts),
            frame=np.repeat(np.tile(frame, len(windows)), each_BT.reshape(-1)),
            records=records,
            known=origins >= 0,
        )

    def encoded(self, frames: Frames) -> Batch:
        """What a model gets of `frames`."""
        return encoded(frames, self.features, self.augmenter)


class MemorySource:
    """Games in memory: the arrays of each by name."""

    def __init__(self, games: Sequence[Mapping[str, npt.NDArray[Any]]]) -> None:
        self._views = [
            {
                name: np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                for name, array in arrays.items()
            }
            for arrays in games
        ]

    def places(self, name: str, games: Longs) -> tuple[Sequence[memoryview | None], Longs]:
        views = [self._views[game].get(name) for game in games.tolist()]
        return views, np.array([-1 if view is None else 0 for view in views], np.int64)


def build_store(
    games: Sequence[Game],
    fighters: Sequence[Sequence[int]],
    *,
    features: Sequence[ActiveFeature] = (),
    delay: int = 0,
    drop_idle: bool = True,
    weights: Sequence[Sequence[float]] | None = None,
) -> FrameStore:
    """A store of `games` in memory; `fighters[g]` are those of game g to imitate, `weights[g]` what they weigh."""
    stored = [pack(game) for game in games]
    arrays = [
        arrays_of(kept) | {feature.block: game_features(game, [feature]) for feature in features}
        for kept, game in zip(stored, games, strict=True)
    ]
    return store_of(
        MemorySource(arrays),
        game_table(
            [len(game) for game in games],
            [game.info.stage.internal for game in games],
            [bytes.fromhex(game.info.game_hash) for game in games],
            [kept.idle for kept in stored],
        ),
        fighters,
        features=features,
        delay=delay,
        drop_idle=drop_idle,
        weights=weights,
    )


def store_of(
    source: GameSource,
    table: GameTable,
    fighters: Sequence[Sequence[int]],
    *,
    features: Sequence[ActiveFeature] = (),
    delay: int = 0,
    drop_idle: bool = True,
    weights: Sequence[Sequence[float]] | None = None,
) -> FrameStore:
    """A store of the games in `table`, whose frames `source` has. With `weights`, one for each of `fighters`, sides
    that weigh nothing are left out."""
    weight = np.ones((len(table), 2), np.float32)
    if weights is not None:
        for game, (sides, theirs) in enumerate(zip(fighters, weights, strict=True)):
            weight[game, list(sides)] = theirs
        fighters = [[side for side in sides if weight[game, side] > 0] for game, sides in enumerate(fighters)]
    return FrameStore(
        table=table,
        sides=sides_of(table, fighters, delay),
        weight=weight,
        source=source,
        delay=delay,
        drop_idle=drop_idle,
        features=tuple(
            Block(
                name=feature.block,
                shape=(2, len(feature.entry.spec.columns)),
                dtype="<f4",
                fill=0.0,
            )
            for feature in features
        ),
        schema=observation_schema([feature.entry.spec for feature in features]),
    )
