"""The strategy: one plan, from models and their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.pruning import DELETE, KEEP, Decision, PruningContext
from exphil_prune_disk_budget.plugin import DiskBudgetOptions

GB = 10**9


class DiskBudget:
    """Keeps the best of each character, then the second best of each, and so on, while they fit."""

    def __init__(self, options: DiskBudgetOptions) -> None:
        self._bytes = options.max_gb * GB

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        decisions = []
        left, full = self._bytes, set()
        for place, round in enumerate(zip_longest(*lanes(models)), start=1):
            for lane, entry in enumerate(round):
                if entry is None:
                    continue
                name, size = entry.character or "any", context.size_of(entry)
                if lane not in full and size <= left:
                    left -= size
                    decisions.append(Decision(entry.id, KEEP, f"number {place} of {name}, fits the budget"))
                else:
                    full.add(lane)  # a worse model isn't kept in place of a better one
                    decisions.append(Decision(entry.id, DELETE, f"number {place} of {name}, over the budget"))
        return decisions


def lanes(models: Sequence[ModelEntry]) -> list[list[ModelEntry]]:
    """The models of each character that compare with each other, best first; the lane with the newest first."""
    found: dict[tuple[object, ...], list[ModelEntry]] = {}
    for entry in models:
        key = (entry.character, entry.schema, entry.delay, entry.validation_games)
        found.setdefault(key, []).append(entry)
    newest = sorted(found.values(), key=lambda lane: max((e.created_at, e.id) for e in lane), reverse=True)
    return [sorted(lane, key=_by_loss) for lane in newest]


def _by_loss(entry: ModelEntry) -> tuple[bool, float, str, str]:
    """Lowest loss first, models without one last."""
    return entry.val_loss is None, entry.val_loss or 0.0, entry.created_at, entry.id
