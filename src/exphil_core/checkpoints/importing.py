"""Models from elsewhere: another checkpoints folder, or single files without any record.

Sources are only read. Files are copied under a free name, and what arrives must have the recorded SHA-256. A damaged
model keeps none of the others away.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.checkpoints.config_file import config_document, entry_of, read_document, write_document
from exphil_core.checkpoints.entry import ModelEntry, entry_to_json, places, relocated, utc_text
from exphil_core.checkpoints.files import CONFIG, METRICS, POLICY, WEIGHTS, present, sibling, stem_of
from exphil_core.checkpoints.naming import claim
from exphil_core.checkpoints.paths import ARCHIVE, identity, inside, stem_problem
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.registry_file import RegistryError, scan
from exphil_core.checkpoints.verify import file_sha256, tensor_problems

_BLOCK = 2**20
_MAX_HEADER = 100 * 2**20  # as safetensors itself allows


@attrs.frozen(kw_only=True)
class Source:
    """A model to import: its place, its entry there, and its config file's content."""

    folder: Path
    stem: str
    entry: ModelEntry
    document: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ImportResult:
    """What was imported, as registered here, and a line for each model that wasn't: those `skipped` are registered
    already, something is wrong with those `left_out`."""

    imported: tuple[ModelEntry, ...]
    skipped: tuple[str, ...]
    left_out: tuple[str, ...]


def import_models(
    registry: Registry,
    source: Path,
    training_type: str | None = None,
    parent: str | None = None,
    temporal_backbones: Collection[str] = (),
) -> ImportResult:
    """Copy the models at `source`, a folder or one model's file, and register them.

    `training_type` holds for all of them; `parent` (an id, or its beginning) becomes the parent of those
    whose own parent does not come along. A model that is registered already is skipped. Which backbones are
    temporal matters to files without any record.
    """
    parent_entry = registry.get(parent) if parent is not None else None
    sources, left_out = _sources(source, registry.folder, temporal_backbones)
    known = {entry.sha256["weights"]: entry for entry in registry.models() if "weights" in entry.sha256}
    fresh: list[Source] = []
    skipped: list[str] = []
    for each in sources:
        twin = known.get(each.entry.sha256.get("weights", ""))
        if twin is not None:
            skipped.append(f"{each.entry.id}: registered already as {twin.id}")
        elif problems := list(tensor_problems(each.folder, each.entry)):
            left_out.append(f"left out: {each.entry.id}: {', '.join(problems)}")
        else:
            fresh.append(each)

    registry.folder.mkdir(parents=True, exist_ok=True)
    with registry.lock():
        stems = [claim(registry, each.stem.removeprefix(f"{ARCHIVE}/")) for each in fresh]
    ids = {each.entry.id: identity(stem) for each, stem in zip(fresh, stems, strict=True)}
    imported: list[ModelEntry] = []
    try:
        for each, stem in zip(fresh, stems, strict=True):
            entry = _adapted(relocated(each.entry, stem), ids, training_type, parent_entry)
            _copy(each, registry.folder, entry)
            registry.add(entry)
            imported.append(entry)
    finally:
        for stem in stems[len(imported) :]:
            _discard(registry.folder, stem)
    return ImportResult(imported=tuple(imported), skipped=tuple(skipped), left_out=tuple(left_out))


def _adapted(
    entry: ModelEntry, ids: Mapping[str, str], training_type: str | None, parent: ModelEntry | None
) -> ModelEntry:
    """The entry with its parent's new name, or a new parent, whose epochs it then inherits."""
    if training_type is not None:
        entry = attrs.evolve(entry, training_type=training_type)
    if entry.parent_model is not None and entry.parent_model in ids:
        return attrs.evolve(entry, parent_model=ids[entry.parent_model])
    if parent is None:
        return entry
    inherited = parent.total_epochs
    return attrs.evolve(
        entry, parent_model=parent.id, inherited_epochs=inherited, total_epochs=inherited + entry.epochs
    )


def _copy(source: Source, folder: Path, entry: ModelEntry) -> None:
    """Copy tensors and metrics, then the config file. The state folder stays behind: it names its place."""
    wanted = [(WEIGHTS, entry.sha256.get("weights")), (POLICY, entry.sha256.get("policy")), (METRICS, None)]
    for ending, expected in wanted:
        origin = inside(source.folder, sibling(source.stem, ending))
        if not origin.is_file():
            continue
        target = inside(folder, sibling(entry.stem, ending))
        write_bytes(target, _blocks(origin))
        if expected is not None and file_sha256(target) != expected:
            raise RegistryError(f"{origin} is damaged: its SHA-256 is not the recorded one; not imported")
    provenance = {**_table(source.document.get("provenance")), "imported_as": source.entry.id}
    document = {**source.document, "model": entry_to_json(entry), "provenance": provenance}
    write_document(folder, entry.config_path, document)


def _discard(folder: Path, stem: str) -> None:
    for relative in present(folder, stem):
        inside(folder, relative).unlink()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _sources(source: Path, own: Path, temporal: Collection[str]) -> tuple[list[Source], list[str]]:
    if not source.exists():
        raise RegistryError(f"{source}: no such file or folder")
    source = source.resolve()
    if own.exists() and (source == own.resolve() or own.resolve() in source.parents):
        raise RegistryError(f"{source} is in the registry's own folder; run `exphil registry rebuild`")
    if not source.is_dir():
        return [_single(source, temporal)], []
    models, left_out = scan(source)
    if not models:
        reasons = "".join(f"\n{line}" for line in left_out)
        raise RegistryError(f"{source} has no model with a config file; name a .safetensors file{reasons}")
    return [_recorded(source, entry) for entry in models.values()], left_out


def _recorded(folder: Path, entry: ModelEntry) -> Source:
    document = read_document(folder, entry.config_path)
    return Source(folder=folder, stem=entry.stem, entry=entry, document=document)


def _single(file: Path, temporal: Collection[str]) -> Source:
    stem = stem_of(file.name)
    problem = "is no model's file" if stem is None else stem_problem(stem)
    if stem is None or problem or not file.name.endswith((WEIGHTS, CONFIG)):
        raise RegistryError(f"{file.name} {problem or 'holds no model'}; name a model's .safetensors file")
    config = sibling(stem, CONFIG)
    if not (file.parent / config).is_file():
        return _bare(file.parent, stem, temporal)
    document = read_document(file.parent, config)
    # The file may have been taken out of its character's folder, or be called otherwise now.
    entry = relocated(entry_of(document, str(file.parent / config)), stem)
    return Source(folder=file.parent, stem=stem, entry=entry, document=document)


def _bare(folder: Path, stem: str, temporal: Collection[str]) -> Source:
    """A model without a config file: what its policy file says, and as little as possible beyond that."""
    hashes: dict[str, str] = {}
    described: dict[str, Any] = {}
    for kind, ending in (("weights", WEIGHTS), ("policy", POLICY)):
        path = inside(folder, sibling(stem, ending))
        if path.is_file():
            described |= _description(path)
            hashes[kind] = file_sha256(path)
            made = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    if "weights" not in hashes:
        raise RegistryError(f"{folder / stem}{WEIGHTS} is missing; a model can't be imported without it")
    shape, observation = (_table(described.get(name)) for name in ("shape", "observation"))
    widths, delay = shape.get("hidden_sizes"), described.get("delay")
    backbone = _text(shape.get("backbone")) or "unknown"
    entry = ModelEntry(
        **{**places(stem), **({} if "policy" in hashes else {"policy_path": None})},
        created_at=utc_text(made),
        character=_text(described.get("character")),
        backbone=backbone,
        temporal=backbone in temporal,
        hidden_sizes=widths if isinstance(widths, list) else (),
        epochs=0,
        delay=delay if type(delay) is int else None,
        schema=_text(observation.get("id")),
        sha256=hashes,
    )
    document = config_document(entry, observation=observation)
    return Source(folder=folder, stem=stem, entry=entry, document=document)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _description(path: Path) -> dict[str, Any]:
    """What a safetensors file's metadata says of the model; only the header is read."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: Any = json.loads(file.read(length)) if length <= _MAX_HEADER else None
        metadata = header.get("__metadata__", {})
        told = json.loads(metadata.get("exphil", "{}"))
    except (struct.error, ValueError, AttributeError, TypeError, RecursionError):
        raise RegistryError(f"{path}: damaged or no safetensors file") from None
    return _table(told)
