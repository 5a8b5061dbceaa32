"""The conformance suite of pruning strategies."""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs

from exphil_core.checkpoints.entry import ModelEntry, entry_to_json, places, utc_text
from exphil_core.checkpoints.pruning import Decision, NamedStrategy, PruningContext, StrategyError
from exphil_core.options import check_values, field_types, info_of, rule_problem
from exphil_core.plugin_manager import PluginManager, Registered
from exphil_core.specs import PruningStrategySpec
from exphil_core.testing.subject import checked_options, claim, factory_of, find, said

HOOK = "exphil_pruning_strategies"
NOW = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
COUNTS = (0, 1, 2, 24)
CHARACTERS = (None, "mewtwo", "fox", "zelda")
BACKBONES = ("mlp", "gru", "mamba")
# What a numeric option is set to, to see that the plan heeds it: counts, shares, seconds, gigabytes and bytes.
TRIED: tuple[float, ...] = (
    0,
    0.01,
    0.1,
    0.5,
    1,
    2,
    3,
    5,
    10,
    20,
    100,
    3600,
    86_400,
    604_800,
    3e6,
    1e9,
    1e10,
    1e15,
)


def check_pruning_strategy(
    strategy: PruningStrategySpec | str,
    *,
    options: Mapping[str, Any] | None = None,
    heeds: Iterable[str] | None = None,
    manager: PluginManager | None = None,
) -> None:
    """Check a pruning strategy: it decides on models that it was asked about, on each at most once and with a
    reason; it plans and does nothing else; the same models give the same plan; its options check themselves, and
    each numeric one (or each of `heeds`) changes some plan.

    `options` sets what has no default.
    """
    entry = find(HOOK, strategy, manager)
    spec: PruningStrategySpec = entry.spec
    who = f"pruning strategy {spec.name}"
    chosen = checked_options(who, spec.options, options or {})
    factory = factory_of(who, spec.factory)
    with tempfile.TemporaryDirectory() as folder:
        subject = _Subject(who=who, entry=entry, factory=factory, folder=Path(folder))
        for count in COUNTS:
            _claim_plan(subject, chosen, made_up_models(count))
        for name in _numeric(spec.options) if heeds is None else heeds:
            _claim_heeded(subject, chosen, name)


def made_up_models(count: int, seed: int = 0) -> list[ModelEntry]:
    """Registered models that never were, oldest first: with and without loss, character, tags and parents."""
    rng = random.Random(f"exphil-testing/{seed}")
    models: list[ModelEntry] = []
    for number in range(count):
        made = NOW - timedelta(days=count - number, seconds=rng.randrange(40_000))
        models.append(
            ModelEntry(
                **places(f"gru_{made:%Y%m%d_%H%M%S}" if number % 2 else f"fox/{made:%Y%m%d_%H%M%S}"),
                created_at=utc_text(made),
                character=rng.choice(CHARACTERS),
                backbone=rng.choice(BACKBONES),
                temporal=bool(number % 2),
                hidden_sizes=(64, 32),
                window_size=60 if number % 2 else None,
                epochs=rng.randrange(1, 50),
                training_frames=rng.randrange(1_000_000),
                val_loss=None if number % 7 == 3 else round(rng.uniform(0.5, 4), 3),
                parent_model=rng.choice(models).id if number % 5 == 4 else None,
                tags=("good",) if number % 6 == 5 else (),
                training_type="fine_tune" if number % 5 == 4 else "imitation",
                sha256={"weights": f"{number:064x}"},
                schema="1-abc",
                delay=0,
                validation_games="g1" if number % 3 else "g2",
            )
        )
    return models


@attrs.frozen(eq=False)
class _Subject:
    who: str
    entry: Registered
    factory: Any
    folder: Path

    def make(self, options: Any) -> NamedStrategy:
        try:
            made = self.factory() if self.entry.spec.options is None else self.factory(options)
        except Exception as error:
            raise AssertionError(f"{self.who}: its factory raised {said(error)}") from error
        claim(callable(getattr(made, "plan", None)), f"{self.who}: what its factory gives has no plan(…)")
        return NamedStrategy(
            name=self.entry.spec.name, distribution=self.entry.origin.distribution, strategy=made
        )

    def plan(self, strategy: NamedStrategy, models: Sequence[ModelEntry]) -> list[Decision]:
        sizes = {entry.id: 10**5 * (1 + index) ** 4 for index, entry in enumerate(models)}
        context = PruningContext(now=NOW, folder=self.folder, size_of=lambda entry: sizes[entry.id])
        try:
            return strategy.plan(models, context)
        except StrategyError as error:
            raise AssertionError(str(error).removesuffix("; nothing was pruned")) from error


def _claim_plan(subject: _Subject, options: Any, models: list[ModelEntry]) -> None:
    for entry in models:
        path = subject.folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.id.encode())
    before = copy.deepcopy([entry_to_json(entry) for entry in models])
    files, settings = _tree(subject.folder), copy.deepcopy(options)
    strategy = subject.make(options)
    plan = subject.plan(strategy, models)
    who = subject.who
    claim([entry_to_json(e) for e in models] == before, f"{who} changes the models that it is asked about")
    claim(options == settings, f"{who} changes its options")
    claim(_tree(subject.folder) == files, f"{who} touches files; it must only plan")
    ids = [decision.id for decision in plan]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    claim(not twice, f"{who} decides on {', '.join(twice)} more than once")
    for decision in plan:
        claim(
            isinstance(decision.reason, str) and decision.reason.strip() and "\n" not in decision.reason,
            f"{who} gives no one-line reason to {decision.action} {decision.id}: {decision.reason!r}",
        )
    claim(subject.plan(strategy, models) == plan, f"{who} plans otherwise when asked a second time")
    claim(
        subject.plan(subject.make(options), models) == plan,
        f"{who}: a second instance plans otherwise for the same models",
    )


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _numeric(cls: type | None) -> list[str]:
    if cls is None:
        return []
    return [name for name, kind in field_types(cls).items() if kind in (int, float, int | None, float | None)]


def _claim_heeded(subject: _Subject, options: Any, name: str) -> None:
    """Setting `name` to one value or another changes what becomes of some model."""
    cls = type(options)
    fields = {field.name: field for field in attrs.fields(cls)}
    claim(name in fields, f"{subject.who} has no option {name}")
    info, kind = info_of(fields[name]), field_types(cls)[name]
    models = made_up_models(max(COUNTS))
    plans = set()
    for value in (True, False) if kind is bool else TRIED:
        value = int(value) if kind in (int, int | None) and value == int(value) else value
        good, problems = check_values(cls, {name: value})
        if problems or rule_problem(value, info.rule if info else None):
            continue
        strategy = subject.make(attrs.evolve(options, **good))
        plans.add(frozenset((d.id, d.action) for d in subject.plan(strategy, models)))
    claim(
        len(plans) > 1,
        f"{subject.who}: its option {name} changes nothing; if that is meant, name those that do with heeds=[…]",
    )
