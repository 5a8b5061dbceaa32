"""Several processes train as one: the same curve, one writer, one voice, and they end together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from exphil_core.checkpoints.states import state_problem, states
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.cache import GameCache, rows_folder
from exphil_core.replays.ranks import files_of_rank
from exphil_core.replays.sources import ReplayFile
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.launch import Launch, launched
from exphil_core.training.logger import flat
from exphil_core.training.prepare import check_possible
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.resume import resume
from exphil_core.training.run import TrainedModel, train
from exphil_core.training.team import Team

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
EVERYTHING = {
    "epochs": "2", "window_size": "100", "batch_size": "7", "max_steps": None, "mirror": "0.5", "ema": "0.9",
    "accumulate": "2", "early_stopping": True, "mask_dropout": "0.2", "controller_dropout": "0.2",
    "identity_dropout": "0.3", "swap_buttons": "0.5", "label_smoothing": "0.05",
    "patience": "1", "grad_clip": "0.5", "threads": "1", "max_files": "4",
}  # fmt: skip
MLP = {**EVERYTHING, "backbone": "mlp", "batch_size": "500"}
TIMED = ("seconds", "frames_per_second")


def words_of(settings: dict[str, Any]) -> list[str]:
    """Settings as flags, as `any_run` gives them."""
    words = ["--hidden-sizes", "8", "--backbone", "gru"]
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [] if value is None else [flag, str(value)]
    return words


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "EXPHIL_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


def started(folder: Path, commands: Sequence[Sequence[str]]) -> list[subprocess.Popen[str]]:
    """A rank for each of `commands`, without a launcher."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    world = str(len(commands))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "exphil_core", "train", *words, "--progress", "plain"],
            cwd=folder,
            env={
                **environment(folder), "RANK": str(rank), "WORLD_SIZE": world, "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, words in enumerate(commands)
    ]  # fmt: skip


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit status and words of each."""
    said = [process.communicate(timeout=300)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def torchrun(folder: Path, count: int, words: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count),
         "-m", "exphil_core", "train", *words, "--progress", "plain"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def metrics(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("*_metrics.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def entry(folder: Path) -> dict[str, Any]:
    (found,) = json.loads((folder / "registry.json").read_text())["models"]
    return {
        name: value
        for name, value in found.items()
        if "path" not in name and name not in ("id", "created_at")
    }


def assert_same_curve(folder: Path, alone: TrainedModel) -> None:
    ours, theirs = metrics(folder), metrics(alone.folder)
    assert len(ours) == len(theirs) == 2
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = flat(mine), flat(other)
        assert mine.keys() == other.keys()
        for name in mine.keys() - set(TIMED):
            assert mine[name] == pytest.approx(other[name], abs=1e-6), name
    assert entry(folder)["epochs"] == alone.entry.epochs
    assert entry(folder)["training_frames"] == alone.entry.training_frames


@posix
@pytest.mark.all_only
@pytest.mark.parametrize(("count", "settings"), [(2, EVERYTHING), (3, MLP)], ids=["2 gru", "3 mlp"])
def test_ranks_have_the_curve_of_one_process(
    any_run: Callable[..., Any],
    demo_folder: Path,
    tmp_path: Path,
    count: int,
    settings: dict[str, Any],
) -> None:
    said = torchrun(tmp_path, count, ["--replays", str(demo_folder), *words_of(settings)])
    alone = any_run(**settings, checkpoints=str(tmp_path / "alone"))
    assert isinstance(alone, TrainedModel)
    assert_same_curve(tmp_path / "checkpoints", alone)
    # One voice, one writer, and each game read once.
    assert said.count("registered") == said.count("epoch 1: train") == said.count("mirror = 0.5") == 1
    cache = GameCache(rows_folder(tmp_path / "cache", "last"))
    assert sum(len(shard) for shard in cache.shards) == len(cache) == 4
    # One shard of each rank whose files were among these, which their names decide.
    assert 1 <= len(cache.shards) <= count
    assert not list((tmp_path / "cache").glob(".ranks-*"))


def wait_for_state(folder: Path, processes: Sequence[subprocess.Popen[str]]) -> None:
    until = time.monotonic() + 120
    while not [state for found in (folder / "checkpoints").glob("*.state") for state in states(found)]:
        assert time.monotonic() < until
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.05)


@posix
@pytest.mark.all_only
def test_one_that_is_asked_to_stop_stops_all_and_they_go_on_to_the_same_bytes(
    any_run: Callable[..., Any], manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    words = ["--replays", str(demo_folder), *words_of({**EVERYTHING, "save_every": "3", "dropout": "0.2"})]
    folders = [tmp_path / "straight", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
    straight, stopped = folders
    assert [status for status, _ in ended(started(straight, [words, words]))] == [0, 0]
    processes = started(stopped, [words, words])
    wait_for_state(stopped, processes)
    processes[1].send_signal(signal.SIGTERM)
    (status, said), (other, silent) = ended(processes)
    assert (status, other) == (130, 130), said + silent
    assert "go on:  exphil train --resume" in said
    assert silent == ""
    assert [status for status, _ in ended(started(stopped, [["--resume", "last"]] * 2))] == [0, 0]
    assert entry(stopped / "checkpoints") == entry(straight / "checkpoints")


@posix
@pytest.mark.all_only
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_rank_ends_the_run_in_one_line_and_its_state_is_of_use(
    any_run: Callable[..., Any], manager: PluginManager, demo_folder: Path, tmp_path: Path, lost: int
) -> None:
    settings = {**EVERYTHING, "save_every": "1"}
    words = ["--replays", str(demo_folder), *words_of(settings)]
    processes = started(tmp_path, [words, words])
    wait_for_state(tmp_path, processes)
    processes[lost].kill()
    status, said = ended(processes)[1 - lost]
    assert status == 1, said
    (complaint,) = [line for line in said.splitlines() if line.startswith("exphil: ")]
    assert (
        complaint
        == f"exphil: rank {lost} of 2 is gone: killed, out of memory or out of reach; the run ends here"
    )
    (folder,) = (tmp_path / "checkpoints").glob("*.state")
    assert f"go on:  exphil train --resume {folder.relative_to(tmp_path)}" in said
    assert [state_problem(state) for state in states(folder)] == [None] * len(states(folder))
    # Alone, it goes on as closely as float numbers allow, and says that this is not the same.
    warnings: list[str] = []

    class Told(SilentReporter):
        def line(self, text: str) -> None:
            warnings.append(text)

    taken_up = resume(str(folder), "", {}, manager, warnings.append)
    model = train(taken_up.run, manager, Told(), resumed=taken_up)
    assert isinstance(model, TrainedModel)
    assert "warning: ranks was 2 and is 1 now: going on is not exact to the bit" in warnings
    alone = any_run(**settings, checkpoints=str(tmp_path / "alone"))
    assert isinstance(alone, TrainedModel)
    assert_same_curve(model.folder, alone)


@posix
@pytest.mark.all_only
def test_ranks_that_see_other_games_are_refused(demo_folder: Path, tmp_path: Path) -> None:
    some = sorted(map(str, demo_folder.glob("*.slp")))
    words = words_of(EVERYTHING)
    both = ended(started(tmp_path, [[*words, "--replays", *some], [*words, "--replays", *some[1:]]]))
    assert [status for status, _ in both] == [1, 1]
    (complaint,) = [
        line
        for _, said in both
        for line in said.splitlines()
        if line.startswith("exphil: ") and "rank" in line
    ]
    assert "settings: rank 0 has" in complaint
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_a_process_that_nobody_launched_is_alone() -> None:
    assert launched({}) == launched({"WORLD_SIZE": "1"}) == Launch()
    two = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    assert launched(two) == Launch(rank=1, world=2, local_rank=0, local_world=1)
    for wrong in (
        {"WORLD_SIZE": "2"},
        {**two, "RANK": "2"},
        {**two, "RANK": "-1"},
        {**two, "LOCAL_RANK": "x"},
    ):
        with pytest.raises(ExphilError, match="no such rank; start several processes with torchrun"):
            launched(wrong)


@pytest.mark.parametrize("world", [2, 3, 8])
def test_every_file_is_read_by_one_rank(world: int) -> None:
    plain = [ReplayFile(path=f"/games/{number}.slp") for number in range(300)]
    packed = [ReplayFile(path="/a.7z", member=f"{n}.slp", block=n // 20) for n in range(300)]
    zipped = [ReplayFile(path="/a.zip", member=f"{n}.slp") for n in range(300)]
    files = [*plain, *packed, *zipped]
    shares = [files_of_rank(files, rank, world) for rank in range(world)]
    assert Counter(file for share in shares for file in share) == Counter(files)
    for kind in (plain, zipped):
        assert all(len(set(share) & set(kind)) > 150 / world for share in shares)
    # A solid block is unpacked in one pass.
    blocks = [{file.block for file in share if file in set(packed)} for share in shares]
    assert sum(map(len, blocks)) == 15


def test_a_batch_must_have_something_for_every_rank() -> None:
    class Nine(Team):
        world = 9

    with pytest.raises(
        UsageError, match="--batch-size 8 is that of all ranks together: too small for 9 of them"
    ):
        check_possible(TrainConfig(batch_size=8), Nine())


def test_signals_that_a_launcher_repeats_are_one_request() -> None:
    now = [0.0]
    stop = StopRequest(clock=lambda: now[0], together=10.0)
    with stop.graceful():
        stop.ask()
        now[0] = 3.0
        stop.ask()
        assert stop.asked
    stop.ask()  # on its way out
    now[0] = 10.5
    with pytest.raises(KeyboardInterrupt):
        stop.ask()
