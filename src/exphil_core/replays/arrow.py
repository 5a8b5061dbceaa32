"""Zero-copy numpy columns out of peppi's struct array.

`to_numpy` fails on nulls, and with copies it turns integers with nulls into floats; the buffers themselves are
right where `valid` says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES = {
    "float": np.float32, "uint8": np.uint8, "int8": np.int8, "uint16": np.uint16,
    "int16": np.int16, "int32": np.int32, "uint32": np.uint32,
}  # fmt: skip


def child(array: Any, name: str) -> Any | None:
    """The field `name` of a struct array, or None where this replay's version doesn't have it."""
    index = array.type.get_field_index(name)
    return array.field(index) if index >= 0 else None


def column(array: Any, *path: str) -> npt.NDArray[Any] | None:
    """The leaf at `path` as a read-only view, or None where it is missing. Null rows hold anything."""
    for name in path:
        array = child(array, name)
        if array is None:
            return None
    dtype = np.dtype(_TYPES[str(array.type)])
    return np.frombuffer(array.buffers()[1], dtype, count=len(array), offset=array.offset * dtype.itemsize)


def valid(array: Any) -> npt.NDArray[np.bool_] | None:
    """Which rows of a struct array are there; None if all are."""
    if array.null_count == 0:
        return None
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))
