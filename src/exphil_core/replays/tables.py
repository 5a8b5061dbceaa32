"""The files that a run's settings name, `--weights` and `--exclude-file`: read once, so that what stood in them can
be kept with the run, which goes on with that whatever becomes of the files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.replays.sources import expanded, from_folder

NAMES = ("weights", "exclude_file")
Tables = Mapping[str, str]


def read_tables(config: TrainConfig) -> dict[str, str]:
    """The text of each such file, by the setting that names it. Raises ExphilError for one that can't be read."""
    return {name: read_table(name, path) for name in NAMES if (path := getattr(config, name)) is not None}


def read_table(name: str, path: str) -> str:
    """The text of the file that the setting `name` names. Raises ExphilError if it can't be read."""
    try:
        return expanded(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise ExphilError(f"--{name.replace('_', '-')} {path}: {said or error}") from None


def digests(tables: Tables) -> dict[str, str]:
    """The SHA-256 of each text."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in tables.items()}


def changed_since(config: TrainConfig, before: Mapping[str, str], folder: str) -> list[str]:
    """The settings whose files are gone or say something else than when their `digests` were taken, by a process in
    `folder`."""
    changed = []
    for name, digest in before.items():
        try:
            now = digests({name: read_table(name, from_folder(getattr(config, name), folder))})[name]
        except ExphilError:
            now = ""
        if now != digest:
            changed.append(name)
    return changed
