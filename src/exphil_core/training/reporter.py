"""What a run tells while it goes on. The loop calls these; the command line draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Reporter(Protocol):
    """Receives progress. Nothing that it does changes the run."""

    def line(self, text: str) -> None:
        """One line for the user."""
        ...

    def start(self, what: str, total: int, unit: str) -> None:
        """Something long begins: `total` units of it."""
        ...

    def advance(self, done: int, note: str = "", *, rate: float | None = None, rate_unit: str = "") -> None:
        """`done` units are behind us; `rate` overrides units a second where another figure says more."""
        ...

    def finish(self) -> None:
        """What was begun is over."""
        ...

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """An epoch was validated."""
        ...


class SilentReporter:
    """Tells nothing."""

    def line(self, text: str) -> None:
        pass

    def start(self, what: str, total: int, unit: str) -> None:
        pass

    def advance(self, done: int, note: str = "", *, rate: float | None = None, rate_unit: str = "") -> None:
        pass

    def finish(self) -> None:
        pass

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        pass
