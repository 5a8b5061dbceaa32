"""Shards: arrays of many games in one file that is mapped into memory, and beside it an index in JSON.

`NAME.bin` holds the arrays one after the other, each from a multiple of 64 bytes on; `NAME.json` says which games'
rows stand where, and is written last: a shard without it doesn't exist. Nothing is ever changed once it is there, so
that any number of processes may read and write shards in one folder, each writer under names of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.checkpoints.atomic import TEMPORARY, write_bytes
from exphil_core.checkpoints.running import is_running, running

FORMAT = 1
DATA, INDEX = ".bin", ".json"
ALIGNMENT = 64
# What a writer holds in memory before it writes: about 100 games.
SHARD_BYTES = 256 << 20

# Before Python 3.13, a map keeps a file handle of its own, of which a process has a thousand or so.
_NO_HANDLE: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}

Array = npt.NDArray[Any]


class DamagedShard(Exception):
    """What is wrong with a shard."""


@attrs.frozen(kw_only=True, eq=False)
class ShardArray:
    """One array of a shard, (rows, …): where it stands in the file, and which rows are whose. A game without it
    starts at -1."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    sha256: str
    start: npt.NDArray[np.int64]  # (games,)
    count: npt.NDArray[np.int64]  # (games,)

    @property
    def row_bytes(self) -> int:
        """Size of a row."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Size of the whole array."""
        return self.shape[0] * self.row_bytes


@attrs.frozen(kw_only=True, eq=False)
class Shard:
    """A shard that was checked: its index parses, and its data is as long as the index says."""

    folder: Path
    name: str
    sha256: npt.NDArray[np.bytes_]  # (games,) of 32 bytes
    arrays: Mapping[str, ShardArray]
    nbytes: int

    def __len__(self) -> int:
        return len(self.sha256)

    def facts(self) -> list[dict[str, Any]]:
        """What the index says of each game. Read anew: kept for all shards, it would fill the memory."""
        games: list[dict[str, Any]] = _document(self.folder, self.name)["games"]
        return games

    def mapped(self) -> memoryview:
        """The data, in the page cache and nowhere else. Raises OSError or DamagedShard if it went away."""
        path = self.folder / (self.name + DATA)
        with path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, **_NO_HANDLE))
        if len(view) != self.nbytes:
            raise DamagedShard(f"{path.name} has {len(view)} bytes, not {self.nbytes}")
        return view

    def check_content(self) -> None:
        """Compare every array with its sha256. Raises DamagedShard."""
        view = self.mapped()
        for name, array in self.arrays.items():
            content = view[array.offset : array.offset + array.nbytes]
            if hashlib.sha256(content).hexdigest() != array.sha256:
                raise DamagedShard(f"its array {name} is not what was written")


class ShardWriter:
    """Writes shards into a folder, under names of its own. Nothing stands there before `flush`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer, self._number = secrets.token_hex(8), 0
        self._games: list[tuple[Mapping[str, Any], Mapping[str, Array]]] = []
        self._bytes = 0

    def add(self, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """One game: `facts` are plain values, among them its content's `sha256`. Much at once is written at once."""
        self._games.append((facts, arrays))
        self._bytes += sum(array.nbytes for array in arrays.values())
        if self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added as a shard. Durable when it returns; on OSError, nothing of it is left and it is
        forgotten."""
        games, self._games, self._bytes = self._games, [], 0
        if not games:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{self._writer}-{self._number}"
        self._number += 1
        # Tells others that our unfinished files are no leftovers.
        with running(self.folder, self._writer):
            self._write(name, _Layout(games))

    def _write(self, name: str, layout: _Layout) -> None:
        data = self.folder / (name + DATA)
        try:
            write_bytes(data, layout.blocks())
            text = json.dumps(layout.document(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            write_bytes(self.folder / (name + INDEX), text.encode())
        except BaseException:
            data.unlink(missing_ok=True)
            raise


class _Layout:
    """Where each array of each game goes in a file."""

    def __init__(self, games: Sequence[tuple[Mapping[str, Any], Mapping[str, Array]]]) -> None:
        self._games = games
        self._names = list(dict.fromkeys(name for _, arrays in games for name in arrays))
        self._entries: list[dict[str, Any]] = []
        self._end = 0

    def blocks(self) -> Iterator[bytes | memoryview]:
        """The file's bytes."""
        for name in self._names:
            gap = -self._end % ALIGNMENT
            yield b"\0" * gap
            self._end += gap
            yield from self._array(name)

    def _array(self, name: str) -> Iterator[bytes | memoryview]:
        digest, first, rows = hashlib.sha256(), next(a[name] for _, a in self._games if name in a), 0
        starts, counts, offset = [], [], self._end
        for _, arrays in self._games:
            array = arrays.get(name)
            starts.append(-1 if array is None else rows)
            counts.append(0 if array is None else len(array))
            if array is None or not len(array):
                continue
            content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            digest.update(content)
            yield content
            rows, self._end = rows + len(array), self._end + array.nbytes
        self._entries.append(
            {
                "name": name,
                "dtype": first.dtype.str,
                "shape": [rows, *first.shape[1:]],
                "offset": offset,
                "sha256": digest.hexdigest(),
                "start": starts,
                "count": counts,
            }
        )

    def document(self) -> dict[str, Any]:
        """The index of what `blocks` gave."""
        return {
            "format": FORMAT,
            "bytes": self._end,
            "games": [dict(facts) for facts, _ in self._games],
            "arrays": self._entries,
        }


def _document(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / (name + INDEX)).read_bytes())
    return document


def open_shard(folder: Path, name: str) -> tuple[Shard, list[dict[str, Any]]]:
    """The shard called `name`, checked but for its content, and the facts of its games.

    Raises DamagedShard with what is wrong, FileNotFoundError if it was deleted meanwhile.
    """
    try:
        document = _document(folder, name)
        if document["format"] != FORMAT:
            raise DamagedShard(f"format {document['format']}, not {FORMAT}")
        games = document["games"]
        shard = Shard(
            folder=folder,
            name=name,
            sha256=np.array([bytes.fromhex(facts["sha256"]) for facts in games], "S32"),
            arrays={entry["name"]: _shard_array(entry) for entry in document["arrays"]},
            nbytes=document["bytes"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedShard(f"its index is damaged ({type(error).__name__}: {error})") from None
    size = (folder / (name + DATA)).stat().st_size
    if size != shard.nbytes:
        raise DamagedShard(f"its data has {size} bytes, not {shard.nbytes}")
    for label, array in shard.arrays.items():
        inside = 0 <= array.offset <= array.offset + array.nbytes <= size
        whole = len(array.start) == len(array.count) == len(games) and array.count.sum() == array.shape[0]
        if not inside or not whole or (array.start + array.count > array.shape[0]).any():
            raise DamagedShard(f"the rows of its array {label} don't add up")
    return shard, games


def _shard_array(entry: Mapping[str, Any]) -> ShardArray:
    dtype = np.dtype(entry["dtype"])
    if dtype.hasobject:
        raise ValueError(f"{dtype} is no type of plain numbers")
    return ShardArray(
        dtype=dtype,
        shape=tuple(entry["shape"]),
        offset=entry["offset"],
        sha256=entry["sha256"],
        start=np.array(entry["start"], np.int64),
        count=np.array(entry["count"], np.int64),
    )


def shard_names(folder: Path) -> list[str]:
    """All shards of a folder, sorted."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name[: -len(INDEX)] for path in folder.glob(f"*{INDEX}") if not path.name.startswith(".")
    )


def delete_shard(folder: Path, name: str) -> bool:
    """Delete a shard, its index first. False where the platform refuses, as Windows does while it is mapped."""
    try:
        for ending in (INDEX, DATA):
            (folder / (name + ending)).unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


def clean(folder: Path) -> None:
    """Delete what dead writers left unfinished; what live ones are at work on stays."""
    if not folder.is_dir():
        return
    whole = set(shard_names(folder))
    for path in folder.iterdir():
        unfinished = TEMPORARY in path.name or (path.suffix == DATA and path.stem not in whole)
        writer = path.name.lstrip(".").partition("-")[0]
        if not path.is_file() or not unfinished or is_running(folder, writer):
            continue
        # Its writer may have finished it since we looked.
        if path.suffix != DATA or not path.with_suffix(INDEX).exists():
            with contextlib.suppress(OSError):
                path.unlink()
