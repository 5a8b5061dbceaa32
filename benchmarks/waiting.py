"""Share of a training epoch in which the loop waits for its next batch, with one thread that makes them and more.

    python benchmarks/waiting.py --device cuda

256 windows of 60 frames a step (one batch of as many frames for `mlp`), layers of 256, games of the sandbox.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from exphil_core.config.resolve import resolve
from exphil_core.plugin_manager import load_plugins
from exphil_core.sandbox import make_replays
from exphil_core.training.loop import Trainer
from exphil_core.training.prefetch import DEPTH, ahead
from exphil_core.training.prepare import prepare
from exphil_core.training.reporter import SilentReporter

BATCHES = {"mlp": 15_360, "gru": 256, "lstm": 256, "mamba": 256}


def waiting(trainer: Trainer, threads: int, most: int) -> dict[str, float]:
    """The share, and the milliseconds that a step takes, over `most` steps."""
    waited, done, store = 0.0, 0, trainer.sampler.store
    plans = trainer.sampler.plans(np.random.default_rng(0))
    steps = ahead(plans, store, threads=threads, depth=max(DEPTH, 2 * threads))
    # The first steps compile and allocate.
    for _ in range(3):
        trainer.learner.update([next(steps)])
    began = time.perf_counter()
    while done < most:
        asked = time.perf_counter()
        step = next(steps, None)
        waited += time.perf_counter() - asked
        if step is None:
            break
        trainer.learner.update([step])
        done += 1
    took = time.perf_counter() - began
    return {"share": round(waited / took, 4), "milliseconds_a_step": round(1000 * took / done, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--backbones", nargs="+", default=list(BATCHES))
    given = parser.parse_args()
    manager, result = load_plugins(), {}
    with tempfile.TemporaryDirectory() as scratch:
        files = make_replays(Path(scratch) / "replays", games=48, minutes=4, seed=0)
        for backbone in given.backbones:
            flags = {
                "replays": tuple(map(str, files)), "backbone": backbone, "batch_size": str(BATCHES[backbone]),
                "hidden_sizes": "256,256", "device": given.device, "checkpoints": scratch,
                "cache_dir": f"{scratch}/cache",
            }  # fmt: skip
            run = resolve(manager, flags=flags)
            ready = prepare(run, manager, SilentReporter())
            for threads in given.threads:
                reporter = SilentReporter()
                trainer = Trainer(
                    run.config, ready.policy, ready.training, ready.held_out, ready.prior, reporter
                )
                result[f"{backbone}, {threads} threads"] = waiting(trainer, threads, given.steps)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
