"""Pruning as a plan: what strategies say, combined, and what is never touched whatever they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import attrs

from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.files import archived_stem, present, size_of
from exphil_core.checkpoints.journal import Step, no_step
from exphil_core.checkpoints.paths import UnsafePathError, inside
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.running import is_running
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager

KEEP: Final = "keep"
DELETE: Final = "delete"
ARCHIVE: Final = "archive"
Action = Literal["keep", "delete", "archive"]


@attrs.frozen
class Decision:
    """What a strategy wants done with one model, and why (a short phrase)."""

    id: str
    action: Action
    reason: str


@attrs.frozen(kw_only=True)
class PruningContext:
    """What a strategy may know besides the models. Nothing here changes anything.

    `now` is UTC; `size_of` gives the bytes that a model takes on disk, all its files together.
    """

    now: datetime
    folder: Path
    size_of: Callable[[ModelEntry], int]


class PruningStrategy(Protocol):
    """Chooses among models. It only plans; the core acts."""

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        """A decision for each model that the strategy has an opinion on.

        What any strategy keeps is kept; a model that none names stays. `models` come oldest first.
        """
        ...


class StrategyError(ExphilError):
    """A pruning strategy gave something that can't be a plan."""


@attrs.frozen(kw_only=True)
class NamedStrategy:
    """A strategy with its name and the distribution to blame."""

    name: str
    distribution: str
    strategy: PruningStrategy

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        """The strategy's checked plan. Raises StrategyError, naming its distribution, whatever it did."""
        try:
            decisions: list[object] = list(self.strategy.plan(tuple(models), context))
        except Exception as error:
            raise self._bad(f"raised {type(error).__name__}: {' '.join(str(error).split())}") from error
        known = {entry.id for entry in models}
        checked = []
        for decision in decisions:
            if not isinstance(decision, Decision) or decision.action not in (KEEP, DELETE, ARCHIVE):
                raise self._bad(f"gave {decision!r}, which is no decision to keep, delete or archive")
            if decision.id not in known:
                raise self._bad(f"decided on {decision.id!r}, which it was not asked about")
            checked.append(decision)
        return checked

    def _bad(self, reason: str) -> StrategyError:
        return StrategyError(
            f'pruning strategy "{self.name}" of {self.distribution} {reason}; nothing was pruned'
        )


def load_strategy(manager: PluginManager, name: str, values: Mapping[str, Any]) -> NamedStrategy:
    """The registered strategy `name` with its options set to `values` (checked ones).

    Its factory is called with an instance of its options class, or without arguments if it has none.
    """
    entry = manager.get("exphil_pruning_strategies", name)
    factory = manager.load(entry.spec.factory, entry.origin)
    try:
        options = entry.spec.options
        strategy = factory() if options is None else factory(options(**values))
    except Exception as error:
        raise StrategyError(
            f'pruning strategy "{name}" of {entry.origin.distribution} can\'t be set up: {error}'
        ) from error
    return NamedStrategy(name=entry.spec.name, distribution=entry.origin.distribution, strategy=strategy)


@attrs.frozen(kw_only=True)
class PlannedModel:
    """One line of a plan. `bytes` is what the model takes on disk, freed if it is deleted."""

    entry: ModelEntry
    action: Action
    reason: str
    bytes: int


@attrs.frozen(kw_only=True)
class PruningPlan:
    """What will be done, model by model, in the registry's order."""

    models: tuple[PlannedModel, ...]

    @property
    def moves(self) -> dict[str, str]:
        """What happens to the models that don't just stay, by id."""
        return {planned.entry.id: planned.action for planned in self.models if planned.action != KEEP}

    def chosen(self, action: Action) -> list[ModelEntry]:
        """The models that `action` befalls."""
        return [planned.entry for planned in self.models if planned.action == action]

    @property
    def bytes_freed(self) -> int:
        """What deleting frees; archiving frees nothing."""
        return sum(planned.bytes for planned in self.models if planned.action == DELETE)


def plan_pruning(
    registry: Registry,
    strategies: Iterable[NamedStrategy],
    now: datetime,
    *,
    prune_parents: bool = False,
    include_archived: bool = False,
) -> PruningPlan:
    """Combine what `strategies` want: keep goes before archive, archive before delete, and silence keeps.

    Strategies are asked about the models that may be touched; archived ones only with `include_archived`. A
    model that a kept one descends from stays unless `prune_parents`. Reads only.
    """
    models = registry.models()
    sizes: dict[str, int] = {}
    fixed: dict[str, str] = {}
    for entry in models:
        reason = _untouchable(registry.folder, entry, sizes)
        if reason or (entry.archived and not include_archived):
            fixed[entry.id] = reason or "archived already"
    asked = [entry for entry in models if entry.id not in fixed]
    context = PruningContext(now=now, folder=registry.folder, size_of=lambda entry: sizes[entry.id])
    wishes: dict[str, dict[str, str]] = {entry.id: {} for entry in models}
    for strategy in strategies:
        for decision in strategy.plan(asked, context):
            wishes[decision.id].setdefault(decision.action, decision.reason)
    verdicts = {entry.id: _verdict(entry, fixed.get(entry.id), wishes[entry.id]) for entry in models}
    for entry in models:
        if verdicts[entry.id][0] == ARCHIVE and not inside(registry.folder, entry.config_path).is_file():
            verdicts[entry.id] = KEEP, "its config file is missing; see `exphil registry verify`"
    if not prune_parents:
        _spare_ancestors(models, verdicts)
    planned = [
        PlannedModel(entry=entry, action=action, reason=reason, bytes=sizes.get(entry.id, 0))
        for entry in models
        for action, reason in [verdicts[entry.id]]
    ]
    return PruningPlan(models=tuple(planned))


def carry_out(registry: Registry, plan: PruningPlan, step: Step = no_step) -> None:
    """Do what `plan` says, all of it or nothing. Raises RegistryError if a model has changed since."""
    deleted = [(entry, None) for entry in plan.chosen(DELETE)]
    archived = [(entry, archived_stem(entry.stem)) for entry in plan.chosen(ARCHIVE)]
    registry.relocate([*deleted, *archived], step)


def _untouchable(folder: Path, entry: ModelEntry, sizes: dict[str, int]) -> str | None:
    """Why nobody may touch this model, or None; its size goes into `sizes`."""
    try:
        files = [inside(folder, relative) for relative in present(folder, entry.stem)]
    except UnsafePathError as error:
        return str(error)
    if is_running(folder, entry.stem):
        return "a run is in progress"
    sizes[entry.id] = sum(map(size_of, files))
    return None


def _verdict(entry: ModelEntry, fixed: str | None, wishes: Mapping[str, str]) -> tuple[Action, str]:
    if fixed is not None:
        return KEEP, fixed
    if KEEP in wishes:
        return KEEP, wishes[KEEP]
    if ARCHIVE in wishes:
        return (KEEP, "archived already") if entry.archived else (ARCHIVE, wishes[ARCHIVE])
    if DELETE in wishes:
        return DELETE, wishes[DELETE]
    return KEEP, "no strategy names it"


def _spare_ancestors(models: Sequence[ModelEntry], verdicts: dict[str, tuple[Action, str]]) -> None:
    """Keep what a kept model descends from; what an archived one descends from is at least not deleted."""
    by_id = {entry.id: entry for entry in models}

    def spare(action: Action, archived: bool, spared: tuple[Action, ...]) -> None:
        seen: set[str] = set()
        for entry in models:
            if verdicts[entry.id][0] != action or entry.archived != archived:
                continue
            parent = entry.parent_model
            while parent is not None and parent in by_id and parent not in seen:
                seen.add(parent)  # ends cycles too
                if verdicts[parent][0] in spared:
                    verdicts[parent] = KEEP, f"{entry.id} descends from it"
                parent = by_id[parent].parent_model

    spare(ARCHIVE, False, (DELETE,))
    spare(KEEP, True, (DELETE,))
    spare(KEEP, False, (DELETE, ARCHIVE))
