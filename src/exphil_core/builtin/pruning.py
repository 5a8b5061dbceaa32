"""Built-in pruning strategies."""

from __future__ import annotations

from exphil_core import PruningStrategySpec, hookimpl

exphil_contract = 1


@hookimpl
def exphil_pruning_strategies() -> list[PruningStrategySpec]:
    return []
