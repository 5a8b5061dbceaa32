"""The one encoder: rows of a game to observations, for training, evaluation and play alike.

Each frame is encoded from that frame alone. Shapes: n frames, O floats and I ids of an observation; see
`features.rows` for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features import geometry as geo
from exphil_core.features.columns import (
    DECIDED_COLUMNS,
    FIGHTERS,
    ITEM_COLUMNS,
    ITEM_SLOTS,
    KNOWN_COLUMNS,
    PARTNER_COLUMNS,
    PARTNER_STATE,
    PLACE_COLUMNS,
    RELATIVE_COLUMNS,
    STAGE_COLUMNS,
    STATE_COLUMNS,
    Column,
)
from exphil_core.features.rows import Floats, Rows, SeenItems
from exphil_core.features.schema import ABSENT_ACTION, ITEM_IDS, NO_ITEM, NO_ITEM_STATE, observation_schema
from exphil_core.melee.randall import WIDTH, randall
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.controller import decode
from exphil_core.replays.game import NO_ACTION, STATE

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Frames that are encoded at a time: their observations stay in the processor's cache.
CHUNK = 1024
UNIT = np.float32(0.01)
X, Y, FACING = STATE["x"], STATE["y"], STATE["facing"]
FOUNTAIN, STADIUM = BY_NAME["fountainofdreams"].internal, BY_NAME["pokemonstadium"].internal
YOSHIS = BY_NAME["yoshisstory"].internal


def _scales(columns: Sequence[Column]) -> Floats:
    return np.array([column.scale for column in columns], np.float32)


_KNOWN = np.array([STATE[name] for _, name in KNOWN_COLUMNS])
_STATE_SCALES, _PARTNER_SCALES = _scales(STATE_COLUMNS), _scales(PARTNER_COLUMNS[3:])
_PARTNER_STATE = np.array([STATE[name] for name in PARTNER_STATE])
_ITEM_SCALES = _scales(ITEM_COLUMNS[1:])

# Where each part of the observation begins.
_PLACE = len(STATE_COLUMNS) + len(KNOWN_COLUMNS)
_FIGHTER = _PLACE + len(PLACE_COLUMNS)
_RELATIVE = len(FIGHTERS) * _FIGHTER
_PARTNER = _RELATIVE + len(RELATIVE_COLUMNS)
_STAGE = _PARTNER + len(FIGHTERS) * len(PARTNER_COLUMNS)
_ITEMS = _STAGE + len(STAGE_COLUMNS)
_DECIDED = _ITEMS + 1 + len(FIGHTERS) * ITEM_SLOTS * len(ITEM_COLUMNS)
_FEATURES = _DECIDED + len(DECIDED_COLUMNS)
_IDS = [column.name for column in observation_schema().ids]
_STAGE_ID, _FORM_ID = _IDS.index("stage"), _IDS.index("form")
_TYPE_IDS, _STATE_IDS = _IDS.index("own_item_0_type"), _IDS.index("own_item_0_state")


@attrs.frozen(kw_only=True, eq=False)
class Observation:
    """What a model gets of each frame. Floats are finite always."""

    floats: Floats  # (…, O)
    ids: Ids  # (…, I)


def encode(rows: Rows) -> Observation:
    """Observations of `rows`, in the order of `observation_schema`."""
    shape, flat = rows.stage.shape, _flattened(rows)
    count, features = len(flat.stage), flat.features
    floats = np.zeros((count, _FEATURES + features.shape[1] * features.shape[2]), np.float32)
    ids = np.empty((count, len(_IDS)), np.int64)
    for start in range(0, count, CHUNK):
        _encode_chunk(_Chunk.of(flat, slice(start, start + CHUNK)), floats, ids)
    ids[:, _TYPE_IDS:_STATE_IDS], ids[:, _STATE_IDS:] = NO_ITEM, NO_ITEM_STATE
    if flat.items is not None:
        _encode_items(flat.items, flat.state, floats, ids)
    return Observation(floats=floats.reshape(*shape, floats.shape[1]), ids=ids.reshape(*shape, ids.shape[1]))


def _flattened(rows: Rows) -> Rows:
    if rows.stage.ndim == 1:
        return rows
    lead, count = rows.stage.ndim, rows.stage.size
    arrays: dict[str, Any] = {
        field.name: value.reshape(count, *value.shape[lead:])
        for field in attrs.fields(Rows)
        if isinstance(value := getattr(rows, field.name), np.ndarray)
    }
    return attrs.evolve(rows, **arrays)


@attrs.frozen(kw_only=True, eq=False)
class _Chunk:
    """Some of the rows, and what several of their columns need."""

    rows: Rows
    part: slice
    state: Floats  # (n, P, F), finite
    known: Flags  # (n, P, F)
    x: Floats  # (n,), own
    y: Floats  # (n,), own
    geometry: Floats  # (ROWS, n)

    @classmethod
    def of(cls, rows: Rows, part: slice) -> _Chunk:
        state = rows.state[part]
        known = np.isfinite(state)
        state = state if known.all() else np.where(known, state, np.float32(0))
        mirrored = None if rows.mirrored is None else rows.mirrored[part]
        return cls(
            rows=rows,
            part=part,
            state=state,
            known=known,
            # Contiguous: they are used a dozen times.
            x=state[:, 0, X].copy(),
            y=state[:, 0, Y].copy(),
            geometry=geo.geometry(rows.stage[part], mirrored),
        )


def _encode_chunk(chunk: _Chunk, floats: Floats, ids: Ids) -> None:
    rows, part = chunk.rows, chunk.part
    out = floats[part]
    for who in range(len(FIGHTERS)):
        _fighter(chunk, who, out[:, who * _FIGHTER :])
        _partner(chunk, who, out[:, _PARTNER + who * len(PARTNER_COLUMNS) :])
    _relative(chunk, out[:, _RELATIVE:])
    _stage(chunk, out[:, _STAGE:])
    out[:, _DECIDED : _FEATURES - 1] = decode(rows.decided[part])
    out[:, _FEATURES - 1] = 1
    if out.shape[1] > _FEATURES:
        out[:, _FEATURES:] = rows.features[part].reshape(len(out), -1)
    _ids(chunk, ids[part])


def _fighter(chunk: _Chunk, who: int, out: Floats) -> None:
    """One fighter's columns: scaled state, what of it is known, and where on the stage it is."""
    state, geometry = chunk.state[:, who], chunk.geometry
    np.multiply(state, _STATE_SCALES, out=out[:, : len(STATE_COLUMNS)])
    out[:, len(STATE_COLUMNS) : _PLACE] = chunk.known[:, who].take(_KNOWN, axis=1)
    x, y = (chunk.x, chunk.y) if who == 0 else (state[:, X].copy(), state[:, Y].copy())
    half = np.float32(0.005)
    out[:, _PLACE] = (geometry[geo.EDGE] - np.abs(x)) * UNIT
    out[:, _PLACE + 1] = (x - geometry[geo.BLAST_LEFT]) * half
    out[:, _PLACE + 2] = (geometry[geo.BLAST_RIGHT] - x) * half
    out[:, _PLACE + 3] = (geometry[geo.BLAST_TOP] - y) * half
    out[:, _PLACE + 4] = (y - geometry[geo.BLAST_BOTTOM]) * half
    out[:, _PLACE + 5] = (x + geometry[geo.LEDGE]) * UNIT
    out[:, _PLACE + 6] = (geometry[geo.LEDGE] - x) * UNIT


def _relative(chunk: _Chunk, out: Floats) -> None:
    dx = (chunk.state[:, 1, X] - chunk.x) * UNIT
    dy = (chunk.state[:, 1, Y] - chunk.y) * UNIT
    out[:, 0], out[:, 1] = dx, dy
    np.multiply(dx, np.sign(chunk.state[:, 0, FACING]), out=out[:, 2])
    np.sqrt(dx * dx + dy * dy, out=out[:, 3])


def _partner(chunk: _Chunk, who: int, out: Floats) -> None:
    if chunk.rows.partner_state is None:
        return
    state = chunk.rows.partner_state[chunk.part, who]
    there = np.isfinite(state[:, X]) & np.isfinite(state[:, Y])
    if not there.any():
        return
    out[:, 0] = there
    out[:, 1] = np.where(there, state[:, X] - chunk.x, 0) * UNIT
    out[:, 2] = np.where(there, state[:, Y] - chunk.y, 0) * UNIT
    kept = state.take(_PARTNER_STATE, axis=1)
    np.multiply(np.where(np.isfinite(kept), kept, 0), _PARTNER_SCALES, out=out[:, 3 : len(PARTNER_COLUMNS)])


def _stage(chunk: _Chunk, out: Floats) -> None:
    """Platforms and Randall, each by where it is from oneself, and whether what moves is known."""
    stage, x, y = chunk.rows.stage[chunk.part], chunk.x, chunk.y
    fountain = stage == FOUNTAIN
    known = _moving(chunk, fountain) if fountain.any() else None
    for slot in range(3):
        at = geo.PLATFORM + 4 * slot
        present, height, left, right = chunk.geometry[at : at + 4]
        at = 4 * slot
        out[:, at] = present
        above = (height - y) * (present * UNIT)
        out[:, at + 1] = above if known is None or slot == geo.TOP else np.where(known, above, 0)
        out[:, at + 2] = (left - x) * (present * UNIT)
        out[:, at + 3] = (right - x) * (present * UNIT)
    if (stage == YOSHIS).any():
        _randall(chunk, stage == YOSHIS, out[:, 12:16])
    out[:, 16] = 1 if known is None else known
    form = chunk.rows.form
    known_form = np.zeros(len(stage), bool) if form is None else form[chunk.part] > 0
    out[:, 17] = (stage != STADIUM) | known_form


def _moving(chunk: _Chunk, fountain: Flags) -> Flags:
    """Set Fountain's platforms to their heights; where they are known (n,) (everywhere on other stages)."""
    if chunk.rows.platform is None:
        return ~fountain
    heights = chunk.rows.platform[chunk.part]
    if chunk.rows.mirrored is not None:
        heights = np.where(chunk.rows.mirrored[chunk.part, None], heights[:, ::-1], heights)
    known = np.isfinite(heights).all(axis=1)
    for side in (0, 1):
        row = chunk.geometry[geo.PLATFORM + 4 * side + geo.HEIGHT]
        np.copyto(row, heights[:, side], where=fountain & known)
    return ~fountain | known


def _randall(chunk: _Chunk, there: Flags, out: Floats) -> None:
    left, height = randall(chunk.rows.frame[chunk.part])
    if chunk.rows.mirrored is not None:
        left = np.where(chunk.rows.mirrored[chunk.part], -left - np.float32(WIDTH), left)
    out[:, 0] = there
    # Plain zeros elsewhere, never -0: the same frame gives the same bytes in any company.
    out[:, 1] = np.where(there, height - chunk.y, 0) * UNIT
    out[:, 2] = np.where(there, left - chunk.x, 0) * UNIT
    out[:, 3] = np.where(there, left + np.float32(WIDTH) - chunk.x, 0) * UNIT


def _ids(chunk: _Chunk, ids: Ids) -> None:
    rows, part = chunk.rows, chunk.part
    ids[:, 0:2] = rows.action[part]
    if rows.partner_action is None:
        ids[:, 2:4] = ABSENT_ACTION
    else:
        partner = rows.partner_action[part]
        ids[:, 2:4] = np.where(partner == NO_ACTION, ABSENT_ACTION, partner)
    ids[:, 4:6] = rows.character[part]
    ids[:, _STAGE_ID] = rows.stage[part]
    ids[:, _FORM_ID] = 0 if rows.form is None else rows.form[part]


def _encode_items(items: SeenItems, state: Floats, floats: Floats, ids: Ids) -> None:
    """Fill the slots: each side's newest items, the newest first."""
    floats[:, _ITEMS] = items.known.reshape(-1)
    if len(items.frame) == 0:
        return
    place = items.frame * len(FIGHTERS) + items.owner
    order = np.argsort(place, kind="stable")
    # The items of one side in one frame lie together now, the newest last.
    end = np.searchsorted(place[order], place[order], side="right")
    slot = end - 1 - np.arange(len(order))
    picked, slot = order[slot < ITEM_SLOTS], slot[slot < ITEM_SLOTS]
    frame, owner = items.frame[picked], items.owner[picked].astype(np.int64)
    values = np.stack(
        [
            items.x[picked] - state[frame, 0, X],
            items.y[picked] - state[frame, 0, Y],
            items.vx[picked],
            items.vy[picked],
            items.timer[picked],
        ],
        axis=1,
    )
    values *= _ITEM_SCALES
    values[~np.isfinite(values)] = 0
    each = owner * ITEM_SLOTS + slot
    first = _ITEMS + 1 + each * len(ITEM_COLUMNS)
    floats[frame, first] = 1
    floats[frame[:, None], first[:, None] + np.arange(1, len(ITEM_COLUMNS))] = values
    ids[frame, _TYPE_IDS + each] = np.clip(items.type[picked], 0, ITEM_IDS - 2)
    ids[frame, _STATE_IDS + each] = np.minimum(items.state[picked], NO_ITEM_STATE - 1)
