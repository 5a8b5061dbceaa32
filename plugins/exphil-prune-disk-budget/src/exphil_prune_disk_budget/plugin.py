"""What this distribution adds: one pruning strategy and its flag."""

from __future__ import annotations

import attrs

from exphil_core import PruningStrategySpec, hookimpl, option
from exphil_core.options import positive

exphil_contract = 1


@attrs.frozen(kw_only=True)
class DiskBudgetOptions:
    """Each field is a flag of `exphil prune`. One without a default must be given."""

    max_gb: float = option(unit="GB", rule=positive(), help="Disk space that models may take in all.")


@hookimpl
def exphil_pruning_strategies() -> list[PruningStrategySpec]:
    return [
        PruningStrategySpec(
            name="disk-budget",
            factory="exphil_prune_disk_budget.budget:DiskBudget",
            options=DiskBudgetOptions,
            summary="Keeps the best models of each character within --max-gb; deletes the rest.",
        )
    ]
