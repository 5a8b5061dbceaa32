"""What the backbones learn from the same games: held-out loss over seeds, and in pairs, game by game.

    python benchmarks/learning.py --replays ~/Slippi --jobs 2                  # every backbone, three seeds
    python benchmarks/learning.py --replays ~/Slippi --sweep                   # settings, one seed, gru and mamba
    python benchmarks/learning.py --replays games.tar.xz --jobs 16 --device cuda --time-limit 580
    python benchmarks/learning.py --report                                     # only the tables, of what is there

Each run is a process of its own with one thread, and leaves a JSON in the folder --out; runs whose JSON is there are
not repeated. The tables are printed and written to learning.md, all figures to learning.json (sweep.md, sweep.json).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import learning_report

from exphil_core.checkpoints.atomic import write_bytes, write_json

# Widths that make policies of about half a million parameters each.
WIDTHS = {"mlp": "256,256"}
DEFAULT_WIDTHS = "128,128"
# The slowest first, so that no core is left alone with one at the end.
BACKBONES = ("hybrid", "mamba", "sliding_window", "lstm", "gru", "mlp")
SWEPT = ("gru", "mamba")
# One setting at a time is moved away from the base.
SWEEP: dict[str, tuple[str, ...]] = {
    "lr": ("0.0005", "0.002", "0.004"),
    "batch_size": ("8", "16", "64"),
    "window_size": ("30", "120", "240"),
    "dropout": ("0.1", "0.2", "0.3"),
    "mirror": ("0.5",),
    "ema": ("0.99", "0.999"),
    "weight_decay": ("0.1",),
    "label_smoothing": ("0.05",),
    "controller_dropout": ("0.2",),
}
# Seconds left to jobs for their last validation when the time is over, and to the report.
RESERVE, REPORT = 45.0, 5.0


@attrs.frozen
class Job:
    """One run: a name that files can have, and flags of `exphil train`."""

    name: str
    flags: dict[str, Any]

    @property
    def kind(self) -> str:
        """The name without the seed: jobs of one kind take about as long."""
        return self.name.rsplit("-seed", 1)[0]


def comparison(given: argparse.Namespace, base: dict[str, Any]) -> Iterator[Job]:
    """Every backbone with every seed, and one of them with the independent head."""
    kinds = [(backbone, "autoregressive") for backbone in given.backbones]
    kinds += [(backbone, "independent") for backbone in given.independent]
    for seed in range(given.seeds):
        for backbone, head in kinds:
            name = f"{backbone}-{head}-seed{seed}"
            yield Job(name, sized(backbone, base) | {"backbone": backbone, "head": head, "seed": str(seed)})


def sweep(given: argparse.Namespace, base: dict[str, Any]) -> Iterator[Job]:
    """One setting at a time, one seed; the base itself first."""
    moves = [("base", "")]
    if not given.only:
        moves += [(name, value) for name, values in SWEEP.items() for value in values]
    moves += [tuple(move.split("=", 1)) for move in given.also]
    for name, value in moves:
        for backbone in given.backbones:
            flags = sized(backbone, base) | {"backbone": backbone, "seed": "0"}
            if value:
                flags |= {name: value}
            yield Job(f"{backbone}-{name}{'=' if value else ''}{value}-seed0", flags)


def sized(backbone: str, base: dict[str, Any]) -> dict[str, Any]:
    return {"hidden_sizes": WIDTHS.get(backbone, DEFAULT_WIDTHS)} | base


def unpacked(paths: list[str], folder: Path) -> tuple[str, ...]:
    """`paths`, with the replays of tar archives put into `folder`."""
    found = []
    for path in paths:
        if ".tar" not in Path(path).name and not path.endswith((".tgz", ".txz")):
            found.append(path)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.name.endswith(".slp"):
                    (folder / Path(member.name).name).write_bytes(content.read())
        found.append(str(folder))
    return tuple(found)


class Runner:
    """Carries out jobs, some at a time, until they are done or the time is over."""

    def __init__(self, given: argparse.Namespace, deadline: float | None) -> None:
        self.out, self.slots, self.deadline = Path(given.out), given.jobs, deadline
        self.running: dict[subprocess.Popen[bytes], tuple[Job, float]] = {}
        self.took: dict[str, float] = {}
        self.skipped: list[str] = []

    def run(self, jobs: list[Job]) -> None:
        """All of `jobs`, in their order; those that are done already are passed over."""
        for number, job in enumerate(jobs):
            if self.is_done(job):
                continue
            while len(self.running) >= self.slots:
                self.wait()
            if self.hopeless(job):
                self.skipped.append(job.name)
                continue
            self.start(job)
            print(f"{job.name}: started, {number + 1} of {len(jobs)}", flush=True)
        while self.running:
            self.wait()

    def is_done(self, job: Job) -> bool:
        """Whether there is a result that nothing cut short."""
        path = self.out / f"{job.name}.json"
        return path.exists() and not json.loads(path.read_text(encoding="utf-8"))["cut_short"]

    def hopeless(self, job: Job) -> bool:
        """Whether there isn't time for it any more, as far as can be said."""
        if self.deadline is None:
            return False
        return time.time() + self.took.get(job.kind, RESERVE) > self.deadline

    def start(self, job: Job) -> None:
        asked = self.out / f"{job.name}.job.json"
        write_json(
            asked,
            {"name": job.name, "flags": job.flags, "deadline": self.deadline, "reserve": RESERVE},
        )
        with (self.out / f"{job.name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("learning_run.py")), str(asked),
                 str(self.out / f"{job.name}.json")],
                stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        self.running[process] = (job, time.time())

    def wait(self) -> None:
        """Until one of them is over; past the deadline they are ended."""
        time.sleep(0.2)
        late = self.deadline is not None and time.time() > self.deadline
        for process, (job, began) in list(self.running.items()):
            if late:
                process.kill()
                process.wait()
            if process.poll() is None:
                continue
            del self.running[process]
            self.took[job.kind] = max(self.took.get(job.kind, 0.0), time.time() - began)
            print(
                f"{job.name}: {self.said(job, process.returncode)} after {time.time() - began:.0f} s",
                flush=True,
            )

    def said(self, job: Job, status: int) -> str:
        if status == 0:
            result = json.loads((self.out / f"{job.name}.json").read_text(encoding="utf-8"))
            return f"{result['best']['val_loss']:.4f}{' (cut short)' if result['cut_short'] else ''}"
        lines = (self.out / f"{job.name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return f"failed with status {status}: {lines[-1] if lines else 'nothing said'}"


def fill_cache(replays: tuple[str, ...], cache: Path, workers: int) -> None:
    """Read the replays once, for all runs."""
    command = [sys.executable, "-m", "exphil_core", "replays", "cache", *replays, "--cache-dir", str(cache)]
    subprocess.run([*command, "--workers", str(workers), "--progress", "none"], check=True)


def machine(device: str) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": device,
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replays", nargs="+", default=[], help="files, folders, archives (.tar.xz too)")
    parser.add_argument("--out", default="learning", help="folder of results")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--time-limit", type=float, help="seconds for everything")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--validation-fraction", default="0.2")
    parser.add_argument("--backbones", nargs="+", help="default: all; with --sweep gru and mamba")
    parser.add_argument(
        "--independent", nargs="*", default=["gru"], help="these with the independent head too"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="FLAG=VALUE", help="settings of every run")
    parser.add_argument("--sweep", action="store_true", help="settings of gru and mamba, one seed")
    parser.add_argument("--also", nargs="+", default=[], metavar="FLAG=VALUE", help="more for --sweep")
    parser.add_argument("--only", action="store_true", help="with --sweep: no moves but those of --also")
    parser.add_argument("--report", action="store_true", help="only write the tables")
    given = parser.parse_args()
    given.backbones = given.backbones or (SWEPT if given.sweep else BACKBONES)
    if not (given.replays or given.report):
        parser.error("--replays is missing")
    return given


def main() -> None:
    given = arguments()
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    deadline = time.time() + given.time_limit - REPORT if given.time_limit else None
    stem = "sweep" if given.sweep else "learning"
    about = machine(given.device)
    if not given.report:
        replays, cache = unpacked(given.replays, out / "replays"), out / "cache"
        fill_cache(replays, cache, max(given.jobs, 1))
        base = {
            "replays": replays, "cache_dir": str(cache), "epochs": str(given.epochs), "device": given.device,
            "validation_fraction": given.validation_fraction, "threads": "1",
            **{name.replace("-", "_"): value for name, value in (s.split("=", 1) for s in given.set)},
        }  # fmt: skip
        runner = Runner(given, deadline)
        runner.run(list((sweep if given.sweep else comparison)(given, base)))
        about["skipped for lack of time"] = runner.skipped
        write_json(out / f"{stem}.machine.json", about)
    elif (out / f"{stem}.machine.json").exists():
        about = json.loads((out / f"{stem}.machine.json").read_text(encoding="utf-8"))
    results = learning_report.read(out)
    document, text = (learning_report.sweep if given.sweep else learning_report.comparison)(results, about)
    write_json(out / f"{stem}.json", document)
    write_bytes(out / f"{stem}.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
