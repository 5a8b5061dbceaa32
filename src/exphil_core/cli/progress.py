"""Progress for people: a bar with rate and remaining time on a terminal, plain lines elsewhere.

Everything goes to stderr, so that stdout holds only what a script may want to read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from exphil_core.training.reporter import Reporter, SilentReporter

MODES = ("auto", "rich", "plain", "none")
# Seconds between two plain lines about the same thing.
PLAIN_EVERY = 10.0


def make_reporter(mode: str) -> Reporter:
    """The reporter for `--progress MODE`."""
    if mode == "auto":
        mode = "rich" if sys.stderr.isatty() else "plain"
    if mode == "rich":
        return RichReporter()
    return PlainReporter() if mode == "plain" else QuietReporter()


def duration_text(seconds: float) -> str:
    """75 -> "1:15", 3725 -> "1:02:05"."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def epoch_line(metrics: Mapping[str, Any]) -> str:
    """One epoch on one line."""
    return (
        f"epoch {metrics['epoch']}: train {metrics['train_loss']:.3f}, val {metrics['val_loss']:.3f} "
        f"(on changes {metrics['val_loss_change']:.3f}); baselines: repeat {metrics['baseline_repeat']:.3f}, "
        f"marginal {metrics['baseline_marginal']:.3f}; {metrics['frames_per_second']:,.0f} frames/s"
    )


class QuietReporter(SilentReporter):
    """Only the lines that matter, no progress."""

    def line(self, text: str) -> None:
        click.echo(text, err=True)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        self.line(epoch_line(metrics))


class PlainReporter(QuietReporter):
    """A line every few seconds, for logs."""

    def start(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.began = self.last = time.monotonic()

    def advance(self, done: int, note: str = "", *, rate: float | None = None, rate_unit: str = "") -> None:
        now = time.monotonic()
        if now - self.last < PLAIN_EVERY or not done:
            return
        self.last, elapsed = now, now - self.began
        left = duration_text(elapsed / done * max(self.total - done, 0))
        speed = f"{rate:,.0f} {rate_unit}" if rate is not None else f"{done / elapsed:.1f} {self.unit}/s"
        parts = [f"{done}/{self.total} {self.unit}", speed, f"{left} left", note]
        self.line(f"{self.what}: {', '.join(part for part in parts if part)}")


class RichReporter(QuietReporter):
    """A bar, wherever stderr leads: who asks for it gets it."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, force_terminal=True)
        self.bar: Any = None

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def start(self, what: str, total: int, unit: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.finish()
        self.unit = unit
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.bar.add_task(what, total=total, unit=unit, note="")
        self.began = time.monotonic()
        self.bar.start()

    def advance(self, done: int, note: str = "", *, rate: float | None = None, rate_unit: str = "") -> None:
        elapsed = max(time.monotonic() - self.began, 1e-9)
        speed = f"{rate:,.0f} {rate_unit}" if rate is not None else f"{done / elapsed:.1f} {self.unit}/s"
        # An estimated total may fall short by a few steps: grow it rather than show 103 %.
        total = max(self.bar.tasks[0].total or 0, done)
        text = "  ".join(part for part in (speed, note) if part)
        self.bar.update(self.task, completed=done, total=total, note=text)

    def finish(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
