"""The registry file's content: how it is read, written and derived from the config files."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exphil_core.checkpoints.config_file import read_entry
from exphil_core.checkpoints.entry import ModelEntry, entries_from_json, entry_to_json
from exphil_core.checkpoints.files import CONFIG, walk
from exphil_core.checkpoints.leaderboard import leaderboard
from exphil_core.errors import ExphilError, UnknownName, did_you_mean, unknown_name

SCHEMA = 1

# How `registry_text` lays out the file.
_HEAD = f'{{\n  "schema": {SCHEMA},\n  "models": [\n'.encode()
_TAIL = b'\n  ],\n  "leaderboard": '
_LINE = re.compile(rb'^    (\{"id": "([^"\\]+)", .*\}),?$', re.MULTILINE)

Models = dict[str, ModelEntry]


class RegistryError(ExphilError):
    """The registry can't do what was asked; nothing was changed."""


class CorruptRegistryError(Exception):
    """What is wrong with the file."""


def parse(content: bytes, source: str) -> Models:
    """Read a registry file. Raises CorruptRegistryError, RegistryError if a newer version wrote it."""
    with _without_gc():
        return _parsed(content, source)


@contextmanager
def _without_gc() -> Iterator[None]:
    # A million new objects and none to free: looking for garbage would take a quarter of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _parsed(content: bytes, source: str) -> Models:
    try:
        document = json.loads(content)
        schema, rows = document["schema"], document["models"]
    except (ValueError, RecursionError) as error:
        raise CorruptRegistryError(f"not JSON: {error}") from None
    except (KeyError, TypeError, IndexError):
        raise CorruptRegistryError("not a registry") from None
    if type(schema) is int and schema > SCHEMA:
        raise RegistryError(
            f"{source} was written by a newer ExPhil (schema {schema}, this one knows {SCHEMA}); "
            "update with `pip install -U exphil-core`"
        )
    if schema != SCHEMA or not isinstance(rows, list):
        raise CorruptRegistryError("not a registry")
    try:
        models = {entry.id: entry for entry in entries_from_json(rows)}
    except ValueError as error:
        raise CorruptRegistryError(str(error)) from None
    if len(models) < len(rows):
        raise CorruptRegistryError("an id stands twice")
    return models


# json.dumps(indent=2) is pure Python; a line each takes a fraction of its time and reads well in a diff.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def line_of(entry: ModelEntry) -> bytes:
    """A model's line in the file, without indentation and comma. What is no UTF-8 is escaped."""
    return _encode(entry_to_json(entry)).encode("utf-8", "backslashreplace")


def registry_text(models: Iterable[ModelEntry]) -> bytes:
    """The registry file's content: a line a model, in an order that depends on the models alone."""
    ordered = sorted(models, key=lambda entry: (entry.created_at, entry.id))
    rows = b",\n    ".join(map(line_of, ordered)).decode()
    best = json.dumps(leaderboard(ordered), ensure_ascii=False, indent=2).replace("\n", "\n  ")
    body = f"\n    {rows}\n  " if rows else ""
    return f'{{\n  "schema": {SCHEMA},\n  "models": [{body}],\n  "leaderboard": {best}\n}}\n'.encode(
        "utf-8", "backslashreplace"
    )


def scan(folder: Path) -> tuple[Models, list[str]]:
    """The models that the config files below `folder` tell of, and a line for each one left out."""
    models: Models = {}
    problems = []
    for relative in walk(folder):
        if not relative.endswith(CONFIG):
            continue
        try:
            entry = read_entry(folder, relative)
        except (ExphilError, OSError) as error:
            problems.append(f"left out: {error}")
            continue
        if entry.config_path != relative:
            problems.append(
                f"left out: {relative} says that it belongs at {entry.config_path}; "
                "move its files there, or copy them elsewhere and run `exphil registry import`"
            )
        elif entry.id in models:
            problems.append(f'left out: {relative}, another model has the id "{entry.id}"')
        else:
            models[entry.id] = entry
    return dict(sorted(models.items(), key=lambda item: (item[1].created_at, item[0]))), problems


def split(content: bytes) -> dict[str, bytes] | None:
    """The line of each model by id, unread; None for a file that isn't laid out as `registry_text` does."""
    body = content[len(_HEAD) : content.rfind(_TAIL)]
    if not content.startswith(_HEAD) or not content.endswith(b"\n}\n") or _TAIL not in content:
        return None
    lines = {match[2].decode(errors="replace"): match[1] for match in _LINE.finditer(body)}
    return lines if len(lines) == body.count(b"\n") + 1 else None


def find_id(ids: Collection[str], name: str) -> str:
    """The id that is `name` or alone starts with it. Raises UnknownName."""
    if name in ids:
        return name
    matches = [id for id in ids if id.startswith(name)] if name else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(matches[:10]) + (f" and {len(matches) - 10} more" if len(matches) > 10 else "")
        raise UnknownName(f'model "{name}" is ambiguous: {shown}')
    if len(ids) <= 10:
        raise unknown_name("model", name, ids)
    raise UnknownName(f'unknown model "{name}"{did_you_mean(name, ids) or "; see `exphil registry list`"}')
