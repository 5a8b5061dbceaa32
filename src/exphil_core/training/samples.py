"""Samples cut out of games and not yet encoded. Shapes: P = 2 fighters in port order, B lanes, T frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.replays.controller import Cells
from exphil_core.replays.game import NO_ACTION, STATE_COLUMNS
from exphil_core.training.hiding import nothing_hidden
from exphil_core.training.swapping import nothing_swapped
from exphil_core.training.table import Longs


@attrs.frozen(kw_only=True)
class Block:
    """An array of a game besides its rows, (T, *shape), that batches need; `fill` where a game hasn't got it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    fill: float

    def empty(self, lanes: int, width: int) -> npt.NDArray[Any]:
        """Of so many lanes and frames, what games without it have."""
        return np.full((lanes, width, *self.shape), self.fill, self.dtype)


# What batches gather of each game besides its rows: attributes of `Game`.
GATHERED: tuple[Block, ...] = (
    Block(name="partner_state_TPF", shape=(2, len(STATE_COLUMNS)), dtype="<f4", fill=np.nan),
    Block(name="partner_action_TP", shape=(2,), dtype="<i2", fill=NO_ACTION),
    Block(name="platform_TS", shape=(2,), dtype="<f4", fill=np.nan),
    Block(name="form_T", shape=(), dtype="u1", fill=0),
)
_GATHERED = {block.name: block for block in GATHERED}


@attrs.frozen(kw_only=True, eq=False)
class Windows:
    """Consecutive rows to cut, a lane each: `width` of them from `start` on, of which those from `stop` on are
    padding. A lane whose `mirrored` is true is seen in a mirror, with the pairs of buttons that are `swapped`, and
    without the groups that are `hidden`."""

    game: Longs  # (B,)
    fighter: npt.NDArray[np.int8]  # (B,)
    start: Longs  # (B,)
    stop: Longs  # (B,)
    width: int
    mirrored: npt.NDArray[np.bool_]  # (B,)
    swapped: npt.NDArray[np.bool_]  # (B, pairs)
    hidden: npt.NDArray[np.bool_]  # (B, groups)

    def __len__(self) -> int:
        return len(self.game)

    def taken(self, chosen: npt.NDArray[np.bool_]) -> Windows:
        """Some of the lanes."""
        return Windows(
            game=self.game[chosen],
            fighter=self.fighter[chosen],
            start=self.start[chosen],
            stop=self.stop[chosen],
            width=self.width,
            mirrored=self.mirrored[chosen],
            swapped=self.swapped[chosen],
            hidden=self.hidden[chosen],
        )

    @classmethod
    def single(cls, game: int, fighter: int, start: int, stop: int, mirrored: bool = False) -> Windows:
        """One lane: rows `start` to `stop` of a game as `fighter` sees them."""
        return cls(
            game=np.array([game]),
            fighter=np.array([fighter], np.int8),
            start=np.array([start]),
            stop=np.array([stop]),
            width=stop - start,
            mirrored=np.array([mirrored]),
            swapped=nothing_swapped(1),
            hidden=nothing_hidden(1),
        )


@attrs.frozen(kw_only=True, eq=False)
class Items:
    """Items of a batch's observations, M records in the order of lanes and frames; owner 0 is port order's first.
    `known` (B,) says in which lanes anything is known of items."""

    lane: Longs  # (M,)
    frame: Longs  # (M,): 0…T-1
    records: npt.NDArray[np.void]  # (M,)
    known: npt.NDArray[np.bool_]


@attrs.frozen(kw_only=True, eq=False)
class Frames:
    """Samples as they lie in the store, not yet encoded. Fighters in port order."""

    rows: npt.NDArray[np.void]  # (B, T) of ROW
    decided: Cells  # (B, T, 6)
    habit: npt.NDArray[np.uint8]  # (B, T), with `decided`
    target: Cells  # (B, T, 6)
    counts: npt.NDArray[np.bool_]  # (B, T)
    weight: npt.NDArray[np.float32]  # (B,)
    fighter: npt.NDArray[np.int8]  # (B,)
    stage: npt.NDArray[np.uint8]  # (B,)
    mirrored: npt.NDArray[np.bool_]  # (B,)
    swapped: npt.NDArray[np.bool_]  # (B, pairs)
    hidden: npt.NDArray[np.bool_]  # (B, groups)
    frame: npt.NDArray[np.int32]  # (B, T), Slippi's frame numbers
    blocks: dict[str, npt.NDArray[Any]]  # (B, T, …), those that a game of the batch has
    items: Items

    def __len__(self) -> int:
        return len(self.fighter)

    def pick(
        self,
        lane: Longs,
        frame: Longs,
        mirrored: npt.NDArray[np.bool_],
        swapped: npt.NDArray[np.bool_],
        hidden: npt.NDArray[np.bool_],
    ) -> Frames:
        """Single samples (n, 1), seen in a mirror, with buttons swapped and without groups as told."""

        def taken(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return array[lane, frame][:, None]

        return Frames(
            rows=taken(self.rows),
            decided=taken(self.decided),
            habit=taken(self.habit),
            target=taken(self.target),
            counts=taken(self.counts),
            weight=self.weight[lane],
            fighter=self.fighter[lane],
            stage=self.stage[lane],
            mirrored=mirrored,
            swapped=swapped,
            hidden=hidden,
            frame=taken(self.frame),
            blocks={name: taken(array) for name, array in self.blocks.items()},
            items=_picked_items(self.items, self.rows.shape[1], lane, frame),
        )


def joined(parts: Sequence[Frames]) -> Frames:
    """Samples of the same width, one after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])

    def each(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Frames(
        **{
            name: each(name)
            for name in (
                "rows",
                "decided",
                "habit",
                "target",
                "counts",
                "weight",
                "fighter",
                "stage",
                "mirrored",
                "swapped",
                "hidden",
                "frame",
            )
        },
        blocks={
            name: _joined_block(parts, name) for name in dict.fromkeys(n for p in parts for n in p.blocks)
        },
        items=Items(
            lane=np.concatenate([part.items.lane + start for part, start in zip(parts, starts, strict=True)]),
            frame=np.concatenate([part.items.frame for part in parts]),
            records=np.concatenate([part.items.records for part in parts]),
            known=np.concatenate([part.items.known for part in parts]),
        ),
    )


def _joined_block(parts: Sequence[Frames], name: str) -> npt.NDArray[Any]:
    return np.concatenate(
        [
            part.blocks[name] if name in part.blocks else _GATHERED[name].empty(*part.rows.shape)
            for part in parts
        ]
    )


def own_first(array: npt.NDArray[Any], fighter: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
    """`array` (B, T, P, …) with each lane's own fighter first, contiguous."""
    ordered = np.ascontiguousarray(array)
    swapped = np.flatnonzero(fighter)
    ordered = ordered.copy() if ordered is array and len(swapped) else ordered
    ordered[swapped] = array[swapped][:, :, ::-1]
    return ordered


def _picked_items(items: Items, width: int, lane: Longs, frame: Longs) -> Items:
    place = items.lane * width + items.frame
    wanted = lane * width + frame
    first, last = np.searchsorted(place, wanted, "left"), np.searchsorted(place, wanted, "right")
    counts = last - first
    index = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    return Items(
        lane=np.repeat(np.arange(len(lane)), counts),
        frame=np.zeros(len(index), np.int64),
        records=items.records[index],
        known=items.known[lane],
    )
