"""`exphil play`: a model at play, in Dolphin or in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from exphil_core.cli import play_dolphin, play_sandbox
from exphil_core.cli.play_options import SHARED, flags_of, refuse_others
from exphil_core.cli.registry_options import folder_option
from exphil_core.errors import UsageError

WAYS = {"--dolphin": play_dolphin.OPTIONS, "--sandbox": play_sandbox.OPTIONS}


class PlayCommand(click.Command):
    """Shows the flags of each way to play apart."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        apart = {option for options in WAYS.values() for option in options}
        shared = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        sections = {"Options": [param for param in shared if param not in apart]}
        sections.update({f"With {way}": list(options) for way, options in WAYS.items()})
        for title, params in sections.items():
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


@click.command(cls=PlayCommand, params=[*SHARED, *play_dolphin.OPTIONS, *play_sandbox.OPTIONS])
@click.argument("model")
@click.option(
    "--dolphin",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Play Melee in this Slippi Dolphin (its executable, or its folder).",
)
@click.option("--sandbox", is_flag=True, help="Play in the built-in sandbox.")
@folder_option
@click.pass_context
def play(
    ctx: click.Context, /, model: str, dolphin: Path | None, sandbox: bool, folder: Path, **rest: Any
) -> None:
    """Let a model play.

    \b
    Examples:
      exphil play mewtwo_mamba_2026 --dolphin ~/Slippi --iso melee.iso --port 1 --cpu 9
      exphil play mewtwo_mamba_2026 --sandbox --games 100

    MODEL is a model's id (or the beginning of it), or its _policy.safetensors file.
    """
    if (dolphin is None) == (not sandbox):
        raise UsageError("give --dolphin PATH to play Melee, or --sandbox to play without it")
    way = "--sandbox" if sandbox else "--dolphin"
    refuse_others(ctx, way, WAYS)
    flags = {**flags_of([*SHARED, *WAYS[way]], ctx), "checkpoints": folder}
    if sandbox:
        play_sandbox.play_sandbox(ctx, model, flags)
    else:
        play_dolphin.play_dolphin(ctx, model, {**flags, "dolphin": dolphin})
