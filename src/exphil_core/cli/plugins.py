"""`exphil plugins list`, `check`, `new`, `install` and `uninstall`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.errors import unknown_name
from exphil_core.plugin_manager import HOOKS, Problem


@click.group()
def plugins() -> None:
    """What is installed, and whether it works.

    \b
    Example:
      exphil plugins new exphil-char-falco --hook character_features --hook presets
    """


def _hook(name: str) -> str:
    """`presets` and `exphil_presets` are one hook."""
    full = name if name.startswith("exphil_") else f"exphil_{name}"
    if full not in HOOKS:
        raise unknown_name("hook", name, [h.removeprefix("exphil_") for h in HOOKS])
    return full


@plugins.command("list")
@click.option("--hook", metavar="HOOK", help="Only what this hook gave, say presets.  [all]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_plugins(ctx: click.Context, hook: str | None, as_json: bool) -> None:
    """Everything that plugins and the core registered, with its origin.

    \b
    Example:
      exphil plugins list --hook presets
    """
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
    manager = manager_of(ctx, quiet=True)
    if as_json:
        print_json([attrs.asdict(problem) for problem in manager.problems])
    elif not manager.problems:
        names = {plugin.origin.distribution for plugin in manager.plugins}
        count = f"{len(names)} distribution" + ("s" if len(names) > 1 else "")
        click.echo(f"{count}, no problems: {', '.join(sorted(names))}")
    else:
        _print_problems(manager.problems)
    ctx.exit(1 if manager.problems else 0)


def _print_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.echo(
            f"{problem.distribution} ({problem.phase})\n  {problem.reason}\n  way out: {problem.remedy}"
        )


@plugins.command("new")
@click.argument("name")
@click.option(
    "--hook",
    "hooks",
    multiple=True,
    required=True,
    metavar="HOOK",
    help=f"What it adds; may be repeated: {', '.join(h.removeprefix('exphil_') for h in HOOKS)}.",
)
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to write it into, as a folder NAME.  [here]",
)
@click.pass_context
def new_plugin(ctx: click.Context, name: str, hooks: tuple[str, ...], parent: Path) -> None:
    """Write a distribution that installs, passes its own tests and shows up: change it from there.

    \b
    Example:
      exphil plugins new exphil-char-falco --hook character_features --hook presets
    """
    from exphil_core.scaffold import claim_free, plan_plugin, plugin_names, write_plugin

    chosen = [_hook(hook) for hook in hooks]
    names = plugin_names(name)
    claim_free(manager_of(ctx), names, chosen)
    folder = parent / names.distribution
    files = plan_plugin(names, chosen)
    write_plugin(folder, files)
    for path in files:
        click.echo(f"  {folder / path}")
    there = shlex.quote(str(folder))
    click.echo(f"wrote {names.distribution}; go on with:")
    click.echo(f"  exphil plugins install --editable {there}")
    click.echo(f"  python -m pytest {there}")


_dry_run = click.option("--dry-run", is_flag=True, help="Print the pip command and stop.")


@plugins.command("install")
@click.argument("targets", nargs=-1, metavar="TARGET…")
@click.option(
    "-e",
    "--editable",
    multiple=True,
    metavar="FOLDER",
    help="Install this folder so that changes in it count at once; may be repeated.",
)
@_dry_run
@click.pass_context
def install(ctx: click.Context, targets: tuple[str, ...], editable: tuple[str, ...], dry_run: bool) -> None:
    """Install plugins with pip: names, folders, wheels or addresses. Then show what they registered.

    \b
    Example:
      exphil plugins install exphil-char-mewtwo

    Exit status 1 if pip fails, or if what it installed has problems.
    """
    from exphil_core.plugin_installer import arrivals, install_command, run_pip, stamps

    command = install_command(targets, editable)
    if dry_run:
        click.echo(shlex.join(command))
        return
    before = stamps()
    run_pip(command)
    new = arrivals(before, targets)
    if not new:
        click.echo(
            "exphil: pip installed it, but it is no plugin: it registers nothing with ExPhil", err=True
        )
        ctx.exit(1)
    restricted = "EXPHIL_PLUGINS" in os.environ
    for arrival in new:
        given = ", ".join(f"{kind} {name}" for kind, name in arrival.registered) or "nothing"
        click.echo(f"{arrival.distribution} {arrival.version} registers: {given}")
        _print_problems(arrival.problems)
    if restricted:
        click.echo("note: EXPHIL_PLUGINS is set, so only the distributions in it are loaded")
    ctx.exit(1 if any(arrival.problems for arrival in new) else 0)


@plugins.command("uninstall")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_dry_run
def uninstall(names: tuple[str, ...], dry_run: bool) -> None:
    """Uninstall plugins with pip, without asking; refuses whatever is no plugin.

    \b
    Example:
      exphil plugins uninstall exphil-char-mewtwo
    """
    from exphil_core.plugin_installer import run_pip, uninstall_command

    command = uninstall_command(names)
    if dry_run:
        click.echo(shlex.join(command))
        return
    run_pip(command)
