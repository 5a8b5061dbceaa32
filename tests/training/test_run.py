"""A whole run: files that stand alone, a registry entry that agrees with them, the same bytes for the same seed."""

from __future__ import annotations

import hashlib
import json
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.states import load_state
from exphil_core.checkpoints.store import load_policy, read_description
from exphil_core.config.resolve import resolve
from exphil_core.errors import ExphilError
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager
from exphil_core.training import loop
from exphil_core.training.interrupts import ENDING, stop_on_signals
from exphil_core.training.learner import Learner
from exphil_core.training.metrics import append_metrics, read_metrics
from exphil_core.training.prepare import prepare
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, UnfinishedRun, train
from exphil_core.training.sampling import Step

Run = Callable[..., TrainedModel]
# A whole epoch takes a few steps.
WHOLE = {"max_steps": None, "window_size": "100", "batch_size": "32"}


@pytest.fixture
def restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def files(model: TrainedModel) -> dict[str, Path]:
    stem = model.folder / model.entry.id
    return {
        "weights": stem.with_suffix(".safetensors"),
        "policy": stem.with_name(stem.name + "_policy.safetensors"),
        "config": stem.with_name(stem.name + "_config.json"),
        "metrics": stem.with_name(stem.name + "_metrics.jsonl"),
    }


def test_a_run_leaves_files_that_safetensors_and_json_alone_can_read(small_run: Run) -> None:
    model = small_run(**WHOLE, epochs="2")
    paths = files(model)
    assert sorted(
        p.name for p in model.folder.iterdir() if not p.name.startswith((".", "registry"))
    ) == sorted([f"{model.entry.id}.state", *(p.name for p in paths.values())])
    weights = safetensors.numpy.load_file(paths["weights"])
    policy = safetensors.numpy.load_file(paths["policy"])
    assert weights.keys() == policy.keys()
    assert all(np.isfinite(tensor).all() for tensor in weights.values())
    for kind in ("weights", "policy"):
        assert hashlib.sha256(paths[kind].read_bytes()).hexdigest() == model.entry.sha256[kind]
    config = json.loads(paths["config"].read_text())
    registry = json.loads((model.folder / "registry.json").read_text())
    assert registry["models"] == [config["model"]]
    assert registry["leaderboard"]["best_overall"] == model.entry.id
    lines = [json.loads(line) for line in paths["metrics"].read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines == config["results"]["history"]
    assert config["results"]["val_loss"] == min(line["val_loss"] for line in lines) == model.entry.val_loss
    assert config["observation"] == observation_schema().as_json()


def test_held_out_games_are_no_training_games(small_run: Run) -> None:
    config = json.loads(files(small_run())["config"].read_text())
    held, trained = config["results"]["validation_games"], config["data"]["training_games"]
    assert held
    assert trained
    assert not set(held) & set(trained)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small_run: Run, tmp_path: Path) -> None:
    runs = [small_run(seed=seed, checkpoints=str(tmp_path / str(i))) for i, seed in enumerate("110")]
    hashes = [run.entry.sha256 for run in runs]
    assert hashes[0] == hashes[1] != hashes[2]
    assert files(runs[0])["policy"].read_bytes() == files(runs[1])["policy"].read_bytes()


def test_a_loaded_policy_is_the_trained_one(small_run: Run, manager: PluginManager) -> None:
    model = small_run()
    policy, description = load_policy(files(model)["policy"], manager)
    weights = safetensors.numpy.load_file(files(model)["weights"])
    for name, tensor in policy.state_dict().items():
        assert (tensor.numpy() == weights[name]).all(), name
    assert description["delay"] == 0
    assert description["observation"]["id"] == model.entry.schema


def test_a_policy_is_refused_for_data_of_another_schema(small_run: Run, manager: PluginManager) -> None:
    path = files(small_run())["policy"]
    load_policy(path, manager, observation_schema())
    feature = manager.get("exphil_character_features", "teleport").spec
    with pytest.raises(ExphilError, match=r"the model doesn't know own_teleport_\w+, .*train it anew"):
        load_policy(path, manager, observation_schema([feature]))


def test_two_runs_in_the_same_second_get_two_names(small_run: Run) -> None:
    ids = [small_run().entry.id for _ in range(3)]
    assert ids == ["gru_20260119_123456", "gru_20260119_123456_2", "gru_20260119_123456_3"]
    assert len(json.loads((small_run().folder / "registry.json").read_text())["models"]) == 4


def test_the_best_epoch_is_kept(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    scores = iter([2.0, 1.0, 3.0])
    real = loop.validate

    def scripted(policy: Policy, *args: object) -> object:
        import attrs

        seen.append(policy.head.enter.weight.detach().clone())
        return attrs.evolve(real(policy, *args), val_loss=next(scores))  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "validate", scripted)
    model = small_run(**WHOLE, epochs="3")
    assert model.outcome.best is not None
    assert model.outcome.best.epoch == 2
    assert model.entry.val_loss == 1.0
    weights = safetensors.numpy.load_file(files(model)["weights"])
    assert (weights["head.enter.weight"] == seen[1].numpy()).all()
    assert (weights["head.enter.weight"] != seen[2].numpy()).any()


def test_a_second_ctrl_c_leaves_the_state_of_the_last_epoch(
    unfinished_run: Callable[..., UnfinishedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.Trainer._epoch, []

    def interrupted(self: loop.Trainer) -> object:
        calls.append(self.at.epoch)
        if self.at.epoch == 2:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(loop.Trainer, "_epoch", interrupted)
    run = unfinished_run(**WHOLE, epochs="5")
    assert calls == [1, 2]
    assert run.outcome.interrupted
    assert run.state is not None
    record = load_state(run.state, pytest.fail).record["training"]
    assert len(record["history"]) == 1
    assert record["under_way"]["epoch"] == 2
    # Nothing is registered that isn't finished.
    assert Registry(run.folder).models() == []
    assert not list(run.folder.glob("*.safetensors"))


def test_ctrl_c_before_the_first_state_leaves_nothing(
    unfinished_run: Callable[..., UnfinishedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Trainer, "_epoch", interrupted)
    run = unfinished_run()
    assert run.state is None
    assert not list(run.folder.glob("gru*"))


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_state(
    unfinished_run: Callable[..., UnfinishedRun], monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    real, calls = Learner.update, []

    def broken(self: Learner, batches: Sequence[Step]) -> object:
        calls.append(batches)
        if len(calls) > 20 * (epoch - 1):
            with torch.no_grad():
                self.policy.head.enter.weight.fill_(math.nan)
        return real(self, batches)

    monkeypatch.setattr(Learner, "update", broken)
    if epoch == 1:
        with pytest.raises(ExphilError, match="the loss is nan at step 1: try a smaller --lr"):
            unfinished_run(**WHOLE, epochs="3")
        return
    run = unfinished_run(**WHOLE, epochs="3")
    assert run.outcome.failed
    assert run.outcome.stopped.startswith("the loss is nan")
    assert "; the batch came from " in run.outcome.stopped
    assert ".slp" in run.outcome.stopped
    assert run.state is not None
    tensors = load_state(run.state, pytest.fail).tensors
    assert all(torch.isfinite(t).all() for name, t in tensors.items() if t.is_floating_point())


def test_training_beats_the_repeat_baseline_on_demo_games(small_run: Run) -> None:
    model = small_run(
        backbone="mlp", hidden_sizes="32", epochs="4", max_steps=None, batch_size="256", lr="0.003"
    )
    assert model.outcome.best is not None
    score = model.outcome.best.validation
    assert score.val_loss < 0.95 * score.baseline_repeat < score.baseline_marginal


def test_nothing_is_written_where_nothing_can_be_trained(manager: PluginManager, tmp_path: Path) -> None:
    bad = tmp_path / "bad.slp"
    bad.write_bytes(b"nonsense")
    run = resolve(manager, flags={"replays": (str(bad),), "checkpoints": str(tmp_path / "c")})
    with pytest.raises(ExphilError, match="none of the 1 replay files can be trained on: 1 unreadable"):
        train(run, manager, SilentReporter())
    assert not (tmp_path / "c").exists()


def test_a_checkpoints_path_that_is_a_file_is_refused_before_reading(
    manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "c").touch()
    run = resolve(manager, flags={"replays": (str(demo_folder),), "checkpoints": str(tmp_path / "c" / "d")})
    with pytest.raises(ExphilError, match=r"--checkpoints .*: .*c is a file, not a folder"):
        prepare(run, manager, SilentReporter())


def test_asking_for_cuda_where_there_is_none_is_an_error(
    manager: PluginManager, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = resolve(manager, flags={"replays": (str(demo_folder),), "device": "cuda"})
    with pytest.raises(ExphilError, match="torch sees no CUDA device"):
        prepare(run, manager, SilentReporter())


def test_metrics_survive_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n{"epoch": 2, "val_l')
    append_metrics(path, {"epoch": 2})
    assert read_metrics(path) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 1000])
def test_a_file_that_is_no_policy_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x_policy.safetensors"
    path.write_bytes(content)
    with pytest.raises(ExphilError, match=r"x_policy\.safetensors"):
        read_description(path)


def test_weights_are_no_policy(small_run: Run) -> None:
    with pytest.raises(ExphilError, match="not a policy file"):
        read_description(files(small_run())["weights"])


class Deaf(SilentReporter):
    """A terminal that went away."""

    def line(self, text: str) -> None:
        raise BrokenPipeError

    def epoch(self, metrics: object) -> None:
        raise BrokenPipeError


def test_a_reporter_that_fails_changes_nothing(
    manager: PluginManager, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"replays": (str(demo_folder),), "backbone": "mlp", "hidden_sizes": "8", "epochs": "2"}
    runs = []
    for name, reporter in (("a", SilentReporter()), ("b", Deaf())):
        reporter.line = lambda text: None  # type: ignore[method-assign]
        runs.append(
            train(resolve(manager, flags={**flags, "checkpoints": str(tmp_path / name)}), manager, reporter)
        )
    assert isinstance(runs[0], TrainedModel)
    assert isinstance(runs[1], TrainedModel)
    assert runs[0].entry.sha256 == runs[1].entry.sha256


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), OSError("disk")])
def test_any_failure_keeps_the_state_of_the_step_before(
    unfinished_run: Callable[..., UnfinishedRun], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real = Learner.update

    def failing(self: Learner, batches: Sequence[Step]) -> object:
        if self.steps == 3:
            raise error
        return real(self, batches)

    monkeypatch.setattr(Learner, "update", failing)
    run = unfinished_run(epochs="5")
    assert run.outcome.failed
    assert str(error) in run.outcome.stopped
    assert run.state is not None
    assert load_state(run.state, pytest.fail).record["training"]["steps"] == 3


def test_metrics_that_can_t_be_written_don_t_end_the_run(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exphil_core.training import run as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "append_metrics", full)
    assert small_run(**WHOLE, epochs="2").entry.epochs == 2


@pytest.mark.parametrize("step", ["save_weights", "save_policy", "write_config"])
def test_a_full_disk_while_saving_leaves_no_half_model_and_a_registry_that_opens(
    small_run: Run,
    unfinished_run: Callable[..., UnfinishedRun],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    from exphil_core.training import run as module

    good = small_run()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(module, step, full)
    run = unfinished_run()
    assert run.outcome.stopped == "the model can't be written: x: No space left on device"
    assert run.state is not None
    assert load_state(run.state, pytest.fail).record["training"]["steps"] == 4
    monkeypatch.undo()
    assert [entry.id for entry in Registry(good.folder).models()] == [good.entry.id]
    assert len(list(good.folder.glob("*.safetensors"))) == 2
    assert len(list(good.folder.glob("*_config.json"))) == 1


@pytest.mark.parametrize("first", ENDING)
def test_signals_ask_once_then_interrupt_and_wait_while_a_model_is_written(
    first: signal.Signals, restored_signals: None
) -> None:
    with stop_on_signals() as stop, stop.graceful():
        signal.raise_signal(first)
        assert stop.asked
        with stop.held():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # the same volley
    # On the way out nothing cuts the last words short.
    assert all(signal.getsignal(number) is signal.SIG_IGN for number in ENDING)


def test_signals_outside_a_run_s_steps_interrupt_at_once(restored_signals: None) -> None:
    with stop_on_signals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_signals_are_what_they_were_after_a_run_that_nobody_stopped() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before[ENDING.index(signal.SIGTERM)]
    assert [signal.getsignal(number) for number in ENDING] == before


def test_models_read_with_other_rollbacks_are_not_compared(small_run: Run) -> None:
    first, last = small_run(rollback="first"), small_run(rollback="last")
    assert first.entry.validation_games != last.entry.validation_games


def test_files_left_out_are_in_the_config_file(small_run: Run, demo_folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.slp"
    bad.write_bytes(b"nonsense")
    config = json.loads(files(small_run(replays=(str(demo_folder), str(bad))))["config"].read_text())
    (left_out,) = config["data"]["left_out_files"]
    assert left_out["file"] == "bad.slp"
    assert left_out["reason"].startswith("unreadable")


def test_a_feature_named_twice_counts_once(manager: PluginManager) -> None:
    names = manager.names("exphil_character_features")
    if not names:
        pytest.skip("no plugin with a character feature is installed")
    assert resolve(manager, flags={"features": f"{names[0]},{names[0]}"}).config.features == (names[0],)
