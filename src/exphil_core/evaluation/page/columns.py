"""Numbers of every frame as the page holds them: little-endian typed arrays in base64, a column each.

Ten minutes are 36,000 frames of some 70 numbers: as JSON text that would be 10 MB to parse, like this it is 3 MB to
copy.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

# What JavaScript calls them: Uint8Array and so on.
KINDS = {"u8": "<u1", "i8": "<i1", "u16": "<u2", "i16": "<i2", "u32": "<u4"}


def column(values: npt.ArrayLike, kind: str, scale: float = 1.0) -> dict[str, Any]:
    """`values` times `scale` in whole numbers of `kind`, clipped to its range (NaN is 0), with their shape."""
    dtype = np.dtype(KINDS[kind])
    limits = np.iinfo(dtype)
    wide = np.nan_to_num(np.asarray(values, np.float64), posinf=np.inf, neginf=-np.inf) * scale
    whole = np.rint(np.clip(wide, limits.min, limits.max)).astype(dtype)
    data = base64.b64encode(np.ascontiguousarray(whole).tobytes()).decode("ascii")
    return {"kind": kind, "scale": scale, "shape": list(whole.shape), "data": data}


def values_of(stored: dict[str, Any]) -> npt.NDArray[np.float64]:
    """What `column` stored, to its precision."""
    whole = np.frombuffer(base64.b64decode(stored["data"]), KINDS[stored["kind"]])
    values: npt.NDArray[np.float64] = whole.reshape(stored["shape"]) / float(stored["scale"])
    return values
