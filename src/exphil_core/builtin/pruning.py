"""Built-in pruning strategies."""

from __future__ import annotations

from exphil_core import PruningStrategySpec, hookimpl
from exphil_core.builtin.pruning_options import (
    ArchiveOptions,
    KeepBestOptions,
    KeepRecentOptions,
    KeepTaggedOptions,
)

exphil_contract = 1


@hookimpl
def exphil_pruning_strategies() -> list[PruningStrategySpec]:
    return [
        PruningStrategySpec(
            name="keep-best-n",
            factory="exphil_core.checkpoints.strategies:KeepBest",
            options=KeepBestOptions,
            summary="Keeps the best by val_loss among comparable models; deletes the rest.",
        ),
        PruningStrategySpec(
            name="keep-recent-n",
            factory="exphil_core.checkpoints.strategies:KeepRecent",
            options=KeepRecentOptions,
            summary="Keeps the newest; deletes the rest.",
        ),
        PruningStrategySpec(
            name="keep-tagged",
            factory="exphil_core.checkpoints.strategies:KeepTagged",
            options=KeepTaggedOptions,
            summary="Keeps tagged models; deletes the rest.",
        ),
        PruningStrategySpec(
            name="archive",
            factory="exphil_core.checkpoints.strategies:Archive",
            options=ArchiveOptions,
            summary="Moves old models to archive/; deletes nothing.",
        ),
    ]
