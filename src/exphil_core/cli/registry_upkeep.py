"""`exphil registry verify`, `rebuild`, `restore` and `import`."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json
from exphil_core.cli.registry_options import folder_option, json_option, open_registry
from exphil_core.wording import counted


@click.command("verify")
@folder_option
@json_option
@click.pass_context
def verify_registry(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Check that each model's files are there, unharmed, and agree with the registry; else exit status 1."""
    from exphil_core.checkpoints.registry import Registry
    from exphil_core.checkpoints.verify import Finding, verify

    notices: list[str] = []
    found = Registry(folder.expanduser(), notify=notices.append)
    findings = verify(found)
    findings = [*(Finding(None, notice) for notice in notices), *findings]
    count = len(found.models())
    if as_json:
        print_json({"models": count, "findings": [attrs.asdict(finding) for finding in findings]})
    for finding in [] if as_json else findings:
        click.echo(f"{finding.id or 'registry'}: {finding.problem}")
    if not as_json and not findings:
        click.echo(f"{counted(count, 'model')}, all as recorded")
    ctx.exit(1 if findings else 0)


@click.command("rebuild")
@folder_option
@json_option
def rebuild_registry(folder: Path, as_json: bool) -> None:
    """Write the registry anew from the models' config files, tags included."""
    models, left_out = open_registry(folder).rebuild()
    if as_json:
        print_json({"models": [entry.id for entry in models], "left_out": left_out})
        return
    for line in left_out:
        click.echo(f"exphil: {line}", err=True)
    click.echo(f"{counted(len(models), 'model')} in {folder}")


@click.command("restore")
@click.argument("model")
@folder_option
def restore_model(model: str, folder: Path) -> None:
    """Bring MODEL back from the archive."""
    entry = open_registry(folder).restore(model)
    click.echo(f"{entry.id} is back at {entry.path}")


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--training-type",
    type=click.Choice(("imitation", "fine_tune", "ppo", "self_play")),
    help="How the models were trained.  [as their config files say]",
)
@click.option("--parent", metavar="ID", help="The registered model that they were trained from.")
@folder_option
@json_option
@click.pass_context
def import_from(
    ctx: click.Context, path: Path, training_type: str | None, parent: str | None, folder: Path, as_json: bool
) -> None:
    """Copy models from PATH, another checkpoints folder or a model's .safetensors file, and register them.

    Damaged ones are left out; exit status 1 then.

    \b
    Example:
      exphil registry import ~/old/checkpoints
      exphil registry import ppo_fox.safetensors --training-type ppo --parent fox_gru_2026
    """
    from exphil_core.checkpoints.importing import import_models

    backbones = manager_of(ctx).registered("exphil_backbones")
    temporal = {entry.spec.name for entry in backbones if entry.spec.temporal}
    result = import_models(open_registry(folder), path.expanduser(), training_type, parent, temporal)
    if as_json:
        told = {"skipped": list(result.skipped), "left_out": list(result.left_out)}
        print_json({"imported": [entry.id for entry in result.imported], **told})
    else:
        for line in result.skipped:
            click.echo(f"skipped {line}")
        for entry in result.imported:
            click.echo(f"imported {entry.id}")
        for line in result.left_out:
            click.echo(f"exphil: {line}", err=True)
    ctx.exit(1 if result.left_out else 0)
