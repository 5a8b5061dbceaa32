"""`check_pruning_strategy`: every registered strategy passes; each way to break the contract is caught."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from exphil_core import PruningStrategySpec, option
from exphil_core.checkpoints.entry import ModelEntry
from exphil_core.checkpoints.pruning import DELETE, KEEP, Decision, PruningContext
from exphil_core.options import at_least
from exphil_core.plugin_manager import load_plugins
from exphil_core.testing import check_pruning_strategy
from exphil_core.testing.pruning import made_up_models

# A value for every option without default, whichever strategy it belongs to.
VALUES: dict[type, Any] = {int: 3, float: 86_400.0, bool: True, str: "x"}


def required(options: type | None) -> dict[str, Any]:
    from exphil_core.options import field_types

    if options is None:
        return {}
    kinds = field_types(options)
    return {f.name: VALUES[kinds[f.name]] for f in attrs.fields(options) if f.default is attrs.NOTHING}


@pytest.mark.parametrize("name", load_plugins().names("exphil_pruning_strategies"))
def test_every_registered_strategy_passes(name: str) -> None:
    spec = load_plugins().get("exphil_pruning_strategies", name).spec
    check_pruning_strategy(name, options=required(spec.options))


@attrs.frozen(kw_only=True)
class Options:
    keep: int = option(3, rule=at_least(1), help="Keep so many.")


class Good:
    """Keeps the newest."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [
            Decision(entry.id, KEEP if place <= self.options.keep else DELETE, f"number {place}")
            for place, entry in enumerate(reversed(models), start=1)
        ]


class DecidesTwice(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [*super().plan(models, context), *(Decision(e.id, KEEP, "liked") for e in models[:1])]


class DecidesOnStrangers(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [Decision("somebody_else", DELETE, "why not")]


class NoDecisions(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> Any:
        return [entry.id for entry in models]


class GivesNoReason(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [Decision(entry.id, DELETE, " ") for entry in models]


class TagsModels(Good):
    """Writes into what it is asked about."""

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        for entry in models:
            entry.sha256["seen"] = "yes"
        return super().plan(models, context)


class DeletesByItself(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        for entry in models:
            (context.folder / entry.path).unlink(missing_ok=True)
        return super().plan(models, context)


class LeavesNotes(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        (context.folder / "notes.txt").write_text("seen")
        return super().plan(models, context)


class SecondThoughts(Good):
    """Remembers what it was asked before."""

    asked = False

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        if self.asked:
            return []
        self.asked = bool(models)
        return super().plan(models, context)


class EachOneOther(Good):
    numbers = itertools.count()

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.number = next(self.numbers)

    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [Decision(entry.id, KEEP, f"instance {self.number}") for entry in models]


class IgnoresOptions(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        return [Decision(entry.id, DELETE, "all must go") for entry in models]


class NeedsModels(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        best = min(models, key=lambda entry: entry.created_at)
        return [Decision(best.id, KEEP, "first")]


class NeedsLosses(Good):
    def plan(self, models: Sequence[ModelEntry], context: PruningContext) -> list[Decision]:
        ordered = sorted(models, key=lambda entry: entry.val_loss)  # type: ignore[arg-type, return-value]
        return [Decision(entry.id, KEEP, "in order") for entry in ordered]


class NoPlan:
    def __init__(self, options: Options) -> None:
        pass


def spec_of(cls: type, options: type | None = Options) -> PruningStrategySpec:
    return PruningStrategySpec(name="tried", factory=f"{__name__}:{cls.__name__}", options=options)


def test_a_good_one_passes() -> None:
    check_pruning_strategy(spec_of(Good))
    check_pruning_strategy(spec_of(Good), options={"keep": 1})


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (DecidesTwice, "more than once"),
        (DecidesOnStrangers, "decided on 'somebody_else', which it was not asked about"),
        (NoDecisions, "which is no decision to keep, delete or archive"),
        (GivesNoReason, "gives no one-line reason to delete"),
        (TagsModels, "changes the models"),
        (DeletesByItself, "touches files; it must only plan"),
        (LeavesNotes, "touches files; it must only plan"),
        (SecondThoughts, "plans otherwise when asked a second time"),
        (EachOneOther, "a second instance plans otherwise"),
        (IgnoresOptions, "its option keep changes nothing"),
        (NeedsModels, "raised ValueError"),
        (NeedsLosses, "raised TypeError"),
        (NoPlan, r"has no plan\(…\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(cls: type, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_pruning_strategy(spec_of(cls))
    assert "\n" not in str(caught.value)


def test_options_are_checked_and_must_be_given_where_they_have_no_default() -> None:
    with pytest.raises(AssertionError, match="option keep: 0 must be at least 1"):
        check_pruning_strategy(spec_of(Good), options={"keep": 0})
    with pytest.raises(AssertionError, match=r'option kep: 1 is not a setting \(did you mean "keep"\?\)'):
        check_pruning_strategy(spec_of(Good), options={"kep": 1})
    with pytest.raises(AssertionError, match="option keep_best has no default: give options="):
        check_pruning_strategy("keep-best-n")


def test_which_options_count_can_be_said() -> None:
    check_pruning_strategy(spec_of(IgnoresOptions), heeds=[])
    with pytest.raises(AssertionError, match="has no option other"):
        check_pruning_strategy(spec_of(Good), heeds=["other"])


def test_made_up_models_are_of_all_kinds() -> None:
    models = made_up_models(24)
    assert len({entry.id for entry in models}) == 24
    assert [entry.created_at for entry in models] == sorted(entry.created_at for entry in models)
    assert {entry.val_loss is None for entry in models} == {True, False}
    assert {bool(entry.tags) for entry in models} == {True, False}
    assert {entry.parent_model is None for entry in models} == {True, False}
    assert made_up_models(24) == models
