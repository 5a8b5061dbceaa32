"""`exphil plot`: curves of runs, in the terminal or as a picture."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exphil_core.cli.output import print_json
from exphil_core.cli.registry_options import folder_option, json_option
from exphil_core.errors import ExphilError, UsageError

if TYPE_CHECKING:
    from exphil_core.plotting.terminal import Piece
    from exphil_core.training.curves import Run

FORMATS = (".png", ".svg", ".pdf")


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a picture instead, .png, .svg or .pdf (needs matplotlib).  [draw in the terminal]",
)
@folder_option
@json_option
def plot(runs: tuple[str, ...], out: Path | None, folder: Path, as_json: bool) -> None:
    """Loss curves against the baselines, learning rate and press rates, of finished runs and of those in progress.

    \b
    Example:
      exphil plot mewtwo_mamba_2026 gru_20260119_123456 --out curves.svg

    RUN is a model's id (or the beginning of it), the name of a run, or one of its files; several are drawn together.
    """
    if out is not None and as_json:
        raise UsageError("--out and --json contradict each other: give one")
    if out is not None:
        _check_picture(out)
    from exphil_core.training.curves import as_json as series
    from exphil_core.training.curves import find_run

    found = [find_run(name, folder) for name in dict.fromkeys(runs)]
    if as_json:
        print_json(series(found))
    elif out is not None:
        from exphil_core.plotting.picture import draw_picture

        draw_picture(found, out)
        click.echo(f"wrote {out}")
    else:
        _draw(found)


def _check_picture(out: Path) -> None:
    """Raise UsageError or ExphilError if `out` can't be drawn."""
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {out}: the name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ExphilError(
            '--out needs matplotlib: pip install "exphil-core[plot]", or leave --out away to draw in the terminal'
        )


def _draw(runs: Sequence[Run]) -> None:
    from exphil_core.plotting.terminal import draw

    fancy = (sys.stdout.encoding or "").lower().startswith("utf")
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in draw(runs, shutil.get_terminal_size().columns, fancy):
        click.echo("".join(_styled(piece, colour) for piece in line).rstrip())


def _styled(piece: Piece, colour: bool) -> str:
    return click.style(piece.text, fg=piece.colour) if colour and piece.colour else piece.text
