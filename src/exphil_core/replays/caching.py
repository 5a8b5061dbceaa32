"""Puts games into the cache while replays are looked into, in whatever process does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from exphil_core.errors import ReplayError
from exphil_core.replays.cache import GameCache, Hashes, as_hashes, facts_of, found_in
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import GameFilter, check_usable, wanted_sides
from exphil_core.replays.game import Game
from exphil_core.replays.rows import arrays_of, pack
from exphil_core.replays.shards import ShardWriter


class CacheSink:
    """A `GameSink` that writes the games that `wanted` lets pass into shards in `folder`; those in `have` are there.

    A disk that is full, or a folder that can't be written, stops the writing and nothing else: what was whole
    stays, and the games that are missing then are read again by whoever needs them.
    """

    def __init__(self, folder: Path, have: Hashes, wanted: GameFilter) -> None:
        self._folder, self._have, self._wanted = folder, have, wanted
        self._begin()

    def _begin(self) -> None:
        self._writer = ShardWriter(self._folder)
        self._refused = False
        self._added: set[str] = set()

    def looked_again(self) -> CacheSink:
        """The same, knowing what other processes have cached since."""
        return CacheSink(self._folder, GameCache(self._folder).hashes, self._wanted)

    def __getstate__(self) -> dict[str, Any]:
        # Each process writes shards of its own.
        return {"_folder": self._folder, "_have": self._have, "_wanted": self._wanted}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def wants(self, facts: FileFacts) -> bool:
        """Whether this file's game passes the filter and isn't cached yet."""
        if self._refused or facts.sha256 in self._added:
            return False
        try:
            check_usable(facts, self._wanted.any_player)
            wanted_sides(facts, self._wanted)
        except ReplayError:
            return False
        return bool(found_in(self._have, as_hashes([facts.sha256]))[0] < 0)

    def add(self, game: Game, facts: FileFacts) -> None:
        """Take a game; it is written with others."""
        if self._refused:
            return
        self._added.add(facts.sha256)
        stored = pack(game)
        with self._until_refused():
            self._writer.add(facts_of(stored), arrays_of(stored))

    def flush(self) -> Future[None]:
        """Begin to write what was added; done when it is durable, or refused."""
        flushed: Future[None] = Future()

        def conclude(finished: Future[None]) -> None:
            error = finished.exception()
            if isinstance(error, OSError):
                self._refused, error = True, None
            if error is None:
                flushed.set_result(None)
            else:
                flushed.set_exception(error)

        self._writer.finish().add_done_callback(conclude)
        return flushed

    @contextlib.contextmanager
    def _until_refused(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._refused = True
