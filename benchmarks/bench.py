"""`make bench`: speed as ratios of two things that are measured in turn in one run, written to a JSON file.

    python benchmarks/bench.py bench.json

Absolute times mislead on a shared machine; each ratio's two sides are interleaved and the medians compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import figures as data_figures
from everything import figures as everything_figures
from timing import ROUNDS, interleaved, seconds

from exphil_core.checkpoints.atomic import write_json
from exphil_core.checkpoints.config_file import config_document, write_document
from exphil_core.checkpoints.entry import ModelEntry, places
from exphil_core.checkpoints.registry_file import registry_text
from exphil_core.config.resolve import resolve
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import load_plugins
from exphil_core.replays.sources import find_replays
from exphil_core.sandbox import make_replays
from exphil_core.training.allocator import keep_freed_memory
from exphil_core.training.batches import to_tensors
from exphil_core.training.loop import Trainer
from exphil_core.training.prefetch import ahead
from exphil_core.training.prepare import Prepared, prepare
from exphil_core.training.reporter import SilentReporter

BACKBONES = ("mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid")


def bare_step(policy: Policy, trainer: Trainer, tensors: Any) -> None:
    """Forward, backward and optimiser on a batch that is there already."""
    state = policy.initial_state(len(tensors.floats))
    parts, _ = policy.loss(tensors.floats, tensors.ids, tensors.decided, tensors.target, state)
    loss = parts.sum(-1).mean()
    trainer.learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    trainer.learner.optimiser.step()


def training(ready: Prepared, trainer: Trainer) -> dict[str, float]:
    """Rate of the real loop (batches cut, state carried, clipping) against bare steps on one batch in memory."""
    steps = 12
    epoch: Iterator[Any] = iter([])

    def loop() -> None:
        nonlocal epoch
        for _ in range(steps):
            step = next(epoch, None)
            if step is None or step.batch.counts.shape[0] < trainer.config.batch_size:
                epoch = trainer.sampler.epoch(np.random.default_rng(0))
                step = next(epoch)
            trainer.learner.update([step])

    first = next(iter(trainer.sampler.epoch(np.random.default_rng(0))))
    tensors = to_tensors(first.batch, ready.device)

    def bare() -> None:
        for _ in range(steps):
            bare_step(ready.policy, trainer, tensors)

    return {
        "train_loop_vs_bare_step": round(1 / interleaved(loop, bare), 3),
        "share_of_time_waiting_for_data": waiting(trainer),
    }


def waiting(trainer: Trainer) -> float:
    """Share of an epoch in which the loop waits for the next batch."""
    waited, began, store = 0.0, time.perf_counter(), trainer.sampler.store
    steps = ahead(trainer.sampler.plans(np.random.default_rng(0)), store)
    while True:
        asked = time.perf_counter()
        step = next(steps, None)
        waited += time.perf_counter() - asked
        if step is None:
            return round(waited / (time.perf_counter() - began), 4)
        trainer.learner.update([step])


def listings() -> dict[str, float]:
    """Time of a listing as a multiple of starting Python and importing click."""
    plain = [sys.executable, "-c", "import click"]
    ratios = {}
    for words in ("--help", "plugins list", "presets list"):
        command = [sys.executable, "-m", "exphil_core", *words.split()]
        ratios[words] = interleaved(
            partial(subprocess.run, command, check=True, capture_output=True),
            partial(subprocess.run, plain, check=True, capture_output=True),
        )
    return ratios


def registry(scratch: Path) -> dict[str, Any]:
    """Commands on 10,000 models: seconds (of this machine), and as a multiple of the same on one model."""
    folders = {}
    for count in (1, 10_000):
        folder = folders[count] = scratch / f"registry{count}"
        folder.mkdir()
        models = [made_up(number) for number in range(count)]
        (folder / "registry.json").write_bytes(registry_text(models))
        write_document(folder, models[0].config_path, config_document(models[0]))
    figures: dict[str, Any] = {}
    for words in ("list", "leaderboard", "tag model00000 new"):
        runs = {
            count: lambda folder=folder, words=words: subprocess.run(
                [sys.executable, "-m", "exphil_core", "registry", *words.split(), "--checkpoints", folder],
                check=True,
                capture_output=True,
            )
            for count, folder in folders.items()
        }
        figures[words.split()[0]] = {
            "seconds": round(min(seconds(runs[10_000]) for _ in range(ROUNDS)), 2),
            "against_one_model": interleaved(runs[10_000], runs[1]),
        }
    return figures


def made_up(number: int) -> ModelEntry:
    """A model of which there are no files."""
    return ModelEntry(
        **places(f"model{number:05}"),
        created_at="2026-01-19T12:34:56Z",
        backbone="gru",
        temporal=True,
        hidden_sizes=(128, 128),
        window_size=60,
        epochs=3,
        val_loss=1 + number / 10_000,
        sha256={"weights": "0" * 64, "policy": "1" * 64},
        schema="1",
        delay=0,
        validation_games="0",
    )


def main(target: Path) -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"torch": torch.__version__, "threads": 1, "rounds": ROUNDS}
    result["listing_vs_python_and_click"] = listings()
    manager = load_plugins()
    with tempfile.TemporaryDirectory() as scratch:
        files = make_replays(Path(scratch) / "replays", games=8, minutes=1.5, seed=0)
        result["registry_of_10000_models"] = registry(Path(scratch))
        result["data"] = data_figures(find_replays([str(files[0].parent)]), Path(scratch))
        result["train_with_states_metrics_loggers_vs_without"] = everything_figures(Path(scratch), manager)
        for backbone in BACKBONES:
            flags = {
                "replays": tuple(map(str, files)), "backbone": backbone, "threads": "1", "batch_size":
                "1024" if backbone == "mlp" else "8", "checkpoints": scratch,
                "cache_dir": f"{scratch}/training-cache",
            }  # fmt: skip
            run = resolve(manager, flags=flags)
            ready = prepare(run, manager, SilentReporter())
            trainer = Trainer(
                run.config, ready.policy, ready.training, ready.held_out, ready.prior, SilentReporter()
            )
            result[backbone] = training(ready, trainer)
    write_json(target, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
