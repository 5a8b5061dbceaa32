"""Loggers are told of a run, and can do nothing to it."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import torch

from exphil_core import LoggerSpec, hookimpl, option
from exphil_core.config.resolve import InvalidSettings, resolve
from exphil_core.errors import UsageError
from exphil_core.options import at_least
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.learner import Learner
from exphil_core.training.logger import RunEnd, RunFacts
from exphil_core.training.loggers import EVERY
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, UnfinishedRun, train

Result = TrainedModel | UnfinishedRun
Run = Callable[..., Result]
TINY = {
    "backbone": "gru", "hidden_sizes": "8", "epochs": "1", "window_size": "30", "batch_size": "4", "max_steps": "30",
    "max_files": "3", "dropout": "0.2",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Options:
    level: int = option(1, rule=at_least(1), help="A number.")


@attrs.frozen(kw_only=True)
class Demanding:
    key: str = option(help="Must be given.")


class Recorder:
    """Notes what it is told, in the order of the calls."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, options: Options = Options()) -> None:
        self.level = options.level
        self.calls: list[tuple[str, Any]] = []
        Recorder.made.append(self)

    def start(self, run: RunFacts) -> None:
        self.note("start", run)

    def step(self, metrics: Mapping[str, float]) -> None:
        self.note("step", metrics)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        self.note("epoch", metrics)

    def finish(self, end: RunEnd) -> None:
        self.note("finish", end)

    def note(self, kind: str, what: Any) -> None:
        self.calls.append((kind, what))

    def told(self, kind: str) -> list[Any]:
        return [what for called, what in self.calls if called == kind]


class Gambler(Recorder):
    """Draws from every generator that is everybody's, and seeds them."""

    def note(self, kind: str, what: Any) -> None:
        super().note(kind, what)
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        torch.set_num_threads(3)


class Vandal(Recorder):
    """Changes what it is given."""

    def note(self, kind: str, what: Any) -> None:
        super().note(kind, dict(what) if isinstance(what, dict) else what)
        if isinstance(what, dict):
            what.clear()
        elif isinstance(what, RunFacts):
            what.config.clear()  # type: ignore[attr-defined]


class Faulty(Recorder):
    """Fails when it is called so."""

    at = ""
    error: BaseException = RuntimeError("no\nluck")

    def note(self, kind: str, what: Any) -> None:
        super().note(kind, what)
        if kind == self.at:
            raise self.error


def cannot_be_made() -> Recorder:
    raise OSError("no socket")


class Plugin:
    exphil_contract = 1

    @hookimpl
    def exphil_loggers(self) -> list[LoggerSpec]:
        def spec(name: str, factory: str, **more: Any) -> LoggerSpec:
            return LoggerSpec(name=name, factory=f"{__name__}:{factory}", **more)

        return [
            spec("recorder", "Recorder", options=Options),
            spec("gambler", "Gambler"),
            spec("vandal", "Vandal"),
            spec("faulty", "Faulty"),
            spec("unmade", "cannot_be_made"),
            spec("demanding", "Recorder", options=Demanding),
            LoggerSpec(name="unfound", factory="no_such_module:thing"),
            spec("needy", "Recorder", needs=("no_such_module", "sys"), install="some-thing[extra]"),
            spec("plain-needy", "Recorder", needs=("no_such_module", "nor_this")),
        ]


@pytest.fixture
def loggers() -> Iterator[PluginManager]:
    Recorder.made.clear()
    manager = load_plugins()
    manager.add(Plugin(), Provenance("some-loggers", "1.0", "plugin"))
    assert manager.problems == []
    yield manager
    Recorder.made.clear()


class Told(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warnings(self) -> list[str]:
        return [line for line in self.lines if "logger" in line]


@pytest.fixture
def run(loggers: PluginManager, demo_folder: Path, tmp_path: Path) -> Run:
    def ran(
        log_to: str = "", told: Told | None = None, stop: StopRequest | None = None, **flags: Any
    ) -> Result:
        given = {"replays": (str(demo_folder),), "checkpoints": str(tmp_path / "ck"), **TINY, **flags}
        if log_to:
            given["log_to"] = log_to
        settings = {name: value for name, value in given.items() if value is not None}
        return train(resolve(loggers, flags=settings), loggers, told or Told(), stop=stop)

    return ran


def lines_of(folder: Path, stem: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{stem}_metrics.jsonl").read_text().splitlines()]


def test_it_is_told_what_happens_in_order(run: Run, tmp_path: Path) -> None:
    result = run("recorder", epochs="2", max_steps=None, log_options={"recorder.level": "3"})
    assert isinstance(result, TrainedModel)
    (logger,) = Recorder.made
    assert logger.level == 3
    kinds = [kind for kind, _ in logger.calls]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    (facts,), (end,) = logger.told("start"), logger.told("finish")
    stem = result.entry.stem
    assert (facts.name, facts.folder, facts.resumed_at) == (stem, tmp_path / "ck", None)
    document = json.loads((result.folder / result.entry.config_path).read_text())
    assert facts.config == document["config"]
    assert facts.created_at == result.entry.created_at
    assert logger.told("epoch") == lines_of(result.folder, stem)
    steps = logger.told("step")
    total = result.outcome.history[-1].steps
    assert [metrics["step"] for metrics in steps] == [*range(EVERY, total + 1, EVERY)]
    assert {metrics["epoch"] for metrics in steps} == {1, 2}
    assert set(steps[0]) == {"step", "epoch", "train_loss", "lr", "frames_per_second"}
    assert (end.status, end.reason, end.model, end.state) == ("finished", "", result.entry.id, None)
    assert end.best in logger.told("epoch")
    # It stands where it stands for everybody: registered, written, before the loggers hear of it.
    assert document["config"]["log_to"] == ["recorder"]
    assert document["config"]["log_options"] == {"recorder": {"level": 3}}


def test_the_losses_of_steps_add_up_to_the_epochs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[float, int]] = []
    real = Learner.update

    def spy(self: Learner, batches: Any) -> tuple[float, int]:
        learned.append(real(self, batches))
        return learned[-1]

    monkeypatch.setattr(Learner, "update", spy)
    run("recorder", epochs="1")
    (logger,) = Recorder.made
    for number, metrics in enumerate(logger.told("step")):
        part = learned[number * EVERY : (number + 1) * EVERY]
        mean = sum(loss * count for loss, count in part) / sum(count for _, count in part)
        assert metrics["train_loss"] == pytest.approx(mean, rel=1e-12)


def test_the_run_ends_in_the_same_bytes_whatever_loggers_do(run: Run, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    # The plain one last: its files must not be what the others are compared to by accident.
    results = [
        run(log_to, checkpoints=str(tmp_path / f"of {log_to}")) for log_to in ("gambler", "vandal", "")
    ]
    assert torch.get_num_threads() == threads
    assert [len(logger.calls) > 4 for logger in Recorder.made] == [True, True]
    hashes, metrics = [], []
    for result in results:
        assert isinstance(result, TrainedModel)
        hashes.append(result.entry.sha256["weights"])
        lines = lines_of(result.folder, result.entry.stem)
        metrics.append([{k: v for k, v in line.items() if "second" not in k} for line in lines])
    assert len(set(hashes)) == 1
    assert metrics[0] == metrics[1] == metrics[2]


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("start", SystemExit(3)),
        ("step", RuntimeError("no\nluck")),
        ("epoch", MemoryError()),
        ("finish", RuntimeError("no\nluck")),
    ],
)
def test_one_that_raises_is_named_once_and_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, at: str, error: BaseException
) -> None:
    monkeypatch.setattr(Faulty, "at", at)
    monkeypatch.setattr(Faulty, "error", error)
    told = Told()
    result = run("faulty,recorder", told)
    assert isinstance(result, TrainedModel)
    faulty, other = Recorder.made
    assert [kind for kind, _ in faulty.calls].index(at) == len(faulty.calls) - 1
    assert [kind for kind, _ in other.calls][-1] == "finish"
    (warning,) = told.warnings()
    assert warning.startswith('warning: logger "faulty" of some-loggers is left out from here on: ')
    assert type(error).__name__ in warning
    assert "\n" not in warning


def test_one_that_can_t_be_imported_or_made_is_named_and_the_run_goes_on(run: Run) -> None:
    told = Told()
    assert isinstance(run("unfound,unmade,recorder", told), TrainedModel)
    assert len(Recorder.made) == 1
    first, second = told.warnings()
    assert 'logger "unfound" of some-loggers is left out' in first
    assert "no_such_module:thing can't be imported" in first
    assert 'logger "unmade" of some-loggers is left out' in second
    assert "OSError: no socket" in second


def test_a_run_that_goes_on_says_so_and_counts_on(
    run: Run, loggers: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = run("recorder", checkpoints=str(tmp_path / "straight"))
    stop, real = StopRequest(), Learner.update

    def update(self: Learner, batches: Any) -> tuple[float, int]:
        stop.asked = self.steps + 1 >= 20
        return real(self, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "update", update)
        stopped = run("recorder", stop=stop)
    assert isinstance(straight, TrainedModel)
    assert isinstance(stopped, UnfinishedRun)
    taken_up = resume(str(stopped.state), "", {}, loggers, pytest.fail)
    result = train(taken_up.run, loggers, SilentReporter(), resumed=taken_up)
    assert isinstance(result, TrainedModel)
    whole, first, second = Recorder.made
    (end,) = first.told("finish")
    assert (end.status, end.state, end.model) == ("interrupted", str(stopped.state), None)
    (facts,) = second.told("start")
    assert facts.resumed_at == 20
    assert (facts.name, facts.created_at) == (first.told("start")[0].name, first.told("start")[0].created_at)

    def without_times(logger: Recorder) -> list[dict[str, float]]:
        return [{k: v for k, v in line.items() if k != "frames_per_second"} for line in logger.told("step")]

    assert without_times(first) + without_times(second) == without_times(whole)
    assert result.entry.sha256 == straight.entry.sha256


def test_loggers_may_be_changed_when_a_run_goes_on(run: Run, loggers: PluginManager) -> None:
    first = run("recorder", epochs="1")
    assert isinstance(first, TrainedModel)
    state = str(first.folder / f"{first.entry.stem}.state")
    more = {"epochs": "9", "max_steps": "60"}
    flags = {"log_to": "vandal,gambler", **more}
    assert resume(state, "", flags, loggers, pytest.fail).run.config.log_to == ("vandal", "gambler")
    assert resume(state, "", {"log_to": "none", **more}, loggers, pytest.fail).run.config.log_to == ()


def test_a_failure_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Learner.update

    def failing(self: Learner, batches: Any) -> tuple[float, int]:
        if self.steps == 12:
            raise RuntimeError("out of memory")
        return real(self, batches)

    monkeypatch.setattr(Learner, "update", failing)
    assert isinstance(run("recorder"), UnfinishedRun)
    (end,) = Recorder.made[0].told("finish")
    assert (end.status, end.reason) == ("failed", "RuntimeError: out of memory")


def test_a_model_that_can_t_be_written_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from exphil_core.training import run as run_module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_module, "save_weights", full)
    assert isinstance(run("recorder"), UnfinishedRun)
    (end,) = Recorder.made[0].told("finish")
    assert end.status == "failed"
    assert "No space left" in end.reason


def test_ctrl_c_while_one_finishes_is_meant_for_it_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faulty, "at", "finish")
    monkeypatch.setattr(Faulty, "error", KeyboardInterrupt())
    told = Told()
    assert isinstance(run("faulty,recorder", told), TrainedModel)
    assert len(told.warnings()) == 1
    assert Recorder.made[1].told("finish")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"log_to": "recoder"}, 'unknown logger "recoder" (did you mean "recorder"?)'),
        (
            {"log_to": "needy"},
            'log_to: "needy" needs no_such_module, not installed here: pip install "some-thing[extra]"',
        ),
        (
            {"log_to": "plain-needy"},
            'log_to: "plain-needy" needs no_such_module and nor_this, not installed here: '
            "pip install no_such_module nor_this",
        ),
        (
            {"log_to": "recorder", "log_options": {"recorder.level": "0"}},
            "log_options.recorder.level: 0 must be at least 1",
        ),
        ({"log_to": "recorder", "log_options": {"recorder.leven": "1"}}, "is not a setting"),
        ({"log_options": {"recoder.level": "1"}}, 'log_options: unknown logger "recoder"'),
        ({"log_options": {"level": "1"}}, 'log_options: "level" must say whose it is'),
        ({"log_to": "gambler", "log_options": {"gambler.x": "1"}}, "gambler has no settings of its own"),
        ({"log_to": "demanding"}, "log_options.demanding.key: must be given"),
    ],
)
def test_what_can_t_work_is_refused_with_all_else_that_is_wrong(
    loggers: PluginManager, flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        resolve(loggers, flags={**flags, "epochs": "0"})
    (problem,) = [line for line in caught.value.problems if "epochs" not in line]
    assert said in problem
    assert len(caught.value.problems) == 2
    assert "no_such_module" not in sys.modules


def test_settings_from_files_are_nested_and_those_of_others_do_no_harm(loggers: PluginManager) -> None:
    given = {"recorder": {"level": 2}, "demanding.key": "x"}
    config = resolve(loggers, flags={"log_to": "recorder,recorder", "log_options": given}).config
    assert (config.log_to, config.log_options) == (("recorder",), {"recorder": {"level": 2}})
    with pytest.raises(UsageError, match="unknown logger"):
        resolve(loggers, flags={"log_to": "none,recorder"})
