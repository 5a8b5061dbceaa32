"""Distances as Ganondorf's player sees them: in reaches, his own and the opponent's.

All reaches are approximate: see `exphil_char_ganondorf.reach`. Speeds are read off the positions, since old replays
have none. Everything is vectorised over frames and carries on exactly where the last call stopped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_char_ganondorf.reach import REACH, TYPICAL
from exphil_core.features.character import FighterRows
from exphil_core.melee.characters import BY_NAME
from exphil_core.replays.game import STATE

Floats = npt.NDArray[np.float32]

GANONDORF = BY_NAME["ganondorf"].internal
# A quarter of what the columns tell apart is within reach. Two running fighters close in at 2 to 5 units a frame.
REACHES, CLOSING_UNITS = np.float32(4), np.float32(6)

_POSITION = [STATE["x"], STATE["y"]]
_REACH = np.tile(np.array(TYPICAL, np.float32), (256, 1))
for _internal, _reach in REACH.items():
    _REACH[_internal] = _reach


class Spacing:
    """One fighter's distance to the other; the columns are those of `exphil_char_ganondorf.plugin.COLUMNS`."""

    def __init__(self) -> None:
        self._distance = np.full((1, 2), np.nan, np.float32)  # of the last frame of the last call

    def update(self, rows: FighterRows) -> Floats:
        """Float32 (T, 9) for the next T frames; 0 for any other character."""
        ganondorf = rows.character == GANONDORF
        theirs = _opponents_reach(rows)
        # Positions are unknown in places, and numpy needn't say so.
        with np.errstate(invalid="ignore", over="ignore"):
            way = rows.opponent_state[:, _POSITION] - rows.state[:, _POSITION]
            distance = np.concatenate([self._distance, np.abs(way)])
            self._distance = distance[-1:]
            values = np.column_stack(
                [
                    _within(way / (REACHES * _REACH[GANONDORF])),
                    _within(way / (REACHES * theirs)),
                    (distance[1:] <= _REACH[GANONDORF]).all(axis=1),
                    (distance[1:] <= theirs).all(axis=1),
                    _within((distance[:-1] - distance[1:]) / CLOSING_UNITS),
                    _within(np.sign(way[:, 0]) * np.sign(rows.column("facing"))),
                ]
            )
        told: Floats = np.where(ganondorf[:, None], values, 0).astype(np.float32)
        return told


def _opponents_reach(rows: FighterRows) -> Floats:
    """Float32 (T, 2); the typical reach where nothing says who the opponent is."""
    reach: Floats = _REACH[rows.opponent_character]
    return reach


def _within(values: Floats) -> Floats:
    """Cut at 1; 0 where unknown."""
    return np.clip(np.nan_to_num(values, nan=0.0), -1, 1)
