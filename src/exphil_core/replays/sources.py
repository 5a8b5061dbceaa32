"""Which files the user means: paths, folders (searched recursively) and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from exphil_core.errors import ExphilError, did_you_mean

SUFFIX = ".slp"


def find_replays(sources: Iterable[str]) -> list[Path]:
    """All replay files that `sources` name, sorted, each once.

    Raises ExphilError for a path that isn't there and for a source without a replay: silence would train on
    less than the user thinks.
    """
    found: dict[Path, None] = {}
    for source in sources:
        files = _expanded(source)
        if not files:
            raise ExphilError(f'no {SUFFIX} files in "{source}"')
        found.update(dict.fromkeys(files))
    return sorted(found)


def expanded(source: str) -> Path:
    """The path that the user typed, `~` resolved."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise ExphilError(f'there is no such user\'s home: "{source}"') from None


def _below(folder: Path) -> list[Path]:
    """Replays in `folder` and below, behind linked folders too; each real folder once, so that circles end."""
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(parent) / name for name in files if name.lower().endswith(SUFFIX)]
    return found


def _expanded(source: str) -> list[Path]:
    path = expanded(source)
    if path.is_dir():
        return _below(path)
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207  (absolute patterns too)
        # A match that can't be opened (a link to nowhere) is left out later, with its reason.
        return [file for match in sorted(matches) for file in (_below(match) if match.is_dir() else [match])]
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ExphilError(f'there is no file or folder "{source}"{did_you_mean(path.name, siblings)}')
