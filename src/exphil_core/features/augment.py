"""What training does to observations: see them in a mirror, and hide what may be unknown in play.

All of it works on what the encoder gives (B, T, …), on chosen lanes (B,) of it, in place; tests hold it to what the
encoder gives of mirrored or unknown rows.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.columns import DECIDED, IDENTITY, IDENTITY_TABLES, MASKS
from exphil_core.features.encoder import Observation
from exphil_core.features.rows import Rows
from exphil_core.features.schema import ACTION_IDS, ObservationSchema
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.controller import mirror as mirror_cells
from exphil_core.replays.game import MIRRORED, NO_ACTION, STATE

Lanes = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

# In a mirror, dying at the left blast zone is dying at the right one.
DEAD_LEFT, DEAD_RIGHT = 1, 2
_MIRRORED_ACTION = np.arange(ACTION_IDS, dtype=np.int16)
_MIRRORED_ACTION[[DEAD_LEFT, DEAD_RIGHT]] = DEAD_RIGHT, DEAD_LEFT
_FLIP = np.ones(len(STATE), np.float32)
_FLIP[[STATE[name] for name in MIRRORED]] = -1
# What can be hidden, in the order of `Hiding`. Identity is last: others look at the stage.
GROUPS: tuple[str, ...] = (*(group.name for group in MASKS), DECIDED, IDENTITY)
_ONLY_ON = {group.name: BY_NAME[group.stage].internal for group in MASKS if group.stage}


def mirror_actions(action: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Action ids seen in a mirror."""
    return np.where(action == NO_ACTION, NO_ACTION, _MIRRORED_ACTION[action]).astype(np.int16)


def mirror_rows(rows: Rows, feature_flip: Floats) -> Rows:
    """The same frames seen in a mirror. Twice is the identity. `feature_flip` (E,) is -1 for each character feature
    whose sign flips."""
    seen = np.zeros(rows.stage.shape, bool) if rows.mirrored is None else rows.mirrored
    partner_state, partner_action, items = rows.partner_state, rows.partner_action, rows.items
    return attrs.evolve(
        rows,
        state=rows.state * _FLIP,
        action=mirror_actions(rows.action),
        decided=mirror_cells(rows.decided),
        features=rows.features * feature_flip,
        partner_state=None if partner_state is None else partner_state * _FLIP,
        partner_action=None if partner_action is None else mirror_actions(partner_action),
        items=None if items is None else attrs.evolve(items, x=-items.x, vx=-items.vx),
        mirrored=~seen,
    )


class Augmenter:
    """Changes observations of one schema."""

    def __init__(self, schema: ObservationSchema) -> None:
        columns, ids = schema.columns, schema.ids
        at = {column.name: index for index, column in enumerate(columns)}
        self._order = np.array([at[column.mirror_name or column.name] for column in columns])
        self._signs = np.array([-1 if column.mirrored else 1 for column in columns], np.float32)
        self._actions = [index for index, column in enumerate(ids) if column.table == "action"]
        self._stage = [column.name for column in ids].index("stage")
        self._floats_of = [
            np.array([index for index, column in enumerate(columns) if column.mask == group], np.intp)
            for group in GROUPS
        ]
        self._ids_of = [
            [(index, column.unknown) for index, column in enumerate(ids) if column.mask == group]
            for group in GROUPS
        ]
        # The last id of either table stands for anything unknown.
        self._ids_of[GROUPS.index(IDENTITY)] = [
            (index, column.size - 1) for index, column in enumerate(ids) if column.table in IDENTITY_TABLES
        ]

    def mirror(self, observation: Observation, lanes: Lanes) -> None:
        """Show `lanes` in a mirror."""
        floats, ids = observation.floats, observation.ids
        floats[lanes] = floats[lanes][..., self._order] * self._signs
        for index in self._actions:
            ids[lanes, ..., index] = _MIRRORED_ACTION[ids[lanes, ..., index]]

    def hide(self, observation: Observation, hidden: npt.NDArray[np.bool_]) -> None:
        """Make groups unknown: `hidden` (B, len(GROUPS)) says which in which lane. What can be unknown on one stage
        alone stays as it is on others."""
        for group in np.flatnonzero(hidden.any(axis=0)):
            lanes = np.flatnonzero(hidden[:, group])
            if GROUPS[group] in _ONLY_ON:
                stage = observation.ids[lanes][:, 0, self._stage]
                lanes = lanes[stage == _ONLY_ON[GROUPS[group]]]
            observation.floats[lanes[:, None], :, self._floats_of[group]] = 0
            for index, unknown in self._ids_of[group]:
                observation.ids[lanes, :, index] = unknown
