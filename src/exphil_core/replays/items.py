"""Items that belong to a player (projectiles, bombs), frame by frame.

Ragged: frame t has the items `offset[t]` to `offset[t + 1]`. Stage items (Shy Guys make up most item rows of real
replays) and anything else without an owner among the two fighters are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.replays.arrow import child, column

_SOURCES: dict[str, tuple[tuple[str, ...], type]] = {
    "type": (("type",), np.int32),
    "state": (("state",), np.uint8),
    "x": (("position", "x"), np.float32),
    "y": (("position", "y"), np.float32),
    "vx": (("velocity", "x"), np.float32),
    "vy": (("velocity", "y"), np.float32),
    "timer": (("timer",), np.float32),
    "spawn_id": (("id",), np.int64),
}
_FIELDS = (*_SOURCES, "owner")


@attrs.frozen(kw_only=True, eq=False)
class ItemRows:
    """Items of T frames, M in all. Lengths in Melee's units; what a replay doesn't say is NaN.

    `type` is Melee's item id, `owner` 0 for the first fighter and 1 for the second (for a fighter's own rows: 0
    itself, 1 the opponent), `timer` the frames left before it disappears, `spawn_id` stays with an item for its
    life. `known` is False for replays older than items (3.0) or their owners (3.6): nothing can be said then.
    """

    offset: npt.NDArray[np.int64]  # (T + 1,)
    type: npt.NDArray[np.int32]  # (M,)
    state: npt.NDArray[np.uint8]  # (M,)
    owner: npt.NDArray[np.int8]  # (M,)
    x: npt.NDArray[np.float32]  # (M,)
    y: npt.NDArray[np.float32]  # (M,)
    vx: npt.NDArray[np.float32]  # (M,)
    vy: npt.NDArray[np.float32]  # (M,)
    timer: npt.NDArray[np.float32]  # (M,)
    spawn_id: npt.NDArray[np.int64]  # (M,)
    known: bool = True

    def __len__(self) -> int:
        return len(self.offset) - 1

    def frame(self) -> npt.NDArray[np.int64]:
        """The frame of each item, (M,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offset))

    def cut(self, start: int, stop: int) -> ItemRows:
        """The items of frames `start` to `stop`."""
        first, last = int(self.offset[start]), int(self.offset[stop])
        fields = {name: getattr(self, name)[first:last] for name in _FIELDS}
        return attrs.evolve(self, offset=self.offset[start : stop + 1] - first, **fields)

    def seen_by(self, fighter: int) -> ItemRows:
        """The same items with `owner` 0 for this fighter's own."""
        return self if fighter == 0 else attrs.evolve(self, owner=(1 - self.owner).astype(np.int8))

    def mirrored(self) -> ItemRows:
        """The same items seen in a mirror."""
        return attrs.evolve(self, x=-self.x, vx=-self.vx)


def no_items(frames: int, known: bool = False) -> ItemRows:
    """No items in any of so many frames, or, by default, nothing known of them."""
    nothing: dict[str, Any] = {name: np.zeros(0, dtype) for name, (_, dtype) in _SOURCES.items()}
    owner = np.zeros(0, np.int8)
    return ItemRows(offset=np.zeros(frames + 1, np.int64), owner=owner, known=known, **nothing)


def read_items(frames: Any, rows: npt.NDArray[np.intp], ports: Sequence[int]) -> ItemRows:
    """Items of peppi's `frames` at `rows` (after rollbacks), owned by the players at `ports` (0 to 3)."""
    ragged = child(frames, "item")
    if ragged is None or child(ragged.values, "owner") is None:
        return no_items(len(rows))
    bounds = np.asarray(ragged.offsets).astype(np.int64)
    starts, counts = bounds[rows], bounds[rows + 1] - bounds[rows]
    picked = np.repeat(starts - np.r_[0, np.cumsum(counts)[:-1]], counts) + np.arange(counts.sum())
    values = ragged.values
    ports_of = column(values, "owner")
    assert ports_of is not None
    owner = np.full(len(picked), -1, np.int8)
    for fighter, port in enumerate(ports):
        owner[ports_of[picked] == port] = fighter
    kept = owner >= 0
    frame = np.repeat(np.arange(len(rows)), counts)[kept]
    fields: dict[str, Any] = {}
    for name, (path, dtype) in _SOURCES.items():
        source = column(values, *path)
        if source is None:
            return no_items(len(rows))
        fields[name] = source[picked[kept]].astype(dtype)
        if dtype is np.float32:
            fields[name][~np.isfinite(fields[name])] = np.nan
    offset = np.searchsorted(frame, np.arange(len(rows) + 1))
    return ItemRows(offset=offset.astype(np.int64), owner=owner[kept], **fields)
