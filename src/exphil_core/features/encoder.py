"""The one encoder: rows of a game to observations, for training, evaluation and play alike.

Shapes: … any leading shape, P = 2 fighters (own, opponent), F state columns, C = 6 controller cells, E character
feature columns of a fighter, O floats of an observation.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.schema import (
    ACTION_IDS,
    FIGHTER_STATE,
    KNOWN_GROUPS,
    ObservationSchema,
)
from exphil_core.melee.stages import INTERNAL_IDS, STAGES, Stage
from exphil_core.replays.controller import Cells, decode
from exphil_core.replays.controller import mirror as mirror_cells
from exphil_core.replays.game import MIRRORED, STATE

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# In a mirror, dying at the left blast zone is dying at the right one.
DEAD_LEFT, DEAD_RIGHT = 1, 2

_ORDER = np.array([STATE[name] for name, *_ in FIGHTER_STATE])
_SCALE = np.array([scale for _, _, scale, _ in FIGHTER_STATE], np.float32)
_KNOWN = np.array([STATE[name] for _, name in KNOWN_GROUPS])
_FLIP = np.ones(len(STATE), np.float32)
_FLIP[[STATE[name] for name in MIRRORED]] = -1
_MIRRORED_ACTION = np.arange(ACTION_IDS, dtype=np.int16)
_MIRRORED_ACTION[[DEAD_LEFT, DEAD_RIGHT]] = DEAD_RIGHT, DEAD_LEFT


def _geometry(stage: Stage) -> tuple[float, ...]:
    return (stage.edge_x, stage.blast_left, stage.blast_right, stage.blast_top, stage.blast_bottom)


# Geometry by internal stage id: edge x, blast zones left, right, top, bottom.
_GEOMETRY = np.full((INTERNAL_IDS, 5), np.nan, np.float32)
for _stage in STAGES:
    _GEOMETRY[_stage.internal] = _geometry(_stage)


@attrs.frozen(kw_only=True, eq=False)
class Rows:
    """Frames as one player sees them: the first fighter is oneself.

    `decided` is the last controller *decided*, which under a reaction delay of D is that of D frames later.
    """

    state: Floats  # (…, P, F), NaN where unknown
    action: npt.NDArray[np.int16]  # (…, P)
    character: npt.NDArray[np.uint8]  # (…, P)
    stage: npt.NDArray[np.uint8]  # (…), internal ids
    decided: Cells  # (…, C)
    features: Floats  # (…, P, E)
    feature_flip: Floats  # (E,), -1 where a column's sign flips in a mirror
    mirrored: npt.NDArray[np.bool_] | None = None  # (…): stage seen in a mirror


@attrs.frozen(kw_only=True, eq=False)
class Observation:
    """What a model gets of each frame. Floats are finite always."""

    floats: Floats  # (…, O)
    ids: Ids  # (…, 5)


def mirror_rows(rows: Rows) -> Rows:
    """The same frames seen in a mirror. Twice is the identity."""
    seen = np.zeros(rows.stage.shape, bool) if rows.mirrored is None else rows.mirrored
    return attrs.evolve(
        rows,
        state=rows.state * _FLIP,
        action=_MIRRORED_ACTION[rows.action],
        decided=mirror_cells(rows.decided),
        features=rows.features * rows.feature_flip,
        mirrored=~seen,
    )


def mirror_observation(observation: Observation, schema: ObservationSchema) -> Observation:
    """What the encoder makes of mirrored rows, from what it made of the rows themselves."""
    names = {column.name: index for index, column in enumerate(schema.columns)}
    order = np.arange(len(names))
    for who in ("own", "opponent"):
        left, right = names[f"{who}_to_left_blast"], names[f"{who}_to_right_blast"]
        order[[left, right]] = right, left
    signs = np.array([-1 if column.mirrored else 1 for column in schema.columns], np.float32)
    ids = observation.ids.copy()
    ids[..., :2] = _MIRRORED_ACTION[ids[..., :2]]
    return Observation(floats=observation.floats[..., order] * signs, ids=ids)


def encode(rows: Rows) -> Observation:
    """Observations of `rows`, in the order of `observation_schema`."""
    state, geometry = rows.state, _geometry_of(rows)
    facing, x, y = STATE["facing"], STATE["x"], STATE["y"]
    dx = state[..., 1, x] - state[..., 0, x]
    dy = state[..., 1, y] - state[..., 0, y]
    relative = np.stack([dx, dy, dx * np.sign(state[..., 0, facing]), np.hypot(dx, dy)], axis=-1)
    floats = np.concatenate(
        [
            _fighter(state[..., 0, :], geometry),
            _fighter(state[..., 1, :], geometry),
            relative * np.float32(0.01),
            decode(rows.decided),
            rows.features.reshape(*rows.features.shape[:-2], -1),
        ],
        axis=-1,
        dtype=np.float32,
    )
    np.nan_to_num(floats, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    ids = np.concatenate(
        [rows.action, rows.character, rows.stage[..., None]], axis=-1, dtype=np.int64, casting="unsafe"
    )
    return Observation(floats=floats, ids=ids)


def _geometry_of(rows: Rows) -> Floats:
    geometry = _GEOMETRY[rows.stage]
    if rows.mirrored is None:
        return geometry
    swapped = geometry[..., [0, 2, 1, 3, 4]] * np.array([1, -1, -1, 1, 1], np.float32)
    return np.where(rows.mirrored[..., None], swapped, geometry)


def _fighter(state: Floats, geometry: Floats) -> Floats:
    """One fighter's columns: scaled state, what of it is known, and where on the stage it is."""
    x, y = state[..., STATE["x"]], state[..., STATE["y"]]
    edge, left, right, top, bottom = np.moveaxis(geometry, -1, 0)
    place = [
        (edge - np.abs(x)) * np.float32(0.01),
        (x - left) * np.float32(0.005),
        (right - x) * np.float32(0.005),
        (top - y) * np.float32(0.005),
        (y - bottom) * np.float32(0.005),
    ]
    known = ~np.isnan(state[..., _KNOWN])
    return np.concatenate([state[..., _ORDER] * _SCALE, known, np.stack(place, axis=-1)], axis=-1)
