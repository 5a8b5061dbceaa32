"""The conformance suite of loggers."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from exphil_core.config.loggers import missing
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import LoggerSpec
from exphil_core.testing.subject import checked_options, claim, factory_of, find, said
from exphil_core.training.logger import RunEnd, RunFacts

HOOK = "exphil_loggers"
NAME = "fox/gru_20260119_123456"
METHODS = ("start", "step", "epoch", "finish")
# Files of the run itself, which are none of a logger's business.
OWN_FILES = {f"{NAME}_metrics.jsonl": b'{"epoch": 1}\n', "registry.json": b"{}"}


def check_logger(
    logger: LoggerSpec | str,
    *,
    options: Mapping[str, Any] | None = None,
    manager: PluginManager | None = None,
) -> None:
    """Check a logger: what it needs is installed, its options check themselves, and none of its calls raises in
    made-up runs: finished, interrupted before the first step, killed and resumed, and one after the other in one
    process. It changes nothing that it is given, and none of the run's own files.

    `options` sets what should differ from the defaults, or has none.
    """
    entry = find(HOOK, logger, manager)
    spec: LoggerSpec = entry.spec
    who = f"logger {spec.name}"
    claim(not missing(spec), "; ".join(missing(spec)))
    chosen = checked_options(who, spec.options, options or {})
    factory = factory_of(who, spec.factory)

    def make() -> Any:
        try:
            made = factory() if spec.options is None else factory(chosen)
        except Exception as error:
            raise AssertionError(f"{who}: its factory raised {said(error)}") from error
        for method in METHODS:
            claim(callable(getattr(made, method, None)), f"{who}: what its factory gives has no {method}(…)")
        return made

    # Those who write to a file may hold it open for a while, which Windows minds.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for number, play in enumerate((_finished, _never_began, _killed_and_resumed)):
            place = Path(folder) / str(number)
            _lay_out(place)
            play(_Subject(who=who, make=make, folder=place))
            for name, content in OWN_FILES.items():
                claim(
                    (place / name).is_file() and (place / name).read_bytes() == content,
                    f"{who} touches {name}, which is not its own",
                )


def _lay_out(folder: Path) -> None:
    for name, content in OWN_FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@attrs.frozen(eq=False)
class _Subject:
    who: str
    make: Callable[[], Any]
    folder: Path

    def tell(self, logger: Any, method: str, what: Any) -> None:
        before = copy.deepcopy(what)
        try:
            getattr(logger, method)(what)
        except Exception as error:
            raise AssertionError(f"{self.who}: {method} raised {said(error)} for {before}") from error
        claim(what == before, f"{self.who}: {method} changes what it is given")

    def run(self, steps: range, end: RunEnd | None, resumed_at: int | None = None) -> None:
        logger = self.make()
        self.tell(logger, "start", facts(self.folder, resumed_at))
        for step in steps:
            self.tell(logger, "step", step_metrics(step))
            if step % 30 == 0:
                self.tell(logger, "epoch", epoch_metrics(step))
        if end is not None:
            self.tell(logger, "finish", end)


def _finished(subject: _Subject) -> None:
    subject.run(
        range(10, 70, 10), RunEnd(status="finished", model="gru_20260119_123456", best=epoch_metrics(30))
    )


def _never_began(subject: _Subject) -> None:
    subject.run(range(0), RunEnd(status="interrupted", reason="interrupted"))
    subject.run(range(0), RunEnd(status="failed", reason="RuntimeError: out of memory"))


def _killed_and_resumed(subject: _Subject) -> None:
    subject.run(range(10, 60, 10), None)
    stopped = RunEnd(status="interrupted", reason="interrupted", state="checkpoints/x.state")
    subject.run(range(40, 70, 10), stopped, resumed_at=30)
    subject.run(range(70, 100, 10), RunEnd(status="finished", model="x"), resumed_at=60)


def facts(folder: Path, resumed_at: int | None = None) -> RunFacts:
    """A run that never was."""
    config = {"backbone": "gru", "hidden_sizes": [64, 64], "lr": 1e-3, "character": None, "tags": []}
    return RunFacts(
        name=NAME, folder=folder, created_at="2026-01-19T12:34:56Z", config=config, resumed_at=resumed_at
    )


def step_metrics(step: int) -> dict[str, float]:
    """What `step` is given."""
    return {
        "step": step,
        "epoch": 1 + step // 31,
        "train_loss": 4.0 / (1 + step),
        "lr": 1e-3,
        "frames_per_second": 0.0,
    }


def epoch_metrics(step: int) -> dict[str, Any]:
    """What `epoch` is given: numbers, and objects of numbers."""
    score = {"val_loss": 2.0 / step, "val_loss_change": 9.0, "baseline_repeat": 3.0, "baseline_marginal": 7.5}
    return {
        "epoch": step // 30,
        "step": step,
        "frames": 48_000,
        "train_loss": 1.5,
        "lr": 1e-4,
        "seconds": 12.3,
        "frames_per_second": 3_902.4,
        **score,
        "parts": {"buttons": 0.5, "main": 1.0},
        "rates": {"predicted": {"a": 0.1}, "actual": {"a": 0.2}},
        "validation_frames": 2_960,
    }
