"""Numpy columns out of peppi's struct array, at the rows that count.

All of its buffers come in one call and are found by their place: pyarrow makes a new object for each field on the way
to a column and another for its type, 5 to 10 µs a column. Its `to_numpy` fails on nulls, and with copies it turns
integers with nulls into floats; the buffers themselves are right where `valid` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

_TYPES = {
    "float": np.float32, "uint8": np.uint8, "int8": np.int8, "uint16": np.uint16,
    "int16": np.int16, "int32": np.int32, "uint32": np.uint32,
}  # fmt: skip
Names = tuple[str, ...]
Rows = npt.NDArray[np.intp]
# What the values of a list are called among the names that lead to a field.
_VALUES = "[]"
# Struct types whose buffers' places are known, the last one used first: a folder of replays has a few (versions of
# Slippi, ports). Comparing two takes 1 µs.
_known: list[tuple[Any, Mapping[Names, _Place]]] = []
_MOST_KNOWN = 32


@attrs.frozen
class _Place:
    """Where the buffers of a field stand among all: its validity, then its data, which a struct has none of."""

    validity: int
    dtype: np.dtype[Any] = np.dtype(np.void)


@attrs.frozen(eq=False)
class Struct:
    """A struct array, or one inside it, at some of its rows. A column is looked up once; null rows hold anything."""

    length: int
    _buffers: Sequence[Any]
    _places: Mapping[Names, _Place]
    _rows: Rows | None = None  # None: the first `length`
    _here: Names = ()
    _columns: dict[Names, npt.NDArray[Any]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, array: Any) -> Struct:
        """All of pyarrow's `array`, which is no slice of another."""
        assert array.offset == 0
        return cls(len(array), array.buffers(), _places_in(array.type))

    def __len__(self) -> int:
        return self.length

    def at(self, rows: Rows) -> Struct:
        """The same at some of its rows."""
        kept = rows if self._rows is None else self._rows[rows]
        count = len(kept)
        # Columns of the first rows need no copy: most games played offline have no other.
        consecutive = count == 0 or (kept[-1] == count - 1 and (kept == np.arange(count)).all())
        return Struct(count, self._buffers, self._places, None if consecutive else kept, self._here)

    def child(self, *names: str) -> Struct | None:
        """The struct at `names` in this one, or None where this replay's version doesn't have it."""
        path = (*self._here, *names)
        if path not in self._places:
            return None
        return Struct(self.length, self._buffers, self._places, self._rows, path, self._columns)

    def get(self, *names: str) -> npt.NDArray[Any] | None:
        """The leaf at `names`, read-only or a copy, or None where it is missing."""
        path = (*self._here, *names)
        column, place = self._columns.get(path), self._places.get(path)
        if column is None and place is not None:
            column = self._data(place)[: self.length] if self._rows is None else self._data(place)[self._rows]
            self._columns[path] = column
        return column

    def column(self, *names: str) -> npt.NDArray[Any]:
        """The same of a leaf that every version has."""
        found = self.get(*names)
        assert found is not None, names
        return found

    def listed(self, name: str) -> int:
        """How many values the lists `name` hold in all of these rows; 0 where this replay's version has none."""
        place = self._places.get((*self._here, name))
        if place is None:
            return 0
        bounds = self._data(place)
        if self._rows is None:
            return int(bounds[self.length] - bounds[0])
        return int((bounds[self._rows + 1] - bounds[self._rows]).sum())

    def ragged(self, name: str) -> tuple[Rows, Struct] | None:
        """The lists `name` in these rows, one after the other: the row here of each value, and the values. None where
        this replay's version doesn't have them."""
        path = (*self._here, name)
        place = self._places.get(path)
        if place is None:
            return None
        bounds = self._data(place).astype(np.intp)
        if self._rows is None:
            bounds = bounds[: self.length + 1]
            counts, picked = np.diff(bounds), np.arange(bounds[0], bounds[-1])
        else:
            starts, counts = bounds[self._rows], bounds[self._rows + 1] - bounds[self._rows]
            picked = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        values = Struct(int(bounds[-1]), self._buffers, self._places, None, (*path, _VALUES))
        return np.repeat(np.arange(self.length), counts), values.at(picked)

    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Which rows of this struct are there; None if all are."""
        bits = self._buffers[self._places[self._here].validity]
        if bits is None:
            return None
        there = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little").view(bool)
        there = there[: self.length] if self._rows is None else there[self._rows]
        return None if there.all() else there

    def _data(self, place: _Place) -> npt.NDArray[Any]:
        buffer = self._buffers[place.validity + 1]
        # It may be longer than its array.
        return np.frombuffer(buffer, place.dtype) if buffer else np.zeros(0, place.dtype)


def _places_in(kind: Any) -> Mapping[Names, _Place]:
    for at, (known, places) in enumerate(_known):
        if known.equals(kind):
            _known.insert(0, _known.pop(at))
            return places
    found: dict[Names, _Place] = {}
    _walk(kind, (), 0, found)
    _known.insert(0, (kind, found))
    del _known[_MOST_KNOWN:]
    return found


def _walk(kind: Any, path: Names, at: int, places: dict[Names, _Place]) -> int:
    """Note where the buffers of a field of this type stand, the first at `at`. Gives where the next field's do."""
    from pyarrow import types

    if types.is_struct(kind):
        places[path] = _Place(at)
        at += 1
        for field in kind:
            at = _walk(field.type, (*path, field.name), at, places)
        return at
    if types.is_list(kind):
        places[path] = _Place(at, np.dtype(np.int32))
        return _walk(kind.value_type, (*path, _VALUES), at + 2, places)
    places[path] = _Place(at, np.dtype(_TYPES[str(kind)]))
    return at + 2
