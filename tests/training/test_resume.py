"""Stopped and resumed, a run ends in the same bytes as one that nobody stopped."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.checkpoints import states as states_module
from exphil_core.checkpoints.lineage import draw, lineage
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.states import load_state, states
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.training import loop
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.learner import Learner
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train
from exphil_core.training.sampling import Step

AnyRun = Callable[..., TrainedModel | UnfinishedRun]
LONG = {"max_steps": None, "epochs": "2", "window_size": "100", "batch_size": "8", "max_files": "4"}
EVERYTHING = {
    **LONG, "mirror": "0.5", "dropout": "0.2", "ema": "0.9", "accumulate": "2", "warmup_steps": "10",
    "early_stopping": True, "mask_dropout": "0.2", "controller_dropout": "0.2", "label_smoothing": "0.05",
    "patience": "1", "min_delta": "0.05",
}  # fmt: skip
RUNS = [
    ("gru", EVERYTHING),
    ("mamba", EVERYTHING),
    ("mlp", {**EVERYTHING, "batch_size": "500"}),
    ("gru", LONG),
]


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
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = any_run(**LONG)
    assert isinstance(straight, TrainedModel)
    total = straight.outcome.history[-1].steps
    stop = stopping_at(2, monkeypatch)
    run = any_run(stop=stop, **LONG, checkpoints=str(tmp_path / "again"))
    for step in range(5, total, 7):
        monkeypatch.undo()
        assert isinstance(run, UnfinishedRun)
        run = go_on(run, manager, stopping_at(step, monkeypatch))
    monkeypatch.undo()
    assert_same(go_on(run, manager), straight)


def test_a_stop_during_validation_saves_the_trained_epoch(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = any_run(**LONG)
    assert isinstance(straight, TrainedModel)
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
    assert record["steps"] == straight.outcome.history[0].steps
    assert_same(go_on(run, manager), straight)


def test_a_limit_that_is_lifted_goes_on_in_the_middle_of_the_epoch(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path
) -> None:
    straight = any_run(**LONG)
    assert isinstance(straight, TrainedModel)
    short = any_run(**LONG, max_time="0.001s", checkpoints=str(tmp_path / "short"))
    assert isinstance(short, TrainedModel)
    assert short.outcome.stopped.startswith("--max-time")
    # Its model is registered; going on makes another, whose parent it is.
    longer = go_on(short, manager, max_time="1h")
    assert isinstance(longer, TrainedModel)
    assert longer.entry.id != short.entry.id
    assert longer.entry.parent_model == short.entry.id
    assert longer.entry.sha256["weights"] == straight.entry.sha256["weights"]
    assert longer.entry.val_loss == straight.entry.val_loss
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
    assert "0.5 would change the result of a run that was begun with 0.001" in lines[-1]
    with pytest.raises(UsageError, match="epochs: 0 must be at least 1"):
        go_on(model, manager, epochs="0")


def test_games_that_are_gone_are_counted_and_new_ones_change_nothing(
    any_run: AnyRun, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    from exphil_core.sandbox import make_replays

    folder = tmp_path / "mine"
    folder.mkdir()
    for path in demo_folder.glob("*.slp"):
        (folder / path.name).write_bytes(path.read_bytes())
    straight = any_run(**LONG)
    with pytest.MonkeyPatch.context() as patch:
        run = any_run(
            stop=stopping_at(3, patch),
            **LONG,
            replays=(str(folder),),
            checkpoints=str(tmp_path / "stopped"),
        )
    make_replays(folder, games=2, minutes=0.1, seed=99)
    for path in folder.glob("*.slp"):
        path.rename(path.with_name(f"renamed-{path.name}"))
    assert isinstance(straight, TrainedModel)
    resumed = go_on(run, manager)
    assert isinstance(resumed, TrainedModel)
    assert resumed.entry.sha256["weights"] == straight.entry.sha256["weights"]

    with pytest.MonkeyPatch.context() as patch:
        run = any_run(
            stop=stopping_at(3, patch),
            **{**LONG, "max_files": None},
            replays=(str(demo_folder),),
            checkpoints=str(tmp_path / "other"),
        )
    some = sorted(map(str, demo_folder.glob("*.slp")))[:4]
    with pytest.raises(ExphilError, match="2 of the 6 games that this run was begun with are not among"):
        go_on(run, manager, replays=tuple(some))


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
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = any_run(**LONG)
    assert isinstance(straight, TrainedModel)
    real, calls = states_module.save_file, []

    def full(tensors: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(states_module, "save_file", full)
    model = any_run(**LONG, checkpoints=str(tmp_path / "full"))
    assert_same(model, straight)
    assert len(calls) >= 2


def test_a_damaged_state_is_named_and_the_one_before_used(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path
) -> None:
    straight = any_run(**LONG)
    assert isinstance(straight, TrainedModel)
    with pytest.MonkeyPatch.context() as patch:
        total = straight.outcome.history[-1].steps
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
    assert_same(train(taken_up.run, manager, SilentReporter(), resumed=taken_up), straight)
    older, newest = states(run.state)
    (newest / "manifest.json").unlink()
    (older / "tensors.safetensors").write_bytes(content)
    with pytest.raises(
        ExphilError, match=r"no state is whole: .*manifest.json: No such file.*safetensors is damaged"
    ):
        resume(str(run.state), "", {}, manager, pytest.fail)


def test_last_is_the_state_that_was_written_last(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path
) -> None:
    folder = str(tmp_path / "checkpoints")
    with pytest.raises(ExphilError, match="there is no state to resume"):
        resume("last", folder, {}, manager, pytest.fail)
    any_run()
    second = any_run(seed="1")
    assert isinstance(second, TrainedModel)
    assert resume("last", folder, {}, manager, pytest.fail).stem == second.entry.stem
    with pytest.raises(ExphilError, match="there is no such state"):
        resume(str(tmp_path / "nowhere.state"), folder, {}, manager, pytest.fail)
