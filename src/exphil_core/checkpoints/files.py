"""The files that one model leaves: siblings that share its stem."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from exphil_core.checkpoints.atomic import TEMPORARY
from exphil_core.checkpoints.paths import ARCHIVE, inside, is_link

WEIGHTS, POLICY, CONFIG = ".safetensors", "_policy.safetensors", "_config.json"
METRICS, STATE = "_metrics.jsonl", ".state"
# The longer ending first: `x_policy.safetensors` is the policy of x, not the weights of x_policy.
ENDINGS = (POLICY, WEIGHTS, CONFIG, METRICS, STATE)


def sibling(stem: str, ending: str) -> str:
    """The relative path of one of a model's files. Stems may hold dots: endings are added, never replaced."""
    return f"{stem}{ending}"


def stem_of(relative: str) -> str | None:
    """The stem of a model's file, or None for any other file."""
    for ending in ENDINGS:
        if relative.endswith(ending) and len(relative) > len(ending):
            return relative[: -len(ending)]
    return None


def archived_stem(stem: str) -> str:
    """Where a model stands once it is archived."""
    return f"{ARCHIVE}/{stem}"


def present(folder: Path, stem: str) -> list[str]:
    """Those siblings of `stem` that exist, as relative paths. Raises UnsafePathError on a symbolic link."""
    found = []
    for ending in ENDINGS:
        relative = sibling(stem, ending)
        if os.path.lexists(inside(folder, relative)):
            found.append(relative)
    return found


def walk(folder: Path) -> Iterator[str]:
    """Every model file below `folder` (state folders as one), relative and POSIX, in a fixed order.

    Hidden names, symbolic links and what stands inside state folders are passed over.
    """
    yield from _walk(folder, "")


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        relative = prefix + entry.name
        if entry.is_dir(follow_symlinks=False) and not entry.name.endswith(STATE):
            if not is_link(folder / entry.name):
                yield from _walk(folder / entry.name, f"{relative}/")
        elif stem_of(relative) is not None:
            yield relative


def size_of(path: Path) -> int:
    """Bytes that deleting `path` (a file or a whole folder) would free; links are not followed."""
    try:
        if path.is_dir() and not is_link(path):
            return sum(size_of(child) for child in path.iterdir())
        status = os.lstat(path)
    except FileNotFoundError:
        return 0  # a moment ago it was there
    return status.st_size if status.st_nlink == 1 else 0


def sweep(folder: Path, seconds: float = 86_400.0) -> int:
    """Remove temporary files that killed writers left more than `seconds` ago. Returns the bytes freed."""
    limit, freed = time.time() - seconds, 0
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return 0
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            freed += 0 if is_link(Path(entry.path)) else sweep(Path(entry.path), seconds)
        elif entry.name.startswith(".") and TEMPORARY in entry.name and entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            if status.st_mtime < limit:
                Path(entry.path).unlink(missing_ok=True)
                freed += status.st_size
    return freed
