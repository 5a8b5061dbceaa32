"""Follows the projectiles of Link and Young Link, and the opponent's nearest one.

Shapes: T frames, M items in all of them, N one item for each frame that has any. Everything is vectorised over
frames; all that is kept from call to call is when each item appeared.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_char_link.plugin import COLUMNS, KINDS
from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME
from exphil_core.replays.game import STATE

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

LINKS = (BY_NAME["link"].internal, BY_NAME["younglink"].internal)
# Melee's item ids: Link's and Young Link's.
TYPES = {
    "bomb": (0x3A, 0x3B),
    "boomerang": (0x3C, 0x3D),
    "arrow": (0x40, 0x41),
    "hookshot": (0x3E, 0x3F),
}
ALL_TYPES = tuple(item for types in TYPES.values() for item in types)
# Item states, measured on a real game of Young Link (4 bombs, 2 boomerangs, 8 arrows, 14 hookshots).
IN_HAND, EXPLODING = 0, 5

# Frames within which an arrival counts, and what the difference in height is told in. A body reaches `MIDDLE` units
# up and down from its middle; what passes twice as far off misses it for sure. With each frame in the air a bomb
# falls by 0.049 units a frame more, an arrow by 0.06 (measured there); others are taken to fly straight.
SOON, MISS_UNITS, MIDDLE = np.float32(60), np.float32(25), np.float32(8)
GRAVITY = dict.fromkeys(TYPES["bomb"], 0.049) | dict.fromkeys(TYPES["arrow"], 0.06)

# A bomb goes off 300 frames after it was drawn; a full arrow flies 3.98 units a frame; 3 bombs were out at once.
LIFE, UNITS, SPEED, MANY = np.float32(300), np.float32(100), np.float32(4), np.float32(4)
FARTHEST = 2


@attrs.frozen(kw_only=True, eq=False)
class _Items:
    """The items of T frames as the fighter sees them; lengths are in units, velocities in units a frame."""

    frames: int
    frame: Indices  # (M,)
    type: npt.NDArray[np.int32]  # (M,)
    own: Flags  # (M,)
    way: Floats  # (M, 2), NaN where unknown
    velocity: Floats  # (M, 2), less the fighter's own
    soon: Floats  # (M,), 1 as it gets to whoever it doesn't belong to, 0 for SOON frames or more
    miss: Floats  # (M,), units above that fighter's middle by then
    age: Indices  # (M,), frames
    held: Flags  # (M,)
    exploding: Flags  # (M,)
    timer: Floats  # (M,)


class ItemTracking:
    """One fighter's items; the columns are those of `exphil_char_link.plugin.COLUMNS`."""

    def __init__(self) -> None:
        self._frames = 0
        self._appeared: dict[int, int] = {}  # frame in which each spawn id was first seen

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 54) for the next T frames; 0 for any other character."""
        link = np.isin(rows.character, LINKS)
        if not len(rows.items.type):  # most frames: in play, they shouldn't cost anything
            self._frames += len(link)
            nothing = np.zeros((len(link), len(COLUMNS)), np.float32)
            nothing[:, 0] = link & rows.items.known
            return nothing
        if (
            not link.any()
        ):  # half of all fighters in play, of whose items nothing but the age may matter later
            self._ages(rows.items.spawn_id, rows.items.frame(), len(link))
            return np.zeros((len(link), len(COLUMNS)), np.float32)
        # Positions are unknown in places, and numpy needn't say so.
        with np.errstate(invalid="ignore", over="ignore"):
            items = self._items(rows)
            values = np.column_stack([np.full(items.frames, rows.items.known), *_columns(items)])
        shown: Floats = (values * link[:, None]).astype(np.float32)
        return shown

    def _items(self, rows: FighterRows) -> _Items:
        items, frame = rows.items, rows.items.frame()
        owner = items.owner.astype(np.int64)
        held = np.isin(items.type, ALL_TYPES) & (items.state == IN_HAND)
        places = np.stack([_place(rows.state), _place(rows.opponent_state)])
        speeds = np.stack([_movement(rows.state), _movement(rows.opponent_state)])
        place = np.stack([items.x, items.y], axis=1)
        velocity = np.nan_to_num(np.stack([items.vx, items.vy], axis=1), posinf=0, neginf=0)
        # In hand, an item's recorded position stays where it was picked up.
        place = np.where(held[:, None], places[owner, frame], place)
        velocity = np.where(held[:, None], speeds[owner, frame], velocity)
        soon, miss = _arrivals(place - places[1 - owner, frame], velocity, _gravity(items.type), held)
        return _Items(
            frames=len(rows.action),
            frame=frame,
            type=items.type,
            own=owner == 0,
            way=place - places[0, frame],
            velocity=velocity - speeds[0, frame],
            soon=soon,
            miss=miss,
            age=self._ages(items.spawn_id, frame, len(rows.action)),
            held=held,
            exploding=items.state == EXPLODING,
            timer=items.timer,
        )

    def _ages(self, spawn_id: Indices, frame: Indices, frames: int) -> Indices:
        """For each item the frames since its first one, this call's or an earlier one's."""
        ids, first, which = np.unique(spawn_id, return_index=True, return_inverse=True)
        begun = self._frames
        appeared = [
            self._appeared.setdefault(int(item), begun + int(frame[index]))
            for item, index in zip(ids, first, strict=True)
        ]
        self._frames += frames
        ages: Indices = begun + frame - np.array(appeared, np.int64)[which]
        return ages


def _gravity(types: npt.NDArray[np.int32]) -> Floats:
    return np.select([types == kind for kind in GRAVITY], list(GRAVITY.values()), 0).astype(np.float32)


def _arrivals(way: Floats, velocity: Floats, gravity: Floats, held: Flags) -> tuple[Floats, Floats]:
    """When items that are `way` (M, 2) from a fighter get to its x at `velocity`, and how far above it then."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        frames = -way[:, 0] / velocity[:, 0]
        comes = np.isfinite(frames) & (frames >= 0) & (frames < SOON) & ~held
        frames = np.where(comes, frames, 0)
        above = way[:, 1] - MIDDLE + velocity[:, 1] * frames - gravity * frames * frames / 2
    soon: Floats = np.where(comes, 1 - frames / SOON, 0).astype(np.float32)
    miss: Floats = np.where(comes, above, 0).astype(np.float32)
    return soon, miss


def _columns(items: _Items) -> list[npt.NDArray[np.float64]]:
    columns = []
    for kind in KINDS:
        # A bomb belongs to whoever held it last.
        chosen = (items.own | (kind == "bomb")) & np.isin(items.type, TYPES[kind])
        nearest = _first(items, chosen, ~items.own)
        columns.append(_where(items, chosen, nearest))
        if kind != "hookshot":
            columns.append(_motion(items, nearest, chosen & items.own))
        columns.append(_spread(items, nearest, items.held[nearest] & items.own[nearest]))
        if kind == "bomb":
            columns.append(_spread(items, nearest, _bomb(items, nearest)))
    nearest = _first(items, ~items.own, -items.soon)
    columns.append(_where(items, ~items.own, nearest))
    columns.append(_motion(items, nearest, ~items.own))
    return columns


def _motion(items: _Items, nearest: Indices, flying: Flags) -> npt.NDArray[np.float64]:
    """Velocity of the nearest, and of those `flying` (M,) the arrival of the one that gets there first: (T, 5)."""
    velocity = _spread(items, nearest, _within(items.velocity[nearest], SPEED))
    first = _first(items, flying & (items.soon > 0), -items.soon)
    miss = np.nan_to_num(items.miss[first], nan=np.inf)
    hits = np.clip(2 - np.abs(miss) / MIDDLE, 0, 1)
    arrival = np.column_stack([items.soon[first], np.clip(miss / MISS_UNITS, -1, 1), hits])
    return np.column_stack([velocity, _spread(items, first, arrival)])


def _bomb(items: _Items, nearest: Indices) -> npt.NDArray[np.float64]:
    """Whose the nearest bomb is, how long it will burn, whether it went off: (N, 4)."""
    exploding, theirs = items.exploding[nearest], ~items.own[nearest]
    left = np.where(exploding, 0, _share(items.timer[nearest], LIFE))
    return np.stack([theirs, items.held[nearest] & theirs, left, exploding], axis=1)


def _where(items: _Items, chosen: Flags, nearest: Indices) -> npt.NDArray[np.float64]:
    """Whether there is one, how many, the way to the nearest and its age: (T, 5)."""
    count = np.bincount(items.frame[chosen], minlength=items.frames)
    way = _within(items.way[nearest], UNITS)
    told = np.column_stack([way, _share(items.age[nearest], LIFE)])
    return np.column_stack([count > 0, _share(count, MANY), _spread(items, nearest, told)])


def _first(items: _Items, chosen: Flags, late: npt.NDArray[np.generic]) -> Indices:
    """Of each frame that has a chosen item the one that is least `late` (M,), the nearest of several, the oldest of
    those: (N,) indices of items. One in hand is at no distance.
    """
    which = np.flatnonzero(chosen)
    distance = np.nan_to_num(np.square(items.way[which], dtype=np.float64).sum(axis=1), nan=np.inf)
    order = which[np.lexsort((-items.age[which], distance, late[which], items.frame[which]))]
    _, first = np.unique(items.frame[order], return_index=True)
    return order[first]


def _spread(items: _Items, nearest: Indices, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """`values` (N, …) of the nearest items, put into their frames: (T, …), 0 where there is none."""
    spread = np.zeros((items.frames, *values.shape[1:]))
    spread[items.frame[nearest]] = values
    return spread


def _place(state: Floats) -> Floats:
    return state[:, [STATE["x"], STATE["y"]]]


def _movement(state: Floats) -> Floats:
    """Units a frame, (T, 2): one's own and what a hit added; an unknown part counts as none."""
    known = np.nan_to_num(state, posinf=0, neginf=0)
    airborne = known[:, STATE["airborne"]] > 0
    own = np.where(airborne, known[:, STATE["speed_air_x"]], known[:, STATE["speed_ground_x"]])
    across = own + known[:, STATE["knock_x"]]
    return np.stack([across, known[:, STATE["speed_y"]] + known[:, STATE["knock_y"]]], axis=1)


def _within(values: Floats, unit: np.float32) -> Floats:
    """In `unit`s, cut at 2; 0 where unknown."""
    return np.clip(np.nan_to_num(values / unit, nan=0.0), -FARTHEST, FARTHEST)


def _share(values: npt.NDArray[np.generic], unit: np.float32) -> Floats:
    """In `unit`s, from 0 to 1; 0 where unknown."""
    return np.clip(np.nan_to_num(values.astype(np.float32) / unit, nan=0.0), 0, 1)
