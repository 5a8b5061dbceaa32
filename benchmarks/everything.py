"""What it costs that nothing can be lost: `exphil train` as it is (states, metrics, loggers, checks, a registered
model) against the same replays, steps and validation in a loop that keeps nothing.

    python benchmarks/everything.py
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exphil_core.config.resolve import ResolvedConfig, resolve
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.sandbox import make_replays
from exphil_core.training.loop import Trainer
from exphil_core.training.prefetch import ahead
from exphil_core.training.prepare import prepare
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import train
from exphil_core.training.validation import validate

BATCHES = {"mlp": 1024, "gru": 32}
EPOCHS, ROUNDS = 2, 3
# That is a state every few seconds; nobody needs that many.
SAVE_EVERY = 25


def without(run: ResolvedConfig, manager: PluginManager) -> None:
    """Steps and validation, and nothing else."""
    ready, reporter = prepare(run, manager, SilentReporter()), SilentReporter()
    trainer = Trainer(run.config, ready.policy, ready.training, ready.held_out, ready.prior, reporter)
    for epoch in range(EPOCHS):
        ready.policy.train()
        plans = trainer.sampler.plans(np.random.default_rng([run.config.seed, epoch]))
        for step in ahead(plans, ready.training):
            trainer.learner.update([step])
        validate(ready.policy, ready.held_out, ready.prior, ready.device)


def rates(first: Callable[[], object], second: Callable[[], object]) -> dict[str, float]:
    """Rate of `first` as a multiple of that of `second`, taken in turn: by the clock, and by processor time."""
    first(), second()
    taken = [(*_seconds(first), *_seconds(second)) for _ in range(ROUNDS)]
    wall, cpu, other_wall, other_cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    return {"by_the_clock": round(other_wall / wall, 3), "by_processor_time": round(other_cpu / cpu, 3)}


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    began, begun = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - begun


def figures(scratch: Path, manager: PluginManager) -> dict[str, Any]:
    """The rate with everything on against that without, for each backbone."""
    files = make_replays(scratch / "everything", games=10, minutes=1, seed=1)
    result = {}
    for backbone, batch in BATCHES.items():
        flags = {
            "replays": tuple(map(str, files)), "backbone": backbone, "threads": "1", "batch_size": str(batch),
            "epochs": str(EPOCHS), "checkpoints": str(scratch / "models"), "cache_dir": f"{scratch}/cache",
            "save_every": str(SAVE_EVERY), "ema": "0.99", "log_to": ("tensorboard",),
        }  # fmt: skip
        run = resolve(manager, flags=flags)
        result[backbone] = rates(
            lambda run=run: train(run, manager, SilentReporter()),  # type: ignore[misc]
            lambda run=run: without(run, manager),  # type: ignore[misc]
        )
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(figures(Path(folder), load_plugins()), indent=2))
