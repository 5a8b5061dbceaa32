"""The cache of training rows: games in shards, keyed by their files' content, that any run may read or add to.

    CACHE-DIR/rows-RECIPE/SHARD.bin + .json              games as they were read
    CACHE-DIR/feature-NAME-RECIPE/SHARD.bin + .json      a character feature's columns for the same games

A recipe is made from all that decides what stands in a row; another version of exphil or another choice of settings
has a folder of its own. A game that stands in two shards counts once. All of it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ExphilError
from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.replays.game import GameInfo, Player
from exphil_core.replays.idle import IDLE_FRAMES
from exphil_core.replays.rows import BLOCKS, ITEMS, ROW, ROWS, ROWS_VERSION, StoredGame, item_type
from exphil_core.replays.shards import (
    DamagedShard,
    Shard,
    clean,
    delete_shard,
    open_shard,
    shard_names,
)

# Shards that are mapped at a time, on systems that say nothing of how many files may be open.
MAPPED = 512

Warn = Callable[[str], None]
Hashes = npt.NDArray[np.bytes_]


def recipe_key(recipe: Mapping[str, Any]) -> str:
    """A short name that is equal for equal recipes."""
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rows_recipe(rollback: str) -> dict[str, Any]:
    """What decides the rows of a game."""
    return {
        "version": ROWS_VERSION,
        "row": str(ROW.descr),
        "item": str(item_type().descr),
        "blocks": list(BLOCKS),
        "idle_frames": IDLE_FRAMES,
        "rollback": rollback,
    }


def rows_folder(cache: Path, rollback: str) -> Path:
    """Where games read with this choice of rolled-back frames are kept."""
    return cache / f"rows-{recipe_key(rows_recipe(rollback))}"


def facts_of(stored: StoredGame) -> dict[str, Any]:
    """What a shard's index says of a game: all of its info but where its file lay."""
    info = stored.info
    return {
        "sha256": info.sha256,
        "game_hash": info.game_hash,
        "version": list(info.version),
        "stage": info.stage.name,
        "players": [
            [player.port, player.character.name, player.human, player.tag, player.code]
            for player in info.players
        ],
        "recorded": info.rows,
        "rolled_back": info.rolled_back,
        "frames": len(stored),
        "idle": stored.idle.tolist(),
    }


def info_of(facts: Mapping[str, Any]) -> GameInfo:
    """The inverse. The path is empty."""
    first, second = (
        Player(port=port, character=CHARACTERS[name], human=human, tag=tag, code=code)
        for port, name, human, tag, code in facts["players"]
    )
    return GameInfo(
        path=Path(),
        sha256=facts["sha256"],
        game_hash=facts["game_hash"],
        version=tuple(facts["version"]),
        stage=STAGES[facts["stage"]],
        players=(first, second),
        rows=facts["recorded"],
        rolled_back=facts["rolled_back"],
    )


@attrs.frozen(kw_only=True, eq=False)
class GameColumns:
    """What a run needs of many games without their frames, (G,) each."""

    frames: npt.NDArray[np.int64]
    stage: npt.NDArray[np.uint8]
    game_hash: Hashes
    idle: tuple[npt.NDArray[np.int32], ...]  # (K, 3) each


class GameCache:
    """The shards of one folder as they are now. Damaged ones are deleted, so that their games are made anew."""

    def __init__(self, folder: Path, warn: Warn = lambda _: None) -> None:
        self.folder = folder
        with contextlib.suppress(OSError):  # read-only, or another process is cleaning as well
            clean(folder)
        self._shards: list[Shard] = []
        self._facts: list[_FactColumns] = []
        for name in shard_names(folder):
            try:
                shard, games = open_shard(folder, name)
                facts = _fact_columns(games)
                if ROWS in shard.arrays and (shard.arrays[ROWS].count != facts.frames).any():
                    raise DamagedShard("its games have other numbers of rows than their facts say")
                self._facts.append(facts)
                self._shards.append(shard)
            except DamagedShard as error:
                deleted = delete_shard(folder, name)
                said = "deleted; its games are read again" if deleted else "left out"
                warn(f"warning: the cache's shard {folder / name} is damaged ({error}): {said}")
            except FileNotFoundError:
                continue  # deleted by another process just now
        self._index()
        self._maps = _Maps(self._shards)

    def _index(self) -> None:
        sizes = [len(shard) for shard in self._shards]
        hashes = np.concatenate([np.zeros(0, "S32"), *(shard.sha256 for shard in self._shards)])
        # The first of equals is the one that counts: sorted by name, and in a shard by position.
        self._hashes, first = np.unique(hashes, return_index=True)
        self._shard_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[first]
        starts = np.cumsum([0, *sizes])
        self._place = (first - starts[self._shard_of]).astype(np.int32)

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def hashes(self) -> Hashes:
        """The contents that are here, sorted."""
        return self._hashes

    @property
    def nbytes(self) -> int:
        """Bytes of all shards' data."""
        return sum(shard.nbytes for shard in self._shards)

    @property
    def shards(self) -> Sequence[Shard]:
        """All of them."""
        return self._shards

    def find(self, sha256: Sequence[str] | Hashes) -> npt.NDArray[np.int64]:
        """The number here of each content, -1 where it isn't."""
        return found_in(self._hashes, as_hashes(sha256))

    def columns(self, numbers: npt.NDArray[np.int64]) -> GameColumns:
        """What is known of these games."""
        pairs = list(zip(self._shard_of[numbers], self._place[numbers], strict=True))
        facts = self._facts
        return GameColumns(
            frames=np.array([facts[s].frames[p] for s, p in pairs], np.int64),
            stage=np.array([facts[s].stage[p] for s, p in pairs], np.uint8),
            game_hash=np.array([facts[s].game_hash[p] for s, p in pairs], "S32"),
            idle=tuple(facts[s].idle_of(p) for s, p in pairs),
        )

    def source(self, numbers: npt.NDArray[np.int64]) -> CachedSource:
        """The frames of these games."""
        return CachedSource(self, numbers)

    def array(self, number: int, name: str) -> npt.NDArray[Any] | None:
        """An array of a game as it lies on disk, or None."""
        shard, place = int(self._shard_of[number]), int(self._place[number])
        array = self._shards[shard].arrays.get(name)
        if array is None or array.start[place] < 0:
            return None
        first, count = array.offset + int(array.start[place]) * array.row_bytes, int(array.count[place])
        (view,) = self._maps.views(self._shard_of[number : number + 1])
        assert view is not None
        values = np.frombuffer(view, array.dtype, count * array.row_bytes // array.dtype.itemsize, first)
        return values.reshape(count, *array.shape[1:])

    def views(self, shards: npt.NDArray[np.int32]) -> MappedViews:
        """All bytes of these shards."""
        return self._maps.views(shards)

    def shard_of(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """The shard in which each game stands."""
        return self._shard_of[numbers]

    def origins(self, name: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The byte of its shard at which each game's array begins, -1 where it has none of that name."""
        found = np.full(len(numbers), -1, np.int64)
        shard_of, place = self._shard_of[numbers], self._place[numbers]
        for shard in np.unique(shard_of):
            array = self._shards[shard].arrays.get(name)
            if array is not None:
                here = np.flatnonzero(shard_of == shard)
                start = array.start[place[here]]
                found[here] = np.where(start < 0, -1, array.offset + start * array.row_bytes)
        return found

    def games(self, numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, StoredGame]]:
        """Whole games with their infos, shard by shard."""
        for shard in np.unique(self._shard_of[numbers]):
            facts = self._shards[shard].facts()
            for number in numbers[self._shard_of[numbers] == shard].tolist():
                yield number, self._stored(number, facts[int(self._place[number])])

    def _stored(self, number: int, facts: Mapping[str, Any]) -> StoredGame:
        rows, items = self.array(number, ROWS), self.array(number, ITEMS)
        assert rows is not None
        blocks = {name: self.array(number, name) for name in BLOCKS}
        return StoredGame(
            info=info_of(facts),
            rows=rows.view(ROW)[:, 0],
            items=None if items is None else items.view(item_type())[:, 0],
            blocks={name: array for name, array in blocks.items() if array is not None},
            idle=np.array(facts["idle"], np.int32).reshape(-1, 3),
        )


def as_hashes(sha256: Sequence[str] | Hashes) -> Hashes:
    """Hexadecimal hashes as bytes."""
    if isinstance(sha256, np.ndarray):
        return sha256
    return np.array([bytes.fromhex(text) for text in sha256], "S32")


def found_in(sorted_hashes: Hashes, wanted: Hashes) -> npt.NDArray[np.int64]:
    """The place of each of `wanted` in `sorted_hashes`, -1 where it isn't."""
    if not len(sorted_hashes):
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(sorted_hashes, wanted), len(sorted_hashes) - 1)
    return np.where(sorted_hashes[place] == wanted, place, -1).astype(np.int64)


@attrs.frozen(kw_only=True, eq=False)
class _FactColumns:
    frames: npt.NDArray[np.int64]
    stage: npt.NDArray[np.uint8]
    game_hash: Hashes
    idle: npt.NDArray[np.int32]
    idle_end: npt.NDArray[np.int64]

    def idle_of(self, place: int) -> npt.NDArray[np.int32]:
        start = self.idle_end[place - 1] if place else 0
        return self.idle[start : self.idle_end[place]]


def _fact_columns(games: Sequence[Mapping[str, Any]]) -> _FactColumns:
    """Columns of what an index says. A feature's shard says nothing of frames."""
    try:
        idle = [np.array(facts.get("idle", ()), np.int32).reshape(-1, 3) for facts in games]
        return _FactColumns(
            frames=np.array([facts.get("frames", 0) for facts in games], np.int64),
            stage=np.array([STAGES[f["stage"]].internal if "stage" in f else 0 for f in games], np.uint8),
            game_hash=np.array([bytes.fromhex(facts.get("game_hash", "")) for facts in games], "S32"),
            idle=np.concatenate([np.zeros((0, 3), np.int32), *idle]),
            idle_end=np.cumsum([len(stretches) for stretches in idle], dtype=np.int64),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedShard(f"its index is damaged ({type(error).__name__}: {error})") from None


def mapped_at_most() -> int:
    """How many shards may be mapped at a time. Before Python 3.13 each holds a file handle: as many of those as the
    system lets us have are asked for, and half of them taken."""
    if sys.version_info >= (3, 13):
        return 1 << 16
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return max(wanted, soft) // 2
    except (ImportError, ValueError, OSError):
        return MAPPED


class MappedViews(list["memoryview | None"]):
    """Bytes of one shard for each of many games, with their addresses and sizes: (games,) each. Finding these takes
    as long as copying a quarter of a batch."""

    def __init__(
        self, views: Sequence[memoryview], begins: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
    ) -> None:
        super().__init__(views)
        self.begins, self.sizes = begins, sizes


class _Maps:
    """The shards' data, mapped when they are first read; the oldest maps fall away. For any thread."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards, self._lock = shards, threading.Lock()
        self._limit = MAPPED if len(shards) <= MAPPED // 2 else mapped_at_most()
        self._views: dict[int, memoryview] = {}
        self._begins, self._sizes = np.zeros((2, len(shards)), np.int64)

    def views(self, shards: npt.NDArray[np.int32]) -> MappedViews:
        """All bytes of these shards. Whoever holds them keeps them mapped."""
        with self._lock:
            found = [self._views.get(shard) or self._mapped(shard) for shard in shards.tolist()]
            return MappedViews(found, self._begins[shards], self._sizes[shards])

    def _mapped(self, shard: int) -> memoryview:
        try:
            view = self._shards[shard].mapped()
        except (OSError, DamagedShard) as error:
            folder = self._shards[shard].folder
            raise ExphilError(
                f"the cache in {folder} was changed while it was read ({error}): start again, it is made anew"
            ) from None
        if len(self._views) >= self._limit:
            del self._views[next(iter(self._views))]
        self._views[shard] = view
        self._begins[shard], self._sizes[shard] = np.frombuffer(view, np.uint8).ctypes.data, len(view)
        return view


class CachedSource:
    """Games of a cache as a store's source: game i is the i-th of `numbers`, which may be -1 for none."""

    def __init__(self, cache: GameCache, numbers: npt.NDArray[np.int64]) -> None:
        self._cache, self._numbers = cache, numbers
        self._there = numbers >= 0
        self._shard = np.zeros(len(numbers), np.int32)
        self._shard[self._there] = cache.shard_of(numbers[self._there])
        self._origins: dict[str, npt.NDArray[np.int64]] = {}
        # Mapped before anything is read, so that deleting the cache under a run's feet does it no harm.
        used = np.unique(self._shard[self._there])
        cache.views(used[:MAPPED])

    def places(
        self, name: str, games: npt.NDArray[np.int64]
    ) -> tuple[Sequence[memoryview | None], npt.NDArray[np.int64]]:
        """For each game, bytes in which the rows of its array of that name follow each other, and the byte at which
        the first begins; -1 where it has none."""
        if name not in self._origins:
            origins = np.full(len(self._numbers), -1, np.int64)
            origins[self._there] = self._cache.origins(name, self._numbers[self._there])
            self._origins[name] = origins
        origins = self._origins[name][games]
        wanted = np.flatnonzero(origins >= 0)
        if len(wanted) == len(games):
            return self._cache.views(self._shard[games]), origins
        views: list[memoryview | None] = [None] * len(games)
        found = self._cache.views(self._shard[games[wanted]])
        for lane, view in zip(wanted.tolist(), found, strict=True):
            views[lane] = view
        return views, origins
