"""`exphil doctor`."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table


@click.command()
@click.option(
    "--dolphin",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Look at this Slippi Dolphin too (its executable, or its folder).",
)
@click.option(
    "--iso", type=click.Path(path_type=Path), metavar="PATH", help="Look at this disc image of Melee too."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(ctx: click.Context, dolphin: Path | None, iso: Path | None, as_json: bool) -> None:
    """What this machine has to train and play with, and what is wrong with it.

    \b
    Example:
      exphil doctor --dolphin ~/Slippi --iso melee.iso

    Exit status 1 if anything is broken that you can fix.
    """
    from exphil_core.doctor import BROKEN, CHECKS, OK, examine
    from exphil_core.serving.dolphin.checks import dolphin_checks

    found = examine(manager_of(ctx), (*CHECKS, *dolphin_checks(dolphin, iso)))
    if as_json:
        print_json([attrs.asdict(finding) for finding in found])
    else:
        print_table(("check", "status", "what"), [(f.check, f.status, f.says) for f in found])
        for finding in found:
            if finding.status != OK and finding.remedy:
                click.echo(f"{finding.check}: {finding.remedy}")
    if any(finding.status == BROKEN for finding in found):
        ctx.exit(1)
