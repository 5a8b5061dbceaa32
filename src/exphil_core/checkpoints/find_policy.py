"""The policy file of a model that somebody names."""

from __future__ import annotations

from pathlib import Path

from exphil_core.checkpoints.files import POLICY, stem_of
from exphil_core.checkpoints.registry import Registry
from exphil_core.errors import ExphilError


def find_policy(name: str, checkpoints: Path) -> Path:
    """The `…_policy.safetensors` of the model `name`: its id (or the beginning of it) in the folder `checkpoints`, or
    a path to any of its files. Raises ExphilError where there is none."""
    path = Path(name).expanduser()
    if not path.exists():
        if path.suffix == ".safetensors":
            raise ExphilError(f"{name}: no such file")
        return _registered(name, checkpoints.expanduser())
    if path.name.endswith(POLICY):
        return path
    stem = stem_of(path.name)
    beside = path.parent / f"{stem}{POLICY}"
    if stem is None or not beside.is_file():
        raise ExphilError(f"{name}: no policy; give a model's id, or the file that ends in {POLICY}")
    return beside


def _registered(name: str, folder: Path) -> Path:
    entry = Registry(folder).get(name)
    if entry.policy_path is None:
        raise ExphilError(f"{entry.id} has no policy file: it can't play")
    path = folder / entry.policy_path
    if not path.is_file():
        raise ExphilError(
            f"{entry.id}: its policy {path} is gone; `exphil registry verify` says what else is"
        )
    return path
