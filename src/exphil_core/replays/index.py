"""What is known of replays that were looked into before, so that an unchanged file is never opened again.

An SQLite file in the cache folder, keyed by path, member, size and modification time. Any number of processes may
use it at once; each chunk of facts is one transaction, so that a kill loses the chunk in hand and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from exphil_core.replays.facts import FACTS_VERSION, FileFacts
from exphil_core.replays.sources import ReplayFile

NAME = "index.sqlite"
# Layout of the table; a file of another one is set aside.
LAYOUT = 1
# Seconds to wait for another process's transaction, which takes milliseconds.
PATIENCE = 60.0
_TABLE = """
CREATE TABLE IF NOT EXISTS replays (
    path TEXT NOT NULL, member TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    facts_version INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (path, member)
) WITHOUT ROWID
"""
_FIND = "SELECT facts FROM replays WHERE path=? AND member=? AND size=? AND mtime_ns=? AND facts_version=?"
_PUT = "INSERT OR REPLACE INTO replays VALUES (?,?,?,?,?,?)"

Warn = Callable[[str], None]


class ReplayIndex:
    """The index in `folder`. One that can't be used is set aside and begun anew, with a warning; where none can be
    written, facts are kept in memory for this run alone."""

    def __init__(self, folder: Path, warn: Warn = lambda _: None) -> None:
        self.path, self._warn = folder / NAME, warn
        self._connection = self._opened()

    def __enter__(self) -> ReplayIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def facts(self, file: ReplayFile) -> FileFacts | None:
        """What is known of `file` as it is now; None if nothing is."""
        key = _key(file)
        try:
            row = self._connection.execute(_FIND, key).fetchone()
            return FileFacts.from_json(json.loads(row[0])) if row else None
        except sqlite3.OperationalError as error:
            self._in_memory(error)
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            self._begin_anew(error)
        return None

    def record(self, known: Iterable[tuple[ReplayFile, FileFacts]]) -> None:
        """Keep the facts of a chunk of files, all or none. Those of files without bytes to read are not kept."""
        rows = [(*_key(file), _text(facts.as_text())) for file, facts in known if facts.sha256]
        try:
            self._put(rows)
        except sqlite3.OperationalError as error:
            self._in_memory(error)
            self._put(rows)
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            self._put(rows)

    def _put(self, rows: Sequence[tuple[str | int, ...]]) -> None:
        with _transaction(self._connection):
            self._connection.executemany(_PUT, rows)

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _connected(self.path)
        except (OSError, sqlite3.OperationalError) as error:
            self._tell_of_memory(error)
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            with contextlib.suppress(OSError, sqlite3.DatabaseError):
                return _connected(self.path)
        return _connected(None)

    def _begin_anew(self, error: BaseException) -> None:
        self.close()
        self._set_aside(error)
        self._connection = self._opened()

    def _in_memory(self, error: BaseException) -> None:
        self.close()
        self._tell_of_memory(error)
        self._connection = _connected(None)

    def _tell_of_memory(self, error: BaseException) -> None:
        said = getattr(error, "strerror", None) or error
        self._warn(f"warning: the index {self.path} can't be used ({said}): replays are read again next time")

    def _set_aside(self, error: BaseException) -> None:
        aside = self.path.with_name(f"damaged-{time.time_ns()}-{NAME}")
        self._warn(
            f"warning: the index {self.path} is damaged ({error}): set aside as {aside.name}, begun anew"
        )
        for path, target in ((self.path, aside), (_journal(self.path), _journal(aside))):
            with contextlib.suppress(OSError):  # another process was faster, or nothing is there
                path.replace(target)


def _key(file: ReplayFile) -> tuple[str, str, int, int, int]:
    return _text(file.path), _text(file.member), file.size, file.mtime_ns, FACTS_VERSION


def _text(value: str) -> str:
    """As SQLite takes it: names of files may hold bytes that are no UTF-8. In JSON, what stands for them then is its
    own way to write them."""
    return value.encode("utf-8", "backslashreplace").decode()


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _connected(path: Path | None) -> sqlite3.Connection:
    """Open the file (None: memory). Raises sqlite3.DatabaseError if it is something else or damaged."""
    connection = sqlite3.connect(path or ":memory:", timeout=PATIENCE, isolation_level=None)
    try:
        with _transaction(connection):
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout not in (0, LAYOUT):
                raise sqlite3.DatabaseError(f"layout {layout}, this version of exphil has {LAYOUT}")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
            connection.execute(_FIND, ("", "", 0, 0, 0)).fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # Immediate: who will write waits at the beginning, instead of failing when two readers want to write.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
