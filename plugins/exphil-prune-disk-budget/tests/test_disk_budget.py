"""The strategy as `exphil prune` uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from exphil_prune_disk_budget import plugin
from exphil_prune_disk_budget.budget import DiskBudget
from exphil_prune_disk_budget.plugin import DiskBudgetOptions
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import ModelEntry, places
from exphil_core.checkpoints.pruning import PruningContext
from exphil_core.checkpoints.registry import Registry
from exphil_core.cli.main import cli
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)
SCORED = {"schema": "s1", "delay": 0, "validation_games": "g1"}


def installed() -> PluginManager:
    manager = load_plugins()
    if "disk-budget" not in manager.names(
        "exphil_pruning_strategies"
    ):  # tested from a checkout, not installed
        manager.add(plugin, Provenance("exphil-prune-disk-budget", "0.1.0", "disk-budget"))
    return manager


def model(stem: str, **fields: Any) -> ModelEntry:
    known: dict[str, Any] = {
        "created_at": "2026-01-19T12:34:56Z",
        "backbone": "gru",
        "temporal": True,
        "hidden_sizes": (64,),
        "epochs": 1,
        **SCORED,
    }
    return ModelEntry(**{**places(stem), **known, **fields})


def kept(max_gb: float, models: list[ModelEntry], sizes: Mapping[str, int]) -> set[str]:
    context = PruningContext(now=NOW, folder=Path(), size_of=lambda entry: sizes[entry.id])
    plan = DiskBudget(DiskBudgetOptions(max_gb=max_gb)).plan(models, context)
    assert {decision.id for decision in plan} == {entry.id for entry in models}
    return {decision.id for decision in plan if decision.action == "keep"}


def test_the_best_of_each_character_come_before_any_second_best() -> None:
    models = [
        model("fox_1", character="fox", val_loss=1.0),
        model("fox_2", character="fox", val_loss=1.1),
        model("fox_3", character="fox", val_loss=1.2),
        model("zelda_1", character="zelda", val_loss=3.0),
        model("zelda_2", character="zelda", val_loss=4.0),
    ]
    sizes = {entry.id: 10**9 for entry in models}
    assert kept(2, models, sizes) == {"fox_1", "zelda_1"}
    assert kept(4, models, sizes) == {"fox_1", "zelda_1", "fox_2", "zelda_2"}
    assert kept(9, models, sizes) == {entry.id for entry in models}


def test_no_worse_model_stays_in_place_of_a_better_one() -> None:
    models = [
        model("large", character="fox", val_loss=1.0),
        model("small", character="fox", val_loss=2.0),
        model("other", character="zelda", val_loss=2.0),
    ]
    assert kept(1, models, {"large": 2 * 10**9, "small": 10, "other": 10}) == {"other"}


def test_losses_on_other_games_are_not_compared_and_models_without_one_go_first() -> None:
    models = [
        model("a", val_loss=1.0),
        model("b", val_loss=2.0),
        model("c", val_loss=9.0, validation_games="g2"),
        model("d", val_loss=None),
    ]
    assert kept(2, models, dict.fromkeys("abcd", 10**9)) == {"a", "c"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "fox", "zelda"]), st.none() | st.floats(0, 5), st.integers(0, 3 * 10**9)
        ),
        max_size=8,
    ),
    st.floats(0.001, 10),
)
def test_what_stays_fits_and_a_second_run_changes_nothing(
    rows: list[tuple[str | None, float | None, int]], max_gb: float
) -> None:
    models = [model(f"m{n}", character=c, val_loss=loss) for n, (c, loss, _) in enumerate(rows)]
    sizes = {f"m{n}": size for n, (_, _, size) in enumerate(rows)}
    stays = kept(max_gb, models, sizes)
    assert sum(sizes[id] for id in stays) <= max_gb * 10**9
    assert kept(max_gb, [entry for entry in models if entry.id in stays], sizes) == stays


def test_the_command_line_deletes_what_the_plan_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Registry(tmp_path).create()
    for stem, loss in (("a", 1.0), ("b", 2.0)):
        (tmp_path / f"{stem}.safetensors").write_bytes(bytes(2_000_000))
        write_config(tmp_path, model(stem, val_loss=loss))
        Registry(tmp_path).add(model(stem, val_loss=loss))
    words = ["prune", "--strategy", "disk-budget", "--max-gb", "0.003", "--checkpoints", str(tmp_path)]
    cli.main(words, obj=installed(), standalone_mode=False)
    out = capsys.readouterr().out
    assert "number 2 of any, over the budget" in out
    assert "frees 2.0 MB" in out
    assert [entry.id for entry in Registry(tmp_path).models()] == ["a"]
    assert not (tmp_path / "b.safetensors").exists()
