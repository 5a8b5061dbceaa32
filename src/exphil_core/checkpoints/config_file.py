"""A model's config file: everything about how it was made. The registry is derived from these files.

    {"schema": 1,
     "model": {the registry's entry, as it is},
     "config": {resolved settings}, "origins": {where each came from},
     "results": {"val_loss", "val_loss_change", "baseline_repeat", "baseline_marginal", "validation_frames",
                 "validation_games": [hashes], "parts": {...}, "history": [one object an epoch]},
     "data": {"replays": number of training games, ...}, "observation": {...}, "provenance": {...}}

What a later version or a person adds is kept when tags are rewritten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exphil_core.checkpoints.atomic import write_json
from exphil_core.checkpoints.entry import ModelEntry, entry_from_json, entry_to_json
from exphil_core.checkpoints.paths import inside
from exphil_core.errors import ExphilError

SCHEMA = 1
SECTIONS = ("config", "origins", "results", "data", "observation", "provenance")
MAX_BYTES = 64 * 2**20  # a config file is some kilobytes; anything larger isn't one


class ConfigFileError(ExphilError):
    """A config file that can't be read as one."""


def config_document(entry: ModelEntry, **sections: Any) -> dict[str, Any]:
    """The whole content of a config file: the entry and any of `SECTIONS`."""
    unknown = sections.keys() - set(SECTIONS)
    if unknown:
        raise TypeError(f"a config file has no section {', '.join(sorted(unknown))}")
    filled = {name: sections.get(name, {}) for name in SECTIONS}
    return {"schema": SCHEMA, "model": entry_to_json(entry), **filled}


def write_config(folder: Path, entry: ModelEntry, **sections: Any) -> None:
    """Write a new model's config file, as its last file before `Registry.add`."""
    write_document(folder, entry.config_path, config_document(entry, **sections))


def write_document(folder: Path, relative: str, document: dict[str, Any]) -> None:
    """Write a config file's whole content."""
    write_json(inside(folder, relative), document)


def read_document(folder: Path, relative: str) -> dict[str, Any]:
    """A config file's whole content. Raises ConfigFileError, OSError if it can't be opened."""
    path = inside(folder, relative)
    if path.stat().st_size > MAX_BYTES:
        raise ConfigFileError(f"{path}: too large for a config file")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"{path}: not JSON ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise ConfigFileError(f"{path}: not a model's config file")
    if schema > SCHEMA:
        raise ConfigFileError(
            f"{path}: written by a newer ExPhil (schema {schema}, this one knows {SCHEMA}); "
            "update with `pip install -U exphil-core`"
        )
    for name in SECTIONS:
        if not isinstance(document.get(name, {}), dict):
            raise ConfigFileError(f"{path}: {name} is a {type(document[name]).__name__}, not an object")
    result: dict[str, Any] = document
    return result


def read_entry(folder: Path, relative: str) -> ModelEntry:
    """The registry's entry in a config file. Raises ConfigFileError."""
    return entry_of(read_document(folder, relative), str(folder / relative))


def entry_of(document: dict[str, Any], source: str) -> ModelEntry:
    """The entry in a config file's content; `source` is for the error."""
    try:
        return entry_from_json(document.get("model"))
    except ValueError as error:
        raise ConfigFileError(f"{source}: {error}") from error


def rewrite_entry(folder: Path, entry: ModelEntry) -> None:
    """Change the entry in its config file and nothing else in it; hold the registry's lock."""
    document = read_document(folder, entry.config_path)
    if document.get("model") != entry_to_json(entry):
        write_json(
            inside(folder, entry.config_path), {**document, "model": entry_to_json(entry)}, locked=True
        )
