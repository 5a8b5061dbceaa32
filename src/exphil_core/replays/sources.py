"""Which files the user means: paths, folders (searched recursively) and globs."""

from __future__ import annotations

import glob
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


def _expanded(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        return [file for file in path.rglob("*") if file.suffix.lower() == SUFFIX and file.is_file()]
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207  (absolute patterns too)
        return [file for match in sorted(matches) for file in _expanded(match)]
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ExphilError(f'there is no file or folder "{source}"{did_you_mean(path.name, siblings)}')
