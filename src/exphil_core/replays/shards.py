"""Shards: arrays of many games in one file that is mapped into memory, and beside it an index in JSON.

`NAME.bin` holds the arrays one after the other, each from a multiple of 64 bytes on; `NAME.json` says which games'
rows stand where, and is written last: a shard without it doesn't exist. Nothing is ever changed once it is there, so
that any number of processes may read and write shards in one folder, each shard under a name of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.checkpoints.atomic import TEMPORARY, write_bytes, writing
from exphil_core.checkpoints.running import is_running, running

FORMAT = 1
DATA, INDEX = ".bin", ".json"
ALIGNMENT = 64
# A shard is finished when it has so much: about 100 games.
SHARD_BYTES = 256 << 20
# The disk is told to write what has come together so often, not all at the end when somebody waits for it.
SYNCED_BYTES = 32 << 20

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
    """Writes shards into a folder, each under a name of its own. No shard is there before `flush`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unfinished: _Unfinished | None = None

    def add(self, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """One game: `facts` are plain values, among them its content's `sha256`. Much at once is finished at once.

        On OSError, here as in `flush`, all that was added since the last one is forgotten and nothing of it is left.
        """
        if self._unfinished is None:
            self._unfinished = _Unfinished(self.folder)
        with self._forgotten_if_it_fails():
            self._unfinished.add(facts, arrays)
        if self._unfinished.nbytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Finish what was added as a shard. Durable when it returns."""
        self.finish().result()

    def finish(self) -> Future[None]:
        """The same without waiting: done when it is durable, or failed with the OSError. What is added meanwhile goes
        to another shard."""
        done: Future[None] = Future()
        done.set_result(None)
        try:
            with self._forgotten_if_it_fails():
                if self._unfinished is not None:
                    done = self._unfinished.finish()
        except OSError as error:
            done = Future()
            done.set_exception(error)
        self._unfinished = None
        return done

    @contextlib.contextmanager
    def _forgotten_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            unfinished, self._unfinished = self._unfinished, None
            if unfinished is not None:
                unfinished.give_up(error)
            raise


class _Unfinished:
    """A shard that is being written. The first array of each game, by far the largest, goes to the file at once, the
    others at the end: its memory is used again while it is in the processor's caches, and the disk writes while the
    next game is read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.nbytes = 0
        name = secrets.token_hex(8)
        self._data, self._index = (folder / f"{name}{ending}" for ending in (DATA, INDEX))
        self._games: list[Mapping[str, Any]] = []
        self._arrays: dict[str, _Rows] = {}
        self._end = self._synced = 0
        self._lock, self._open = contextlib.ExitStack(), contextlib.ExitStack()
        # Tells others that our unfinished files are no leftovers.
        self._lock.enter_context(running(folder, name))
        self._file = self._open.enter_context(writing(self._data))
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="exphil-disk")
        self._syncing: Future[None] | None = None

    def add(self, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """The next game."""
        for name, array in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = _Rows(name, array, len(self._games))
        self._games.append(facts)
        for name, rows in self._arrays.items():
            rows.add(arrays.get(name))
        self.nbytes += sum(array.nbytes for array in arrays.values())
        self._write(next(iter(self._arrays.values())))

    def finish(self) -> Future[None]:
        """Write the rest and, when that is on the disk, the index; nobody waits for the disk but its own thread."""
        for rows in self._arrays.values():
            self._write(rows)
        finishing = self._disk.submit(self._complete)
        self._disk.shutdown(wait=False)
        return finishing

    def _complete(self) -> None:
        try:
            self._wait_for_disk()
            self._open.close()
            try:
                text = json.dumps(
                    self._document(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
                )
                write_bytes(self._index, text.encode())
            except BaseException:
                self._data.unlink(missing_ok=True)
                raise
        except BaseException as error:
            self._leave_nothing(error)
            raise
        self._lock.close()

    def give_up(self, error: BaseException) -> None:
        """Leave nothing of it."""
        self._disk.shutdown()
        self._leave_nothing(error)

    def _leave_nothing(self, error: BaseException) -> None:
        with contextlib.suppress(BaseException):
            self._open.__exit__(type(error), error, error.__traceback__)
        self._lock.close()

    def _write(self, rows: _Rows) -> None:
        if rows.offset < 0:
            gap = -self._end % ALIGNMENT
            self._file.write(b"\0" * gap)
            self._end += gap
            rows.offset = self._end
        for block in rows.blocks():
            self._file.write(block)
            self._end += len(block)
        if self._end - self._synced >= SYNCED_BYTES:
            self._wait_for_disk()
            self._file.flush()
            self._synced = self._end
            self._syncing = self._disk.submit(os.fsync, self._file.fileno())

    def _wait_for_disk(self) -> None:
        """Raises what it said."""
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            syncing.result()

    def _document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "bytes": self._end,
            "games": [dict(facts) for facts in self._games],
            "arrays": [rows.entry() for rows in self._arrays.values()],
        }


class _Rows:
    """One array of a shard as it grows; the `games` before it had none of that name."""

    def __init__(self, name: str, first: Array, games: int) -> None:
        self.offset = -1
        self._name, self._dtype, self._row = name, first.dtype, first.shape[1:]
        self._digest, self._count = hashlib.sha256(), 0
        self._starts, self._counts = [-1] * games, [0] * games
        self._waiting: list[Array] = []

    def add(self, array: Array | None) -> None:
        """The next game's."""
        self._starts.append(-1 if array is None else self._count)
        self._counts.append(0 if array is None else len(array))
        if array is not None and len(array):
            self._waiting.append(array)
            self._count += len(array)

    def blocks(self) -> Iterator[memoryview]:
        """The bytes of what was added since the last time."""
        for array in self._waiting:
            content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            self._digest.update(content)
            yield content
        self._waiting.clear()

    def entry(self) -> dict[str, Any]:
        """What the index says of it."""
        return {
            "name": self._name,
            "dtype": self._dtype.str,
            "shape": [self._count, *self._row],
            "offset": self.offset,
            "sha256": self._digest.hexdigest(),
            "start": self._starts,
            "count": self._counts,
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


def _name_of(path: Path) -> str:
    """The shard that a file belongs to, also under its temporary name."""
    return path.name.lstrip(".").partition(".")[0]


def clean(folder: Path) -> None:
    """Delete what dead processes left unfinished; what live ones are at work on stays."""
    if not folder.is_dir():
        return
    whole = set(shard_names(folder))
    for path in folder.iterdir():
        unfinished = TEMPORARY in path.name or (path.suffix == DATA and path.stem not in whole)
        if not path.is_file() or not unfinished or is_running(folder, _name_of(path)):
            continue
        # Its writer may have finished it since we looked.
        if path.suffix != DATA or not path.with_suffix(INDEX).exists():
            with contextlib.suppress(OSError):
                path.unlink()
