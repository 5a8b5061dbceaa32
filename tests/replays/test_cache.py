"""The cache keeps every bit, and nothing in it that isn't whole is ever used."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.checkpoints.running import running
from exphil_core.replays import shards
from exphil_core.replays.cache import GameCache, facts_of, info_of, rows_folder
from exphil_core.replays.cache_upkeep import cache_size, clear, verify
from exphil_core.replays.caching import CacheSink
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import GameFilter
from exphil_core.replays.game import Game
from exphil_core.replays.ranks import games_of_rank
from exphil_core.replays.rows import arrays_of, pack, unpack
from exphil_core.replays.shards import ShardWriter, open_shard, shard_names

NOTHING = np.zeros(0, "S32")


def write(folder: Path, games: list[Game]) -> str:
    """One shard of `games`; returns its name."""
    before = set(shard_names(folder))
    writer = ShardWriter(folder)
    for game in games:
        stored = pack(game)
        writer.add(facts_of(stored), arrays_of(stored))
    writer.flush()
    (name,) = set(shard_names(folder)) - before
    return name


def read(folder: Path) -> dict[str, Game]:
    """All games of a cache by their content's hash."""
    cache = GameCache(folder)
    return {
        stored.info.sha256: unpack(stored) for _, stored in cache.games(np.arange(len(cache), dtype=np.int64))
    }


@settings(deadline=None, max_examples=25)
@given(
    frames=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    items=st.sampled_from([None, 0, 4]),
    blocks=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_a_game_comes_back_to_the_bit(
    make_game: Any,
    same: Any,
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[int],
    items: int | None,
    blocks: bool,
    seed: int,
) -> None:
    # Shards of games that have different arrays.
    games = [
        make_game(n, seed + i, items=items if i % 2 else 3, blocks=blocks ^ bool(i % 2))
        for i, n in enumerate(frames)
    ]
    for game in games:
        assert same(unpack(pack(game)), game)
    folder = tmp_path_factory.mktemp("shards")
    write(folder, games)
    found = read(folder)
    assert len(found) == len(games)
    for game in games:
        assert same(unpack(pack(game), Path()), found[game.info.sha256])
    assert verify(folder.parent) == []


def test_facts_come_back(make_game: Any) -> None:
    stored = pack(make_game(50, 1))
    facts = json.loads(json.dumps(facts_of(stored)))
    assert info_of(facts) == pack(unpack(stored, Path())).info


def test_a_game_in_two_shards_counts_once_the_first_by_name(make_game: Any, tmp_path: Path) -> None:
    one, two = make_game(100, 1), make_game(200, 2)
    write(tmp_path, [one, two])
    write(tmp_path, [two, one])
    cache = GameCache(tmp_path)
    assert len(cache) == 2
    numbers = cache.find([two.info.sha256, "00" * 32, one.info.sha256])
    assert numbers[1] == -1
    assert cache.columns(numbers[[0, 2]]).frames.tolist() == [200, 100]
    first = open_shard(tmp_path, shard_names(tmp_path)[0])[0]
    assert set(cache.shard_of(numbers[[0, 2]])) == {0}
    assert cache.shards[0].name == first.name


DAMAGE = {
    "cut short": lambda data, index: data.write_bytes(data.read_bytes()[:-1]),
    "too long": lambda data, index: data.write_bytes(data.read_bytes() + b"x"),
    "no data": lambda data, index: data.write_bytes(b""),
    "half an index": lambda data, index: index.write_bytes(index.read_bytes()[:200]),
    "an empty index": lambda data, index: index.write_bytes(b""),
    "another thing": lambda data, index: index.write_text('["shard"]'),
    "a wrong count": lambda data, index: index.write_text(
        json.dumps(_changed(json.loads(index.read_text()), lambda a: a[0]["count"].__setitem__(0, 7)))
    ),
    "a wrong place": lambda data, index: index.write_text(
        json.dumps(_changed(json.loads(index.read_text()), lambda a: a[0].update(offset=1 << 40)))
    ),
    "objects": lambda data, index: index.write_text(
        json.dumps(_changed(json.loads(index.read_text()), lambda a: a[0].update(dtype="|O")))
    ),
    "a game too few": lambda data, index: index.write_text(
        json.dumps({**json.loads(index.read_text()), "games": []})
    ),
}


def _changed(document: Any, change: Any) -> Any:
    change(document["arrays"])
    return document


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_is_named_deleted_and_never_used(make_game: Any, tmp_path: Path, damage: str) -> None:
    bad = write(tmp_path, [make_game(100, 1), make_game(60, 2)])
    good = write(tmp_path, [make_game(80, 3)])
    DAMAGE[damage](tmp_path / f"{bad}.bin", tmp_path / f"{bad}.json")
    said: list[str] = []
    cache = GameCache(tmp_path, said.append)
    assert len(cache) == 1
    assert len(said) == 1
    assert bad in said[0]
    assert "its games are read again" in said[0]
    assert [path.name for path in sorted(tmp_path.iterdir()) if path.is_file()] == [
        f"{good}.bin",
        f"{good}.json",
    ]


def test_a_flipped_bit_is_found_on_demand(make_game: Any, tmp_path: Path) -> None:
    folder = rows_folder(tmp_path, "last")
    name = write(folder, [make_game(100, 1)])
    data = folder / f"{name}.bin"
    content = bytearray(data.read_bytes())
    content[5000] ^= 4
    data.write_bytes(content)
    assert len(GameCache(folder)) == 1
    (said,) = verify(tmp_path)
    assert name in said
    assert len(GameCache(folder)) == 0
    assert verify(tmp_path) == []


def test_clearing_deletes_all_but_the_index_of_replays(make_game: Any, tmp_path: Path) -> None:
    for rollback in ("last", "first"):
        write(rows_folder(tmp_path, rollback), [make_game(100, 1)])
    (tmp_path / "index.sqlite").touch()
    size = cache_size(tmp_path)
    assert size > 2 * 100 * 160
    assert clear(tmp_path) == size
    assert [path.name for path in tmp_path.iterdir()] == ["index.sqlite"]


def test_what_a_run_has_open_survives_a_deleted_cache(make_game: Any, tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows refuses to delete what is mapped")
    folder = rows_folder(tmp_path, "last")
    game = make_game(100, 1)
    write(folder, [game])
    cache = GameCache(folder)
    source = cache.source(cache.find([game.info.sha256]))
    clear(tmp_path)
    (view,), (origin,) = source.places("rows", np.array([0]))
    assert bytes(view[origin : origin + 160]) == pack(game).rows[0].tobytes()


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(make_game: Any, tmp_path: Path) -> None:
    whole = write(tmp_path, [make_game(50, 1)])
    with running(tmp_path, "living"):
        for name in ("dead.bin", ".dead.bin.tmp-0123456789ab", "living.bin", ".living.json.tmp-00"):
            (tmp_path / name).write_bytes(b"half")
        assert len(GameCache(tmp_path)) == 1
        left = {path.name for path in tmp_path.iterdir() if path.is_file()}
        assert left == {f"{whole}.bin", f"{whole}.json", "living.bin", ".living.json.tmp-00"}
    GameCache(tmp_path)
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {f"{whole}.bin", f"{whole}.json"}


def facts(game: Game) -> FileFacts:
    return FileFacts(file="x.slp", sha256=game.info.sha256, frames=len(game))


def test_a_full_disk_loses_nothing_that_was_whole(
    make_game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = CacheSink(tmp_path, NOTHING, GameFilter(any_player=True))
    games = [make_game(100, seed) for seed in range(4)]
    sink.add(games[0], facts(games[0]))
    sink.flush().result()
    real, left = os.fsync, [1]

    def full(handle: int) -> None:
        if left.pop() if left else False:
            return real(handle)
        raise OSError(errno.ENOSPC, "No space left on device")

    # The data is written, its index isn't: the next to worst moment.
    monkeypatch.setattr(os, "fsync", full)
    sink.add(games[1], facts(games[1]))
    sink.flush().result()
    monkeypatch.undo()
    sink.add(games[2], facts(games[2]))
    assert set(read(tmp_path)) == {games[0].info.sha256}
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


def test_a_sink_takes_each_content_once_and_travels_to_other_processes(
    make_game: Any, tmp_path: Path
) -> None:
    import pickle

    game = make_game(100, 1)
    sink = pickle.loads(pickle.dumps(CacheSink(tmp_path, NOTHING, GameFilter(any_player=True))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exphil_core.replays.caching.wanted_sides", lambda *_: (0, 1))
        assert sink.wants(facts(game))
        sink.add(game, facts(game))
        assert not sink.wants(facts(game))
        sink.flush().result()
        again = CacheSink(tmp_path, GameCache(tmp_path).hashes, GameFilter(any_player=True))
        assert not again.wants(facts(game))
        assert again.wants(facts(make_game(100, 2)))


def _write_many(folder: str, seed: int, count: int) -> None:
    """Games of the sandbox's kind without the sandbox: run in a process of its own."""
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import made_up_game

    writer = ShardWriter(Path(folder))
    for number in range(count):
        stored = pack(made_up_game(400, seed + number))
        writer.add(facts_of(stored), arrays_of(stored))
        writer.flush()


def test_two_writers_and_a_cleaner_at_once_lose_nothing(tmp_path: Path, make_game: Any, same: Any) -> None:
    context = multiprocessing.get_context("spawn")
    # Half of the games are the same ones.
    crew = [context.Process(target=_write_many, args=(str(tmp_path), seed, 20)) for seed in (100, 110)]
    for process in crew:
        process.start()
    while any(process.is_alive() for process in crew):
        GameCache(tmp_path, pytest.fail)
        time.sleep(0.01)
    assert [process.exitcode for process in crew] == [0, 0]
    found = read(tmp_path)
    games = [make_game(400, seed) for seed in range(100, 130)]
    assert set(found) == {game.info.sha256 for game in games}
    assert all(same(found[game.info.sha256].state_TPF, game.state_TPF) for game in games)
    assert len(shard_names(tmp_path)) == 40


@pytest.mark.all_only
def test_kills_while_caching_cost_the_unfinished_shard_and_nothing_else(
    tmp_path: Path, make_game: Any
) -> None:
    """40 writers killed at random moments: every shard that exists is whole, and nothing else is left."""
    lots = random.Random(1)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_cache import _write_many; "
        "_write_many(sys.argv[2], int(sys.argv[3]), 10_000)"
    )
    here = str(Path(__file__).parent)
    for number in range(40):
        process = subprocess.Popen([sys.executable, "-c", script, here, str(tmp_path), str(number * 10_000)])
        while not list(tmp_path.glob("*.json")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.5 + lots.random())
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.wait()
        before = set(shard_names(tmp_path))
        cache = GameCache(tmp_path, pytest.fail)
        assert {shard.name for shard in cache.shards} == before
        for shard in cache.shards:
            shard.check_content()
        files = {path.name for path in tmp_path.iterdir() if path.is_file()}
        assert files == {f"{name}{ending}" for name in before for ending in (".bin", ".json")}
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=60, unique=True), st.integers(1, 9))
def test_ranks_share_games_out_without_overlap_or_loss(contents: list[bytes], world: int) -> None:
    hashes = [content.hex() for content in contents]
    shares = [games_of_rank(hashes, rank, world) for rank in range(world)]
    assert sorted(place for share in shares for place in share) == list(range(len(hashes)))
    # Whatever else is there, and in whatever order, a game stays with its rank.
    backwards = [
        {hashes[::-1][place] for place in games_of_rank(hashes[::-1], r, world)} for r in range(world)
    ]
    assert backwards == [{hashes[place] for place in share} for share in shares]


def test_a_large_shard_is_written_before_it_fills_the_memory(
    make_game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 100_000)
    writer = ShardWriter(tmp_path)
    for seed in range(6):
        stored = pack(make_game(300, seed, items=None, blocks=False))
        writer.add(facts_of(stored), arrays_of(stored))
    # 48,000 bytes each.
    assert len(shard_names(tmp_path)) == 2


def test_rows_go_to_the_disk_before_their_shard_is_there(make_game: Any, tmp_path: Path) -> None:
    writer, stored = ShardWriter(tmp_path), pack(make_game(20_000, 1))
    writer.add(facts_of(stored), arrays_of(stored))
    assert shard_names(tmp_path) == []
    (unfinished,) = (path for path in tmp_path.iterdir() if path.is_file())
    assert unfinished.stat().st_size > 0.9 * stored.rows.nbytes
    # Who opens the cache meanwhile leaves it alone.
    assert len(GameCache(tmp_path)) == 0
    writer.flush()
    assert set(read(tmp_path)) == {stored.info.sha256}


def test_a_shard_is_finished_while_the_next_one_is_written(
    make_game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, games = ShardWriter(tmp_path), [pack(make_game(200, seed)) for seed in range(2)]
    real, slow = os.fsync, threading.Event()

    def waits(handle: int) -> None:
        slow.wait(60)
        real(handle)

    monkeypatch.setattr(os, "fsync", waits)
    writer.add(facts_of(games[0]), arrays_of(games[0]))
    first = writer.finish()
    writer.add(facts_of(games[1]), arrays_of(games[1]))
    # Both are left alone by who cleans up, and neither is there yet.
    assert len(GameCache(tmp_path)) == 0
    assert not first.done()
    slow.set()
    first.result(60)
    assert set(read(tmp_path)) == {games[0].info.sha256}
    writer.flush()
    assert set(read(tmp_path)) == {game.info.sha256 for game in games}
    assert not (tmp_path / ".running").exists()


def test_what_the_disk_says_while_the_next_game_is_read_ends_that_shard_alone(
    make_game: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SYNCED_BYTES", 1)
    writer = ShardWriter(tmp_path)
    games = [pack(make_game(200, seed)) for seed in range(3)]

    def broken(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        writer.add(facts_of(games[0]), arrays_of(games[0]))
        with pytest.raises(OSError, match="Input/output error"):
            writer.add(facts_of(games[1]), arrays_of(games[1]))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
    writer.add(facts_of(games[2]), arrays_of(games[2]))
    writer.flush()
    assert set(read(tmp_path)) == {games[2].info.sha256}
