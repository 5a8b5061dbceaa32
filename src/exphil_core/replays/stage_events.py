"""What moves on a stage, frame by frame, out of peppi's struct array: Fountain of Dreams' platforms and Pokémon
Stadium's form. Slippi records changes only (from 3.18 on); between two of them the last one holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.melee.stages import BY_NAME, FORM_BY_SLIPPI, NORMAL_FORM, Stage
from exphil_core.replays.arrow import Struct

EVENTS_SINCE = (3, 18, 0)
# Slippi's number of a platform -> the index of its side; 0 is left for us.
_SIDE_OF_PLATFORM = (1, 0)
# Beyond what the platforms reach lies damage.
HIGHEST_PLATFORM = 200.0

_FORMS = np.zeros(max(FORM_BY_SLIPPI) + 2, np.uint8)
_FORMS[list(FORM_BY_SLIPPI)] = list(FORM_BY_SLIPPI.values())

Rows = npt.NDArray[np.intp]


def read_platforms(
    frames: Struct, stage: Stage, version: tuple[int, int, int]
) -> npt.NDArray[np.float32] | None:
    """Heights (T, 2) of Fountain of Dreams' left and right platforms; None elsewhere or if not recorded."""
    if stage is not BY_NAME["fountainofdreams"] or version < EVENTS_SINCE:
        return None
    found = frames.ragged("fod_platform")
    if found is None:
        return None
    frame, values = found
    which, height = values.column("platform"), values.column("height")
    heights = np.empty((len(frames), 2), np.float32)
    for platform, side in enumerate(_SIDE_OF_PLATFORM):
        of_it = (which == platform) & (np.abs(height) < HIGHEST_PLATFORM)
        start = stage.platforms[side].height
        heights[:, side] = _held(frame[of_it], height[of_it], start, len(frames))
    return heights


def read_form(frames: Struct, stage: Stage, start: Mapping[str, Any]) -> npt.NDArray[np.uint8] | None:
    """Form (T,) that Pokémon Stadium has or is changing into in `frames`; None elsewhere or if not recorded.

    `start` is the game's start block, which says whether Stadium is frozen.
    """
    if stage is not BY_NAME["pokemonstadium"]:
        return None
    if start.get("is_frozen_ps"):
        return np.full(len(frames), NORMAL_FORM, np.uint8)
    found = frames.ragged("stadium_transformation")
    if found is None or tuple(start["slippi"]["version"]) < EVENTS_SINCE:
        return None
    frame, values = found
    forms = _FORMS[np.minimum(values.column("type"), len(_FORMS) - 1)]
    return _held(frame, forms, NORMAL_FORM, len(frames)).astype(np.uint8)


def _held(frame: Rows, value: npt.NDArray[Any], start: float, count: int) -> npt.NDArray[np.float32]:
    """`start`, then each value from its frame on. Of several in one frame the last one holds."""
    lengths = np.diff(np.r_[0, frame, count])
    return np.repeat(np.r_[np.float32(start), value.astype(np.float32)], lengths)
