"""How training scales over ranks on one machine: the same global batches by one rank with one thread, two ranks with
one each, and one rank with two.

    python benchmarks/ranks.py [--backbones gru mlp] [--steps 40] [--rounds 3]

Each way is started anew and taken in turn. Seconds are those of the steps alone, by the clock and by processor time
(of the rank that took the longest); `talking` is the share of them in which a rank waits for, or adds up, what others
have.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# ranks, threads
WAYS = {"1 rank, 1 thread": (1, 1), "2 ranks, 1 thread each": (2, 1), "1 rank, 2 threads": (1, 2)}
BATCHES = {"gru": 32, "mamba": 32, "mlp": 1024}


def one_rank(folder: str, backbone: str, threads: int, steps: int) -> dict[str, float]:
    """What a rank does: its part of so many steps."""
    import numpy as np

    from exphil_core.cli.ranks import team_of_this_run
    from exphil_core.config.resolve import resolve
    from exphil_core.plugin_manager import load_plugins
    from exphil_core.training.loop import Trainer
    from exphil_core.training.prefetch import ahead
    from exphil_core.training.prepare import prepare
    from exphil_core.training.reporter import SilentReporter

    with team_of_this_run() as team:
        manager = load_plugins()
        flags = {
            "replays": (folder,), "backbone": backbone, "threads": str(threads), "cache_dir": f"{folder}/cache",
            "batch_size": str(BATCHES[backbone]), "checkpoints": folder,
        }  # fmt: skip
        run = resolve(manager, flags=flags)
        ready = prepare(run, manager, SilentReporter(), team=team)
        trainer = Trainer(
            run.config, ready.policy, ready.training, ready.held_out, ready.prior, SilentReporter(), team=team
        )
        talked = [0.0]
        for name in ("sums", "add_gradients"):
            setattr(team, name, _timed(getattr(team, name), talked))
        batches = ahead(trainer.sampler.plans(np.random.default_rng(0)), ready.training)
        for number, step in enumerate(batches):
            if number == 5:
                began, begun, talked[0] = time.perf_counter(), time.process_time(), 0.0
            if number == 5 + steps:
                break
            trainer.learner.update([step])
        wall, cpu = time.perf_counter() - began, time.process_time() - begun
        batches.close()
    return {"wall": wall, "cpu": cpu, "talking": talked[0] / wall}


def _timed(call: Any, into: list[float]) -> Any:
    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            into[0] += time.perf_counter() - began

    return timed


def taken(folder: str, backbone: str, ranks: int, threads: int, steps: int) -> dict[str, float]:
    """One measurement: the slowest rank's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, __file__, "--rank", folder, backbone, str(threads), str(steps)]
    started = [
        subprocess.Popen(
            command,
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
                "OMP_WAIT_POLICY": "PASSIVE",
            },
            stdout=subprocess.PIPE,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    told = [json.loads(process.communicate()[0]) for process in started]
    return {name: max(each[name] for each in told) for name in told[0]}


def main(words: Sequence[str]) -> None:
    if words[:1] == ["--rank"]:
        _, folder, backbone, *counts = words
        print(json.dumps(one_rank(folder, backbone, *map(int, counts))))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbones", nargs="+", default=["gru", "mlp"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(words)
    from exphil_core.sandbox import make_replays

    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_replays(Path(folder), games=16, minutes=2, seed=0)
        for backbone in given.backbones:
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for _ in range(given.rounds):
                for way, (ranks, threads) in WAYS.items():
                    found[way].append(taken(folder, backbone, ranks, threads, given.steps))
            result[backbone] = {
                way: {name: round(statistics.median(m[name] for m in each), 3) for name in each[0]}
                for way, each in found.items()
            }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
