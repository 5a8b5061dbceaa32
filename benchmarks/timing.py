"""Ratios of two things that are measured in turn: absolute times mislead on a shared machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of `first` as a multiple of that of `second`."""
    first(), second()
    pairs = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return round(statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs), 3)
