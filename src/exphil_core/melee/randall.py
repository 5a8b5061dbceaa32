"""Where Randall is, the cloud that circles Yoshi's Story: a function of the frame number alone.

He walks around a rectangle with bevelled corners at constant speed, once in 1,200 frames. The corners were found by
fitting straight lines to libmelee's table. Of the fighters who stand on him in real replays all agree to 0.001 in
height. (libmelee 0.47.6 has him one step, 0.355, too far right in the frames 0 to 415 of each round, where its own
table jumps, and 0.001 too high at the bottom.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUND_FRAMES = 1200
# Fighters stand on him up to 11.99 from his left end.
WIDTH = 12.0
# His left end's path, counterclockwise from the right end of the bottom.
_CORNERS = np.array(
    [
        (89.6, -33.2499), (90.825, -32.7249), (91.35, -31.4999), (91.35, -15.2249), (90.825, -13.9999),
        (89.6, -13.6499), (-101.85, -13.6499), (-103.075, -14.1749), (-103.6, -15.2249), (-103.6, -31.4999),
        (-103.075, -32.5499), (-101.85, -33.2499),
    ]
)  # fmt: skip
# The frame (a fraction of one) at which he is at the first corner.
_AT_FIRST_CORNER = 415.5345


def _path() -> npt.NDArray[np.float32]:
    """His left end and height in each frame of a round, (1200, 2)."""
    closed = np.concatenate([_CORNERS, _CORNERS[:1]])
    way = np.r_[0, np.hypot(*np.diff(closed, axis=0).T).cumsum()]
    gone = (np.arange(ROUND_FRAMES) - _AT_FIRST_CORNER) / ROUND_FRAMES % 1 * way[-1]
    return np.stack([np.interp(gone, way, closed[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)


PATH = _path()


def randall(frame: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Left end and height of Randall in Slippi's frames `frame` (…); his right end is `WIDTH` to the right."""
    at = PATH[np.asarray(frame) % ROUND_FRAMES]
    return at[..., 0], at[..., 1]
