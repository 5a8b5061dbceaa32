"""Which names are being trained right now, known by a lock that ends with its process, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exphil_core.checkpoints.paths import identity
from exphil_core.errors import ExphilError

FOLDER = ".running"


@contextmanager
def running(folder: Path, stem: str) -> Iterator[None]:
    """While this is held, `stem` is in training: it is not pruned or archived, and nobody else resumes it."""
    from filelock import FileLock, Timeout

    path = _path(folder, stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(path, timeout=0).acquire()
    except Timeout:
        raise ExphilError(
            f'"{stem}" in {folder} is being trained by another process; wait for it or end it'
        ) from None
    with held:
        yield


def is_running(folder: Path, stem: str) -> bool:
    """Whether some process holds `running` for `stem`. What a killed one left behind is removed."""
    from filelock import FileLock, Timeout

    path = _path(folder, stem)
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _path(folder: Path, stem: str) -> Path:
    return folder / FOLDER / f"{identity(stem)}.lock"
