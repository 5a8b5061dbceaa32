"""`check_logger`: a sound logger passes; each way to break the contract is caught and named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exphil_core import LoggerSpec
from exphil_core.testing import check_logger
from exphil_core.training.logger import RunEnd, RunFacts


class Good:
    def start(self, run: RunFacts) -> None:
        self.folder: Path = run.folder

    def step(self, metrics: Mapping[str, float]) -> None: ...

    def epoch(self, metrics: Mapping[str, Any]) -> None: ...

    def finish(self, end: RunEnd) -> None: ...


class CannotBeMade(Good):
    def __init__(self) -> None:
        raise RuntimeError("no")


class NoFinish:
    start = step = epoch = Good.step


class FlatNumbersOnly(Good):
    def epoch(self, metrics: Mapping[str, Any]) -> None:
        sum(metrics.values())


class FreshOnly(Good):
    def start(self, run: RunFacts) -> None:
        assert run.resumed_at is None


class NeedsAStep(Good):
    def step(self, metrics: Mapping[str, float]) -> None:
        self.last = metrics["step"]

    def finish(self, end: RunEnd) -> None:
        print(self.last)


class NeedsAModel(Good):
    def finish(self, end: RunEnd) -> None:
        assert end.model is not None


class Changes(Good):
    def step(self, metrics: Mapping[str, float]) -> None:
        metrics.clear()  # type: ignore[attr-defined]


class OverwritesMetrics(Good):
    def start(self, run: RunFacts) -> None:
        (run.folder / f"{run.name}_metrics.jsonl").write_text("mine")


def spec_of(cls: type, **more: Any) -> LoggerSpec:
    return LoggerSpec(name="tried", factory=f"{__name__}:{cls.__name__}", **more)


def test_a_sound_one_passes() -> None:
    check_logger(spec_of(Good))


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (CannotBeMade, "its factory raised RuntimeError: no"),
        (NoFinish, r"has no finish\(…\)"),
        (FlatNumbersOnly, "epoch raised TypeError"),
        (FreshOnly, "start raised AssertionError.* for RunFacts.*resumed_at=30"),
        (NeedsAStep, "finish raised AttributeError.* for RunEnd.*interrupted"),
        (NeedsAModel, "finish raised AssertionError"),
        (Changes, "step changes what it is given"),
        (OverwritesMetrics, "touches fox/gru_20260119_123456_metrics.jsonl, which is not its own"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(cls: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_logger(spec_of(cls))
    assert "\n" not in str(caught.value)


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(AssertionError, match="needs no_such_module, not installed here"):
        check_logger(spec_of(Good, needs="no_such_module"))
