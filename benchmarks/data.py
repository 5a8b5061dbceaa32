"""Speed of the data side, as ratios: replays into the cache, windows out of it, memory as it grows.

    python benchmarks/data.py [--replays FOLDER] data.json

Without --replays, games of the sandbox are made; the figures with real ones are much the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from timing import ROUNDS, interleaved, seconds

from exphil_core.replays.cache import GameCache, facts_of, rows_folder
from exphil_core.replays.caching import CacheSink
from exphil_core.replays.filters import GameFilter
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at
from exphil_core.replays.parsing import parse
from exphil_core.replays.rows import ROW, StoredGame, arrays_of
from exphil_core.replays.shards import ShardWriter
from exphil_core.replays.sources import ReplayFile, find_replays
from exphil_core.sandbox import make_replays
from exphil_core.training.frames import FrameStore, store_of
from exphil_core.training.prefetch import ahead
from exphil_core.training.sampling import WindowSampler
from exphil_core.training.table import game_table

LANES, WINDOW = 256, 60
# Games of the smaller of the two caches whose epochs' memory is compared.
FEW = 40


def seconds_to_cache(files: Sequence[ReplayFile], folder: Path, workers: int = 1) -> float:
    """Files that nobody looked into before, hashed, parsed, checked, converted and written. Deleting what came of it
    is no part of that."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        return seconds(partial(cached, files, Path(scratch), workers))


def cached(files: Sequence[ReplayFile], cache: Path, workers: int) -> None:
    sink = CacheSink(cache / "rows", np.zeros(0, "S32"), GameFilter(any_player=True))
    with ReplayIndex(cache) as index:
        look_at(files, index, sink=sink, workers=workers)


def parsed(files: Sequence[ReplayFile]) -> None:
    """The same files through peppi alone, nothing kept: memory that is used again is faster than new one."""
    for file in files:
        parse(file.path)


def copies(files: Sequence[ReplayFile], folder: Path, times: int) -> list[ReplayFile]:
    """So many files of other content and equal length each."""
    folder.mkdir()
    for number, file in itertools.product(range(times), files):
        name = f"{number}-{Path(file.path).name}"
        (folder / name).write_bytes(Path(file.path).read_bytes() + number.to_bytes(4, "little"))
    return find_replays([str(folder)])


def reading(files: Sequence[ReplayFile], scratch: Path) -> dict[str, float]:
    """Rate of caching against peppi's parsing alone, and of two processes against one, without their start."""
    many = copies(files, scratch / "many", -(-256 // len(files)))
    seconds_to_cache(many, scratch)
    parsed(many)
    took = [(seconds_to_cache(many, scratch), seconds(partial(parsed, many))) for _ in range(ROUNDS)]
    ratio = statistics.median(parsing / caching for caching, parsing in took)
    few = many[: len(many) // 4]

    def marginal(workers: int) -> float:
        """From a quarter of the files to all of them: what starting processes takes falls away."""
        took = {
            len(part): statistics.median(seconds_to_cache(part, scratch, workers) for _ in range(3))
            for part in (few, many)
        }
        return took[len(many)] - took[len(few)]

    two = marginal(1) / marginal(2)
    return {"caching_vs_peppi": round(ratio, 3), "two_processes_vs_one": round(two, 3)}


def store_in(folder: Path) -> FrameStore:
    cache = GameCache(folder)
    numbers = np.arange(len(cache), dtype=np.int64)
    known = cache.columns(numbers)
    table = game_table(known.frames.tolist(), known.stage.tolist(), list(known.game_hash), known.idle)
    return store_of(cache.source(numbers), table, [(0, 1)] * len(cache))


def multiplied(source: Path, folder: Path, count: int) -> None:
    """A cache of `count` games made of those in `source`, under other hashes."""
    cache, writer = GameCache(source), ShardWriter(folder)
    games: list[StoredGame] = [stored for _, stored in cache.games(np.arange(len(cache), dtype=np.int64))]
    for number in range(count):
        stored = games[number % len(games)]
        name = f"{number + 1:064x}"[::-1]
        info = attrs.evolve(stored.info, sha256=name, game_hash=name)
        changed = attrs.evolve(stored, info=info)
        writer.add(facts_of(changed), arrays_of(changed))
        if number % 64 == 63:
            writer.flush()
    writer.flush()


def feeding(folder: Path) -> dict[str, float]:
    """256×60 windows out of the cache against copying as many bytes of it to new memory; milliseconds a batch."""
    store = store_in(folder)
    plans = WindowSampler(store=store, lanes=LANES, window=WINDOW, mirror=0.0).plans(np.random.default_rng(0))
    windows = [plan.windows for plan in itertools.islice(plans, 24) if len(plan.windows) == LANES]
    size = LANES * (WINDOW + 1) * ROW.itemsize
    (view,), _ = store.source.places("rows", np.array([0]))
    assert view is not None
    blocks = [
        np.frombuffer(view, np.uint8, size, (i * size) % (len(view) - size)) for i in range(len(windows))
    ]

    def cut() -> None:
        for each in windows:
            store._rows(each, WINDOW + 1)

    def copy() -> None:
        for block in blocks:
            np.copyto(np.empty(size, np.uint8), block)

    ratio = interleaved(cut, copy, 3 * ROUNDS)
    whole = statistics.median(seconds(lambda: [store.batch(each) for each in windows]) for _ in range(ROUNDS))
    return {
        "windows_vs_memcpy": round(1 / ratio, 3),
        "milliseconds_a_batch_cut": round(1000 * seconds(cut) / len(windows), 3),
        "milliseconds_a_batch_cut_and_encoded": round(1000 * whole / len(windows), 3),
    }


def anonymous_bytes() -> int:
    """What this process holds in memory of its own: maps of files apart."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def epoch(folder: Path) -> None:
    """One epoch of batches as a training run makes them; prints the largest resident memory."""
    import torch

    from exphil_core.training.batches import to_tensors

    store, peak = store_in(folder), 0
    sampler = WindowSampler(store=store, lanes=LANES, window=WINDOW, mirror=0.0)
    for step in ahead(sampler.plans(np.random.default_rng(0)), store):
        to_tensors(step.batch, torch.device("cpu"))
        peak = max(peak, anonymous_bytes())
    print(peak)


def memory(rows: Path, scratch: Path) -> dict[str, Any]:
    """Resident memory of an epoch over ten times the games, as a multiple."""
    if not Path("/proc/self/status").exists():
        return {"memory_of_ten_times_the_games": "not measured: no /proc here"}
    peaks = []
    for count in (FEW, 10 * FEW):
        folder = scratch / f"{count}-games"
        multiplied(rows, folder, count)
        command = [sys.executable, __file__, "--epoch", str(folder)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {
        "memory_of_ten_times_the_games": round(peaks[1] / peaks[0], 3),
        "resident_megabytes": round(peaks[1] / 1e6, 1),
    }


def opening(rows: Path, scratch: Path) -> dict[str, float]:
    """Milliseconds a thousand games: opening a cache, and finding games in it."""
    folder = scratch / "opened"
    multiplied(rows, folder, 640)
    took = statistics.median(seconds(lambda: GameCache(folder)) for _ in range(ROUNDS))
    return {"milliseconds_to_open_1000_games": round(1e6 * took / 640, 2)}


def figures(files: Sequence[ReplayFile], scratch: Path) -> dict[str, Any]:
    """All of them."""
    result: dict[str, Any] = reading(files, scratch)
    rows = rows_folder(scratch / "cache", "last")
    sink = CacheSink(rows, np.zeros(0, "S32"), GameFilter(any_player=True))
    with ReplayIndex(scratch / "cache") as index:
        look_at(files, index, sink=sink, workers=1)
    frames = int(store_in(rows).table.frames.sum())
    size = sum(path.stat().st_size for path in rows.iterdir() if path.is_file())
    result["bytes_a_frame"] = round(size / frames, 1)
    several = scratch / "several"
    multiplied(rows, several, FEW)
    return result | feeding(several) | memory(rows, scratch) | opening(rows, scratch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", help="a folder of replays")
    parser.add_argument("--epoch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("target", type=Path, nargs="?")
    given = parser.parse_args()
    if given.epoch:
        epoch(given.epoch)
        return
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.replays
        if not folder:
            make_replays(Path(scratch) / "replays", games=16, minutes=4, seed=0)
            folder = str(Path(scratch) / "replays")
        result = figures(find_replays([folder]), Path(scratch))
    result["seconds"] = round(time.perf_counter() - began, 1)
    text = json.dumps(result, indent=2)
    print(text)
    if given.target:
        given.target.write_text(text + "\n")


if __name__ == "__main__":
    main()
