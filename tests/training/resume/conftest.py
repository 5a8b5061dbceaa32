"""Runs that are stopped, and go on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from exphil_core.plugin_manager import PluginManager
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.learner import Learner
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train
from exphil_core.training.sampling import Step

from ..conftest import trained

AnyRun = Callable[..., TrainedModel | UnfinishedRun]
LONG = {"max_steps": None, "epochs": "2", "window_size": "100", "batch_size": "8", "max_files": "4"}


@pytest.fixture(scope="session")
def long_run(
    manager: PluginManager, demo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedModel:
    """The run of `LONG` that nobody stopped, for all tests: none changes its files."""
    checkpoints = str(tmp_path_factory.mktemp("straight") / "checkpoints")
    model = trained(manager, {"replays": (str(demo_folder),), "checkpoints": checkpoints, **LONG})
    assert isinstance(model, TrainedModel)
    return model


def go_on(
    run: UnfinishedRun | TrainedModel, manager: PluginManager, stop: StopRequest | None = None, **flags: Any
) -> TrainedModel | UnfinishedRun:
    state = run.state if isinstance(run, UnfinishedRun) else run.folder / f"{run.entry.stem}.state"
    assert state is not None
    taken_up = resume(str(state), "", flags, manager, pytest.fail)
    return train(taken_up.run, manager, SilentReporter(), stop=stop, resumed=taken_up)


def stopping_at(step: int, monkeypatch: pytest.MonkeyPatch) -> StopRequest:
    """A request that comes while step `step` is under way."""
    stop, real = StopRequest(), Learner.update

    def update(self: Learner, batches: Sequence[Step]) -> tuple[float, int]:
        if self.steps + 1 == step:
            stop.asked = True
        return real(self, batches)

    monkeypatch.setattr(Learner, "update", update)
    return stop


def stopped_copy(folder: Path, any_run: AnyRun, step: int, **flags: Any) -> UnfinishedRun:
    """The same run, stopped at `step`."""
    with pytest.MonkeyPatch.context() as patch:
        run = any_run(stop=stopping_at(step, patch), checkpoints=str(folder), **flags)
    assert isinstance(run, UnfinishedRun)
    return run


def metrics(folder: Path, stem: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / f"{stem}_metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in ("seconds", "frames_per_second")}
        for line in lines
    ]


def assert_same(resumed: TrainedModel | UnfinishedRun, straight: TrainedModel) -> None:
    assert isinstance(resumed, TrainedModel)
    assert resumed.entry == straight.entry
    stem = straight.entry.stem
    assert metrics(resumed.folder, stem) == metrics(straight.folder, stem)


class Lines(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def told(run: UnfinishedRun | TrainedModel, manager: PluginManager) -> tuple[Any, list[str]]:
    """What becomes of a run that goes on, and the warnings of its going on."""
    state = run.state if isinstance(run, UnfinishedRun) else run.folder / f"{run.entry.stem}.state"
    taken_up = resume(str(state), "", {}, manager, pytest.fail)
    lines = Lines()
    ended = train(taken_up.run, manager, lines, resumed=taken_up)
    return ended, [line for line in lines.lines if re.match("warning: (?!epoch|batch_size)", line)]
