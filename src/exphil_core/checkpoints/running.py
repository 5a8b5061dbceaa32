"""Which names are being trained right now, known by a lock that ends with its process, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from exphil_core.checkpoints.paths import identity
from exphil_core.errors import ExphilError

if TYPE_CHECKING:
    from filelock import BaseFileLock

FOLDER = ".running"


@contextmanager
def running(folder: Path, stem: str) -> Iterator[None]:
    """While this is held, `stem` is in training: it is not pruned or archived, and nobody else resumes it."""
    path = _path(folder, stem)
    held = _taken(path)
    if held is None:
        raise ExphilError(f'"{stem}" in {folder} is being trained by another process; wait for it or end it')
    try:
        yield
    finally:
        _give_up(path, held)


def is_running(folder: Path, stem: str) -> bool:
    """Whether some process holds `running` for `stem`. What a killed one left behind is removed."""
    path = _path(folder, stem)
    if not path.exists():
        return False
    held = _taken(path)
    if held is None:
        return True
    _give_up(path, held)
    return False


def _taken(path: Path) -> BaseFileLock | None:
    from filelock import FileLock, Timeout

    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0, thread_local=False)  # another thread may give it up
        try:
            lock.acquire()
        except Timeout:
            return None
        except FileNotFoundError:
            continue  # whoever was last removed the folder that we had just made
        if path.exists():
            return lock
        lock.release()  # whoever had it before has just removed the file: ours would be a lock on nothing


def _give_up(path: Path, held: BaseFileLock) -> None:
    # Removed while it is held, so that nobody else's is. Windows can't; filelock removes it there.
    with suppress(OSError):
        path.unlink()
    held.release()
    with suppress(OSError):
        path.parent.rmdir()


def _path(folder: Path, stem: str) -> Path:
    return folder / FOLDER / f"{identity(stem)}.lock"
