"""The registry of models: `registry.json` in the checkpoints folder, derived from the models' config files.

Readers take no lock, since the file is only ever replaced whole. Whoever changes it holds the lock from
reading to writing: without one, 32 of 200 entries of eight writers survived; with it all.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import attrs

from exphil_core.checkpoints import config_file, journal
from exphil_core.checkpoints.atomic import read_bytes, replace, write_bytes
from exphil_core.checkpoints.config_file import ConfigFileError
from exphil_core.checkpoints.entry import ModelEntry, entry_from_json, relocated, tag_problem
from exphil_core.checkpoints.files import CONFIG, archived_stem, sibling, walk
from exphil_core.checkpoints.journal import Step, no_step
from exphil_core.checkpoints.paths import ARCHIVE, inside
from exphil_core.checkpoints.registry_file import (
    CorruptRegistryError,
    Models,
    RegistryError,
    find_id,
    line_of,
    parse,
    registry_text,
    scan,
    split,
)
from exphil_core.checkpoints.running import is_running
from exphil_core.errors import UsageError, unknown_name
from exphil_core.wording import one_line

FILE = "registry.json"
LOCK_SECONDS = 60.0


def say(line: str) -> None:
    """Where a registry's notices go unless told otherwise."""
    print(f"exphil: {line}", file=sys.stderr)


class Registry:
    """The models of one checkpoints folder, which need not exist yet. Creating one touches nothing."""

    def __init__(self, folder: Path, notify: Callable[[str], None] = say) -> None:
        self.folder = folder
        self.file = folder / FILE
        self._notify = notify
        self._threads = threading.RLock()
        self._depth = 0

    def models(self) -> list[ModelEntry]:
        """All models, archived ones included, by creation and id."""
        return list(self._read().values())

    def create(self) -> None:
        """Make the folder and an empty registry where there is none yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            if not self._read() and not self.file.exists():
                self._write({})

    def get(self, name: str) -> ModelEntry:
        """The model with this id, or the only one whose id starts so. Raises UnknownName."""
        lines = self._lines()
        if lines is not None:
            try:
                return entry_from_json(json.loads(lines[find_id(lines, name)]))
            except ValueError:
                pass  # a damaged line; reading the whole file mends it
        models = self._read()
        return models[find_id(models, name)]

    def add(self, entry: ModelEntry, replace: bool = False) -> None:
        """Register a model whose config file stands already (`config_file.write_config`).

        Adding the same entry twice does no harm. Another one of that id is refused unless `replace`, for a
        resumed run; tags that were given to it meanwhile stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            models = self._read()
            known = models.get(entry.id)
            if known is not None and known != entry:
                if not replace or known.path != entry.path:
                    raise RegistryError(f'model "{entry.id}" is registered already, as {known.path}')
                entry = attrs.evolve(entry, tags=(*entry.tags, *known.tags))
                config_file.rewrite_entry(self.folder, entry)
            if config_file.read_entry(self.folder, entry.config_path) != entry:
                raise RegistryError(f"{entry.config_path} says otherwise than the model to be registered")
            self._write({**models, entry.id: entry})

    def delete(self, models: Sequence[ModelEntry], step: Step = no_step) -> None:
        """Delete models with all their files, or none of them if one can't be."""
        self.relocate([(entry, None) for entry in models], step)

    def archive(self, models: Sequence[ModelEntry], step: Step = no_step) -> None:
        """Move models to `archive/`."""
        self.relocate([(entry, archived_stem(entry.stem)) for entry in models if not entry.archived], step)

    def restore(self, name: str, step: Step = no_step) -> ModelEntry:
        """Bring an archived model back to where it stood."""
        with self.lock():
            entry = self.get(name)
            if not entry.archived:
                raise RegistryError(f'model "{entry.id}" is not archived')
            self.relocate([(entry, entry.stem.removeprefix(f"{ARCHIVE}/"))], step)
            return self.get(entry.id)

    def relocate(self, moves: Sequence[tuple[ModelEntry, str | None]], step: Step = no_step) -> None:
        """Move each model to a new stem, or delete it (None): all of them, or none if anything fails.

        Raises RegistryError if one is not registered (any more) as given or is being trained; UnsafePathError
        if one of its files is a symbolic link.
        """
        with self.lock():
            models = self._read()
            for entry, _ in moves:
                if models.get(entry.id) != entry:
                    raise RegistryError(f'model "{entry.id}" has changed meanwhile; run the command again')
                if is_running(self.folder, entry.stem):
                    raise RegistryError(f'model "{entry.id}" is being trained; wait for the run to end')
            intents = [journal.intent(self.folder, entry.id, entry.stem, goal) for entry, goal in moves]

            def commit() -> None:
                for entry, goal in moves:
                    if goal is None:
                        del models[entry.id]
                    else:
                        models[entry.id] = relocated(entry, goal)
                        config_file.rewrite_entry(self.folder, models[entry.id])
                        step("rewrote a config file")
                self._write(models)

            if moves:
                journal.transact(self.folder, intents, commit, self._put_back, step)

    def _put_back(self, intent: journal.Intent) -> None:
        """A move was undone: let the config file say so too."""
        relative = sibling(intent.source, CONFIG)
        if intent.target is None or not inside(self.folder, relative).exists():
            return
        try:
            document = config_file.read_document(self.folder, relative)
            entry = relocated(entry_from_json(document["model"]), intent.source)
        except (ConfigFileError, ValueError, KeyError):
            return  # not ours to mend; `verify` will name it
        config_file.rewrite_entry(self.folder, entry)

    def _is_committed(self, models: Models, intent: journal.Intent) -> bool:
        entry = models.get(intent.id)
        return entry is None if intent.target is None else entry is not None and entry.stem == intent.target

    def rebuild(self) -> tuple[list[ModelEntry], list[str]]:
        """Derive the registry anew from the config files alone. Returns the models and what was left out."""
        with self.lock():
            try:
                self._parsed()  # refuses a newer one
            except FileNotFoundError:
                pass
            except CorruptRegistryError as error:
                self._notify(f"{self.file} is corrupt ({error}), {self._set_aside()}")
            models, problems = scan(self.folder)
            self._write(models)
        return list(models.values()), problems

    def tag(self, name: str, tags: Iterable[str]) -> ModelEntry:
        """Give a model tags; it keeps those it has."""
        tags = list(tags)
        for tag in tags:
            if problem := tag_problem(tag):
                raise UsageError(f'tag "{one_line(tag)[:80]}" {problem}')
        return self._retag(name, lambda known: {*known, *tags})

    def untag(self, name: str, tags: Iterable[str]) -> ModelEntry:
        """Take tags from a model. Raises UnknownName for one it doesn't have."""
        tags = set(tags)

        def without(known: set[str]) -> set[str]:
            for tag in sorted(tags - known):
                raise unknown_name("tag", tag, known)
            return known - tags

        return self._retag(name, without)

    def _retag(self, name: str, how: Callable[[set[str]], set[str]]) -> ModelEntry:
        with self.lock():
            known = self.get(name)
            # The config file is the truth: a kill may have kept the registry from hearing of the last change.
            told = config_file.read_entry(self.folder, known.config_path)
            if told.stem != known.stem:
                raise RegistryError(
                    f"{known.config_path} belongs to another model, {told.id}; nothing was changed"
                )
            entry = attrs.evolve(told, tags=how(set(told.tags)))
            config_file.rewrite_entry(self.folder, entry)
            if attrs.evolve(known, tags=entry.tags) == entry:
                self._write_one(entry)
            else:
                self._write({**self._read(), entry.id: entry})
        return entry

    @contextmanager
    def lock(self, wait: bool = True) -> Iterator[None]:
        """Hold the registry for a read-modify-write. Other processes wait; may be nested.

        Whoever gets it first mends what a kill left half done. Raises RegistryError if there is no such folder
        or if the lock can't be had within a minute.
        """
        with self._threads:
            if self._depth:
                yield
                return
            with self._locked(wait):
                yield

    @contextmanager
    def _locked(self, wait: bool) -> Iterator[None]:
        from filelock import FileLock, Timeout

        if not self.folder.is_dir():
            raise RegistryError(f"{self.folder}: no such folder")
        timeout = LOCK_SECONDS if wait else 0
        try:
            held = FileLock(self.folder / f"{FILE}.lock").acquire(timeout, poll_interval=0.01)
        except Timeout:
            raise RegistryError(
                f"{self.file} has been locked by another process for {LOCK_SECONDS:.0f} s; "
                "wait for it or end it, then try again"
            ) from None
        self._depth += 1
        try:
            with held:
                if journal.pending(self.folder):
                    self._mend()
                yield
        finally:
            self._depth -= 1

    def _mend(self) -> None:
        try:
            models = self._parsed()
        except (FileNotFoundError, CorruptRegistryError):
            # Without a registry nobody can say how far things went: keep the models.
            journal.recover(self.folder, lambda intent: False, self._put_back)
        else:
            journal.recover(self.folder, lambda intent: self._is_committed(models, intent), self._put_back)

    def _set_aside(self) -> str:
        name = f"{FILE}.corrupt-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
        names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
        aside = next(path for path in map(self.file.with_name, names) if not path.exists())
        replace(self.file, aside)
        return f"set aside as {aside.name}"

    def _settle(self) -> None:
        """Mend what a kill left half done, if this isn't another process at work right now."""
        if self._depth == 0 and journal.pending(self.folder):
            # Whoever holds the lock is alive and at work: then the registry is right as it is.
            with suppress(RegistryError, OSError), self.lock(wait=False):
                pass

    def _read(self) -> Models:
        self._settle()
        try:
            return self._parsed()
        except FileNotFoundError:
            if not any(relative.endswith(CONFIG) for relative in walk(self.folder)):
                return {}
            reason = f"{self.file} is missing"
        except CorruptRegistryError as error:
            reason = f"{self.file} is corrupt ({error})"
        if not os.access(self.folder, os.W_OK):
            return scan(self.folder)[0]
        with self.lock():
            return self._recovered(reason)

    def _recovered(self, reason: str) -> Models:
        try:
            return self._parsed()  # another process was faster
        except FileNotFoundError:
            pass
        except CorruptRegistryError:
            reason += f", {self._set_aside()}"
        found, problems = scan(self.folder)
        self._write(found)
        self._notify(f"{reason}; rebuilt from {len(found)} config files")
        for problem in problems:
            self._notify(problem)
        return found

    def _parsed(self) -> Models:
        return parse(read_bytes(self.file), str(self.file))

    def _lines(self) -> dict[str, bytes] | None:
        """Every model's line, unread: reading ten thousand to change one would take half a second."""
        self._settle()
        try:
            return split(read_bytes(self.file))
        except FileNotFoundError:
            return None

    def _write_one(self, entry: ModelEntry) -> None:
        """Write the registry with `entry` in place of the one of that id, from which only tags may differ."""
        content = read_bytes(self.file)
        lines = split(content)
        if lines is None:
            self._write({**self._read(), entry.id: entry})
            return
        old, new = lines[entry.id], line_of(entry)
        write_bytes(self.file, content.replace(b"    " + old, b"    " + new, 1), locked=True)

    def _write(self, models: Models) -> None:
        write_bytes(self.file, registry_text(models.values()), locked=True)
