"""Damaged files by the hundred, and readers killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from exphil_core.replays.cache import GameCache, rows_folder
from exphil_core.replays.controller import valid
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.fighters import PLAUSIBLE
from exphil_core.replays.filters import GameFilter, select
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.intake import look_at
from exphil_core.replays.sources import find_replays
from exphil_core.training.frames import build_store
from exphil_core.training.samples import Windows


def mutated(content: bytes, other: bytes, draw: random.Random) -> tuple[str, bytes]:
    """The replay with flipped bytes, a cut end, or a part of another one in it."""
    kind = draw.choice(["flipped", "flipped", "cut", "spliced", "removed", "zeroed"])
    damaged = bytearray(content)
    at = draw.randrange(len(damaged))
    length = draw.randrange(1, 5000)
    if kind == "flipped":
        for _ in range(draw.choice([1, 3, 30, 300])):
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del damaged[at:]
    elif kind == "spliced":
        start = draw.randrange(len(other))
        damaged[at : at + draw.choice([0, length])] = other[start : start + length]
    elif kind == "removed":
        del damaged[at : at + length]
    else:
        damaged[at : at + length] = bytes(min(length, len(damaged) - at))
    return kind, bytes(damaged)


def check_plausible(game: Game) -> None:
    """What a game that was read must be, whatever its bytes were."""
    assert valid(game.controller_TPC).all()
    state = game.state_TPF
    assert not np.isinf(state).any()
    for name, limit in PLAUSIBLE.items():
        values = state[..., STATE[name]]
        assert not (np.abs(values) > limit).any(), name
    assert (game.action_TP >= 0).all()
    for name in ("x", "y", "vx", "vy", "timer"):
        assert not np.isinf(getattr(game.items, name)).any(), name
    store = build_store([game], [(0, 1)])
    for fighter in (0, 1):
        batch = store.batch(Windows.single(game=0, fighter=fighter, start=0, stop=len(game) - 1))
        assert np.isfinite(batch.observation.floats).all()


def storm(contents: list[bytes], count: int, seed: int) -> Counter[str]:
    """Read so many mutations; returns how often each thing happened."""
    draw = random.Random(seed)
    found: Counter[str] = Counter()
    for number in range(count):
        kind, damaged = mutated(draw.choice(contents), draw.choice(contents), draw)
        replay = inspect(damaged, f"{number}.slp")
        if replay.facts.reason is not None:
            assert replay.facts.reason.strip()
            assert not replay.facts.reason.startswith("Traceback")
            found["refused"] += 1
            continue
        game = replay.game()
        assert len(game) == replay.facts.frames
        check_plausible(game)
        found[f"read {kind}"] += 1
    return found


def test_damaged_demo_games_are_refused_or_read_to_plausible_values(demo_folder: Path) -> None:
    contents = [path.read_bytes() for path in sorted(demo_folder.glob("*.slp"))]
    found = storm(contents, 60, seed=1)
    assert found["refused"] > 5
    assert sum(found.values()) - found["refused"] > 5


@pytest.mark.all_only
def test_five_hundred_mutations_of_real_games(real_replays: Path) -> None:
    paths = sorted(real_replays.glob("*/*.slp"), key=lambda path: path.stat().st_size)
    contents = [path.read_bytes() for path in paths[:60]]
    found = storm(contents, 500, seed=2)
    assert found["refused"] > 50
    assert sum(found.values()) - found["refused"] > 50


SCANNER = """
import sys
from pathlib import Path
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at
from exphil_core.replays.sources import find_replays

if __name__ == "__main__":
    with ReplayIndex(Path(sys.argv[1])) as index:
        look_at(find_replays([sys.argv[2]]), index, workers=int(sys.argv[3]))
"""


def scanner(tmp_path: Path, folder: Path, workers: int) -> subprocess.Popen[bytes]:
    script = tmp_path / "scan.py"
    script.write_text(SCANNER)
    words = [sys.executable, str(script), str(tmp_path / "cache"), str(folder), str(workers)]
    return subprocess.Popen(words, start_new_session=True)


@pytest.mark.all_only
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_scan_that_is_killed_again_and_again_ends_with_what_one_scan_finds(
    real_replays: Path, tmp_path: Path, workers: int
) -> None:
    folder = real_replays / "games"
    files = find_replays([str(folder)])
    with ReplayIndex(tmp_path / "other") as index:
        expected = look_at(files, index, workers=1)
    draw = random.Random(workers)
    known = 0
    for _ in range(12):
        process = scanner(tmp_path, folder, workers)
        time.sleep(draw.uniform(0.3, 1.6))
        os.killpg(process.pid, signal.SIGKILL) if draw.random() < 0.5 else process.kill()
        process.wait()
        with ReplayIndex(tmp_path / "cache", pytest.fail) as index:
            there = [index.facts(file) for file in files]
        # What was recorded stays, and is right.
        assert sum(facts is not None for facts in there) >= known
        known = sum(facts is not None for facts in there)
        assert all(facts in (None, whole) for facts, whole in zip(there, expected, strict=True))
    with ReplayIndex(tmp_path / "cache", pytest.fail) as index:
        assert look_at(files, index, workers=workers) == expected
    time.sleep(1)  # readers of a scan that was killed end by themselves
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed


@pytest.mark.all_only
def test_scans_at_once_end_well(real_replays: Path, tmp_path: Path) -> None:
    folder = real_replays / "games"
    processes = [scanner(tmp_path, folder, workers) for workers in (1, 2, 1)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    files = find_replays([str(folder)])
    with ReplayIndex(tmp_path / "other") as index:
        expected = look_at(files, index, workers=1)
    with ReplayIndex(tmp_path / "cache", pytest.fail) as index:
        assert [index.facts(file) for file in files] == expected


@pytest.mark.all_only
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_caching_that_is_killed_again_and_again_loses_nothing_that_was_whole(
    real_replays: Path, tmp_path: Path
) -> None:
    folder, cache = real_replays / "games", tmp_path / "cache"
    command = [
        sys.executable,
        "-m",
        "exphil_core",
        "replays",
        "cache",
        str(folder),
        "--json",
        "--workers",
        "2",
    ]
    command += ["--cache-dir", str(cache), "--progress", "none"]
    draw, kept = random.Random(5), 0
    for _ in range(10):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.8, 3.0))
        os.killpg(process.pid, signal.SIGKILL) if draw.random() < 0.5 else process.kill()
        process.wait()
        time.sleep(0.5)  # readers that were not killed notice
        there = len(GameCache(rows_folder(cache, "last"), pytest.fail))
        assert there >= kept
        kept = there
    done = subprocess.run([*command, "--verify"], check=True, capture_output=True, text=True)
    document = json.loads(done.stdout)
    assert document["damaged"] == []
    whole = GameCache(rows_folder(cache, "last"), pytest.fail)
    found = whole.find([facts.sha256 for facts in _usable(folder, tmp_path)])
    assert (found >= 0).all()
    assert document["games"] == len(found)


def _usable(folder: Path, tmp_path: Path) -> list[FileFacts]:
    files = find_replays([str(folder)])
    with ReplayIndex(tmp_path / "other") as index:
        return [item.facts for item in select(files, look_at(files, index), GameFilter()).chosen]


SIGNALS_ITSELF = """
import os, signal, sys
from exphil_core.cli.main import main
from exphil_core.replays.index import ReplayIndex

if __name__ == "__main__":
    real = ReplayIndex.record

    def record(self, known):
        real(self, known)
        os.kill(os.getpid(), signal.SIGINT)

    ReplayIndex.record = record
    main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_scan_that_is_interrupted_goes_on_where_it_was(
    tmp_path: Path, workers: str, demo_folder: Path
) -> None:
    content = min(demo_folder.glob("*.slp")).read_bytes()
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        # Another seed, another game.
        at = content.index(b"\x36\x03") + 0x13D
        (folder / f"{number:03}.slp").write_bytes(
            content[:at] + number.to_bytes(4, "big") + content[at + 4 :]
        )
    files = find_replays([str(folder)])
    command = [sys.executable, "-m", "exphil_core", "replays", "scan", str(folder), "--workers", workers]
    command += ["--cache-dir", str(tmp_path / "cache"), "--progress", "none"]
    # It signals itself after the first chunk: from outside, a fast machine would be done by then.
    script = tmp_path / "interrupted.py"
    script.write_text(SIGNALS_ITSELF)
    first = [sys.executable, str(script), *command[3:]]
    process = subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def known() -> int:
        with ReplayIndex(tmp_path / "cache") as index:
            return sum(index.facts(file) is not None for file in files)

    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert said.strip() == "exphil: interrupted"
    before = known()
    assert 0 < before < len(files)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("400 files: 400 games to train on")
