"""Windows gathered by the kernel are those gathered by Python, and nothing is read that isn't there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exphil_core.kernels.library import force_kernel, kernel
from exphil_core.replays.cache import GameCache, facts_of
from exphil_core.replays.game import Game
from exphil_core.replays.rows import ROW, arrays_of, pack
from exphil_core.replays.shards import ShardWriter
from exphil_core.training.gathering import gather


@pytest.fixture(params=["kernel", "off"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "kernel" and kernel() is None:
        pytest.skip("no kernel here")
    force_kernel("off" if request.param == "off" else None)
    yield request.param
    force_kernel(None)


# Lanes of every kind, and more than two groups of some length: the kernel copies eight at a time as far as the
# shortest goes, and asks for memory 1,024 bytes ahead, at the end of a group for that of the next.
MIXED = [
    (0, 17, 1543),
    (None, 5, 0),
    (3, 699, 1),
    (0, 4000, 1000),
    (1, 0, 1),
    (2, 0, 0),
    (0, 0, 0),
    (3, 9, 691),
]
LONG: list[tuple[int | None, int, int]] = [
    *((0, 17 * lane, 1543 + lane) for lane in range(8)),
    *((0, 3000 - lane, 2000 - lane) for lane in range(7)),
    (3, 0, 700),
    *((0, 64 * lane, 1088) for lane in range(8)),
    (0, 3000, 2000),
    (3, 100, 128),
]


@pytest.mark.parametrize("pieces", [MIXED, LONG], ids=["mixed", "long"])
def test_each_lane_gets_its_piece_and_the_others_stay(
    way: str, pieces: list[tuple[int | None, int, int]]
) -> None:
    lots = np.random.default_rng(0)
    views = [memoryview(lots.bytes(size)) for size in (5000, 1, 0, 700)]
    lanes = [lane for lane, _, _ in pieces]
    first, length = (np.array([piece[i] for piece in pieces], np.int64) for i in (1, 2))
    into = np.full((len(pieces), 40, 50), 7, np.uint8)
    gather([None if lane is None else views[lane] for lane in lanes], first, length, into)
    for got, lane, begin, size in zip(into.reshape(len(pieces), -1), lanes, first, length, strict=True):
        wanted = b"" if lane is None else bytes(views[lane][begin : begin + size])
        assert got[:size].tobytes() == wanted
        assert (got[size:] == 7).all()
    gather([], first[:0], length[:0], into[:0])


@pytest.mark.parametrize(("first", "length"), [(0, 101), (60, 41), (100, 1)])
def test_a_game_that_is_shorter_than_it_should_be_is_refused(way: str, first: int, length: int) -> None:
    into = np.zeros((1, 4, 50), np.uint8)
    with pytest.raises(ValueError, match=r"shorter|structure"):
        gather([memoryview(bytes(100))], np.array([first]), np.array([length]), into)


def test_games_of_a_cache_are_found_where_they_are_mapped(
    way: str, demo_games: list[Game], tmp_path: Path
) -> None:
    writer, games = ShardWriter(tmp_path), [pack(game) for game in demo_games[:3]]
    for stored in games:
        writer.add(facts_of(stored), arrays_of(stored))
        writer.flush()
    cache = GameCache(tmp_path)
    numbers = cache.find([stored.info.sha256 for stored in games])
    views, origins = cache.source(numbers).places("rows", np.array([2, 1, 1, 0]))
    into = np.zeros((4, 50), ROW)
    start = np.array([10, 0, 150, 7])
    gather(views, origins + start * ROW.itemsize, np.full(4, 50 * ROW.itemsize), into)
    for got, game, begin in zip(into, (2, 1, 1, 0), start, strict=True):
        assert got.tobytes() == games[game].rows[begin : begin + 50].tobytes()
