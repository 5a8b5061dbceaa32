"""A game as training reads it: one packed row a frame for both fighters, and what else hangs on its frames.

Cutting a window out of it is one copy of consecutive bytes. Shapes: T frames, P = 2 fighters in port order, F state
columns, C = 6 controller cells, M items, K idle stretches.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.replays.game import STATE_COLUMNS, Game, GameInfo
from exphil_core.replays.habits import habits
from exphil_core.replays.idle import idle_stretches
from exphil_core.replays.items import ItemRows, no_items

# Raised when a row, an item or a block changes its meaning: caches of another version are not read.
ROWS_VERSION = 2

# 160 bytes. `item` is the number of the game's items before this frame, so that a window knows its own items. `habit`
# is each fighter's with this frame's controller, so that a window knows it without what came before.
ROW = np.dtype(
    [
        ("state", "<f4", (2, len(STATE_COLUMNS))),
        ("item", "<u4"),
        ("action", "<i2", (2,)),
        ("controller", "u1", (2, 6)),
        ("character", "u1", (2,)),
        ("habit", "u1", (2,)),
    ]
)
# A row without its states, which are most of it: what is small is put together by itself, in the processor's cache.
_REST = np.dtype([(name, ROW[name]) for name in ROW.names or () if name != "state"])
_HALVES = np.dtype([("state", f"V{ROW['state'].itemsize}"), ("rest", f"V{_REST.itemsize}")])
# What these are called among the arrays of a game.
ROWS, ITEMS = "rows", "items"
# Attributes of `Game` that are fields of a row. Every other array of it is a block of its own.
_ROW_FIELDS = {
    "state": "state_TPF",
    "action": "action_TP",
    "controller": "controller_TPC",
    "character": "character_TP",
}
BLOCKS = tuple(
    field.name for field in attrs.fields(Game) if field.name not in ("info", "items", *_ROW_FIELDS.values())
)
_ITEM_ARRAYS = tuple(field.name for field in attrs.fields(ItemRows) if field.name not in ("offset", "known"))


@attrs.frozen(kw_only=True, eq=False)
class StoredGame:
    """A game in rows. `items` is one record an item, or None where the replay says nothing of items; `blocks` are
    the arrays (T, …) that this game has besides its rows; `idle` says when a fighter's controller lay on the
    table: rows `start` to `stop` of fighter 0 or 1, in order."""

    info: GameInfo
    rows: npt.NDArray[np.void]  # (T,) of ROW
    items: npt.NDArray[np.void] | None  # (M,)
    blocks: Mapping[str, npt.NDArray[Any]]
    idle: npt.NDArray[np.int32]  # (K, 3): fighter, start, stop

    def __len__(self) -> int:
        return len(self.rows)


def pack(game: Game) -> StoredGame:
    """`game` in rows. `unpack` gives it back to the bit."""
    rows, rest = np.empty(len(game), ROW), np.empty(len(game), _REST)
    rest["item"] = game.items.offset[:-1]
    for fighter in (0, 1):
        # Long loops over one fighter, and six cells at a time: all at once takes three times as long.
        rest["action"][:, fighter] = game.action_TP[:, fighter]
        rest["character"][:, fighter] = game.character_TP[:, fighter]
        controller = np.ascontiguousarray(game.controller_TPC[:, fighter])
        _six(rest["controller"][:, fighter])[:] = _six(controller)
        rest["habit"][:, fighter] = habits(controller)
    rows["state"] = game.state_TPF
    rows.view(_HALVES)["rest"] = rest.view(_HALVES["rest"])
    blocks = {name: getattr(game, name) for name in BLOCKS}
    return StoredGame(
        info=game.info,
        rows=rows,
        items=_packed_items(game.items) if game.items.known else None,
        blocks={name: array for name, array in blocks.items() if array is not None},
        idle=idle_of(game),
    )


def _six(cells_TC: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
    return cells_TC.view("V6")[:, 0]


def arrays_of(stored: StoredGame) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a game as they are written."""
    arrays = {ROWS: _as_bytes(stored.rows), **stored.blocks}
    return arrays if stored.items is None else {**arrays, ITEMS: _as_bytes(stored.items)}


def _as_bytes(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(records).view(np.uint8).reshape(len(records), records.dtype.itemsize)


def unpack(stored: StoredGame, path: Path | None = None) -> Game:
    """The game itself, contiguous arrays of its own; `path` replaces that of its info."""
    arrays: dict[str, Any] = {
        attribute: np.ascontiguousarray(stored.rows[field]) for field, attribute in _ROW_FIELDS.items()
    }
    arrays |= {name: np.array(stored.blocks[name]) if name in stored.blocks else None for name in BLOCKS}
    info = stored.info if path is None else attrs.evolve(stored.info, path=path)
    return Game(info=info, items=_unpacked_items(stored), **arrays)


@cache
def item_type() -> np.dtype[np.void]:
    """The record of an item: the arrays of `ItemRows`."""
    return _packed_items(no_items(0, known=True)).dtype


def _packed_items(items: ItemRows) -> npt.NDArray[np.void]:
    arrays = {name: getattr(items, name) for name in _ITEM_ARRAYS}
    record = [(name, array.dtype.newbyteorder("<"), array.shape[1:]) for name, array in arrays.items()]
    packed = np.zeros(int(items.offset[-1]), record)
    for name, array in arrays.items():
        packed[name] = array
    return packed


def _unpacked_items(stored: StoredGame) -> ItemRows:
    known = stored.items is not None
    records = np.zeros(0, item_type()) if stored.items is None else stored.items
    offset = np.append(stored.rows["item"], len(records)).astype(np.int64)
    fields: dict[str, Any] = {name: np.ascontiguousarray(records[name]) for name in _ITEM_ARRAYS}
    return ItemRows(offset=offset, known=known, **fields)


def idle_of(game: Game) -> npt.NDArray[np.int32]:
    """The rows (K, 3) in which a fighter makes no input for so long that they are no example to imitate."""
    found = [
        (fighter, start, stop)
        for fighter in (0, 1)
        for start, stop in idle_stretches(game.controller_TPC[:, fighter])
    ]
    return np.array(found, np.int32).reshape(-1, 3)
