"""Moves of whole models that survive a kill at any point.

A model is several files, and no file system renames several at once. So what is to happen is written down
first (`.journal/<token>.json`), then the files are renamed (into `.journal/<token>/` when they are to be
deleted), then the registry is replaced, the moment that counts: whoever comes next after a kill finds
the journal and goes back if the registry still has the old state, and on if it has the new one.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.atomic import replace, sync_folder, write_json
from exphil_core.checkpoints.files import ENDINGS, present, sibling
from exphil_core.checkpoints.paths import UnsafePathError, inside, is_link, relative_problem

FOLDER = ".journal"
_OPEN, _DONE = ".json", ".done"

Step = Callable[[str], None]
Restored = Callable[["Intent"], None]


def no_step(name: str) -> None:
    """What happens after each step unless a test asks for more."""


@attrs.frozen(kw_only=True)
class Intent:
    """The files `source` + each of `endings` go to `target` + ending, or are deleted if that is None."""

    id: str
    source: str
    target: str | None
    endings: tuple[str, ...]


def intent(folder: Path, id: str, source: str, target: str | None) -> Intent:
    """Move or delete whatever exists of the model at `source`. Raises UnsafePathError on a symbolic link."""
    endings = tuple(relative[len(source) :] for relative in present(folder, source))
    return Intent(id=id, source=source, target=target, endings=endings)


def nothing_restored(each: Intent) -> None:
    """What follows when files are back in their place, where nothing else knew that they had left."""


def transact(
    folder: Path,
    intents: Sequence[Intent],
    commit: Callable[[], None],
    restored: Restored = nothing_restored,
    step: Step = no_step,
) -> None:
    """Carry out all `intents` or none; hold the registry's lock.

    `commit` runs once all files are renamed and makes the registry agree. If a rename or `commit` fails,
    everything is put back (`restored` is told of each intent) and the error raised. `step` is told of each
    step after it.
    """
    journal = _journal(folder)
    journal.mkdir(exist_ok=True)
    token = secrets.token_hex(8)
    note = journal / f"{token}{_OPEN}"
    write_json(note, {"intents": [attrs.asdict(each) for each in intents]})
    step("noted")
    try:
        for each in intents:
            _move(folder, token, each, step)
        commit()
        step("committed")
    except Exception:
        _roll_back(folder, token, intents, restored)
        raise
    done = note.with_suffix(_DONE)
    replace(note, done)
    step("done")
    _tidy(folder, done, intents, step)


def pending(folder: Path) -> bool:
    """Whether a transaction is under way or was cut off."""
    return bool(_notes(folder))


def recover(folder: Path, committed: Callable[[Intent], bool], restored: Restored) -> None:
    """Finish or undo what a kill cut off; hold the registry's lock.

    `committed` says whether the registry shows an intent as carried out; `restored` is told of each that was
    undone, once its files are back.
    """
    for note in _notes(folder):
        intents = _read(note)
        if intents is None:
            continue
        if note.suffix == _DONE or (intents and all(map(committed, intents))):
            _tidy(folder, note, intents, no_step)
        else:
            _roll_back(folder, note.stem, intents, restored)


def _roll_back(folder: Path, token: str, intents: Iterable[Intent], restored: Restored) -> None:
    """Put every file back where it was and forget the transaction."""
    for each in intents:
        for ending in each.endings:
            origin, goal = inside(folder, sibling(each.source, ending)), _goal(folder, token, each, ending)
            if os.path.lexists(goal) and not os.path.lexists(origin):
                origin.parent.mkdir(parents=True, exist_ok=True)
                replace(goal, origin)
                sync_folder(origin.parent)
        if each.target is not None:
            _remove_empty(folder, each.target)
        restored(each)
    trash = _journal(folder) / token
    if trash.is_dir() and not any(trash.iterdir()):
        trash.rmdir()
    _forget(_journal(folder) / f"{token}{_OPEN}")


def _move(folder: Path, token: str, each: Intent, step: Step) -> None:
    touched = set()
    for ending in each.endings:
        origin, goal = inside(folder, sibling(each.source, ending)), _goal(folder, token, each, ending)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(goal):
            raise FileExistsError(17, "stands in the way", str(goal))
        replace(origin, goal)
        touched |= {origin.parent, goal.parent}
        step(f"moved {ending}")
    for parent in touched:
        sync_folder(parent)


def _tidy(folder: Path, note: Path, intents: Iterable[Intent], step: Step) -> None:
    # What happened has happened. A file that some program holds open (Windows) is deleted another time.
    with suppress(OSError):
        _finish(folder, note, intents, step)


def _finish(folder: Path, note: Path, intents: Iterable[Intent], step: Step) -> None:
    trash = _journal(folder) / note.stem
    if trash.is_dir() and not is_link(trash):
        for path in sorted(trash.iterdir()):
            if path.is_dir() and not is_link(path):
                shutil.rmtree(path)  # removes links in it, never what they lead to
            else:
                path.unlink()
            step("deleted a file")
        trash.rmdir()
    for each in intents:
        _remove_empty(folder, each.source)
    _forget(note)
    step("forgotten")


def _goal(folder: Path, token: str, each: Intent, ending: str) -> Path:
    if each.target is not None:
        return inside(folder, sibling(each.target, ending))
    return _journal(folder) / token / f"{each.id}{ending}"


def _remove_empty(folder: Path, stem: str) -> None:
    """Remove the folders of `stem` that have become empty, never `folder` itself."""
    parts = stem.split("/")[:-1]
    while parts:
        try:
            inside(folder, "/".join(parts)).rmdir()
        except OSError:
            return
        parts.pop()


def _forget(note: Path) -> None:
    note.unlink(missing_ok=True)
    try:
        note.parent.rmdir()
    except OSError:
        sync_folder(note.parent)  # other transactions wait to be recovered


def _journal(folder: Path) -> Path:
    journal = folder / FOLDER
    if is_link(journal):
        raise UnsafePathError(f"{journal} is a symbolic link; remove it")
    return journal


def _notes(folder: Path) -> list[Path]:
    try:
        notes = sorted(Path(folder / FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [note for note in notes if note.suffix in (_OPEN, _DONE) and note.name[0] != "."]


def _read(note: Path) -> list[Intent] | None:
    """The intents of a note, None for a file that isn't one. Nothing in it may lead out of the folder."""
    try:
        rows: Any = json.loads(note.read_bytes())["intents"]
        intents = [Intent(**{**row, "endings": tuple(row["endings"])}) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return intents if all(map(_is_safe, intents)) else None


def _is_safe(each: Intent) -> bool:
    names = (each.id, each.source, *(() if each.target is None else (each.target,)))
    return (
        all(isinstance(name, str) and relative_problem(name) is None for name in names)
        and "/" not in each.id
        and set(each.endings) <= set(ENDINGS)
    )
