"""One training run of the learning benchmark, in a process of its own: a job's JSON in, a result's JSON out.

    python benchmarks/learning_run.py job.json result.json

A job: `name`, `flags` (of `exphil train`, as texts), `deadline` (seconds since the epoch, or null) and `reserve`
(seconds of that which validation at the end takes). A run that the deadline cuts short says so.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import torch

from exphil_core.checkpoints.atomic import write_json
from exphil_core.config.resolve import resolve
from exphil_core.evaluation.per_game import per_game_losses
from exphil_core.models.policy import parameter_count
from exphil_core.plugin_manager import load_plugins
from exphil_core.training.loop import Trainer
from exphil_core.training.prepare import prepare
from exphil_core.training.reporter import SilentReporter


def carried_out(job: dict[str, Any]) -> dict[str, Any]:
    """Train, validate after each epoch, and score the best epoch's policy game by game."""
    began, cpu = time.monotonic(), time.process_time()
    manager = load_plugins()
    run = resolve(manager, flags=job["flags"])
    ready = prepare(run, manager, SilentReporter())
    config = run.config
    if job["deadline"] is not None:
        left = job["deadline"] - job["reserve"] - time.time()
        config = attrs.evolve(config, max_time=max(1.0, left))
    trainer = Trainer(config, ready.policy, ready.training, ready.held_out, ready.prior, SilentReporter())
    outcome = trainer.run(lambda result: None)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.best is not None
    games = per_game_losses(ready.policy, ready.held_out, ready.device)
    return {
        "name": job["name"],
        "backbone": config.backbone,
        "head": config.head,
        "seed": config.seed,
        "flags": job["flags"],
        "settings": attrs.asdict(config) | {"replays": None, "cache_dir": None},
        "parameters": parameter_count(ready.policy),
        "epochs": len(outcome.history),
        "best_epoch": outcome.best.epoch,
        "steps": outcome.history[-1].steps,
        "cut_short": trainer.cut_short or len(outcome.history) < config.epochs,
        "training_games": len(ready.training.table),
        "training_examples": ready.training.example_count(),
        "trained_frames": outcome.frames,
        "training_seconds": round(sum(result.seconds for result in outcome.history), 2),
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "best": outcome.best.validation.as_json(),
        "history": [result.as_json() for result in outcome.history],
        "games": [attrs.asdict(game) for game in games],
        "device": torch.cuda.get_device_name() if ready.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), carried_out(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
