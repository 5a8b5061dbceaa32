"""`exphil prune --keep-daily 7`: the newest model of each of the last seven days on which there was one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from exphil_core import PruningStrategySpec, hookimpl, option
from exphil_core.options import at_least

if TYPE_CHECKING:
    from exphil_core.checkpoints.entry import ModelEntry
    from exphil_core.checkpoints.pruning import Decision, PruningContext

exphil_contract = 1


@attrs.frozen(kw_only=True)
class KeepDailyOptions:
    """Each field is a flag of `exphil prune`."""

    keep_daily: int = option(flag="keep-daily", rule=at_least(1), help="Keep the newest of so many days.")


@hookimpl
def exphil_pruning_strategies() -> list[PruningStrategySpec]:
    return [
        PruningStrategySpec(
            name="keep-daily",
            factory="keep_daily:KeepDaily",
            options=KeepDailyOptions,
            summary="Keeps the newest model of each of the last days; deletes the rest.",
        )
    ]


class KeepDaily:
    """Only plans: the core acts, and spares what must not be touched."""

    def __init__(self, options: KeepDailyOptions) -> None:
        self._days = options.keep_daily

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        from exphil_core.checkpoints.pruning import DELETE, KEEP, Decision  # not for listings

        newest = {entry.created_at[:10]: entry.id for entry in models}  # models come oldest first
        kept = {newest[day]: day for day in sorted(newest)[-self._days :]}
        return [
            Decision(entry.id, KEEP, f"the newest of {kept[entry.id]}")
            if entry.id in kept
            else Decision(entry.id, DELETE, f"made {entry.created_at}")
            for entry in models
        ]
