"""`exphil doctor`."""

from __future__ import annotations

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """What this machine has to train and play with, and what is wrong with it.

    \b
    Example:
      exphil doctor

    Exit status 1 if anything is broken that you can fix.
    """
    from exphil_core.doctor import BROKEN, OK, examine

    found = examine(manager_of(ctx))
    if as_json:
        print_json([attrs.asdict(finding) for finding in found])
    else:
        print_table(("check", "status", "what"), [(f.check, f.status, f.says) for f in found])
        for finding in found:
            if finding.status != OK and finding.remedy:
                click.echo(f"{finding.check}: {finding.remedy}")
    if any(finding.status == BROKEN for finding in found):
        ctx.exit(1)
