"""Models that look real to everything but torch: small files with true hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import ModelEntry, places
from exphil_core.checkpoints.files import METRICS, POLICY, STATE, WEIGHTS
from exphil_core.checkpoints.registry import Registry

SCORED = {"schema": "s1", "delay": 0, "validation_games": "g1"}
SECTIONS: dict[str, Any] = {
    "config": {"lr": 0.001, "epochs": 3},
    "results": {"val_loss_change": 4.5, "validation_frames": 1000, "history": [{"epoch": 1}]},
    "data": {"replays": 12},
}


def write_files(folder: Path, stem: str, *, policy: bool = True, state: bool = True) -> dict[str, str]:
    """All siblings of a model but its config file. Returns the hashes."""
    (folder / stem).parent.mkdir(parents=True, exist_ok=True)
    weights, played = f"weights of {stem}".encode(), f"policy of {stem}".encode()
    Path(f"{folder / stem}{WEIGHTS}").write_bytes(weights)
    Path(f"{folder / stem}{METRICS}").write_text('{"epoch": 1}\n')
    hashes = {"weights": hashlib.sha256(weights).hexdigest()}
    if policy:
        Path(f"{folder / stem}{POLICY}").write_bytes(played)
        hashes["policy"] = hashlib.sha256(played).hexdigest()
    if state:
        Path(f"{folder / stem}{STATE}").mkdir(exist_ok=True)
        Path(f"{folder / stem}{STATE}", "optimiser.safetensors").write_bytes(b"moments")
    return hashes


def make_entry(stem: str, hashes: dict[str, str] | None = None, **fields: Any) -> ModelEntry:
    """An entry for `stem` whose fields matter to nobody unless given."""
    known: dict[str, Any] = {
        **places(stem),
        "created_at": "2026-01-19T12:34:56Z",
        "backbone": "mamba",
        "temporal": True,
        "hidden_sizes": (64, 64),
        "window_size": 60,
        "epochs": 3,
        "training_frames": 1000,
        "sha256": hashes or {},
        "plugins": {"exphil-core": "0.1.0"},
        **SCORED,
    }
    return ModelEntry(**{**known, **fields})


def make_model(folder: Path, stem: str, **fields: Any) -> ModelEntry:
    """A registered model with all its files."""
    registry = Registry(folder)
    registry.create()
    entry = make_entry(stem, write_files(folder, stem), **fields)
    write_config(folder, entry, **SECTIONS)
    registry.add(entry)
    return entry


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below `folder`: contents of files, targets of links."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def model_files(folder: Path) -> dict[str, bytes | str]:
    """`tree` without the registry's own files."""
    return {name: content for name, content in tree(folder).items() if not name.startswith("registry.json")}


class Killed(BaseException):
    """What a kill looks like from inside: nothing runs after it."""


def kill_at(step: int) -> Callable[[str], None]:
    """A step callback that kills at the `step`-th step, counted from 0."""
    seen = []

    def callback(name: str) -> None:
        seen.append(name)
        if len(seen) == step + 1:
            raise Killed(name)

    return callback


class Fakes:
    """The helpers above, for tests that can't import them."""

    write_files = staticmethod(write_files)
    entry = staticmethod(make_entry)
    model = staticmethod(make_model)
    tree = staticmethod(tree)
    model_files = staticmethod(model_files)
    kill_at = staticmethod(kill_at)
    Killed = Killed
    sections = SECTIONS


@pytest.fixture(scope="session")
def fakes() -> type[Fakes]:
    return Fakes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty checkpoints folder."""
    path = tmp_path / "checkpoints"
    path.mkdir()
    return path


@pytest.fixture
def exphil(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; gives status, stdout and stderr."""
    from exphil_core.cli.main import run

    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(arg) for arg in args])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call
