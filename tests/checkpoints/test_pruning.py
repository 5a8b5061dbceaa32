"""Pruning: what each strategy wants, how wishes combine, and what is never touched."""

from __future__ import annotations

import os
from datetime import datetime, timezone

import pytest

from exphil_core import PruningStrategySpec, hookimpl
from exphil_core.builtin.pruning_options import (
    ArchiveOptions,
    KeepBestOptions,
    KeepRecentOptions,
    KeepTaggedOptions,
)
from exphil_core.checkpoints.pruning import (
    Decision,
    NamedStrategy,
    StrategyError,
    carry_out,
    load_strategy,
    plan_pruning,
)
from exphil_core.checkpoints.registry import Registry
from exphil_core.checkpoints.running import running
from exphil_core.checkpoints.strategies import Archive, KeepBest, KeepRecent, KeepTagged
from exphil_core.plugin_manager import Provenance, load_plugins

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)


def named(strategy):
    return NamedStrategy(name=type(strategy).__name__, distribution="exphil-core", strategy=strategy)


def best(count):
    return named(KeepBest(KeepBestOptions(keep_best=count)))


def recent(count):
    return named(KeepRecent(KeepRecentOptions(keep_recent=count)))


def tagged():
    return named(KeepTagged(KeepTaggedOptions()))


def archive(days):
    return named(Archive(ArchiveOptions(archive_older_than=days * 86400.0)))


def actions(folder, *strategies, **options):
    plan = plan_pruning(Registry(folder), strategies, NOW, **options)
    return {planned.entry.id: planned.action for planned in plan.models}


def on(day):
    return f"2026-01-{day:02}T00:00:00Z"


def test_keep_best_ranks_by_loss_and_puts_models_without_one_last(folder, fakes):
    for stem, loss in (("a", 2.0), ("b", 1.0), ("c", None), ("d", 1.5), ("e", float("nan"))):
        fakes.model(folder, stem, val_loss=loss)
    kept = [id for id, action in actions(folder, best(2)).items() if action == "keep"]
    assert kept == ["b", "d"]
    assert actions(folder, best(4))["c"] == "keep"
    assert actions(folder, best(4))["e"] == "delete"


def test_keep_best_never_compares_losses_on_other_frames(folder, fakes):
    fakes.model(folder, "a", val_loss=3.0)
    fakes.model(folder, "b", val_loss=2.0)
    fakes.model(folder, "c", val_loss=9.0, delay=18)
    fakes.model(folder, "d", val_loss=8.0, validation_games="g2")
    assert actions(folder, best(1)) == {"a": "delete", "b": "keep", "c": "keep", "d": "keep"}


def test_keep_recent_goes_by_creation(folder, fakes):
    for stem, day in (("a", 3), ("b", 1), ("c", 2)):
        fakes.model(folder, stem, created_at=on(day))
    assert actions(folder, recent(2)) == {"b": "delete", "c": "keep", "a": "keep"}


def test_what_any_keep_keeps_is_kept(folder, fakes):
    fakes.model(folder, "good", val_loss=1.0, created_at=on(1))
    fakes.model(folder, "new", val_loss=9.0, created_at=on(9))
    fakes.model(folder, "dear", val_loss=9.0, created_at=on(2), tags=("t",))
    fakes.model(folder, "rest", val_loss=9.0, created_at=on(3))
    assert actions(folder, best(1), recent(1), tagged()) == {
        "good": "keep",
        "dear": "keep",
        "rest": "delete",
        "new": "keep",
    }


def test_archive_alone_deletes_nothing(folder, fakes):
    fakes.model(folder, "old", created_at=on(1))
    fakes.model(folder, "new", created_at=on(31))
    assert actions(folder, archive(7)) == {"old": "archive", "new": "keep"}


def test_together_the_kept_stay_the_old_are_archived_the_rest_is_deleted(folder, fakes):
    fakes.model(folder, "old-good", created_at=on(1), val_loss=1.0)
    fakes.model(folder, "old", created_at=on(2), val_loss=2.0)
    fakes.model(folder, "new", created_at=on(31), val_loss=3.0)
    assert actions(folder, best(1), archive(7)) == {"old-good": "keep", "old": "archive", "new": "delete"}


def test_no_strategy_touches_nothing(folder, fakes):
    fakes.model(folder, "a")
    assert actions(folder) == {"a": "keep"}


def test_ancestors_of_the_kept_stay_unless_asked_for(folder, fakes):
    fakes.model(folder, "grandparent", val_loss=9.0)
    fakes.model(folder, "parent", val_loss=8.0, parent_model="grandparent")
    fakes.model(folder, "child", val_loss=1.0, parent_model="parent")
    fakes.model(folder, "uncle", val_loss=7.0, parent_model="grandparent")
    plan = plan_pruning(Registry(folder), [best(1)], NOW)
    assert {p.entry.id: p.action for p in plan.models} == {
        "child": "keep",
        "grandparent": "keep",
        "parent": "keep",
        "uncle": "delete",
    }
    assert {p.entry.id: p.reason for p in plan.models}["grandparent"] == "child descends from it"
    assert sorted(actions(folder, best(1), prune_parents=True).values()) == ["delete"] * 3 + ["keep"]


def test_ancestors_of_the_kept_are_not_archived_and_those_of_the_archived_not_deleted(folder, fakes):
    fakes.model(folder, "parent", created_at=on(1))
    fakes.model(folder, "child", created_at=on(31), parent_model="parent")
    assert actions(folder, archive(7))["parent"] == "keep"
    assert actions(folder, archive(7), prune_parents=True)["parent"] == "archive"
    assert actions(folder, tagged(), archive(0), prune_parents=True) == {
        "parent": "archive",
        "child": "archive",
    }
    fakes.model(folder, "archive/gone", parent_model="child")
    assert actions(folder, tagged())["child"] == "keep"
    assert actions(folder, tagged(), prune_parents=True)["child"] == "delete"


def test_what_is_about_to_be_archived_keeps_its_parent_from_being_deleted(folder, fakes):
    fakes.model(folder, "parent", created_at=on(31))
    fakes.model(folder, "child", created_at=on(1), parent_model="parent")
    assert actions(folder, tagged(), archive(7)) == {"child": "archive", "parent": "keep"}
    assert actions(folder, tagged(), archive(7), prune_parents=True) == {
        "child": "archive",
        "parent": "delete",
    }


def test_cycles_of_parents_end(folder, fakes):
    fakes.model(folder, "a", parent_model="b", tags=("t",))
    fakes.model(folder, "b", parent_model="a")
    fakes.model(folder, "c", parent_model="c")
    assert actions(folder, tagged()) == {"a": "keep", "b": "keep", "c": "delete"}


def test_archived_models_are_left_alone_unless_included(folder, fakes):
    fakes.model(folder, "archive/a")
    fakes.model(folder, "b", tags=("t",))
    assert actions(folder, tagged()) == {"a": "keep", "b": "keep"}
    assert actions(folder, tagged(), include_archived=True) == {"a": "delete", "b": "keep"}
    assert actions(folder, tagged(), archive(0), include_archived=True) == {"a": "keep", "b": "keep"}


def test_a_run_in_progress_is_not_touched(folder, fakes):
    fakes.model(folder, "resumed")
    fakes.write_files(folder, "unregistered")
    before = fakes.model_files(folder)
    with running(folder, "resumed"):
        plan = plan_pruning(Registry(folder), [tagged()], NOW)
        assert [(p.action, p.reason) for p in plan.models] == [("keep", "a run is in progress")]
        carry_out(Registry(folder), plan)
    assert fakes.model_files(folder).items() >= before.items()


def test_a_model_behind_a_link_is_not_touched(folder, fakes, tmp_path):
    fakes.model(folder, "a")
    fakes.model(folder, "fox/b")
    (folder / "a.state").rename(tmp_path / "elsewhere")
    (folder / "a.state").symlink_to(tmp_path / "elsewhere")
    (folder / "fox").rename(tmp_path / "fox")
    (folder / "fox").symlink_to(tmp_path / "fox")
    before = fakes.tree(tmp_path)
    plan = plan_pruning(Registry(folder), [tagged()], NOW)
    assert [planned.action for planned in plan.models] == ["keep", "keep"]
    assert all("symbolic link" in planned.reason for planned in plan.models)
    carry_out(Registry(folder), plan)
    assert fakes.tree(tmp_path).items() >= before.items()


def test_a_model_without_config_file_is_not_archived(folder, fakes):
    fakes.model(folder, "a")
    (folder / "a_config.json").unlink()
    plan = plan_pruning(Registry(folder), [archive(0)], NOW)
    assert [(p.action, p.reason) for p in plan.models] == [
        ("keep", "its config file is missing; see `exphil registry verify`")
    ]
    carry_out(Registry(folder), plan_pruning(Registry(folder), [tagged()], NOW))
    assert Registry(folder).models() == []


def test_the_bytes_freed_are_those_on_disk(folder, fakes):
    fakes.model(folder, "a")
    fakes.model(folder, "b", tags=("t",))
    size = sum(len(content) for name, content in fakes.model_files(folder).items() if name.startswith("a"))
    plan = plan_pruning(Registry(folder), [tagged()], NOW)
    assert plan.bytes_freed == size
    os.link(folder / "a.safetensors", folder / "same.bin")
    shared = (folder / "same.bin").stat().st_size
    assert plan_pruning(Registry(folder), [tagged()], NOW).bytes_freed == size - shared


def test_all_siblings_go_together_and_nothing_else(folder, fakes):
    fakes.model(folder, "fox/a")
    fakes.model(folder, "fox/a_2", tags=("t",))
    (folder / "fox" / "a_notes.txt").write_text("mine")
    carry_out(Registry(folder), plan_pruning(Registry(folder), [tagged()], NOW))
    left = {name for name in fakes.model_files(folder) if not name.startswith("fox/a_2")}
    assert left == {"fox/a_notes.txt"}


class Careless:
    def __init__(self, result):
        self.result = result

    def plan(self, models, context):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    "result",
    [
        RuntimeError("boom"), None, 7, ["a"], [Decision("other", "delete", "")], [("a", "delete", "")],
        [Decision("a", "destroy", "")], [Decision(None, "keep", "")],
    ],
)  # fmt: skip
def test_a_strategy_that_gives_no_plan_is_an_error_that_names_its_distribution(folder, fakes, result):
    fakes.model(folder, "a")
    strategy = NamedStrategy(name="careless", distribution="exphil-careless", strategy=Careless(result))
    with pytest.raises(StrategyError, match=r'"careless" of exphil-careless .*nothing was pruned'):
        plan_pruning(Registry(folder), [strategy], NOW)


def test_the_built_in_strategies_come_through_the_hook():
    manager = load_plugins()
    assert {"archive", "keep-best-n", "keep-recent-n", "keep-tagged"} <= set(
        manager.names("exphil_pruning_strategies")
    )
    strategy = load_strategy(manager, "keep-best-n", {"keep_best": 2})
    assert strategy.distribution == "exphil-core"
    assert isinstance(strategy.strategy, KeepBest)


def test_a_strategy_that_cannot_be_set_up_names_its_distribution():
    class Plugin:
        @hookimpl
        def exphil_pruning_strategies(self):
            return [PruningStrategySpec(name="odd", factory="builtins:divmod")]

    manager = load_plugins()
    manager.add(Plugin(), Provenance("exphil-odd", "1", "odd"))
    with pytest.raises(StrategyError, match='"odd" of exphil-odd can\'t be set up'):
        load_strategy(manager, "odd", {})
