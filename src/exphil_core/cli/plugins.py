"""`exphil plugins list` and `check`."""

from __future__ import annotations

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.errors import unknown_name
from exphil_core.plugin_manager import HOOKS


@click.group()
def plugins() -> None:
    """What is installed, and whether it works."""


def _hook(name: str) -> str:
    """`presets` and `exphil_presets` are one hook."""
    full = name if name.startswith("exphil_") else f"exphil_{name}"
    if full not in HOOKS:
        raise unknown_name("hook", name, [*HOOKS, *(h.removeprefix("exphil_") for h in HOOKS)])
    return full


@plugins.command("list")
@click.option("--hook", help="Only what this hook gave, say presets.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_plugins(ctx: click.Context, hook: str | None, as_json: bool) -> None:
    """Everything that plugins and the core registered, with its origin."""
    manager = manager_of(ctx)
    hooks = [_hook(hook)] if hook else list(HOOKS)
    rows = [
        {
            "hook": name,
            "name": entry.spec.name,
            "distribution": entry.origin.distribution,
            "version": entry.origin.version,
        }
        for name in hooks
        for entry in manager.registered(name)
    ]
    if as_json:
        print_json({"registered": rows, "problems": [attrs.asdict(p) for p in manager.problems]})
        return
    print_table(
        ("hook", "name", "distribution", "version"),
        [(r["hook"].removeprefix("exphil_"), r["name"], r["distribution"], r["version"]) for r in rows],
    )


@plugins.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check_plugins(ctx: click.Context, as_json: bool) -> None:
    """Show every plugin's problems in full; exit status 1 if there are any."""
    manager = manager_of(ctx)
    if as_json:
        print_json([attrs.asdict(problem) for problem in manager.problems])
    elif not manager.problems:
        names = {plugin.origin.distribution for plugin in manager.plugins}
        click.echo(f"{len(names)} distributions, no problems: {', '.join(sorted(names))}")
    for problem in [] if as_json else manager.problems:
        click.echo(
            f"{problem.distribution} ({problem.phase})\n  {problem.reason}\n  way out: {problem.remedy}"
        )
    ctx.exit(1 if manager.problems else 0)
