"""Tables and JSON for people and for scripts. `rich` on a terminal, plain aligned lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from exphil_core.wording import one_line


def print_json(value: Any) -> None:
    """Indented JSON on stdout. What is no UTF-8 in the name of a file is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def shown(value: object) -> str:
    """A setting's value for people: lists with commas, "-" for nothing."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None or value == {} else str(value)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table: drawn with rich where stdout is a terminal, otherwise plain columns that `awk` can read."""
    texts = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headers, texts, title)
        return
    widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headers, *texts)
    )
    click.echo("\n".join(lines))


def _print_rich(headers: Sequence[str], texts: Sequence[Sequence[str]], title: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in texts:
        table.add_row(*map(escape, row))
    Console().print(table)
