"""Whether what the registry says is so: files there, unharmed, and of one mind with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import attrs

from exphil_core.checkpoints.config_file import read_entry
from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import CONFIG, POLICY, STATE, WEIGHTS, stem_of, walk
from exphil_core.checkpoints.paths import inside
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.running import is_running
from exphil_core.errors import ExphilError

_BLOCK = 2**20


@attrs.frozen
class Finding:
    """Something wrong with a model (None: with the registry itself), and what to do."""

    id: str | None
    problem: str


def verify(registry: Registry) -> list[Finding]:
    """Everything wrong with the registry and the models in it. Reads every model's tensors."""
    models = registry.models()
    findings = [
        Finding(entry.id, problem) for entry in models for problem in _problems(registry.folder, entry)
    ]
    registered = {entry.config_path for entry in models}
    for relative in walk(registry.folder):
        if relative.endswith(CONFIG) and relative not in registered:
            findings.append(Finding(None, f"{relative} is not registered; run `exphil registry rebuild`"))
    return [*findings, *_left_over(registry.folder, {entry.stem for entry in models})]


def _left_over(folder: Path, registered: set[str]) -> Iterator[Finding]:
    """Tensors without a config file: what a run that was killed while it saved leaves behind. With a state
    beside them they belong to a run that can go on."""
    endings: dict[str, set[str]] = {}
    for relative in walk(folder):
        stem = stem_of(relative)
        if stem is not None:
            endings.setdefault(stem, set()).add(relative[len(stem) :])
    for stem, there in endings.items():
        cut_off = there & {WEIGHTS, POLICY} and not there & {CONFIG, STATE}
        if cut_off and stem not in registered and not is_running(folder, stem):
            names = ", ".join(sorted(stem + ending for ending in there))
            yield Finding(None, f"{names}: left by a run that was cut off; no model, safe to delete")


def tensor_problems(folder: Path, entry: ModelEntry) -> Iterator[str]:
    """What is wrong with the files of a model's tensors; reads them."""
    for kind, relative in (("weights", entry.path), ("policy", entry.policy_path)):
        if relative is not None:
            yield from _file_problems(folder, relative, entry.sha256.get(kind))


def _problems(folder: Path, entry: ModelEntry) -> Iterator[str]:
    yield from tensor_problems(folder, entry)
    try:
        told = read_entry(folder, entry.config_path)
    except FileNotFoundError:
        yield f"{entry.config_path} is missing; without it a rebuild forgets this model"
    except (ExphilError, OSError) as error:
        yield str(error)
    else:
        if told != entry:
            yield f"{entry.config_path} says otherwise than the registry; run `exphil registry rebuild`"


def _file_problems(folder: Path, relative: str, expected: str | None) -> Iterator[str]:
    try:
        path = inside(folder, relative)
        if not path.is_file():
            yield f"{relative} is missing"
        elif expected is not None and file_sha256(path) != expected:
            yield f"{relative} is damaged or was changed: its SHA-256 is not the recorded one"
    except (ExphilError, OSError) as error:
        yield str(error)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
