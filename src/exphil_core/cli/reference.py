"""Writes `docs/cli.md` from the commands' own help: `python -m exphil_core.cli.reference docs/cli.md`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.cli.main import cli

WIDTH = 100
HEAD = """# The command line

Made from `exphil --help` and its commands by `make docs`; a test keeps it up to date. What plugins add (say, the
flags of a pruning strategy) is not in here.

Exit status: 0 done, 1 something that you can fix (one line on stderr says what), 2 wrong usage, 130 interrupted.
`EXPHIL_DEBUG=1` shows the traceback behind an error; `EXPHIL_PLUGINS=a,b` loads no plugins but those of the
distributions a and b (empty: the built-in ones alone), `exphil --no-plugin NAME …` leaves one out.
"""


def commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    """Every command below `command`, itself first: its path and its help text."""
    ctx = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield ctx.command_path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            found = command.get_command(ctx, child)
            if found is not None:
                yield from commands(found, ctx, child)


def reference() -> str:
    """The whole page, as Markdown."""
    os.environ["EXPHIL_PLUGINS"] = ""
    parts = [HEAD]
    for path, text in commands(cli, None, "exphil"):
        level = "#" * min(path.count(" ") + 2, 4)
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        parts.append(f"{level} `{path}`\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    write_bytes(Path(sys.argv[1]), reference().encode("utf-8"))
