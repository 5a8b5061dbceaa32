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
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.replays.filters import IDLE_FRAMES
from exphil_core.replays.game import GameInfo, Player
from exphil_core.replays.rows import BLOCKS, ROW, ROWS_VERSION, StoredGame, item_type
from exphil_core.replays.shards import (
    DATA,
    INDEX,
    DamagedShard,
    Shard,
    clean,
    delete_shard,
    open_shard,
    shard_names,
)

ROWS, ITEMS = "rows", "items"
PREFIXES = ("rows-", "feature-")
# Shards that are mapped at a time: their pages stay in the page cache, their file handles are few.
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


def arrays_of(stored: StoredGame) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a game as they are written."""
    arrays = {ROWS: _as_bytes(stored.rows), **stored.blocks}
    return arrays if stored.items is None else {**arrays, ITEMS: _as_bytes(stored.items)}


def _as_bytes(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(records).view(np.uint8).reshape(len(records), records.dtype.itemsize)


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
                self._facts.append(_fact_columns(games))
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
        row_bytes = int(np.prod(array.shape[1:])) * array.dtype.itemsize
        first, count = array.offset + int(array.start[place]) * row_bytes, int(array.count[place])
        values = np.frombuffer(
            self._maps.view(shard), array.dtype, count * row_bytes // array.dtype.itemsize, first
        )
        return values.reshape(count, *array.shape[1:])

    def row_bytes(self, number: int) -> tuple[memoryview, int]:
        """The data of the shard that a game stands in, and the byte at which its rows begin."""
        shard = int(self._shard_of[number])
        rows = self._shards[shard].arrays[ROWS]
        return self._maps.view(shard), rows.offset + int(rows.start[self._place[number]]) * ROW.itemsize

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


class _Maps:
    """The shards' data, mapped when they are first read; the least lately used fall away. For any thread."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards, self._lock = shards, threading.Lock()
        self._views: OrderedDict[int, memoryview] = OrderedDict()

    def view(self, shard: int) -> memoryview:
        """All bytes of a shard. Whoever holds them keeps them mapped."""
        with self._lock:
            view = self._views.get(shard)
            if view is None:
                view = self._views[shard] = self._shards[shard].mapped()
                if len(self._views) > MAPPED:
                    self._views.popitem(last=False)
            else:
                self._views.move_to_end(shard)
            return view


class CachedSource:
    """Games of a cache as a store's source: game i is the i-th of `numbers`."""

    def __init__(self, cache: GameCache, numbers: npt.NDArray[np.int64]) -> None:
        self._cache, self._numbers = cache, numbers

    def rows(self, game: int) -> tuple[memoryview, int]:
        return self._cache.row_bytes(self._numbers[game])

    def items(self, game: int) -> npt.NDArray[np.void] | None:
        items = self._cache.array(self._numbers[game], ITEMS)
        return None if items is None else items.view(item_type())[:, 0]

    def block(self, game: int, name: str) -> npt.NDArray[Any] | None:
        return self._cache.array(self._numbers[game], name)


def cache_size(cache: Path) -> int:
    """Bytes of all shards of all recipes."""
    sizes = 0
    for folder in recipe_folders(cache):
        for path in folder.iterdir():
            if path.suffix in (DATA, INDEX):
                with contextlib.suppress(OSError):
                    sizes += path.stat().st_size
    return sizes


def recipe_folders(cache: Path) -> list[Path]:
    """The folders of all recipes, this version's and others'."""
    if not cache.is_dir():
        return []
    return sorted(path for path in cache.iterdir() if path.is_dir() and path.name.startswith(PREFIXES))


def clear(cache: Path) -> int:
    """Delete all shards; returns how many bytes. What a run has mapped goes when that run ends (on Windows, it
    stays)."""
    before = cache_size(cache)
    for folder in recipe_folders(cache):
        for name in shard_names(folder):
            delete_shard(folder, name)
        clean(folder)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return before - cache_size(cache)


def free_bytes(cache: Path) -> int:
    """Free space where the cache is, or would be."""
    existing = cache.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free
