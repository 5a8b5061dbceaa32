"""The registry of models: `registry.json` in the checkpoints folder, derived from the models' config files.

Readers take no lock, since the file is only ever replaced whole. Whoever changes it holds the lock from
reading to writing: without one, 32 of 200 entries of eight writers survived; with it all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import attrs

from exphil_core.checkpoints import config_file
from exphil_core.checkpoints.atomic import replace, write_bytes
from exphil_core.checkpoints.entry import ModelEntry, entry_from_json, entry_to_json, tag_problem
from exphil_core.checkpoints.files import CONFIG, walk
from exphil_core.checkpoints.leaderboard import leaderboard
from exphil_core.errors import ExphilError, UnknownName, UsageError, did_you_mean, unknown_name

FILE = "registry.json"
SCHEMA = 1
LOCK_SECONDS = 60.0

Models = dict[str, ModelEntry]


class RegistryError(ExphilError):
    """The registry can't do what was asked; nothing was changed."""


class _CorruptError(Exception):
    """What is wrong with the file."""


def say(line: str) -> None:
    """Where a registry's notices go unless told otherwise."""
    print(f"exphil: {line}", file=sys.stderr)


class Registry:
    """The models of one checkpoints folder, which need not exist yet. Creating one touches nothing."""

    def __init__(self, folder: Path, notify: Callable[[str], None] = say) -> None:
        self.folder = folder
        self.file = folder / FILE
        self._notify = notify
        self._depth = 0

    def models(self) -> list[ModelEntry]:
        """All models, archived ones included, by creation and id."""
        return list(self._read().values())

    def create(self) -> None:
        """Start an empty registry in a folder that has no models yet; hold the lock."""
        if not self._read() and not self.file.exists():
            self._write({})

    def get(self, name: str) -> ModelEntry:
        """The model with this id, or the only one whose id starts so. Raises UnknownName."""
        return find(self._read(), name)

    def add(self, entry: ModelEntry, replace: bool = False) -> None:
        """Register a model whose config file stands already (`config_file.write_config`).

        Adding the same entry twice does no harm. Another one of that id is refused unless `replace`, for a
        resumed run; tags that were given to it meanwhile stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            models = self._read()
            known = models.get(entry.id)
            if known is not None and replace:
                entry = attrs.evolve(entry, tags=(*entry.tags, *known.tags))
                config_file.rewrite_entry(self.folder, entry)
            elif known is not None and known != entry:
                raise RegistryError(f'model "{entry.id}" is registered already, as {known.path}')
            if config_file.read_entry(self.folder, entry.config_path) != entry:
                raise RegistryError(f"{entry.config_path} says otherwise than the model to be registered")
            self._write({**models, entry.id: entry})

    def tag(self, name: str, tags: Iterable[str]) -> ModelEntry:
        """Give a model tags; it keeps those it has."""
        tags = list(tags)
        for tag in tags:
            if problem := tag_problem(tag):
                raise UsageError(f'tag "{tag}" {problem}')
        return self.change(name, lambda entry: attrs.evolve(entry, tags=(*entry.tags, *tags)))

    def untag(self, name: str, tags: Iterable[str]) -> ModelEntry:
        """Take tags from a model. Raises UnknownName for one it doesn't have."""
        tags = set(tags)

        def without(entry: ModelEntry) -> ModelEntry:
            for tag in sorted(tags - set(entry.tags)):
                raise unknown_name(f"tag of {entry.id}", tag, entry.tags)
            return attrs.evolve(entry, tags=set(entry.tags) - tags)

        return self.change(name, without)

    def change(self, name: str, how: Callable[[ModelEntry], ModelEntry]) -> ModelEntry:
        """Change one model's entry, in its config file first."""
        with self.lock():
            models = self._read()
            known = find(models, name)
            # The config file is the truth: a kill may have kept the registry from hearing of the last change.
            entry = how(config_file.read_entry(self.folder, known.config_path))
            config_file.rewrite_entry(self.folder, entry)
            self._write({**models, known.id: entry})
        return entry

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the registry for a read-modify-write. Other processes wait; may be nested."""
        from filelock import FileLock, Timeout

        if self._depth:
            yield
            return
        try:
            held = FileLock(self.folder / f"{FILE}.lock", timeout=LOCK_SECONDS, poll_interval=0.01).acquire()
        except Timeout:
            raise RegistryError(
                f"{self.file} has been locked by another process for {LOCK_SECONDS:.0f} s; "
                "wait for it or end it, then try again"
            ) from None
        self._depth += 1
        try:
            with held:
                yield
        finally:
            self._depth -= 1

    def _read(self) -> Models:
        try:
            return self._parsed()
        except FileNotFoundError:
            if not any(relative.endswith(CONFIG) for relative in walk(self.folder)):
                return {}
            reason = f"{self.file} is missing"
        except _CorruptError as error:
            reason = f"{self.file} is corrupt ({error})"
        with self.lock():
            return self._recovered(reason)

    def _recovered(self, reason: str) -> Models:
        try:
            return self._parsed()  # another process was faster
        except FileNotFoundError:
            pass
        except _CorruptError:
            aside = self.file.with_name(f"{FILE}.corrupt-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}")
            replace(self.file, aside)
            reason += f", set aside as {aside.name}"
        found, problems = scan(self.folder)
        self._write(found)
        self._notify(f"{reason}; rebuilt from {len(found)} config files")
        for problem in problems:
            self._notify(problem)
        return found

    def _parsed(self) -> Models:
        content = self.file.read_bytes()
        try:
            document = json.loads(content)
            schema, rows = document["schema"], document["models"]
        except (ValueError, RecursionError) as error:
            raise _CorruptError(f"not JSON: {error}") from None
        except (KeyError, TypeError, IndexError):
            raise _CorruptError("no registry") from None
        if type(schema) is int and schema > SCHEMA:
            raise RegistryError(
                f"{self.file} was written by a newer ExPhil (schema {schema}, this one knows {SCHEMA}); "
                "update with `pip install -U exphil-core`"
            )
        if schema != SCHEMA or not isinstance(rows, list):
            raise _CorruptError("no registry")
        try:
            models = {entry.id: entry for entry in map(entry_from_json, rows)}
        except ValueError as error:
            raise _CorruptError(str(error)) from None
        if len(models) < len(rows):
            raise _CorruptError("an id stands twice")
        return models

    def _write(self, models: Models) -> None:
        write_bytes(self.file, registry_text(models.values()))


def registry_text(models: Iterable[ModelEntry]) -> bytes:
    """The registry file's content: a line a model, in an order that depends on the models alone."""
    ordered = sorted(models, key=lambda entry: (entry.created_at, entry.id))
    # json.dumps(indent=2) is pure Python; a line each takes a fraction of its time and reads well in a diff.
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    rows = ",\n    ".join(encode(entry_to_json(entry)) for entry in ordered)
    best = json.dumps(leaderboard(ordered), ensure_ascii=False, indent=2).replace("\n", "\n  ")
    body = f"\n    {rows}\n  " if rows else ""
    return f'{{\n  "schema": {SCHEMA},\n  "models": [{body}],\n  "leaderboard": {best}\n}}\n'.encode()


def scan(folder: Path) -> tuple[Models, list[str]]:
    """The models that the config files below `folder` tell of, and a line for each one left out."""
    models: Models = {}
    problems = []
    for relative in walk(folder):
        if not relative.endswith(CONFIG):
            continue
        try:
            entry = config_file.read_entry(folder, relative)
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


def find(models: Models, name: str) -> ModelEntry:
    """The model whose id is `name` or alone starts with it. Raises UnknownName."""
    if name in models:
        return models[name]
    matches = [key for key in models if key.startswith(name)] if name else []
    if len(matches) == 1:
        return models[matches[0]]
    if matches:
        shown = ", ".join(matches[:10]) + (f" and {len(matches) - 10} more" if len(matches) > 10 else "")
        raise UnknownName(f'model "{name}" is ambiguous: {shown}')
    if len(models) <= 10:
        raise unknown_name("model", name, models)
    raise UnknownName(f'unknown model "{name}"{did_you_mean(name, models) or "; see `exphil registry list`"}')
