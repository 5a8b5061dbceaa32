"""The states of a run in progress, on disk: `NAME.state/000012/` holds all that it takes to go on exactly.

    tensors.safetensors   weights, optimiser moments, averages, carried states, random generators
    state.json            everything else
    manifest.json         sizes and SHA-256 of the two, written last

A state is staged under another name and renamed when it is whole and on disk, so that a half-written one doesn't
exist. The newest few are kept: should bytes rot, the one before is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from exphil_core.checkpoints.atomic import TEMPORARY, json_text, replace, sync_folder, write_bytes
from exphil_core.checkpoints.files import STATE
from exphil_core.errors import ExphilError

FORMAT = 2
TENSORS, RECORD, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_NAME = re.compile(r"\d{6,}")
_STAGED = f".state{TEMPORARY}"


@attrs.frozen(kw_only=True, eq=False)
class SavedState:
    """One state as it stood on disk."""

    path: Path
    tensors: dict[str, Tensor]
    record: dict[str, Any]


def save_state(folder: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any], keep: int = 2) -> Path:
    """Write a state into `folder` (``NAME.state``), then let go of all but the newest `keep`.

    Raises OSError where it can't be written (a full disk, say); what was there before is as it was, except that
    a disk that is full may cost the older of the states that are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = states(folder)
    serial = int(before[-1].name) + 1 if before else 1
    _forget_staged(folder)
    try:
        path = _written(folder, serial, tensors, record)
    except OSError:
        if not drop_older(folder):
            if not before:
                with suppress(OSError):
                    folder.rmdir()
            raise
        path = _written(folder, serial, tensors, record)
    for old in states(folder)[:-keep]:
        _remove(old)
    return path


def _written(folder: Path, serial: int, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Path:
    staged = folder / f"{_STAGED}{secrets.token_hex(6)}"
    target = folder / f"{serial:06d}"
    try:
        staged.mkdir()
        try:
            save_file(dict(tensors), staged / TENSORS)
        except SafetensorError as error:  # what it makes of a full disk
            raise _as_os_error(error, folder) from None
        _sync(staged / TENSORS)
        write_bytes(staged / RECORD, json_text(dict(record)).encode())
        # safetensors' own files are for nobody else (0600), and a folder may be shared.
        (staged / TENSORS).chmod((staged / RECORD).stat().st_mode)
        files = {name: _facts(staged / name) for name in (TENSORS, RECORD)}
        write_bytes(staged / MANIFEST, json_text({"format": FORMAT, "files": files}).encode())
        replace(staged, target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    with suppress(OSError):  # it is there, if only as far as this system can tell
        sync_folder(folder)
    return target


def _as_os_error(error: SafetensorError, folder: Path) -> OSError:
    found = re.search(r"\(os error (\d+)\)", str(error))
    if found is None:
        return OSError(f"{folder}: {error}")
    return OSError(int(found[1]), os.strerror(int(found[1])), str(folder))


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def drop_older(folder: Path) -> bool:
    """Let go of all states in `folder` but the newest, for room on a full disk. Says whether there were others."""
    older = states(folder)[:-1]
    for state in older:
        _remove(state)
    return bool(older)


def _facts(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _remove(state: Path) -> None:
    """Away with a state: under a staged name first, so that a kill leaves no half of one."""
    gone = state.with_name(f"{_STAGED}{secrets.token_hex(6)}")
    with suppress(OSError):
        replace(state, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _forget_staged(folder: Path) -> None:
    """What killed writers left. A run in progress holds its name, so nobody else is writing here."""
    for entry in folder.iterdir():
        if entry.name.startswith(_STAGED):
            shutil.rmtree(entry, ignore_errors=True)


def states(folder: Path) -> list[Path]:
    """The states in ``NAME.state``, oldest first, good or not."""
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir()]
    return sorted(found, key=lambda entry: int(entry.name))


def state_problem(state: Path) -> str | None:
    """What is wrong with one state, or None."""
    try:
        manifest = json.loads((state / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return f"format {manifest['format']} is not the one that this ExPhil reads ({FORMAT})"
        for name in (TENSORS, RECORD):
            wanted, found = manifest["files"][name], _facts(state / name)
            if found["bytes"] != wanted["bytes"]:
                return f"{name} has {found['bytes']:,} bytes, not {wanted['bytes']:,}"
            if found["sha256"] != wanted["sha256"]:
                return f"{name} is damaged: its SHA-256 differs from the manifest's"
    except OSError as error:
        return f"{Path(error.filename or state).name}: {error.strerror or error}"
    except (ValueError, KeyError, TypeError):
        return f"{MANIFEST} can't be read"
    return None


def load_state(folder: Path, warn: Callable[[str], None]) -> SavedState:
    """The newest good state in `folder` (or that one state, if `folder` is one). Damaged ones are named to `warn`.

    Raises ExphilError if there is none.
    """
    single = _NAME.fullmatch(folder.name) and folder.parent.name.endswith(STATE)
    candidates = [folder] if single else states(folder)
    problems: list[str] = []
    for state in reversed(candidates):
        problem = state_problem(state)
        if problem is None:
            for said in problems:
                warn(f"warning: {said}; going on from {state.name}, the one before")
            tensors = load_file(state / TENSORS)
            return SavedState(path=state, tensors=tensors, record=json.loads((state / RECORD).read_bytes()))
        problems.append(f"{state}: {problem}")
    if problems:
        raise ExphilError("no state is whole: " + "; ".join(problems))
    raise ExphilError(f"{folder}: there is no state in it")


def newest(checkpoints: Path) -> Path:
    """The ``NAME.state`` below `checkpoints` that was written last. Raises ExphilError if there is none."""
    found = [(path.stat().st_mtime_ns, path) for path in with_states(checkpoints)]
    if not found:
        raise ExphilError(f"there is no state to resume in {checkpoints}")
    return max(found)[1]


def with_states(checkpoints: Path) -> list[Path]:
    """All ``NAME.state`` below `checkpoints` that hold a state, good or not."""
    return [path for path in checkpoints.rglob(f"*{STATE}") if states(path)]
