"""States: written as often as asked, found by what a user types, and used where they are whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from exphil_core.checkpoints import states as states_module
from exphil_core.checkpoints.states import states
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train

from .conftest import LONG, AnyRun, assert_same, go_on, stopping_at

MISSING = "nothing at all"


def test_a_state_is_found_by_any_of_its_run_s_files(any_run: AnyRun, manager: PluginManager) -> None:
    model = any_run()
    assert isinstance(model, TrainedModel)
    state = model.folder / f"{model.entry.stem}.state"
    places = [state, f"{state}/", states(state)[-1], *model.folder.glob("*.safetensors")]
    places += [*model.folder.glob("*_config.json"), *model.folder.glob("*_metrics.jsonl")]
    assert len(places) == 7
    for place in places:
        taken_up = resume(str(place), "", {"max_steps": "9"}, manager, pytest.fail)
        assert (taken_up.folder, taken_up.stem) == (model.folder, model.entry.stem)
    for nothing in ("", ".", str(model.folder), str(state / "000099"), str(model.folder / "registry.json")):
        with pytest.raises(ExphilError, match=r"there is no such state; give a folder that ends in \.state"):
            resume(nothing, "", {}, manager, pytest.fail)


def test_last_is_the_state_that_was_written_last(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "checkpoints")
    with pytest.raises(ExphilError, match="there is no state to resume"):
        resume("last", folder, {}, manager, pytest.fail)
    unfinished = any_run(stop=stopping_at(2, monkeypatch))
    assert isinstance(unfinished, UnfinishedRun)
    monkeypatch.undo()
    assert resume("last", folder, {}, manager, pytest.fail).stem == "gru_20260119_123456"
    second = any_run(seed="1")
    assert isinstance(second, TrainedModel)
    assert resume("last", folder, {"max_steps": "5"}, manager, pytest.fail).stem == second.entry.stem
    # A finished one has nothing to go on with; the one that has is named.
    with pytest.raises(
        UsageError, match=f"{second.entry.stem}: this run is finished.*--resume {unfinished.state}"
    ):
        resume("last", folder, {}, manager, pytest.fail)
    with pytest.raises(ExphilError, match="there is no such state"):
        resume(str(tmp_path / "nowhere.state"), folder, {}, manager, pytest.fail)


def test_states_are_saved_as_often_as_asked_and_so_many_kept(
    any_run: AnyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    real = states_module.save_state

    def spy(folder: Path, tensors: Any, record: Any, keep: int) -> Path:
        saved.append(record["training"]["steps"])
        return real(folder, tensors, record, keep)

    monkeypatch.setattr("exphil_core.training.run.save_state", spy)
    model = any_run(**LONG, save_every="3", keep_states="3")
    assert isinstance(model, TrainedModel)
    ends = [result.steps for result in model.outcome.history]
    assert set(ends) < set(saved)
    assert all(after - before <= 3 for before, after in zip([0, *saved], saved, strict=False))
    assert len(states(model.folder / f"{model.entry.stem}.state")) == 3
    saved.clear()
    any_run(**LONG, save_every="0.0001s")
    assert len(saved) > ends[-1]
    with pytest.raises(UsageError, match='save_every: "often" must be a number of steps'):
        any_run(save_every="often")


def test_a_disk_that_is_full_for_a_while_costs_no_more_than_a_warning(
    any_run: AnyRun,
    long_run: TrainedModel,
    manager: PluginManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = states_module.save_file, []

    def full(tensors: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(states_module, "save_file", full)
    model = any_run(**LONG, checkpoints=str(tmp_path / "full"))
    assert_same(model, long_run)
    assert len(calls) >= 2


def test_a_damaged_state_is_named_and_the_one_before_used(
    any_run: AnyRun, long_run: TrainedModel, manager: PluginManager, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        total = long_run.outcome.history[-1].steps
        run = any_run(stop=stopping_at(total - 1, patch), **LONG, checkpoints=str(tmp_path / "damaged"))
    assert isinstance(run, UnfinishedRun)
    assert run.state is not None
    before, newest = states(run.state)
    content = bytearray((newest / "tensors.safetensors").read_bytes())
    content[-100] ^= 1
    (newest / "tensors.safetensors").write_bytes(content)
    warnings: list[str] = []
    taken_up = resume(str(run.state), "", {}, manager, warnings.append)
    assert warnings == [
        f"warning: {newest}: tensors.safetensors is damaged: its SHA-256 differs from the manifest's; going on "
        f"from {before.name}, the one before"
    ]
    assert_same(train(taken_up.run, manager, SilentReporter(), resumed=taken_up), long_run)
    older, newest = states(run.state)
    (newest / "manifest.json").unlink()
    (older / "tensors.safetensors").write_bytes(content)
    with pytest.raises(
        ExphilError, match=r"no state is whole: .*manifest.json: No such file.*safetensors is damaged"
    ):
        resume(str(run.state), "", {}, manager, pytest.fail)


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("training",), [], "training is not a table of names and values"),
        (("training", "steps"), "x", "training.steps is not a whole number"),
        (("training", "history"), None, "training.history is not a list"),
        (("training", "history"), [{}], "KeyError: 'val_loss'"),
        (("training", "under_way"), {"x": 1}, "training.under_way.epoch is missing"),
        (("training", "carried"), 7, "KeyError: 'carried.1'"),
        (("run", "config"), "x", "run.config is not a table of names and values"),
        (("run", "created_at"), "x", "time data 'x' does not match"),
        (("run", "parent"), "x", "run.parent is not a table of names and values"),
        (("data",), MISSING, "data is missing"),
        (("data", "left_out_files"), [{"file": "x"}], "data.left_out_files: reason is missing"),
        (("machine", "threads"), None, "machine.threads is not a whole number"),
        (("versions",), "x", "versions is not a table of names and values"),
    ],
    ids=str,
)
def test_a_state_that_was_changed_by_hand_is_named(
    any_run: AnyRun,
    manager: PluginManager,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    value: Any,
    reason: str,
) -> None:
    """Its checksums were made good, too."""
    with monkeypatch.context() as patch:
        run = any_run(**LONG, ema="0.9", stop=stopping_at(3, patch))
    assert isinstance(run, UnfinishedRun)
    assert run.state is not None
    (state,) = states(run.state)
    record, manifest = state / states_module.RECORD, state / states_module.MANIFEST
    told = json.loads(record.read_text())
    section = told
    for key in keys[:-1]:
        section = section[key]
    section.pop(keys[-1]) if value == MISSING else section.update({keys[-1]: value})
    record.write_text(json.dumps(told))
    facts = json.loads(manifest.read_text())
    content = record.read_bytes()
    facts["files"][record.name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(facts))
    with pytest.raises(ExphilError) as caught:
        go_on(run, manager)
    said = str(caught.value)
    assert said.startswith(
        f"{run.state}: not a state of such a run: it was changed, or made by another version"
    )
    assert f"of ExPhil ({reason}" in said
    assert "\n" not in said
