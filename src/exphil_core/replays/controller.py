"""The one controller codec, for training, evaluation and play.

A controller is six *cells*, each the index of a value on the game's own grid, so that encoding loses nothing:

==========  =====  ==================================================================
part        cells  values
==========  =====  ==================================================================
buttons       256  chord: bit i set when BUTTONS[i] is pressed
main_x/y      117  k/80 for k = -80..-23, 0, 23..80; the pair inside the unit circle
c_x/y         117  the same
shoulder       99  k/140 for k = 0, 43..140
==========  =====  ==================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.melee.controller import (
    BUTTONS,
    CHORDS,
    SHOULDER_DEAD_ZONE,
    SHOULDER_STEPS,
    SLIPPI_BITS,
    STICK_DEAD_ZONE,
    STICK_STEPS,
    TWINS,
)

Cells = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

PARTS = ("buttons", "main_x", "main_y", "c_x", "c_y", "shoulder")
BUTTON_PART, MAIN_X, MAIN_Y, C_X, C_Y, SHOULDER = range(6)

_axis = np.r_[-STICK_STEPS : -STICK_DEAD_ZONE + 1, 0, STICK_DEAD_ZONE : STICK_STEPS + 1]
AXIS_STEPS: npt.NDArray[np.int16] = _axis.astype(np.int16)
SHOULDER_LEVELS: npt.NDArray[np.int16] = np.r_[0, SHOULDER_DEAD_ZONE : SHOULDER_STEPS + 1].astype(np.int16)
AXIS_CELLS, SHOULDER_CELLS = len(AXIS_STEPS), len(SHOULDER_LEVELS)
CELL_COUNTS = (CHORDS, AXIS_CELLS, AXIS_CELLS, AXIS_CELLS, AXIS_CELLS, SHOULDER_CELLS)

# Value of each cell as the game sees it: axes in -1…1, the shoulder in 0…1.
AXIS_VALUES: Floats = (AXIS_STEPS / STICK_STEPS).astype(np.float32)
SHOULDER_VALUES: Floats = (SHOULDER_LEVELS / SHOULDER_STEPS).astype(np.float32)
# STICK_CELLS[i, j]: whether x cell i and y cell j lie in the unit circle together.
STICK_CELLS: npt.NDArray[np.bool_] = (
    AXIS_STEPS.astype(np.int32)[:, None] ** 2 + AXIS_STEPS.astype(np.int32)[None, :] ** 2 <= STICK_STEPS**2
)

_CENTRE = int(np.flatnonzero(AXIS_STEPS == 0)[0])
NEUTRAL: Cells = np.array([0, _CENTRE, _CENTRE, _CENTRE, _CENTRE, 0], np.uint8)

_axis_cell = np.full(2 * STICK_STEPS + 1, _CENTRE, np.uint8)
_axis_cell[AXIS_STEPS + STICK_STEPS] = np.arange(AXIS_CELLS, dtype=np.uint8)
_shoulder_cell = np.zeros(SHOULDER_STEPS + 1, np.uint8)
_shoulder_cell[SHOULDER_LEVELS] = np.arange(SHOULDER_CELLS, dtype=np.uint8)
CHORD_BITS: Floats = ((np.arange(CHORDS)[:, None] >> np.arange(len(BUTTONS))) & 1).astype(np.float32)

# Number of floats of a decoded controller: sticks, shoulder, buttons.
DECODED_SIZE = 5 + len(BUTTONS)


def canonical_stick(
    x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Stick axes (-1…1, raw or processed) as the game processes them, in steps of 1/80.

    Clamped to the unit circle (truncating, as the game does), then the dead zone is cut out of each axis.
    Reproduces the processed from the raw stick on every human port of the real replays; a second pass changes
    nothing. NaN reads as the centre.
    """
    # Beyond 2 there is nothing but damage; clipping keeps infinities out of the arithmetic.
    steps_x, steps_y = (
        np.rint(np.clip(np.nan_to_num(np.asarray(v, np.float64)), -2, 2) * STICK_STEPS) for v in (x, y)
    )
    radius = np.hypot(steps_x, steps_y)
    shrink = STICK_STEPS / np.maximum(radius, STICK_STEPS)
    # 1e-9: 80/radius may fall a hair short of the exact ratio, and truncation would lose a step.
    clamped = [np.trunc(s * shrink + 1e-9 * np.sign(s)) for s in (steps_x, steps_y)]
    kept = [np.where(np.abs(c) < STICK_DEAD_ZONE, 0, c).astype(np.int16) for c in clamped]
    return kept[0], kept[1]


def _steps(values: npt.ArrayLike, steps: int, low: int, high: int) -> npt.NDArray[np.floating[Any]]:
    """`values` in whole steps of 1/`steps`, clipped to `low`…`high` units; NaN is 0."""
    # The floats of replays tell steps apart by far: more digits would only take longer.
    kind = np.float32 if getattr(values, "dtype", None) == np.float32 else np.float64
    given = np.asarray(values, kind)
    # Two numbers at first: nearly every column is through with that, NaN isn't.
    if given.size and not (low <= np.minimum.reduce(given, None) and np.maximum.reduce(given, None) <= high):
        given = np.clip(np.nan_to_num(given), low, high)
    whole: npt.NDArray[np.floating[Any]] = np.atleast_1d(given * kind(steps))
    np.rint(whole, out=whole)
    return whole.reshape(np.shape(values))


def _stick_table() -> Cells:
    """Both cells of every stick position in whole steps, (x * y, 2): processing them one by one takes ten times as
    long as looking them up."""
    steps = np.arange(-_STICK_LIMIT * STICK_STEPS, _STICK_LIMIT * STICK_STEPS + 1) / STICK_STEPS
    x, y = canonical_stick(*np.meshgrid(steps, steps, indexing="ij"))
    return np.stack([_axis_cell[x + STICK_STEPS], _axis_cell[y + STICK_STEPS]], axis=-1).reshape(-1, 2)


# Beyond 2 there is nothing but damage.
_STICK_LIMIT = 2
# Two cells in one number, so that both are looked up at once.
_STICK_TABLE = _stick_table().view(np.uint16)[:, 0]


def stick_cells(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Cells, Cells]:
    """Cells of a stick given as floats in -1…1."""
    limit = _STICK_LIMIT * STICK_STEPS
    place = _steps(x, STICK_STEPS, -_STICK_LIMIT, _STICK_LIMIT) * (2 * limit + 1)
    place += _steps(y, STICK_STEPS, -_STICK_LIMIT, _STICK_LIMIT)
    place += limit * (2 * limit + 2)
    pairs = _STICK_TABLE.take(place.astype(np.intp))[..., None].view(np.uint8)
    return pairs[..., 0], pairs[..., 1]


def shoulder_cells(value: npt.ArrayLike) -> Cells:
    """Cells of an analog shoulder given as floats in 0…1; below the dead zone it is released."""
    return _shoulder_cell.take(_steps(value, SHOULDER_STEPS, 0, 1).astype(np.intp))


def _chord_table() -> Cells:
    """The chord of every value of Slippi's physical button field."""
    physical = np.arange(1 << 16)
    chords = np.zeros(1 << 16, np.uint8)
    for bit, name in enumerate(BUTTONS):
        chords |= ((physical & SLIPPI_BITS[name]) != 0).astype(np.uint8) << bit
    return chords


_CHORD_TABLE = _chord_table()


def chords_from_slippi(physical: npt.NDArray[np.uint16]) -> Cells:
    """Chords from Slippi's physical button field. START and the rest of the d-pad fall away."""
    return _CHORD_TABLE.take(physical)


def encode(
    buttons: npt.ArrayLike,
    main: tuple[npt.ArrayLike, npt.ArrayLike],
    c: tuple[npt.ArrayLike, npt.ArrayLike],
    shoulder: npt.ArrayLike,
) -> Cells:
    """Cells (…, 6) of controllers given as chords (0…255), sticks in -1…1 and shoulder in 0…1."""
    parts = (np.asarray(buttons, np.uint8), *stick_cells(*main), *stick_cells(*c), shoulder_cells(shoulder))
    cells = np.empty((*np.broadcast_shapes(*(part.shape for part in parts)), len(parts)), np.uint8)
    for index, part in enumerate(parts):
        cells[..., index] = part
    return cells


def decode(cells: Cells) -> Floats:
    """Floats (…, 13) of cells (…, 6): main x, y, C x, y in -1…1, shoulder in 0…1, then the buttons as 0 or 1.

    The exact inverse of `encode`: encoding the result gives the same cells.
    """
    decoded = np.empty((*cells.shape[:-1], DECODED_SIZE), np.float32)
    for slot, part in enumerate((MAIN_X, MAIN_Y, C_X, C_Y)):
        decoded[..., slot] = AXIS_VALUES[cells[..., part]]
    decoded[..., 4] = SHOULDER_VALUES[cells[..., SHOULDER]]
    decoded[..., 5:] = CHORD_BITS[cells[..., BUTTON_PART]]
    return decoded


def encode_decoded(values: Floats) -> Cells:
    """Cells (…, 6) of what `decode` gives."""
    bits = (values[..., 5:] > 0.5).astype(np.uint8)
    chord = (bits << np.arange(len(BUTTONS), dtype=np.uint8)).sum(axis=-1, dtype=np.uint8)
    main, c = (values[..., 0], values[..., 1]), (values[..., 2], values[..., 3])
    return encode(chord, main, c, values[..., 4])


def _twins_swapped() -> Cells:
    """Every chord (2 ** len(TWINS), CHORDS) with those pairs of TWINS swapped whose bits the row's number has."""
    table = np.empty((2 ** len(TWINS), CHORDS), np.uint8)
    for number, row in enumerate(table):
        order = np.arange(len(BUTTONS))
        for pair, (first, second) in enumerate(TWINS):
            if number >> pair & 1:
                places = [BUTTONS.index(first), BUTTONS.index(second)]
                order[places] = places[::-1]
        row[:] = (CHORD_BITS[:, order].astype(np.int64) << np.arange(len(BUTTONS))).sum(axis=1)
    return table


_TWINS_SWAPPED = _twins_swapped()


def swap_twins(cells: Cells, swapped: npt.NDArray[np.bool_]) -> Cells:
    """Controllers (B, T, 6) with the buttons of those pairs of TWINS in each other's place that `swapped`
    (B, len(TWINS)) names for a lane."""
    other: Cells = cells.copy()
    number = swapped @ (1 << np.arange(len(TWINS)))
    other[..., BUTTON_PART] = _TWINS_SWAPPED[number[:, None], cells[..., BUTTON_PART]]
    return other


def mirror(cells: Cells) -> Cells:
    """The same controllers seen in a mirror: both sticks' x axes flip."""
    flipped: Cells = cells.copy()
    for part in (MAIN_X, C_X):
        flipped[..., part] = AXIS_CELLS - 1 - cells[..., part]
    return flipped


def valid(cells: Cells) -> npt.NDArray[np.bool_]:
    """Whether each controller (…, 6) is one that the game can produce."""
    in_range = np.all(cells < np.array(CELL_COUNTS), axis=-1)
    safe = np.where(in_range[..., None], cells, NEUTRAL)
    return np.asarray(
        in_range
        & STICK_CELLS[safe[..., MAIN_X], safe[..., MAIN_Y]]
        & STICK_CELLS[safe[..., C_X], safe[..., C_Y]]
    )
