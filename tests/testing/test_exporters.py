"""`check_exporter`: a sound exporter passes; each way to break the contract is caught and named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core import ExporterSpec
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.testing import check_exporter


class Good:
    def export(self, model: ExportedModel, folder: Path) -> Sequence[str]:
        (folder / "name.txt").write_text(model.name)
        return ["read name.txt"]


class NothingToSay(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        super().export(model, folder)


class CannotBeMade(Good):
    def __init__(self) -> None:
        raise RuntimeError("no")


class NoExport:
    pass


class Raises(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        raise KeyError("x")


class WritesNothing(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        return []


class NeedsMemory(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        (folder / "state").write_text(str(model.policy.initial_state(1)[0].shape))


class GivesOneText(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        super().export(model, folder)
        return "done"


class ChangesThePolicy(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        with torch.no_grad():
            next(model.policy.parameters()).zero_()
        return super().export(model, folder)


class WritesBeside(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        (folder.parent / "model.zip").write_text("x")
        return super().export(model, folder)


class NeverTheSame(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        (folder / f"{os.urandom(4).hex()}.txt").write_text("x")


class ChangesTheFile(Good):
    def export(self, model: ExportedModel, folder: Path) -> Any:
        model.path.write_bytes(b"")
        return super().export(model, folder)


def spec_of(cls: type, **more: Any) -> ExporterSpec:
    return ExporterSpec(name="tried", factory=f"{__name__}:{cls.__name__}", **more)


@pytest.mark.parametrize("cls", [Good, NothingToSay])
def test_a_sound_one_passes(cls: type) -> None:
    check_exporter(spec_of(cls))


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (CannotBeMade, "its factory raised RuntimeError: no"),
        (NoExport, r"has no export\(…\)"),
        (Raises, "export raised KeyError"),
        (WritesNothing, "wrote nothing"),
        (NeedsMemory, "export raised IndexError"),
        (GivesOneText, "gives 'done', not lines of text"),
        (ChangesThePolicy, "changes the policy"),
        (WritesBeside, "writes model.zip beside its folder"),
        (NeverTheSame, "the same model gives other files"),
        (ChangesTheFile, "changes the model's file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(cls: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_exporter(spec_of(cls))
    assert "\n" not in str(caught.value)


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(AssertionError, match="needs no_such_module, not installed here"):
        check_exporter(spec_of(Good, needs="no_such_module"))


def test_the_umi_exporter_keeps_the_contract() -> None:
    check_exporter("umi", options={"temperature": 0.5, "characters": ("fox", "gnw")})
