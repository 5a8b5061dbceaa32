"""Windows copied out of mapped memory into one array: by the CPU kernel where there is one, otherwise by Python."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.kernels.library import GatherArguments, kernel
from exphil_core.replays.cache import MappedViews
from exphil_core.training.table import Longs

Views = Sequence["memoryview | None"]
# Address and size of views met before, by their id; finding them takes as long as copying a third of a window.
_met: dict[int, tuple[weakref.ref[memoryview], int, int]] = {}
_MOST_MET = 4096


def gather(views: Views, first: Longs, length: Longs, into: npt.NDArray[Any]) -> None:
    """Put `length` bytes of each view from `first` on at the beginning of each lane of `into` (B, …), which is
    contiguous. Lanes of length 0 stay as they are. Raises ValueError for bytes that a view doesn't have."""
    if not len(into):
        return
    target = into.reshape(-1).view(np.uint8)
    lane_bytes = len(target) // len(into)
    found = kernel()
    if found is None:
        _gather_by_slices(views, first, length, target.data, lane_bytes)
        return
    begins, sizes = (views.begins, views.sizes) if isinstance(views, MappedViews) else _places(views)
    # Bytes that aren't wanted begin anywhere: none of them is read.
    if ((np.minimum(first, length) < 0) | (first + length > sizes) | (length > lane_bytes))[
        length != 0
    ].any():
        raise ValueError("a game is shorter in the cache than its index says")
    begins = begins + first
    pointers = {"into": target.ctypes.data, "source": begins.ctypes.data, "bytes": length.ctypes.data}
    found.call("gather", GatherArguments(**pointers, count=len(into), stride=lane_bytes))


def _places(views: Views) -> tuple[Longs, Longs]:
    """Address and size in bytes of each view; 0 where there is none."""
    number: dict[int, int] = {}
    place: list[tuple[int, int]] = []
    for each, view in dict(zip(map(id, views), views, strict=True)).items():
        number[each] = len(place)
        place.append((0, 0) if view is None else _place(view))
    lanes = np.fromiter(map(number.__getitem__, map(id, views)), np.intp, len(views))
    begins, sizes = np.array(place, np.int64).T
    return begins[lanes], sizes[lanes]


def _gather_by_slices(views: Views, first: Longs, length: Longs, target: memoryview, lane_bytes: int) -> None:
    # Slices of memoryviews: half the overhead of numpy's, which is as long as copying a window takes.
    for lane, (view, begin, size) in enumerate(zip(views, first.tolist(), length.tolist(), strict=True)):
        if size:
            at = lane * lane_bytes
            target[at : at + size] = view[begin : begin + size]  # type: ignore[index]


def _place(view: memoryview) -> tuple[int, int]:
    """Address and size in bytes."""
    met = _met.get(id(view))
    if met is None or met[0]() is not view:
        if len(_met) >= _MOST_MET:
            _met.clear()
        met = (weakref.ref(view), np.frombuffer(view, np.uint8).ctypes.data, view.nbytes)
        _met[id(view)] = met
    return met[1], met[2]
