"""Stopped and resumed, a run ends in the same bytes as one that nobody stopped."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
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
from exphil_core.features.character import active_features
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays import archives
from exphil_core.training import loop
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.learner import Learner
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train
from exphil_core.training.sampling import Step
from exphil_core.training.versions import tell_changes, versions

AnyRun = Callable[..., TrainedModel | UnfinishedRun]
LONG = {"max_steps": None, "epochs": "2", "window_size": "100", "batch_size": "8", "max_files": "4"}
EVERYTHING = {
    **LONG, "mirror": "0.5", "dropout": "0.2", "ema": "0.9", "accumulate": "2", "warmup_steps": "10",
    "early_stopping": True, "mask_dropout": "0.2", "controller_dropout": "0.2", "identity_dropout": "0.3",
    "swap_buttons": "0.5", "label_smoothing": "0.05", "patience": "1", "min_delta": "0.05",
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
    # Also where it contradicts what stays.
    with pytest.raises(UsageError, match="backbone: 'mlp' would change the result"):
        go_on(model, manager, backbone="mlp")


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


def stopped_copy(folder: Path, any_run: AnyRun, step: int, **flags: Any) -> UnfinishedRun:
    """The same run, stopped at `step`."""
    with pytest.MonkeyPatch.context() as patch:
        run = any_run(stop=stopping_at(step, patch), checkpoints=str(folder), **flags)
    assert isinstance(run, UnfinishedRun)
    return run


def test_tables_count_as_they_were_when_the_run_began(
    any_run: AnyRun, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    weights, excluded = tmp_path / "weights.toml", tmp_path / "exclude.txt"
    first, *others = sorted(path.name for path in demo_folder.glob("*.slp"))
    weights.write_text("[character]\nfox = 0.25\nfalco = 3\n")
    excluded.write_text(f"{first}\n")
    flags = {**LONG, "max_files": None, "weights": str(weights), "exclude_file": str(excluded)}
    straight = any_run(**flags)
    run = stopped_copy(tmp_path / "a", any_run, 3, **flags)
    other = stopped_copy(tmp_path / "b", any_run, 3, **flags)
    ended, said = told(run, manager)
    assert said == []
    assert isinstance(straight, TrainedModel)
    assert_same(ended, straight)

    weights.write_text("[character]\nfox = 1\n")
    excluded.write_text("\n".join(others[:2]))
    ended, said = told(other, manager)
    assert_same(ended, straight)
    assert said == [
        f"warning: --weights {weights} has changed: the run goes on with the table that it was begun with",
        f"warning: --exclude-file {excluded} has changed: the run goes on with the games that it was begun with",
    ]
    documents = [
        json.loads((model.folder / model.entry.config_path).read_text()) for model in (straight, ended)
    ]
    assert documents[0]["data"] == documents[1]["data"]
    assert "falco = 3" in documents[1]["data"]["tables"]["weights"]["text"]
    assert documents[1]["data"]["left_out"] == {"excluded by --exclude-file": 1}


def test_a_run_on_a_sample_reads_its_own_games_alone_when_it_goes_on(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {**LONG, "max_files": "3"}
    straight = any_run(**flags)
    run = stopped_copy(tmp_path / "stopped", any_run, 3, **flags)
    opened: list[str] = []
    real = archives.Unpacker.each

    def spy(self: archives.Unpacker, files: Any, act: Any) -> None:
        opened.extend(file.name for file in files)
        real(self, files, act)

    monkeypatch.setattr(archives.Unpacker, "each", spy)
    (here,) = Path(os.environ["EXPHIL_CACHE"]).glob("index.sqlite")
    fresh = tmp_path / "cache"
    fresh.mkdir()
    shutil.copy(here, fresh)
    resumed = go_on(run, manager, cache_dir=str(fresh))
    assert isinstance(straight, TrainedModel)
    assert isinstance(resumed, TrainedModel)
    assert resumed.entry == straight.entry
    # The index knows all six; rows are wanted of three.
    assert len(opened) == 3


def test_another_recording_of_a_game_is_not_the_game_that_the_run_was_begun_with(
    any_run: AnyRun, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(demo_folder, folder)
    run = stopped_copy(tmp_path / "stopped", any_run, 3, **LONG, replays=(str(folder),))
    for path in folder.glob("*.slp"):
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ExphilError, match=r"4 of the 4 games that this run was begun with are not among"):
        go_on(run, manager)


def test_other_versions_of_what_a_run_is_made_of_are_named(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_copy(tmp_path / "stopped", any_run, 2)
    monkeypatch.setattr("exphil_core.__version__", "9.9")
    monkeypatch.setattr("exphil_core.training.versions.FACTS_VERSION", 77)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "ABACUS")
    ended, warnings = told(run, manager)
    assert isinstance(ended, TrainedModel)
    for name, now in (("exphil-core", "9.9"), ("the facts of replays", "77"), ("cpu", "ABACUS")):
        (line,) = (line for line in warnings if line.startswith(f"warning: {name} was "))
        assert line.endswith(f"and is {now} now: going on is not exact to the bit")
    assert len(warnings) == 3


def test_a_plugin_s_code_counts_before_its_version(manager: PluginManager) -> None:
    features = active_features(manager, manager.names("exphil_character_features")[:1])
    if not features:
        pytest.skip("no plugin with a character feature is installed")
    now = versions(manager, "gru", features, "last")
    distribution, name = features[0].entry.origin.distribution, features[0].entry.spec.name
    code = f"the code of {distribution}'s {name}"
    assert now[distribution] == features[0].entry.origin.version
    said: list[str] = []
    tell_changes({**now, code: "another"}, now, said.append)
    tell_changes(now, {key: value for key, value in now.items() if key != distribution}, said.append)
    assert [line.split(":")[1].split(" was ")[0].strip() for line in said] == [code, distribution]


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


def test_a_run_that_early_stopping_ended_is_finished(any_run: AnyRun, manager: PluginManager) -> None:
    model = any_run(**{**LONG, "epochs": "4", "lr": "1e-9"}, early_stopping=True, patience="1", min_delta="1")
    assert isinstance(model, TrainedModel)
    assert len(model.outcome.history) == 2
    for more in ({}, {"epochs": "9"}):
        with pytest.raises(UsageError, match=r"ended by --early-stopping after 1 epochs .*--from-checkpoint"):
            go_on(model, manager, **more)
    assert len(Registry(model.folder).models()) == 1


def test_relative_paths_are_those_of_the_folder_where_the_run_was_begun(
    any_run: AnyRun,
    manager: PluginManager,
    demo_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(demo_folder, tmp_path / "there" / "games")
    (tmp_path / "there" / "weights.toml").write_text("other = 2")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    for replays in ("games", "games/*.slp"):
        run = stopped_copy(tmp_path / "c", any_run, 2, replays=(replays,), weights="weights.toml")
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path / "here")
            ended, said = told(run, manager)
        assert isinstance(ended, TrainedModel)
        assert said == []


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
