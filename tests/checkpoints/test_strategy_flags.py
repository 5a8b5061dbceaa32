"""Strategies that strangers write get flags of their own, without taking anybody else's."""

from __future__ import annotations

import attrs
import click
import pytest

from exphil_core import PruningStrategySpec, hookimpl, option
from exphil_core.checkpoints.pruning import DELETE, Decision
from exphil_core.cli.main import cli
from exphil_core.cli.prune import chosen_strategies
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import Provenance, load_plugins


@attrs.frozen(kw_only=True)
class SizeOptions:
    max_pounds: float = option(help="How much may stay.", unit="lb")
    strict: bool = option(False, help="Really.")
    polite: bool = option(True, help="Ask first.")


class BySize:
    def __init__(self, options):
        self.options = options

    def plan(self, models, context):
        return [Decision(entry.id, DELETE, "too big") for entry in models]


class Everything:
    def plan(self, models, context):
        return [Decision(entry.id, DELETE, "all of them") for entry in models]


class Plugin:
    def __init__(self, *specs):
        self.specs = specs

    @hookimpl
    def exphil_pruning_strategies(self):
        return list(self.specs)


def manager_with(*plugins):
    manager = load_plugins()
    for number, specs in enumerate(plugins):
        manager.add(Plugin(*specs), Provenance(f"exphil-{number}", "1", f"p{number}"))
    return manager


def by_size(name="by-size", options=SizeOptions):
    return PruningStrategySpec(name=name, factory=f"{__name__}:BySize", options=options)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    import sys
    from types import ModuleType

    module = ModuleType(__name__)
    module.BySize, module.Everything = BySize, Everything  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, __name__, module)


def prune_with(manager, folder, *arguments):
    return cli.main(
        ["prune", "--checkpoints", str(folder), *arguments],
        obj=manager,
        standalone_mode=False,
        prog_name="exphil",
    )


def test_its_flags_choose_it_and_reach_it(folder, fakes, capsys):
    fakes.model(folder, "a")
    manager = manager_with([by_size()])
    prune_with(manager, folder, "--max-pounds", "1.5", "--strict", "--no-polite", "--dry-run")
    assert "too big" in capsys.readouterr().out
    (chosen,) = chosen_strategies(
        manager, [], {"flag_max_pounds": "1.5", "flag_strict": True, "flag_polite": False}
    )
    assert chosen.strategy.options == SizeOptions(max_pounds=1.5, strict=True, polite=False)


def test_one_without_options_is_chosen_by_name(folder, fakes, capsys):
    fakes.model(folder, "a")
    spec = PruningStrategySpec(name="everything", factory=f"{__name__}:Everything")
    prune_with(manager_with([spec]), folder, "--strategy", "everything", "--dry-run")
    assert "all of them" in capsys.readouterr().out


def test_a_required_flag_that_is_missing_is_named():
    with pytest.raises(UsageError, match="strategy by-size needs --max-pounds"):
        chosen_strategies(manager_with([by_size()]), ["by-size"], {})


def test_a_flag_that_two_want_needs_the_strategys_name():
    manager = manager_with([by_size()], [by_size("other-size")])
    given = {"flag_max_pounds": "2"}
    with pytest.raises(UsageError, match=r"belongs to by-size \(exphil-0\) and other-size \(exphil-1\)"):
        chosen_strategies(manager, [], given)
    (chosen,) = chosen_strategies(manager, ["other-size"], given)
    assert chosen.name == "other-size"


def test_nobody_takes_a_flag_of_prune_itself(folder, fakes):
    @attrs.frozen(kw_only=True)
    class Greedy:
        dry_run: int = option(3, help="Not what you think.")
        checkpoints: str = option("x", help="Nor this.")

    fakes.model(folder, "a")
    manager = manager_with([by_size("greedy", Greedy)])
    prune_with(manager, folder, "--strategy", "greedy", "--dry-run")
    context = click.Context(cli, obj=manager)
    assert "Not what you think" not in cli.get_command(context, "prune").get_help(context)
    assert (folder / "a.safetensors").exists()
