"""The built-in pruning strategies.

Each says "keep" of what it is for and "delete" of the rest; `Archive` only ever says "archive".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from exphil_core.builtin.pruning_options import (
    ArchiveOptions,
    KeepBestOptions,
    KeepRecentOptions,
    KeepTaggedOptions,
)
from exphil_core.checkpoints.entry import ModelEntry, utc_text
from exphil_core.checkpoints.pruning import ARCHIVE, DELETE, KEEP, Action, Decision, PruningContext

# Seconds; a timedelta holds no more than a billion days.
LONGEST = 86_400e8


class KeepBest:
    """Keep the n models with the lowest `val_loss`.

    Losses compare only between models scored on the same frames: of each such group the n best stay. A model
    without a loss comes last in its group.
    """

    def __init__(self, options: KeepBestOptions) -> None:
        self._count = options.keep_best

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        groups: dict[tuple[object, ...], list[ModelEntry]] = {}
        for entry in models:
            groups.setdefault((entry.schema, entry.delay, entry.validation_games), []).append(entry)
        decisions = []
        for group in groups.values():
            for place, entry in enumerate(sorted(group, key=_by_loss), start=1):
                action: Action = KEEP if place <= self._count else DELETE
                reason = "has no val_loss" if entry.val_loss is None else f"val_loss {entry.val_loss:.4f}"
                decisions.append(Decision(entry.id, action, f"{reason}, number {place} of {len(group)}"))
        return decisions


class KeepRecent:
    """Keep the n models made last."""

    def __init__(self, options: KeepRecentOptions) -> None:
        self._count = options.keep_recent

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        ordered = sorted(models, key=lambda entry: (entry.created_at, entry.id), reverse=True)
        return [
            Decision(entry.id, KEEP if place <= self._count else DELETE, f"number {place} by age")
            for place, entry in enumerate(ordered, start=1)
        ]


class KeepTagged:
    """Keep the models that have a tag; switched off, it has no say."""

    def __init__(self, options: KeepTaggedOptions) -> None:
        self._on = options.keep_tagged

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        if not self._on:
            return []
        return [
            Decision(entry.id, KEEP, f"tagged {', '.join(entry.tags)}")
            if entry.tags
            else Decision(entry.id, DELETE, "has no tag")
            for entry in models
        ]


class Archive:
    """Archive the models older than a given age; deletes nothing."""

    def __init__(self, options: ArchiveOptions) -> None:
        self._age = timedelta(seconds=min(options.archive_older_than, LONGEST))

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        try:
            limit = utc_text(context.now - self._age)
        except OverflowError:  # before the year 1: nothing is that old
            return []
        return [
            Decision(entry.id, ARCHIVE, f"made {entry.created_at}, before {limit}")
            for entry in models
            if entry.created_at < limit
        ]


def _by_loss(entry: ModelEntry) -> tuple[bool, float, str, str]:
    return entry.val_loss is None, entry.val_loss or 0.0, entry.created_at, entry.id
