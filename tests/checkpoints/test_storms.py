"""Many writers at once, and kills in the middle. The whole storms run in `make test-all`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exphil_core.checkpoints.registry import Registry

WRITER = """
import sys
from pathlib import Path
from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import ModelEntry, places
from exphil_core.checkpoints.registry import Registry
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for n in range(count):
    entry = ModelEntry(**places(f"{name}_{n}"), created_at="2026-01-01T00:00:00Z", backbone="mlp", temporal=False,
                       hidden_sizes=(8,), epochs=1)
    write_config(folder, entry)
    Registry(folder).add(entry)
    if n % 2:
        Registry(folder).tag(entry.id, ["odd"])
"""


def start(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def all_arrive(folder: Path, writers: int, each: int) -> None:
    Registry(folder).create()
    running = [start(folder, f"p{n}", each) for n in range(writers)]
    for process in running:
        _, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors.decode()
    models = Registry(folder, notify=pytest.fail).models()
    assert {entry.id for entry in models} == {f"p{p}_{n}" for p in range(writers) for n in range(each)}
    assert sum(entry.tags == ("odd",) for entry in models) == writers * (each // 2)
    before = (folder / "registry.json").read_bytes()
    Registry(folder).rebuild()
    assert (folder / "registry.json").read_bytes() == before


def opens_after_kills(folder: Path, kills: int) -> None:
    rng = random.Random(0)
    Registry(folder).create()
    known, latest = 0, 0.12
    for kill in range(kills):
        process = start(folder, f"k{kill}", 10_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, latest))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        models = Registry(folder, notify=pytest.fail).models()
        assert len(models) >= known
        # On a busy machine a writer needs longer until it has written anything.
        latest = min(latest * 1.5, 2.0) if len(models) == known else max(latest * 0.9, 0.12)
        known = len(models)
    assert known > kills, "the kills came before any write"
    Registry(folder).rebuild()
    assert len(Registry(folder).models()) >= known
    # However many kills, one half-written registry at most; config files are written by many.
    assert len(list(folder.glob(".registry.json.tmp-*"))) <= 1


def test_writers_at_once_lose_nothing(folder):
    all_arrive(folder, 4, 10)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_the_file_opens_after_every_kill(folder):
    opens_after_kills(folder, 15)


@pytest.mark.all_only
def test_sixteen_writers_with_fifty_entries_each_lose_nothing(folder):
    all_arrive(folder, 16, 50)


@pytest.mark.all_only
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_the_file_opens_after_two_hundred_kills(folder):
    opens_after_kills(folder, 200)
