"""Follows Zelda and Sheik, one fighter in two forms, through a game.

The form is the character of each frame; that it is about to change is told by the action. Everything is vectorised
over frames and carries on exactly where the last call stopped.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import SHEIK_INTERNAL, ZELDA_INTERNAL

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

# Zelda is in 355 (air 357) for 43 frames, then she is Sheik and in 362 (364) for 26: so in three real games. The way
# back is 361 to 356 on the ground; 363 to 358 in the air is by analogy, not seen.
ZELDA_LEAVING, SHEIK_ARRIVING = (355, 357), (362, 364)
SHEIK_LEAVING, ZELDA_ARRIVING = (361, 363), (356, 358)

LONGEST = 600


@attrs.define
class _Carried:
    """What the next frames need of the ones before."""

    form: int = -1  # 0 Zelda, 1 Sheik, -1 neither so far
    since: int = LONGEST  # frames since the last change, at most LONGEST
    spent: Indices = attrs.field(factory=lambda: np.zeros(2, np.int64))  # frames in each form


class DualCharacter:
    """One fighter's forms; the columns are those of `exphil_char_zelda.plugin.COLUMNS`."""

    def __init__(self) -> None:
        self._before = _Carried()

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 6) for the next T frames; 0 for any other character."""
        count = len(rows.action)
        if count == 0:
            return np.zeros((0, 6), np.float32)
        before = self._before
        is_form = np.stack([rows.character == ZELDA_INTERNAL, rows.character == SHEIK_INTERNAL], axis=1)
        either = is_form[:, 0] | is_form[:, 1]
        form = _held(np.where(is_form[:, 1], 1, 0), either, before.form)
        form_before = np.concatenate([[before.form], form[:-1]])
        changes = (form != form_before) & (form_before >= 0)
        since = _since(changes, before.since)
        spent = before.spent + np.cumsum(is_form, axis=0)
        self._before = _Carried(form=int(form[-1]), since=int(since[-1]), spent=spent[-1])
        other_share = spent[np.arange(count), 1 - np.maximum(form, 0)] / np.maximum(spent.sum(axis=1), 1)
        values = np.column_stack(
            [
                is_form,
                _in(rows.action, ZELDA_LEAVING, SHEIK_LEAVING, form),
                _in(rows.action, ZELDA_ARRIVING, SHEIK_ARRIVING, form),
                since / LONGEST,
                other_share,
            ]
        )
        told: Floats = np.where(either[:, None], values, 0).astype(np.float32)
        return told


def _held(values: Indices, known: Flags, before: int) -> Indices:
    """`values` where `known`, else the last known one, else `before`."""
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return np.where(last >= 0, values[np.maximum(last, 0)], before)


def _since(happens: Flags, before: int) -> Indices:
    """Frames since `happens`, at most LONGEST; `before` is the number of the frame before these."""
    frame = np.arange(len(happens))
    last = np.maximum.accumulate(np.where(happens, frame, -1 - before))
    return np.minimum(frame - last, LONGEST)


def _in(
    action: npt.NDArray[np.int16], as_zelda: tuple[int, ...], as_sheik: tuple[int, ...], form: Indices
) -> Flags:
    """Whether the action is one of the form's own: ids from 341 on differ between the two."""
    return np.where(form == 1, np.isin(action, as_sheik), np.isin(action, as_zelda))
