"""The model that somebody names, by its id or by any of its files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs

from exphil_core.checkpoints.config_file import read_entry
from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import CONFIG, POLICY, sibling, stem_of
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.verify import file_sha256
from exphil_core.errors import ExphilError, UnknownName, UsageError
from exphil_core.replays.sources import expanded


@attrs.frozen
class FoundModel:
    """Where a model's files stand. `entry` is what the registry says of it, if it was found there."""

    folder: Path
    stem: str
    entry: ModelEntry | None = None

    def file(self, ending: str) -> Path:
        """Where its file with this ending stands, if it has one."""
        return self.folder / sibling(self.stem, ending)


def find_model(wanted: str, checkpoints: str | Path, flag: str = "") -> FoundModel:
    """The model `wanted`: an id (or its beginning) in the folder `checkpoints`, or a path to any of its files.

    Raises ExphilError where there is none; `flag` stands before the name then.
    """
    if not wanted.strip():
        raise UsageError(f"{flag}{wanted!r}: no name of a model; give its id or one of its files")
    path = expanded(wanted)
    if path.exists():
        # x.state/000200 is a file of x, too.
        path = path.parent if path.name.isdecimal() else path
        stem = stem_of(path.name)
        if stem is None:
            raise ExphilError(f"{flag}{wanted}: not a model's file")
        return FoundModel(path.parent, stem)
    if stem_of(path.name) is not None:
        raise ExphilError(f"{flag}{wanted}: no such file")
    folder = expanded(str(checkpoints))
    try:
        entry = Registry(folder).get(wanted)
    except UnknownName as error:
        if not flag:
            raise
        raise UsageError(f"{flag.strip()}: {error}") from None
    return FoundModel(folder, entry.stem, entry)


def find_policy(wanted: str, checkpoints: Path) -> Path:
    """The `…_policy.safetensors` of the model `wanted`, which is found as by `find_model`. Raises ExphilError where
    there is none, or if its bytes are others than were recorded."""
    found = find_model(wanted, checkpoints)
    path = found.file(POLICY)
    if path.is_file():
        _refuse_damaged(found, path)
        return path
    if found.entry is None:
        raise ExphilError(f"{wanted}: no policy; give a model's id, or the file that ends in {POLICY}")
    if found.entry.policy_path is None:
        raise ExphilError(f"{found.entry.id} has no policy file: it can't play")
    raise ExphilError(
        f"{found.entry.id}: its policy {path} is gone; `exphil registry verify` says what else is"
    )


def _refuse_damaged(found: FoundModel, policy: Path) -> None:
    """Raise ExphilError if the registry, or the config file beside it, recorded other bytes. A policy file alone is
    taken as it is."""
    entry = found.entry
    if entry is None:
        with contextlib.suppress(ExphilError, OSError):
            entry = read_entry(found.folder, sibling(found.stem, CONFIG))
    recorded = entry.sha256.get("policy") if entry is not None else None
    if recorded is not None and file_sha256(policy) != recorded:
        raise ExphilError(
            f"{policy}: damaged or changed: its SHA-256 is not the recorded one; put the file back as it was, or, if "
            "the change is yours, copy it alone to another folder and name it there"
        )
