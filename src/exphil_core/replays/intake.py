"""Looks into replays, each of them once: facts for the index and, in the same pass, games for whoever wants them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from exphil_core.replays.facts import FileFacts
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.sources import SEVEN_ZIP, ReplayFile
from exphil_core.replays.workers import (
    CHUNK_FILES,
    Chunk,
    GameSink,
    Job,
    NoReaders,
    look_into,
    look_into_with,
)

# Several chunks: at the end of a job its process waits for the disk.
JOB_FILES = 4 * CHUNK_FILES
# Another process takes half a second to start, in which one parses 100 MB.
BYTES_A_PROCESS = 100 << 20

# How many files are done of how many.
Progress = Callable[[int, int], None]


def look_at(
    files: Sequence[ReplayFile],
    index: ReplayIndex,
    *,
    sink: GameSink | None = None,
    rollback: str = "last",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[FileFacts]:
    """The facts of each of `files`, in their order.

    A file that the index knows is not opened, unless `sink` wants its game. `workers` is the number of processes; by
    default as many as there are processors, if there is enough to read. Facts are recorded chunk by chunk, each
    after the sink was flushed: whatever ends this, what was recorded stays and is not done again.
    """
    files = list(dict.fromkeys(files))
    known = {file: index.facts(file) for file in files}
    unread = [file for file in files if _to_read(known[file], sink)]
    done = len(files) - len(unread)
    if progress is not None:
        progress(done, len(files))

    def record(chunk: Chunk) -> None:
        nonlocal done
        index.record(chunk)
        known.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, len(files))

    _read(unread, record, sink, rollback, workers)
    return [facts for file in files if (facts := known[file]) is not None]


def _to_read(facts: FileFacts | None, sink: GameSink | None) -> bool:
    return facts is None or (sink is not None and facts.reason is None and sink.wants(facts))


def _read(
    files: Sequence[ReplayFile],
    record: Callable[[Chunk], None],
    sink: GameSink | None,
    rollback: str,
    workers: int | None,
) -> None:
    count = workers or min(processors(), 1 + sum(file.size for file in files) // BYTES_A_PROCESS)
    jobs = list(plan(files, count))
    left = dict.fromkeys(files)
    if count > 1 and len(jobs) > 1:
        # Processes can't start from a script that has no `if __name__ == "__main__"`: then this one reads.
        with contextlib.suppress(NoReaders):
            for chunk in look_into_with(count, jobs, sink, rollback):
                record(chunk)
                for file, _ in chunk:
                    left.pop(file, None)
            return
        sink = sink.looked_again() if sink else None
    look_into(plan(tuple(left), 1), record, sink, rollback)


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plan(files: Sequence[ReplayFile], workers: int) -> Iterator[Job]:
    """Files in jobs for `workers` processes: a solid block is one job, since it is unpacked in one pass; others are
    shared out in smaller ones, so that all are busy to the end."""
    ordered = sorted(files, key=lambda file: (file.path if file.member else "", file.block))
    for (path, _), group in groupby(ordered, key=lambda file: (file.path if file.member else "", file.block)):
        together = tuple(group)
        solid = path.lower().endswith(SEVEN_ZIP)
        shared_out = max(1, min(JOB_FILES, -(-len(together) // (4 * workers))))
        size = len(together) if solid or workers == 1 else shared_out
        for start in range(0, len(together), size):
            yield together[start : start + size]
