"""Runs on the cache see what runs on the games themselves see, whatever happens to the cache; memory stays flat."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import py7zr
import pytest

from exphil_core.config.resolve import resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.features import cached
from exphil_core.features.character import ActiveFeature, active_features
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays import archives
from exphil_core.replays.cache import GameCache, facts_of, rows_folder
from exphil_core.replays.game import Game
from exphil_core.replays.rows import arrays_of, pack
from exphil_core.replays.seven_zip import SevenZip
from exphil_core.replays.shards import ShardWriter, shard_names
from exphil_core.replays.sources import ReplayFile, find_replays
from exphil_core.training import games as games_module
from exphil_core.training.frames import FrameStore, build_store, store_of
from exphil_core.training.games import Games, games_of, select_games
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.sampling import FrameSampler, WindowSampler
from exphil_core.training.table import game_table


class Listener(SilentReporter):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


@attrs.define
class Intake:
    """What `prepare` does to get at its games, with a cache of its own."""

    config: TrainConfig
    features: tuple[ActiveFeature, ...]
    told: Listener = attrs.field(factory=Listener)

    @property
    def folder(self) -> Path:
        assert self.config.cache_dir is not None
        return rows_folder(Path(self.config.cache_dir), "last")

    def games(self) -> Games:
        files = find_replays(self.config.replays)
        selection, cache = select_games(files, self.config, self.told, workers=1)
        return games_of(selection, cache, self.features, self.config, self.told)


@pytest.fixture
def intake(manager: PluginManager, demo_folder: Path, tmp_path: Path) -> Intake:
    flags = {"replays": (str(demo_folder),), "cache_dir": str(tmp_path / "cache")}
    names = manager.names("exphil_character_features")[:2]
    return Intake(resolve(manager, flags=flags).config, active_features(manager, names))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the replays that are opened from now on."""
    names: list[str] = []
    real = archives.Unpacker.each

    def spy(self: archives.Unpacker, files: Sequence[ReplayFile], act: archives.Reader) -> None:
        names.extend(file.name for file in files)
        real(self, files, act)

    monkeypatch.setattr(archives.Unpacker, "each", spy)
    return names


def assert_same_batches(store: FrameStore, other: FrameStore) -> None:
    for first, second in (
        (sampler(store), sampler(other))
        for sampler in (
            lambda s: WindowSampler(store=s, lanes=5, window=37, mirror=0.5),
            lambda s: FrameSampler(store=s, size=400, mirror=0.5),
        )
    ):
        both = zip(first.epoch(np.random.default_rng(3)), second.epoch(np.random.default_rng(3)), strict=True)
        for step, expected in both:
            assert (step.batch.observation.floats == expected.batch.observation.floats).all()
            assert (step.batch.observation.ids == expected.batch.observation.ids).all()
            for name in ("decided", "target", "counts"):
                assert (getattr(step.batch, name) == getattr(expected.batch, name)).all()


def assert_right(games: Games, demo_games: list[Game], features: Sequence[ActiveFeature]) -> None:
    """The store of `games` gives what the games in memory give."""
    expected = build_store(demo_games, [(0, 1)] * len(demo_games), features=features, delay=4)
    assert_same_batches(games.store(range(len(games)), delay=4, drop_idle=True), expected)


def test_batches_from_the_cache_are_those_of_the_games_themselves(
    intake: Intake, demo_games: list[Game]
) -> None:
    games = intake.games()
    assert not games.kept
    assert len(games.cache) == len(demo_games)
    assert_right(games, demo_games, intake.features)
    # A part of them, in another order.
    some = [3, 0]
    expected = build_store([demo_games[i] for i in some], [(0, 1)] * 2, features=intake.features)
    assert_same_batches(games.store(some, delay=0, drop_idle=True), expected)


def test_a_second_run_opens_no_replay_and_computes_no_feature(
    intake: Intake, opened: list[str], demo_games: list[Game], monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.games()
    assert len(opened) == len(demo_games)
    opened.clear()
    monkeypatch.setattr(cached, "game_features", lambda *_: pytest.fail("computed again"))
    assert_right(intake.games(), demo_games, intake.features)
    assert not opened


def test_another_plugin_version_has_columns_of_its_own_and_the_same_rows(
    intake: Intake, opened: list[str]
) -> None:
    intake.games()
    opened.clear()
    feature = intake.features[0]
    newer = attrs.evolve(
        feature, entry=attrs.evolve(feature.entry, origin=attrs.evolve(feature.entry.origin, version="99"))
    )
    before = {path.name for path in intake.folder.parent.iterdir()}
    attrs.evolve(intake, features=(newer,)).games()
    (new,) = {path.name for path in intake.folder.parent.iterdir()} - before
    assert new.startswith(f"feature-{feature.entry.spec.name}-")
    assert not opened


@pytest.mark.parametrize("what", ["everything", "rows", "a shard", "half a shard", "an index", "columns"])
def test_what_is_lost_of_the_cache_is_made_anew(
    intake: Intake, demo_games: list[Game], opened: list[str], what: str
) -> None:
    import shutil

    intake.games()
    opened.clear()
    name = shard_names(intake.folder)[0]
    data, index = intake.folder / f"{name}.bin", intake.folder / f"{name}.json"
    if what == "everything":
        shutil.rmtree(intake.folder.parent)
    elif what == "rows":
        shutil.rmtree(intake.folder)
    elif what == "a shard":
        index.unlink()
        data.unlink()
    elif what == "half a shard":
        data.write_bytes(data.read_bytes()[:1000])
    elif what == "an index":
        index.write_bytes(index.read_bytes()[:-10])
    else:
        for folder in intake.folder.parent.glob("feature-*"):
            shutil.rmtree(folder)
    assert_right(intake.games(), demo_games, intake.features)
    assert bool(opened) == (what != "columns")
    damaged = what in ("half a shard", "an index")
    assert any(name in line and "damaged" in line for line in intake.told.lines) == damaged


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_the_cache_and_not_the_run(
    intake: Intake, demo_games: list[Game], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_space)
    intake.features = ()
    games = intake.games()
    assert sorted(games.kept) == list(range(len(demo_games)))
    (said,) = (line for line in intake.told.lines if "held in memory" in line)
    assert str(intake.folder.parent) in said
    assert_right(games, demo_games, ())
    assert not [path for path in intake.folder.glob("*") if path.is_file()]


def test_a_disk_that_fills_up_midway_leaves_what_was_whole(
    intake: Intake, demo_games: list[Game], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some games from the cache, some from memory, one store."""
    some = attrs.evolve(intake, config=attrs.evolve(intake.config, max_files=2))
    some.games()
    monkeypatch.setattr(os, "fsync", no_space)
    intake.features = ()
    games = intake.games()
    assert 0 < len(games.kept) < len(demo_games)
    assert_right(games, demo_games, ())


def test_games_of_a_solid_block_that_the_cache_lacks_are_unpacked_in_one_pass(
    intake: Intake,
    demo_folder: Path,
    demo_games: list[Game],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "set.7z"
    with py7zr.SevenZipFile(target, "w") as archive:
        for path in sorted(demo_folder.glob("*.slp"), reverse=True):
            archive.write(path, path.name)
    passes: list[int] = []
    real = SevenZip.extract

    def spy(self: SevenZip, names: Any, deliver: Any) -> None:
        passes.append(len(names))
        real(self, names, deliver)

    monkeypatch.setattr(os, "fsync", no_space)
    monkeypatch.setattr(SevenZip, "extract", spy)
    intake.features = ()
    intake.config = attrs.evolve(intake.config, replays=(str(target),))
    games = intake.games()
    assert sorted(games.kept) == list(range(len(demo_games)))
    assert_right(games, demo_games, ())
    # Once to look at them, once to have them.
    assert passes == [6, 6]


def test_games_that_fit_neither_the_disk_nor_the_memory_are_an_error(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_space)
    monkeypatch.setattr(games_module, "MEMORY_BYTES", 1_000_000)
    with pytest.raises(
        ExphilError, match="too many to hold in memory: free some space, give another --cache-dir"
    ):
        intake.games()


def test_a_sample_caches_no_more_than_it_takes(intake: Intake) -> None:
    games = attrs.evolve(intake, config=attrs.evolve(intake.config, max_files=2)).games()
    assert len(games) == len(games.cache) == 2


def filled(folder: Path, make: Any, count: int) -> GameCache:
    writer = ShardWriter(folder)
    for seed in range(count):
        stored = pack(make(seed))
        writer.add(facts_of(stored), arrays_of(stored))
        if seed % 10 == 9:
            writer.flush()
    writer.flush()
    return GameCache(folder)


@pytest.mark.parametrize("kind", ["windows", "frames"])
def test_an_epoch_on_ten_times_the_games_takes_the_same_memory(
    demo_games: list[Game], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that Python and numpy hold and allocate, maps of files apart; without threads, whose timing decides how
    many steps are there at once."""
    monkeypatch.setattr("exphil_core.training.sampling.POOL_FRAMES", 1 << 13)

    def game(seed: int) -> Game:
        return attrs.evolve(
            demo_games[seed % len(demo_games)],
            info=attrs.evolve(
                demo_games[0].info, sha256=f"{seed:064x}"[::-1], game_hash=f"{seed + 1:064x}"[::-1]
            ),
        )

    peaks = []
    for count in (20, 200):
        cache = filled(tmp_path / str(count), game, count)
        tracemalloc.start()
        numbers = np.arange(len(cache), dtype=np.int64)
        columns = cache.columns(numbers)
        table = game_table(
            columns.frames.tolist(), columns.stage.tolist(), list(columns.game_hash), columns.idle
        )
        store = store_of(cache.source(numbers), table, [(0, 1)] * count)
        sampler = {
            "windows": WindowSampler(store=store, lanes=64, window=60, mirror=0.0),
            "frames": FrameSampler(store=store, size=4096, mirror=0.0),
        }[kind]
        tracemalloc.reset_peak()
        steps = sum(1 for _ in sampler.epoch(np.random.default_rng(0)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert steps > 100
    assert peaks[1] < 1.1 * peaks[0]
