"""`exphil prune`: its flags come from the options classes of the registered strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.registry_options import folder_option, json_option, open_registry, size_text
from exphil_core.cli.settings import default_text, flag_of
from exphil_core.errors import UsageError
from exphil_core.options import OptionInfo, check_values, field_types, info_of
from exphil_core.plugin_manager import PluginManager, Registered

if TYPE_CHECKING:
    from exphil_core.checkpoints.pruning import NamedStrategy, PruningPlan

HOOK = "exphil_pruning_strategies"


@attrs.frozen(kw_only=True)
class StrategyFlag:
    """A flag, the field it sets, and the strategy that it belongs to."""

    flag: str
    field: attrs.Attribute[Any]
    info: OptionInfo
    kind: Any
    entry: Registered


def strategy_flags(manager: PluginManager) -> dict[str, list[StrategyFlag]]:
    """Every strategy's flags by name. Two strategies may want the same one: then it needs `--strategy`."""
    flags: dict[str, list[StrategyFlag]] = {}
    for entry in manager.registered(HOOK):
        options = entry.spec.options
        for field in attrs.fields(options) if options is not None else ():
            info = info_of(field)
            if info is not None:
                flag = flag_of(field.name, info)
                kind = field_types(options)[field.name]
                flags.setdefault(flag, []).append(
                    StrategyFlag(flag=flag, field=field, info=info, kind=kind, entry=entry)
                )
    return flags


class PruneCommand(click.Command):
    """Adds the flags of every registered strategy to its own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {name for parameter in own for name in (*parameter.opts, *parameter.secondary_opts)}
        added = [
            _option(flag, owners)
            for flag, owners in strategy_flags(manager_of(ctx)).items()
            if f"--{flag}" not in taken
        ]
        return [*added, *own]


def _option(flag: str, owners: list[StrategyFlag]) -> click.Option:
    first = owners[0]
    default = "" if first.field.default is attrs.NOTHING else f"  [{default_text(first.field, first.info)}]"
    names = " or ".join(f"{owner.entry.spec.name}" for owner in owners)
    help = f"{first.info.help}  (strategy {names})"
    if first.kind is bool:
        negative = "" if first.field.default is not True else f"/--no-{flag}"
        return click.Option([f"--{flag}{negative}", _parameter(flag)], is_flag=True, default=None, help=help)
    metavar = "DURATION" if first.info.parse else first.info.unit.upper() or _metavar(first.kind)
    return click.Option([f"--{flag}", _parameter(flag)], type=str, metavar=metavar, help=help + default)


def _metavar(kind: Any) -> str:
    words = str(kind)
    return "N" if "int" in words else "NUMBER" if "float" in words else "TEXT"


def _parameter(flag: str) -> str:
    return f"flag_{flag.replace('-', '_')}"


def chosen_strategies(
    manager: PluginManager, names: Iterable[str], values: Mapping[str, Any]
) -> list[NamedStrategy]:
    """The strategies that the user named or whose flags the user gave, ready to plan.

    Raises UsageError with every wrong value, for a flag of several strategies, and if nothing was chosen.
    """
    from exphil_core.checkpoints.pruning import load_strategy

    chosen: dict[str, dict[str, Any]] = {manager.get(HOOK, name).spec.name: {} for name in names}
    named = frozenset(chosen)
    for flag, owners in strategy_flags(manager).items():
        value = values.get(_parameter(flag))
        if value is None:
            continue
        owner = _owner(flag, owners, named)
        chosen.setdefault(owner.entry.spec.name, {})[owner.field.name] = value
    if not chosen:
        raise UsageError(
            "nothing to prune by: give --keep-best N, --keep-recent N, --keep-tagged, "
            f"--archive-older-than 7d or --strategy NAME ({', '.join(manager.names(HOOK))})"
        )
    checked = {name: _checked(manager.get(HOOK, name), given) for name, given in chosen.items()}
    problems = [problem for _, found in checked.values() for problem in found]
    if problems:
        raise UsageError("\n".join(problems))
    return [load_strategy(manager, name, good) for name, (good, _) in checked.items()]


def _owner(flag: str, owners: list[StrategyFlag], named: frozenset[str]) -> StrategyFlag:
    meant = [owner for owner in owners if owner.entry.spec.name in named] or owners
    if len(meant) > 1:
        both = " and ".join(f"{o.entry.spec.name} ({o.entry.origin.distribution})" for o in meant)
        raise UsageError(f"--{flag} belongs to {both}: name the one you mean with --strategy")
    return meant[0]


def _checked(entry: Registered, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    options = entry.spec.options
    if options is None:
        return {}, []
    good, problems = check_values(options, given, texts=True)
    flags = {f.name: f"--{flag_of(f.name, info)}" for f in attrs.fields(options) if (info := info_of(f))}
    said = [
        f"{flags.get(problem.path, problem.path)}: {str(problem).partition(': ')[2]}" for problem in problems
    ]
    missing = [
        flags.get(field.name, field.name)
        for field in attrs.fields(options)
        if field.default is attrs.NOTHING and field.name not in given
    ]
    return good, said + [f"strategy {entry.spec.name} needs {flag}" for flag in missing]


@click.command(cls=PruneCommand)
@click.option(
    "--strategy", "names", multiple=True, metavar="NAME", help="Prune by this strategy; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--prune-parents", is_flag=True, help="Also models that a kept model descends from.")
@click.option("--include-archived", is_flag=True, help="Also choose among archived models.")
@folder_option
@json_option
@click.pass_context
def prune(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    dry_run: bool,
    prune_parents: bool,
    include_archived: bool,
    folder: Path,
    as_json: bool,
    **values: Any,
) -> None:
    """Delete or archive models: prints the plan, then acts.

    \b
    Example:
      exphil prune --keep-best 5 --keep-tagged --dry-run

    What any --keep flag keeps is kept; archiving alone deletes nothing. Together, what would be kept stays,
    the old is archived, the rest is deleted. Nothing is touched that the registry doesn't know, that lies
    outside the folder, that is being trained, or that a kept model descends from.
    """
    from exphil_core.checkpoints.files import sweep
    from exphil_core.checkpoints.pruning import carry_out, plan_pruning
    from exphil_core.checkpoints.registry_file import RegistryError

    strategies = chosen_strategies(manager_of(ctx), names, values)
    registry = open_registry(folder)
    options = {"prune_parents": prune_parents, "include_archived": include_archived}
    now = datetime.now(timezone.utc)
    plan = plan_pruning(registry, strategies, now, **options)
    _print(plan, dry_run, as_json)  # without the lock: `| less` may hold this up for hours
    if dry_run or not registry.folder.is_dir():
        return
    with registry.lock():
        if plan_pruning(registry, strategies, now, **options).moves != plan.moves:
            raise RegistryError(
                "models have changed since the plan was made; nothing was pruned, run it again"
            )
        carry_out(registry, plan)
    sweep(registry.folder)


def _print(plan: PruningPlan, dry_run: bool, as_json: bool) -> None:
    if as_json:
        rows = [
            {"id": p.entry.id, "action": p.action, "reason": p.reason, "bytes": p.bytes} for p in plan.models
        ]
        print_json({"dry_run": dry_run, "bytes_freed": plan.bytes_freed, "models": rows})
        return
    print_table(
        ("model", "action", "reason", "frees"),
        [
            (p.entry.id, p.action, p.reason, size_text(p.bytes) if p.action == "delete" else "-")
            for p in plan.models
        ],
    )
    counts = ", ".join(f"{action} {len(plan.chosen(action))}" for action in ("keep", "archive", "delete"))
    tail = "; nothing was changed (--dry-run)" if dry_run else ""
    click.echo(f"{counts}; frees {size_text(plan.bytes_freed)}{tail}")
