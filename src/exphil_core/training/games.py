"""The games of a run: looked into once, filtered by their facts, and read from the cache.

Games that the cache can't take (a full disk, a folder that can't be written) are held in memory if they fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.checkpoints.atomic import why_unwritable
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, ReplayError
from exphil_core.features.cached import make_columns
from exphil_core.features.character import ActiveFeature, game_features
from exphil_core.replays.archives import Unpacker
from exphil_core.replays.cache import CachedSource, GameCache, rows_folder
from exphil_core.replays.cache_folder import cache_folder
from exphil_core.replays.cache_upkeep import free_bytes
from exphil_core.replays.caching import CacheSink
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import LeftOut, Selection, filter_of, select
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.intake import BYTES_A_PROCESS, look_at, plan, processors
from exphil_core.replays.ranks import files_of_rank, games_of_rank
from exphil_core.replays.rows import ROW, StoredGame, arrays_of, pack, unpack
from exphil_core.replays.sources import ReplayFile
from exphil_core.replays.tables import Tables
from exphil_core.training.frames import FrameStore, GameSource, MemorySource, store_of
from exphil_core.training.reporter import Reporter
from exphil_core.training.table import GameTable, Longs, game_table
from exphil_core.training.team import ALONE, Team
from exphil_core.wording import counted

# What may be held in memory of games that the cache can't take.
MEMORY_BYTES = 4 << 30


@attrs.frozen(kw_only=True, eq=False)
class Games:
    """The games of a run, with the fighters of each to imitate. Frames are in the cache."""

    table: GameTable
    fighters: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[float, ...], ...]  # one for each of them
    files: tuple[str, ...]  # what each was read from, for messages
    contents: tuple[str, ...]  # the SHA-256 of each file's bytes
    numbers: Longs  # (G,) in the cache, -1 where a game is in memory
    kept: dict[int, StoredGame]  # these
    cache: GameCache
    columns: dict[str, GameCache]  # by feature block
    features: tuple[ActiveFeature, ...]
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return len(self.table)

    def store(
        self, chosen: Sequence[int], *, delay: int, drop_idle: bool, weighted: bool = False
    ) -> FrameStore:
        """A store of some of the games, whose sides weigh what the user says or 1 each."""
        numbers = self.numbers[list(chosen)]
        cached: dict[str, GameSource] = {}
        there = numbers >= 0
        for block, columns in self.columns.items():
            found = np.full(len(numbers), -1, np.int64)
            found[there] = columns.find(self.cache.hashes[numbers[there]])
            cached[block] = CachedSource(columns, found)
        kept = {place: self.kept[game] for place, game in enumerate(chosen) if game in self.kept}
        return store_of(
            _Sources(CachedSource(self.cache, numbers), cached, kept, self.features),
            self.table.taken(chosen),
            [self.fighters[game] for game in chosen],
            features=self.features,
            delay=delay,
            drop_idle=drop_idle,
            weights=[self.weights[game] for game in chosen] if weighted else None,
        )


class _Sources:
    """Rows from one cache, features' columns from others, and a few games from memory."""

    def __init__(
        self,
        rows: GameSource,
        columns: dict[str, GameSource],
        kept: dict[int, StoredGame],
        features: Sequence[ActiveFeature],
    ) -> None:
        self._rows, self._columns = rows, columns
        self._in_memory = np.array(sorted(kept), np.int64)
        self._memory = MemorySource([_arrays(kept[game], features) for game in sorted(kept)])

    def places(self, name: str, games: Longs) -> tuple[Sequence[memoryview | None], Longs]:
        views, origins = self._columns.get(name, self._rows).places(name, games)
        lanes = np.flatnonzero(np.isin(games, self._in_memory)) if len(self._in_memory) else ()
        if not len(lanes):
            return views, origins
        ours, begins = self._memory.places(name, np.searchsorted(self._in_memory, games[lanes]))
        mixed, origins = list(views), origins.copy()
        for lane, view in zip(lanes, ours, strict=True):
            mixed[lane] = view
        origins[lanes] = begins
        return mixed, origins


def _arrays(stored: StoredGame, features: Sequence[ActiveFeature]) -> dict[str, npt.NDArray[Any]]:
    made = {feature.block: game_features(unpack(stored), [feature]) for feature in features}
    return arrays_of(stored) | made


def look(
    files: Sequence[ReplayFile],
    index: ReplayIndex,
    what: str,
    sink: CacheSink | None,
    config: TrainConfig,
    reporter: Reporter,
    workers: int | None = None,
    team: Team = ALONE,
) -> list[FileFacts]:
    """`look_at` with its progress shown as `what`. The ranks of a team share the files out, wait for each other, and
    find in the index and the cache what the others have read."""
    part = team.cache_part(index.path.parent)
    ours = files if part.count == 1 else files_of_rank(files, part.index, part.count)
    if team.world > 1:
        size = sum(file.size for file in ours)
        workers = workers or max(1, min(processors() // team.local_world, 1 + size // BYTES_A_PROCESS))

    def look(at: Sequence[ReplayFile], into: CacheSink | None) -> list[FileFacts]:
        reporter.start(what, len(at), "files")
        try:
            return look_at(
                at,
                index,
                sink=into,
                rollback=config.rollback,
                workers=workers,
                progress=lambda done, _: reporter.advance(done),
            )
        finally:
            reporter.finish()

    facts = look(ours, sink)
    team.wait()
    return facts if part.count == 1 else look(files, sink.looked_again() if sink else None)


def select_games(
    files: Sequence[ReplayFile],
    config: TrainConfig,
    reporter: Reporter,
    workers: int | None = None,
    tables: Tables | None = None,
    team: Team = ALONE,
) -> tuple[Selection, GameCache]:
    """What of `files` is wanted, and the cache with all of it that could be cached. Files that are known and cached
    are not opened. `tables` is what stands in the files that the settings name, if it was read before."""
    wanted, folder = filter_of(config, tables), cache_folder(config.cache_dir)
    rows = rows_folder(folder, config.rollback)
    have = GameCache(rows, reporter.line)
    sink = CacheSink(rows, have.hashes, wanted)
    with ReplayIndex(folder, reporter.line) as index:
        # A sample can be drawn only when all are known; without one, facts and rows come in one pass.
        first = None if wanted.max_files else sink
        facts = look(files, index, "reading replays", first, config, reporter, workers, team)
        selection = select(files, facts, wanted)
        if wanted.max_files:
            drawn = [item.file for item in selection.chosen]
            look(drawn, index, "caching replays", sink, config, reporter, workers, team)
    return selection, GameCache(rows, reporter.line)


def games_of(
    selection: Selection,
    cache: GameCache,
    features: Sequence[ActiveFeature],
    config: TrainConfig,
    reporter: Reporter,
    team: Team = ALONE,
) -> Games:
    """The games of `selection`, their features' columns made where they were missing. Raises ExphilError if none is
    left."""
    numbers = cache.find([item.facts.sha256 for item in selection.chosen])
    kept, left_out = _read_uncached(selection, numbers, cache, config, reporter)
    there = [place for place in range(len(numbers)) if numbers[place] >= 0 or place in kept]
    numbers = numbers[there]
    kept = {new: kept[old] for new, old in enumerate(there) if old in kept}
    return Games(
        table=_table(cache, numbers, kept),
        fighters=tuple(selection.chosen[place].sides for place in there),
        weights=tuple(selection.chosen[place].weights for place in there),
        files=tuple(selection.chosen[place].file.name for place in there),
        contents=tuple(selection.chosen[place].facts.sha256 for place in there),
        numbers=numbers,
        kept=kept,
        cache=cache,
        columns={
            feature.block: _columns(cache, numbers[numbers >= 0], feature, reporter, team)
            for feature in features
        },
        features=tuple(features),
        left_out=(*selection.left_out, *left_out),
    )


def _columns(
    cache: GameCache, numbers: Longs, feature: ActiveFeature, reporter: Reporter, team: Team
) -> GameCache:
    reporter.start(f"computing {feature.entry.spec.name}", len(numbers), "games")
    part = team.cache_part(cache.folder.parent)
    try:
        if part.count > 1:
            hashes = [game.ljust(32, b"\0").hex() for game in cache.hashes[numbers].tolist()]
            ours = numbers[games_of_rank(hashes, part.index, part.count)]
            make_columns(cache, ours, feature, reporter.advance)
        team.wait()
        return make_columns(cache, numbers, feature, reporter.advance)
    except OSError as error:
        raise ExphilError(
            f"the columns of {feature.entry.spec.name} can't be cached: {error.strerror or error}: "
            f"{cache.folder.parent}; free some space or give another --cache-dir"
        ) from error
    finally:
        reporter.finish()


def _table(cache: GameCache, numbers: Longs, kept: dict[int, StoredGame]) -> GameTable:
    known = cache.columns(numbers[numbers >= 0])
    place = np.cumsum(numbers >= 0) - 1
    frames, stage, hashes, idle = [], [], [], []
    for game in range(len(numbers)):
        if game in kept:
            stored = kept[game]
            frames.append(len(stored))
            stage.append(stored.info.stage.internal)
            hashes.append(bytes.fromhex(stored.info.game_hash))
            idle.append(stored.idle)
        else:
            at = int(place[game])
            frames.append(int(known.frames[at]))
            stage.append(int(known.stage[at]))
            hashes.append(known.game_hash[at])
            idle.append(known.idle[at])
    return game_table(frames, stage, hashes, idle)


def _read_uncached(
    selection: Selection, numbers: Longs, cache: GameCache, config: TrainConfig, reporter: Reporter
) -> tuple[dict[int, StoredGame], list[LeftOut]]:
    """The games that are not in the cache, by place, and those that can't be read either."""
    missing = np.flatnonzero(numbers < 0).tolist()
    if not missing:
        return {}, []
    why, size = why_incomplete(cache.folder.parent), 0
    kept: dict[int, StoredGame] = {}
    left_out: list[LeftOut] = []
    places = {selection.chosen[place].file: place for place in missing}

    def keep(file: ReplayFile, content: bytes | ReplayError) -> None:
        nonlocal size
        try:
            if isinstance(content, ReplayError):
                raise content
            stored = kept[places[file]] = pack(inspect(content, str(file)).game(config.rollback))
        except ReplayError as error:
            left_out.append(LeftOut(file=file, reason=str(error)))
            return
        size += len(stored) * ROW.itemsize
        if size > MEMORY_BYTES:
            raise ExphilError(
                f"{why}, and {len(missing)} games are too many to hold in memory: free some space, give another "
                "--cache-dir or take fewer with --max-files"
            )

    with Unpacker() as unpacker:
        # In the order they lie in: a solid block is unpacked once.
        unpacker.each([file for job in plan(list(places), 1) for file in job], keep)
    if kept:
        reporter.line(f"warning: {why}: {counted(len(kept), 'game')} ({size / 1e6:,.0f} MB) held in memory")
    return kept, left_out


def why_incomplete(folder: Path) -> str:
    """Why a cache didn't take all games, as far as can be seen afterwards."""
    if unwritable := why_unwritable(folder):
        return f"the cache {folder} is not complete (it can't be made or written: {unwritable})"
    free = free_bytes(folder)
    reason = f"only {free / 1e6:,.0f} MB are free" if free < 1 << 30 else "it can't be written"
    return f"the cache {folder} is not complete ({reason})"
