"""What a logger is told of a run, and what it has to have: the contract of the hook `exphil_loggers`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs


@attrs.frozen(kw_only=True)
class RunFacts:
    """The run that begins: its name (the stem of its files), the checkpoints folder, when it began (UTC, as in
    2026-01-19T12:34:56Z), and every setting as JSON holds it.

    `resumed_at` is None for a fresh run, and the last step done for one that goes on.
    """

    name: str
    folder: Path
    created_at: str
    config: Mapping[str, Any]
    resumed_at: int | None = None


@attrs.frozen(kw_only=True)
class RunEnd:
    """How a run ended: `status` is "finished", "interrupted" or "failed", `reason` says why (empty for a run that
    came to its end).

    `model` is the id of what was registered, `state` where an unfinished run can go on from, `best` the metrics of
    the best epoch; each None where there is none.
    """

    status: str
    reason: str = ""
    model: str | None = None
    state: str | None = None
    best: Mapping[str, Any] | None = None


class Logger(Protocol):
    """Takes a run's metrics elsewhere. Each run makes a new one.

    Calls come in the order `start`, any number of `step` and `epoch`, `finish`, all in the thread that trains: what
    is slow slows the run. A logger that raises is left alone from then on, and the run goes on. What is given is the
    logger's own copy. The process's random generators are put back after each call; a thread of the logger's own
    must not draw from them.

    A run that goes on gets a new logger, with `resumed_at` set. Its `name` is the same, and so are the numbers of its
    steps: those after `resumed_at` come (again), and what was told of them before a crash is void. A finished run
    that goes on for more epochs is another one, with a name of its own.
    """

    def start(self, run: RunFacts) -> None:
        """The run begins."""
        ...

    def step(self, metrics: Mapping[str, float]) -> None:
        """Every few steps: "step" (counted from the run's first), "epoch", "train_loss" (mean of the examples since
        the last call, in nats a frame), "lr" and "frames_per_second"."""
        ...

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """An epoch was validated: the line that goes to `NAME_metrics.jsonl`."""
        ...

    def finish(self, end: RunEnd) -> None:
        """The run is over, and its files are written. A killed run never gets here."""
        ...


def flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in nested metrics, as in "parts/buttons"."""
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = value
    return found
