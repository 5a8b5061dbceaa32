"""`kill -9` at random moments, in mid-save too: resumed, a run ends in the same bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from exphil_core.checkpoints.states import state_problem, states

pytestmark = [
    pytest.mark.all_only,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
]
# All thirty take seven minutes of a core: EXPHIL_THOROUGH=1 asks for them.
RUNS = 30 if os.environ.get("EXPHIL_THOROUGH") else 6
# Two epochs of some twenty steps, saving all the time, so that many kills fall into a save.
SETTINGS = [
    "--epochs", "2", "--window-size", "100", "--batch-size", "8", "--hidden-sizes", "8", "--mirror", "0.5",
    "--ema", "0.9", "--dropout", "0.1", "--accumulate", "2", "--warmup-steps", "10", "--early-stopping",
    "--patience", "1", "--save-every", "1", "--progress", "plain", "--threads", "1",
]  # fmt: skip
BACKBONES = ("gru", "mlp", "mamba", "lstm", "sliding_window", "hybrid")


def exphil(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exphil_core", "train", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The registry's entry and the metrics, but for times."""
    (entry,) = json.loads((folder / "checkpoints/registry.json").read_text())["models"]
    (metrics,) = (folder / "checkpoints").glob("*_metrics.jsonl")
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    timed = ("seconds", "frames_per_second")
    named = ("id", "path", "policy_path", "config_path", "created_at")
    return (
        {name: value for name, value in entry.items() if name not in named},
        [{name: value for name, value in line.items() if name not in timed} for line in lines],
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_killed_runs_end_in_the_same_bytes(backbone: str, demo_folder: Path, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    straight.mkdir()
    words = ["--replays", str(demo_folder), "--backbone", backbone, *SETTINGS]
    if backbone == "mlp":
        words += ["--batch-size", "500"]  # frames, not windows
    began = time.monotonic()
    process = exphil(straight, *words)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    length = time.monotonic() - began
    expected = ended(straight)
    drawn = random.Random(backbone)
    for number in range(RUNS // len(BACKBONES)):
        folder = tmp_path / str(number)
        folder.mkdir()
        kills = 0
        command = words
        while True:
            process = exphil(folder, *command)
            wait = drawn.uniform(0.4, 1.1) * length if kills < 2 else 300.0
            try:
                _, said = process.communicate(timeout=wait)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
            else:
                assert process.returncode == 0, said
                break
            registry = folder / "checkpoints/registry.json"
            if registry.exists() and json.loads(registry.read_text())["models"]:
                break  # killed on its way out, after all was done
            there = [state for found in (folder / "checkpoints").glob("*.state") for state in states(found)]
            # What has a state's name is one.
            assert [state_problem(state) for state in there] == [None] * len(there)
            command = ["--resume", "last", "--progress", "plain"] if there else words
            if not there:
                # Killed before its first state: nothing to go on with, and the name it took stays taken.
                for path in (folder / "checkpoints").glob("*_metrics.jsonl"):
                    path.unlink()
        assert ended(folder) == expected
