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
from exphil_core.replays.controller import DECODED_SIZE, decode
from exphil_core.replays.game import NO_ACTION, STATE
from exphil_core.replays.habits import HABIT_VALUES

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Frames that are encoded at a time. Some hundred calls of numpy are made for them, of 1 µs each, and what they hold
# should stay in the processor's cache; not a multiple of 1024, or all columns would fall on the same of its lines.
CHUNK = 3840
UNIT = np.float32(0.01)
X, Y, FACING = STATE["x"], STATE["y"], STATE["facing"]
FOUNTAIN, STADIUM = BY_NAME["fountainofdreams"].internal, BY_NAME["pokemonstadium"].internal
YOSHIS = BY_NAME["yoshisstory"].internal


def _scales(columns: Sequence[Column]) -> Floats:
    return np.array([column.scale for column in columns], np.float32)


_KNOWN = np.array([STATE[name] for _, name in KNOWN_COLUMNS])
# As many as there are numbers in a chunk: one long loop, not one for each row.
_STATE_SCALES = np.tile(_scales(STATE_COLUMNS), (CHUNK, len(FIGHTERS), 1))
_PLACE_SCALES, _PARTNER_SCALES = _scales(PLACE_COLUMNS)[:, None], _scales(PARTNER_COLUMNS[3:])
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
_HABIT = _DECIDED + DECODED_SIZE
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
    known: Flags | None  # (n, P, F); None if all is
    x: Floats  # (P, n)
    y: Floats  # (P, n)
    geometry: Floats  # (ROWS, n)

    @classmethod
    def of(cls, rows: Rows, part: slice) -> _Chunk:
        state = rows.state[part]
        finite = np.isfinite(state)
        known = None if finite.all() else finite
        state = state if known is None else np.where(known, state, np.float32(0))
        mirrored = None if rows.mirrored is None else rows.mirrored[part]
        return cls(
            rows=rows,
            part=part,
            state=state,
            known=known,
            # Contiguous: they are used a dozen times.
            x=np.ascontiguousarray(state[:, :, X].T),
            y=np.ascontiguousarray(state[:, :, Y].T),
            geometry=geo.geometry(rows.stage[part], mirrored),
        )


# Columns that are computed one by one are put together first, (columns, n), and into the observation at once: each
# number of an observation's column lies in another line of the processor's cache.


def _encode_chunk(chunk: _Chunk, floats: Floats, ids: Ids) -> None:
    rows, part = chunk.rows, chunk.part
    out = floats[part]
    _fighters(chunk, out)
    _relative(chunk, out[:, _RELATIVE:_PARTNER])
    for who in range(len(FIGHTERS)):
        _partner(chunk, who, out[:, _PARTNER + who * len(PARTNER_COLUMNS) :])
    _stage(chunk, out[:, _STAGE:])
    out[:, _DECIDED:_HABIT] = decode(rows.decided[part])
    out[:, _HABIT : _FEATURES - 1] = HABIT_VALUES[rows.habit[part]]
    out[:, _FEATURES - 1] = 1
    if out.shape[1] > _FEATURES:
        out[:, _FEATURES:] = rows.features[part].reshape(len(out), -1)
    _ids(chunk, ids[part])


def _fighters(chunk: _Chunk, out: Floats) -> None:
    """The fighters' columns: scaled state, what of it is known, and where on the stage they are."""
    scaled, places = chunk.state * _STATE_SCALES[: len(out)], _places(chunk)
    for who in range(len(FIGHTERS)):
        own = out[:, who * _FIGHTER : (who + 1) * _FIGHTER]
        own[:, : len(STATE_COLUMNS)] = scaled[:, who]
        own[:, len(STATE_COLUMNS) : _PLACE] = (
            1 if chunk.known is None else chunk.known[:, who].take(_KNOWN, axis=1)
        )
        own[:, _PLACE:] = places[:, who].T


def _places(chunk: _Chunk) -> Floats:
    """Where on the stage the fighters are, (columns, P, n)."""
    x, y, geometry = chunk.x, chunk.y, chunk.geometry
    places = np.empty((len(PLACE_COLUMNS), *x.shape), np.float32)
    np.subtract(geometry[geo.EDGE], np.abs(x), out=places[0])
    np.subtract(x, geometry[geo.BLAST_LEFT], out=places[1])
    np.subtract(geometry[geo.BLAST_RIGHT], x, out=places[2])
    np.subtract(geometry[geo.BLAST_TOP], y, out=places[3])
    np.subtract(y, geometry[geo.BLAST_BOTTOM], out=places[4])
    np.add(x, geometry[geo.LEDGE], out=places[5])
    np.subtract(geometry[geo.LEDGE], x, out=places[6])
    places *= _PLACE_SCALES[:, :, None]
    return places


def _relative(chunk: _Chunk, out: Floats) -> None:
    columns = np.empty((len(RELATIVE_COLUMNS), len(out)), np.float32)
    dx, dy, ahead, distance = columns
    np.multiply(chunk.x[1] - chunk.x[0], UNIT, out=dx)
    np.multiply(chunk.y[1] - chunk.y[0], UNIT, out=dy)
    np.multiply(dx, np.sign(chunk.state[:, 0, FACING]), out=ahead)
    np.sqrt(dx * dx + dy * dy, out=distance)
    out[:] = columns.T


def _partner(chunk: _Chunk, who: int, out: Floats) -> None:
    if chunk.rows.partner_state is None:
        return
    state = chunk.rows.partner_state[chunk.part, who]
    there = np.isfinite(state[:, X]) & np.isfinite(state[:, Y])
    if not there.any():
        return
    out[:, 0] = there
    out[:, 1] = np.where(there, state[:, X] - chunk.x[0], 0) * UNIT
    out[:, 2] = np.where(there, state[:, Y] - chunk.y[0], 0) * UNIT
    kept = state.take(_PARTNER_STATE, axis=1)
    np.multiply(np.where(np.isfinite(kept), kept, 0), _PARTNER_SCALES, out=out[:, 3 : len(PARTNER_COLUMNS)])


def _stage(chunk: _Chunk, out: Floats) -> None:
    """Platforms and Randall, each by where it is from oneself, and whether what moves is known."""
    stage = chunk.rows.stage[chunk.part]
    fountain = stage == FOUNTAIN
    known = _moving(chunk, fountain) if fountain.any() else None
    platforms = chunk.geometry[geo.PLATFORM :].reshape(3, 4, -1).copy()
    platforms[:, geo.HEIGHT] -= chunk.y[0]
    platforms[:, geo.LEFT :] -= chunk.x[0]
    platforms[:, geo.HEIGHT :] *= platforms[:, :1] * UNIT
    if known is not None:
        platforms[: geo.TOP, geo.HEIGHT] = np.where(known, platforms[: geo.TOP, geo.HEIGHT], 0)
    out[:, :12] = platforms.reshape(12, -1).T
    yoshis = np.flatnonzero(stage == YOSHIS)
    if len(yoshis):
        out[yoshis, 12:16] = _randall(chunk, yoshis).T
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


def _randall(chunk: _Chunk, there: npt.NDArray[np.intp]) -> Floats:
    """His columns in the frames `there` (m,), (columns, m)."""
    left, height = randall(chunk.rows.frame[chunk.part][there])
    if chunk.rows.mirrored is not None:
        left = np.where(chunk.rows.mirrored[chunk.part][there], -left - np.float32(WIDTH), left)
    x, y = chunk.x[0, there], chunk.y[0, there]
    columns = np.stack([np.ones_like(x), height - y, left - x, left + np.float32(WIDTH) - x])
    columns[1:] *= UNIT
    return columns


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
