"""Batches made while the model trains: the next ones are cut and encoded by threads, in the order of their plans."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from exphil_core.training.frames import FrameStore
from exphil_core.training.sampling import Plan, Step

# numpy lets go of Python's lock while it copies, so that two threads make batches nearly twice as fast as one.
THREADS = 2
# Steps that are ready or in the making. More would only take memory: 5 MB each for 256 windows of 60 frames.
DEPTH = 4


def ahead(
    plans: Iterable[Plan], store: FrameStore, *, threads: int = THREADS, depth: int = DEPTH
) -> Generator[Step, None, None]:
    """The steps of `plans`, in their order, up to `depth` made ahead. An error in making one is raised where that
    step would have come. Closing the iterator (or leaving the loop over it) ends the threads."""
    if threads < 1:
        yield from (plan.step(store) for plan in plans)
        return
    waiting: deque[Future[Step]] = deque()
    upcoming = iter(plans)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="exphil-batches")
    try:
        for plan in upcoming:
            waiting.append(pool.submit(plan.step, store))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
