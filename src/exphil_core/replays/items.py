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

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.arrow import Struct

# Our field -> where Slippi keeps it, and as what we do. These came with items (3.0).
_SOURCES: dict[str, tuple[tuple[str, ...], type]] = {
    "type": (("type",), np.int32),
    "state": (("state",), np.uint8),
    "x": (("position", "x"), np.float32),
    "y": (("position", "y"), np.float32),
    "vx": (("velocity", "x"), np.float32),
    "vy": (("velocity", "y"), np.float32),
    "timer": (("timer",), np.float32),
    "spawn_id": (("id",), np.int64),
    "direction": (("direction",), np.float32),
    "damage": (("damage",), np.float32),
}
MISC_BYTES = 4
_FIELDS = (*_SOURCES, "owner", "misc", "instance_id")
# Largest absolute values that a game can hold, far beyond what real replays show (x to 255, y to 517, speed to 7,
# the timer to 1,400); what lies beyond is damage.
PLAUSIBLE = {"x": 3000, "y": 3000, "vx": 200, "vy": 200, "timer": 1e5}


def _unknown(shape: tuple[int, ...], dtype: type) -> Any:
    """A default for a field of ItemRows: nothing known of any item."""
    value = np.nan if dtype is np.float32 else -1
    return attrs.field(
        default=attrs.Factory(lambda self: np.full((len(self.type), *shape), value, dtype), takes_self=True)
    )


@attrs.frozen(kw_only=True, eq=False)
class ItemRows:
    """Items of T frames, M in all, in each frame from the oldest to the newest. Lengths in Melee's units; what a
    replay doesn't say is NaN (-1 in whole numbers).

    `type` is Melee's item id, `owner` 0 for the first fighter and 1 for the second (for a fighter's own rows: 0
    itself, 1 the opponent), `timer` the whole frames left before it disappears, `spawn_id` rises with each new item
    and stays with it for its life. `known` is False for replays older than items (3.0) or their owners (3.6): nothing
    can be said then. Live sources know neither `direction` nor `misc` nor `instance_id`, and libmelee no `damage`.
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
    direction: npt.NDArray[np.float32] = _unknown((), np.float32)  # (M,), -1 left, 1 right, 0 neither
    damage: npt.NDArray[np.float32] = _unknown((), np.float32)  # (M,), what it has taken
    misc: npt.NDArray[np.int16] = _unknown((MISC_BYTES,), np.int16)  # (M, 4), from Slippi 3.2
    instance_id: npt.NDArray[np.int32] = _unknown((), np.int32)  # (M,), from Slippi 3.16
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
        return attrs.evolve(self, x=-self.x, vx=-self.vx, direction=-self.direction)


def no_items(frames: int, known: bool = False) -> ItemRows:
    """No items in any of so many frames, or, by default, nothing known of them."""
    nothing: dict[str, Any] = {name: np.zeros(0, dtype) for name, (_, dtype) in _SOURCES.items()}
    owner = np.zeros(0, np.int8)
    return ItemRows(offset=np.zeros(frames + 1, np.int64), owner=owner, known=known, **nothing)


def read_items(frames: Struct, ports: Sequence[int]) -> ItemRows:
    """Items of peppi's `frames` (after rollbacks), owned by the players at `ports` (0 to 3)."""
    ragged = frames.ragged("item")
    if ragged is None or (port_of := ragged[1].get("owner")) is None:
        return no_items(len(frames))
    owner = np.full(len(port_of), -1, np.int8)
    for fighter, port in enumerate(ports):
        owner[port_of == port] = fighter
    kept = np.flatnonzero(owner >= 0)
    frame, values, owner = ragged[0][kept], ragged[1].at(kept), owner[kept]
    values, owner = _oldest_first(frame, values, owner)
    fields: dict[str, Any] = {}
    for name, (path, dtype) in _SOURCES.items():
        source = values.get(*path)
        if source is None:
            return no_items(len(frames))
        fields[name] = source.astype(dtype)
        if dtype is np.float32:
            fields[name][~np.isfinite(fields[name])] = np.nan
    np.trunc(fields["timer"], out=fields["timer"])
    _refuse_implausible(fields, frame)
    misc = [values.get("misc", str(byte)) for byte in range(MISC_BYTES)]
    if all(byte is not None for byte in misc):
        fields["misc"] = np.stack([np.asarray(byte) for byte in misc], axis=1).astype(np.int16)
    instance = values.get("instance_id")
    if instance is not None:
        fields["instance_id"] = instance.astype(np.int32)
    offset = np.searchsorted(frame, np.arange(len(frames) + 1))
    return ItemRows(offset=offset.astype(np.int64), owner=owner, **fields)


def _oldest_first(
    frame: npt.NDArray[np.intp], values: Struct, owner: npt.NDArray[np.int8]
) -> tuple[Struct, npt.NDArray[np.int8]]:
    """Slippi lists items from the oldest to the newest in all real replays; nothing promises it."""
    age = values.column("id").astype(np.int64)
    if ((np.diff(age) < 0) & (np.diff(frame) == 0)).any():
        order = np.lexsort((age, frame))
        return values.at(order), owner[order]
    return values, owner


def _refuse_implausible(fields: dict[str, Any], frame: npt.NDArray[np.int64]) -> None:
    """Damaged bytes read as floats of any size; one of 1e30 would make every weight of a model NaN."""
    for name, limit in PLAUSIBLE.items():
        wild = np.flatnonzero(np.abs(fields[name]) > limit)
        if len(wild):
            row = wild[0]
            raise ReplayError(
                f"damaged: an item's {name} is {fields[name][row]:g} in frame {int(frame[row]) + FIRST_FRAME}"
            )
