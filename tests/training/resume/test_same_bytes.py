"""Stopped and resumed, a run ends in the same bytes as one that nobody stopped."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.checkpoints.states import load_state
from exphil_core.plugin_manager import PluginManager
from exphil_core.training import loop
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train

from .conftest import LONG, AnyRun, assert_same, go_on, stopping_at

EVERYTHING = {
    **LONG, "mirror": "0.5", "dropout": "0.2", "ema": "0.9", "accumulate": "2", "warmup_steps": "10",
    "early_stopping": True, "mask_dropout": "0.2", "controller_dropout": "0.2", "identity_dropout": "0.3",
    "swap_buttons": "0.5", "label_smoothing": "0.05", "patience": "1", "min_delta": "0.05",
}  # fmt: skip
RUNS = [
    ("gru", EVERYTHING),
    ("mlp", {**EVERYTHING, "batch_size": "500"}),
    pytest.param("mamba", EVERYTHING, marks=pytest.mark.all_only),
    pytest.param("gru", LONG, marks=pytest.mark.all_only),
]


@pytest.mark.parametrize(
    ("backbone", "settings"), RUNS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_run_resumed_anywhere_ends_in_the_same_bytes(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, backbone: str, settings: dict[str, Any]
) -> None:
    straight = any_run(backbone=backbone, **settings)
    assert isinstance(straight, TrainedModel)
    total = straight.outcome.history[-1].steps
    drawn = random.Random(backbone)
    for number, step in enumerate([total, drawn.randrange(1, total)]):
        with pytest.MonkeyPatch.context() as patch:
            stop = stopping_at(step, patch)
            run = any_run(stop=stop, backbone=backbone, **settings, checkpoints=str(tmp_path / f"{number}"))
        assert isinstance(run, UnfinishedRun)
        assert run.state is not None
        assert load_state(run.state, pytest.fail).record["training"]["steps"] == step
        torch.manual_seed(12345)  # whatever else this process drew
        assert_same(go_on(run, manager), straight)


def test_a_run_resumed_again_and_again_ends_in_the_same_bytes(
    any_run: AnyRun,
    long_run: TrainedModel,
    manager: PluginManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    total = long_run.outcome.history[-1].steps
    stop = stopping_at(2, monkeypatch)
    run = any_run(stop=stop, **LONG, checkpoints=str(tmp_path / "again"))
    for step in range(5, total, 7):
        monkeypatch.undo()
        assert isinstance(run, UnfinishedRun)
        run = go_on(run, manager, stopping_at(step, monkeypatch))
    monkeypatch.undo()
    assert_same(go_on(run, manager), long_run)


def test_a_stop_during_validation_saves_the_trained_epoch(
    any_run: AnyRun,
    long_run: TrainedModel,
    manager: PluginManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, real = StopRequest(), loop.validate

    def asked(*args: Any) -> Any:
        stop.asked = True
        return real(*args)

    monkeypatch.setattr(loop, "validate", asked)
    run = any_run(stop=stop, **LONG, checkpoints=str(tmp_path / "stopped"))
    monkeypatch.undo()
    assert isinstance(run, UnfinishedRun)
    assert run.state is not None
    record = load_state(run.state, pytest.fail).record["training"]
    assert record["history"] == []
    assert record["steps"] == long_run.outcome.history[0].steps
    assert_same(go_on(run, manager), long_run)


def test_a_run_killed_at_its_last_step_is_validated_and_registered(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = {**LONG, "max_steps": "5"}
    straight = any_run(**limited)
    assert isinstance(straight, TrainedModel)

    def killed(*args: Any) -> Any:
        raise SystemExit("killed")

    monkeypatch.setattr(loop, "validate", killed)
    with pytest.raises(SystemExit):
        any_run(**limited, checkpoints=str(tmp_path / "killed"))
    monkeypatch.undo()
    taken_up = resume("last", str(tmp_path / "killed"), {}, manager, pytest.fail)
    assert taken_up.record["training"]["steps"] == 5
    assert_same(train(taken_up.run, manager, SilentReporter(), resumed=taken_up), straight)
