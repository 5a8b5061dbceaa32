"""Processes that look into replays: peppi holds Python's lock all the time, so threads gain nothing.

A worker gets jobs through a pipe and sends back facts, chunk by chunk. One that dies (a crash in the parser, no
memory left) costs the chunk in hand: the file it was busy with is named, the others are given to a new worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import attrs

from exphil_core.errors import ExphilError, ReplayError
from exphil_core.replays.archives import Unpacker
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.game import Game
from exphil_core.replays.inspecting import Replay, inspect
from exphil_core.replays.sources import GZIPPED, ReplayFile

Job = Sequence[ReplayFile]
Chunk = list[tuple[ReplayFile, FileFacts]]
# A kill loses the chunk that is read and at most one that the disk is at work on.
CHUNK_FILES, CHUNK_BYTES = 64, 256 << 20


class NoReaders(ExphilError):
    """A reading process ended before it had looked at anything."""


class GameSink(Protocol):
    """Takes the games of files while they are read, in whatever process reads them. Picklable; each process gets a
    copy of its own."""

    def wants(self, facts: FileFacts) -> bool:
        """Whether to add this file's game; asked of files that can be trained on, here and in the main process."""
        ...

    def add(self, game: Game, facts: FileFacts) -> None:
        """Take a game that `wants` asked for."""
        ...

    def flush(self) -> Future[None]:
        """Begin to make all that was added durable: when that is done, the facts of these files are recorded. What
        `add` takes meanwhile belongs to the next flush."""
        ...

    def looked_again(self) -> GameSink:
        """The same, knowing what other processes have made durable since: one that died may not have said so."""
        ...


@attrs.define(eq=False)
class _Outbox:
    """Facts on their way: each chunk is sent when its games are durable, which the disk works on while the next
    chunk is read."""

    sink: GameSink | None
    send: Callable[[Chunk], None]
    _chunk: Chunk = attrs.field(factory=list)
    _bytes: int = 0
    _waiting: tuple[Chunk, Future[None]] | None = None

    def add(self, file: ReplayFile, facts: FileFacts) -> None:
        """The next file's."""
        self._chunk.append((file, facts))
        self._bytes += file.size
        if self._waiting is not None and self._waiting[1].done():
            self._send_waiting()
        if len(self._chunk) >= CHUNK_FILES or self._bytes >= CHUNK_BYTES:
            self._end_chunk()

    def empty(self) -> None:
        """Send all; the disk is waited for."""
        self._end_chunk()
        self._send_waiting()

    def _end_chunk(self) -> None:
        self._send_waiting()
        chunk, self._chunk, self._bytes = self._chunk, [], 0
        if not chunk:
            return
        if self.sink is None:
            self.send(chunk)
        else:
            self._waiting = (chunk, self.sink.flush())

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            chunk, flushed = waiting
            flushed.result()
            self.send(chunk)


def look_into(
    jobs: Iterator[Job],
    send: Callable[[Chunk], None],
    sink: GameSink | None,
    rollback: str,
    busy_with: Callable[[int], None] = lambda _: None,
) -> None:
    """Look into the files of `jobs`, feed `sink`, and `send` facts after each chunk and at the end of each job.

    `busy_with` hears the number of each file in its job before anything is done with it.
    """
    outbox = _Outbox(sink, send)

    def act(file: ReplayFile, content: bytes | ReplayError) -> None:
        busy_with(position[file])
        outbox.add(file, _facts(file, content, sink, rollback))

    with Unpacker() as unpacker:
        for job in jobs:
            position = {file: number for number, file in enumerate(job)}
            unpacker.each(job, act)
            outbox.empty()


def _facts(file: ReplayFile, content: bytes | ReplayError, sink: GameSink | None, rollback: str) -> FileFacts:
    if isinstance(content, ReplayError):
        return FileFacts(file=str(file), reason=str(content))
    plain = not file.member and not file.path.lower().endswith(GZIPPED)
    replay = inspect(content, str(file), Path(file.path) if plain else None)
    if sink is not None and replay.facts.reason is None and sink.wants(replay.facts):
        _add(sink, replay, rollback)
    return replay.facts


def _add(sink: GameSink, replay: Replay, rollback: str) -> None:
    try:
        game = replay.game(rollback)
    except ReplayError:
        return  # damaged in the other version of a rolled-back frame; the reader of the rows says so
    sink.add(game, replay.facts)


class _Worker:
    """One process and what it was asked to do."""

    def __init__(self, sink: GameSink | None, rollback: str) -> None:
        # spawn everywhere: a fork copies threads' locks, and Windows has nothing else.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.busy = context.RawValue("q", -1)
        self.process = context.Process(
            target=_main, args=(theirs, self.busy, sink, rollback), daemon=True, name="exphil-reader"
        )
        self.process.start()
        theirs.close()
        self.job: Job = ()
        self.left: dict[ReplayFile, None] = {}
        self.dead = False

    def give(self, job: Job) -> None:
        self.job, self.left, self.busy.value = job, dict.fromkeys(job), -1
        with contextlib.suppress(OSError):  # it is dead, which the next look at it tells
            self.pipe.send(job)

    def end(self) -> None:
        """Nothing is left to do: let it go, and wait until it is gone."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self.pipe.close()
        self.process.join()

    def chunk(self) -> Chunk:
        """What it sends: facts. If it died instead, the file that it was busy with, and that it was. Raises what a
        sink raised."""
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            answer = [self._died_of()]
        if isinstance(answer, BaseException):
            raise answer
        for file, _ in answer:
            self.left.pop(file, None)
        chunk: Chunk = answer
        return chunk

    def _died_of(self) -> tuple[ReplayFile, FileFacts]:
        self.dead = True
        self.pipe.close()
        self.process.join()
        code = self.process.exitcode
        if self.busy.value < 0:
            raise NoReaders(f"a process that reads replays ended by itself (exit status {code})")
        culprit = self.job[self.busy.value]
        return culprit, FileFacts(
            file=str(culprit), reason=f"unreadable: the reader died of it (exit status {code})"
        )


def _main(pipe: Connection, busy: Any, sink: GameSink | None, rollback: str) -> None:
    # Ctrl-C goes to all processes of a terminal; the main one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def jobs() -> Iterator[Job]:
        while (job := pipe.recv()) is not None:
            yield job

    def busy_with(number: int) -> None:
        busy.value = number

    try:
        look_into(jobs(), lambda chunk: pipe.send(chunk), sink, rollback, busy_with)
    except (EOFError, BrokenPipeError, ConnectionError):
        os._exit(0)  # the main process is gone
    except BaseException as error:
        if os.environ.get("EXPHIL_DEBUG") == "1":
            traceback.print_exc()
        pipe.send(_told(error))


def _told(error: BaseException) -> ExphilError:
    """What the main process raises in its place."""
    if isinstance(error, ExphilError):
        return ExphilError(str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return ExphilError(f"{where}{error.strerror or error}")
    return ExphilError(f"{type(error).__name__}: {error}")


def look_into_with(
    workers: int, jobs: Sequence[Job], sink: GameSink | None, rollback: str
) -> Iterator[Chunk]:
    """Share `jobs` out among so many processes; yields chunks of facts as they come.

    What a sink raises is raised here. Leaving the iteration early ends the processes.
    """
    waiting = deque(jobs)
    crew = [_Worker(sink, rollback) for _ in range(min(workers, len(waiting)))]
    try:
        for worker in crew:
            worker.give(waiting.popleft())
        while crew:
            ready = wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                chunk = worker.chunk()
                yield chunk
                if worker.dead:
                    if worker.left:
                        waiting.appendleft(tuple(worker.left))
                    crew.remove(worker)
                    if waiting:
                        crew.append(_Worker(sink.looked_again() if sink else None, rollback))
                        crew[-1].give(waiting.popleft())
                elif not worker.left and waiting:
                    worker.give(waiting.popleft())
                elif not worker.left:
                    crew.remove(worker)
                    worker.end()
    finally:
        for worker in crew:
            worker.process.terminate()
            worker.process.join()
            worker.pipe.close()
