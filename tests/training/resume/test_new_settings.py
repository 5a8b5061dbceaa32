"""What may be given anew to a run that goes on, and what is left of one that ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exphil_core.checkpoints.lineage import draw, lineage
from exphil_core.checkpoints.registry import Registry
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.run import TrainedModel

from .conftest import LONG, AnyRun, go_on


def test_a_limit_that_is_lifted_goes_on_in_the_middle_of_the_epoch(
    any_run: AnyRun, long_run: TrainedModel, manager: PluginManager, tmp_path: Path
) -> None:
    short = any_run(**LONG, max_time="0.001s", checkpoints=str(tmp_path / "short"))
    assert isinstance(short, TrainedModel)
    assert short.outcome.stopped.startswith("--max-time")
    # Its model is registered; going on makes another, whose parent it is.
    longer = go_on(short, manager, max_time="1h")
    assert isinstance(longer, TrainedModel)
    assert longer.entry.id != short.entry.id
    assert longer.entry.parent_model == short.entry.id
    assert longer.entry.sha256["weights"] == long_run.entry.sha256["weights"]
    assert longer.entry.val_loss == long_run.entry.val_loss
    assert longer.entry.total_epochs == 2


def test_more_epochs_are_allowed_and_recorded(any_run: AnyRun, manager: PluginManager) -> None:
    first = any_run(**{**LONG, "epochs": "1"})
    assert isinstance(first, TrainedModel)
    more = go_on(first, manager, epochs="2")
    assert isinstance(more, TrainedModel)
    assert (more.entry.inherited_epochs, more.entry.epochs, more.entry.total_epochs) == (1, 1, 2)
    assert more.entry.training_type == "imitation"
    assert [result.epoch for result in more.outcome.history] == [1, 2]
    assert more.outcome.history[:1] == first.outcome.history
    config = json.loads((more.folder / more.entry.config_path).read_text())
    (resumed,) = config["provenance"]["resumed"]
    assert resumed["changed"] == {"epochs": [1, 2]}
    assert config["config"]["epochs"] == 2
    tree = draw(lineage(Registry(more.folder).models(), more.entry))
    assert any(first.entry.id in line for line in tree)


def test_a_finished_run_has_nothing_left_to_go_on_with(any_run: AnyRun, manager: PluginManager) -> None:
    model = any_run(**{**LONG, "epochs": "1"})
    before = sorted(path.name for path in model.folder.iterdir())
    with pytest.raises(
        UsageError, match="this run is finished, all 1 epochs of it; to train on, give --epochs 2"
    ):
        go_on(model, manager)
    assert sorted(path.name for path in model.folder.iterdir()) == before
    with pytest.raises(UsageError, match="a state is resumed where it stands"):
        go_on(model, manager, checkpoints="elsewhere", epochs="2")


def test_what_would_change_the_result_is_refused_by_name(any_run: AnyRun, manager: PluginManager) -> None:
    model = any_run()
    with pytest.raises(UsageError) as refused:
        go_on(model, manager, lr="0.5", seed="0", hidden_sizes="16", character="fox")
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["character", "hidden_sizes", "lr"]
    assert "0.5 would change the result of a run that was begun with 0.003" in lines[-1]
    with pytest.raises(UsageError, match="epochs: 0 must be at least 1"):
        go_on(model, manager, epochs="0")
    # Also where it contradicts what stays.
    with pytest.raises(UsageError, match="backbone: 'mlp' would change the result"):
        go_on(model, manager, backbone="mlp")


def test_a_run_that_max_steps_ended_goes_on_with_more_steps_or_not_at_all(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = {**LONG, "schedule": "constant", "warmup_steps": "0"}
    straight = any_run(**constant)
    assert isinstance(straight, TrainedModel)
    folder = str(tmp_path / "short")
    # In the middle of the first epoch.
    short = any_run(**{**constant, "max_steps": "5"}, checkpoints=folder)
    assert isinstance(short, TrainedModel)
    assert short.outcome.stopped == "--max-steps 5 reached"
    with pytest.raises(UsageError, match=r"this run is finished, all 5 steps of it; .* give --max-steps 10"):
        go_on(short, manager)
    with pytest.raises(UsageError, match=r"--max-steps 4: the run has done 5 already"):
        go_on(short, manager, max_steps="4")
    longer = go_on(short, manager, max_steps="none")
    assert isinstance(longer, TrainedModel)
    assert longer.entry.sha256["weights"] == straight.entry.sha256["weights"]
    assert (longer.entry.parent_model, longer.entry.total_epochs) == (short.entry.id, 2)
    config = json.loads((longer.folder / longer.entry.config_path).read_text())
    assert config["provenance"]["resumed"][0]["changed"] == {"max_steps": [5, None]}


def test_a_run_that_early_stopping_ended_is_finished(any_run: AnyRun, manager: PluginManager) -> None:
    model = any_run(**{**LONG, "epochs": "4", "lr": "1e-9"}, early_stopping=True, patience="1", min_delta="1")
    assert isinstance(model, TrainedModel)
    assert len(model.outcome.history) == 2
    for more in ({}, {"epochs": "9"}):
        with pytest.raises(UsageError, match=r"ended by --early-stopping after 1 epochs .*--from-checkpoint"):
            go_on(model, manager, **more)
    assert len(Registry(model.folder).models()) == 1
