"""Small runs: seconds each, everything real."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from exphil_core.config.resolve import resolve
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, UnfinishedRun, train

NOW = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
TINY = {
    "backbone": "gru",
    "hidden_sizes": "8",
    "max_steps": "4",
    "epochs": "1",
    "window_size": "30",
    "batch_size": "4",
}

Run = Callable[..., TrainedModel]


@pytest.fixture
def any_run(
    manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> Callable[..., TrainedModel | UnfinishedRun]:
    """Trains with flags as the command line gives them: texts."""

    def run(stop: StopRequest | None = None, **flags: Any) -> TrainedModel | UnfinishedRun:
        folders = {"replays": (str(demo_folder),), "checkpoints": str(tmp_path / "checkpoints")}
        return trained(manager, {**folders, **flags}, stop)

    return run


def trained(
    manager: PluginManager, flags: dict[str, Any], stop: StopRequest | None = None
) -> TrainedModel | UnfinishedRun:
    settings = {name: value for name, value in {**TINY, **flags}.items() if value is not None}
    return train(resolve(manager, flags=settings), manager, SilentReporter(), now=NOW, stop=stop)


@pytest.fixture
def small_run(any_run: Callable[..., TrainedModel | UnfinishedRun]) -> Run:
    """A run that comes to its end."""

    def run(**flags: Any) -> TrainedModel:
        trained = any_run(**flags)
        assert isinstance(trained, TrainedModel)
        return trained

    return run


@pytest.fixture
def unfinished_run(any_run: Callable[..., TrainedModel | UnfinishedRun]) -> Callable[..., UnfinishedRun]:
    """A run that doesn't."""

    def run(**flags: Any) -> UnfinishedRun:
        ended = any_run(**flags)
        assert isinstance(ended, UnfinishedRun)
        return ended

    return run
