"""`exphil export`: a model as others can use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from exphil_core.cli.output import print_json
from exphil_core.cli.registry_options import folder_option, json_option
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager


@click.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--to",
    "exporter",
    required=True,
    metavar="NAME",
    help="In which form: umi (a bot for the Computer Melee Championship), onnx (a graph), or a plugin's.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write, new or empty; a zip of the same name comes beside it where the form has one.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the form, as in temperature=0.7; may be repeated.  [none]",
)
@folder_option
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    model: str,
    exporter: str,
    out: Path,
    options: tuple[str, ...],
    folder: Path,
    as_json: bool,
) -> None:
    """Give a trained model to others.

    \b
    Example:
      exphil export mewtwo_mamba_2026 --to umi --out bot

    MODEL is a model's id (or the beginning of it), or one of its files.
    """
    manager: PluginManager = ctx.find_root().obj
    manager.get("exphil_exporters", exporter)  # a slip of the pen is told before torch is loaded
    given = _settings(options)
    from exphil_core.checkpoints.find_model import find_policy
    from exphil_core.exporting.export import export_model

    found = find_policy(model, folder)
    try:
        done = export_model(found, exporter, out.expanduser(), given, manager)
    except OSError as error:
        # A full disk comes without a name, and nobody knows the temporary folder's.
        if error.filename is None or f".{out.name}-" in str(error.filename):
            error.filename = str(out)
        raise
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "archive": str(done.archive) if done.archive else None,
                "files": list(done.files),
                "notes": list(done.notes),
            }
        )
        return
    click.echo(f"wrote {done.folder}" + (f" and {done.archive}" if done.archive else ""))
    for note in done.notes:
        click.echo(note)


def _settings(options: Sequence[str]) -> dict[str, str]:
    """``("temperature=0.7",)`` by name."""
    given: dict[str, str] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--option {text}: give it as NAME=VALUE, as in temperature=0.7")
        if given.setdefault(name, value) != value:
            raise UsageError(f"--option {name} is given twice: {given[name]} and {value}")
    return given
