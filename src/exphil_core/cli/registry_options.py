"""What the commands on models share: their flags, and how values look in tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from exphil_core.checkpoints.registry import Registry

Command = Callable[..., Any]


def folder_option(command: Command) -> Command:
    """The `--checkpoints` flag."""
    return click.option(
        "--checkpoints",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("checkpoints"),
        show_default=True,
        help="Folder of the models and their registry.",
    )(command)


def json_option(command: Command) -> Command:
    """The `--json` flag."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def open_registry(folder: Path) -> Registry:
    """The registry of `folder`, whose notices go to stderr."""
    from exphil_core.checkpoints.registry import Registry

    return Registry(folder.expanduser())


def print_rows(rows: Sequence[Any]) -> None:
    """A JSON list with a line for each row: indenting ten thousand models would take a second."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    click.echo("[\n  " + ",\n  ".join(map(encode, rows)) + "\n]" if rows else "[]")


def loss_text(loss: float | None) -> str:
    """A loss in tables."""
    return "-" if loss is None else f"{loss:.4f}"


def cell_text(value: object, longest: int = 6) -> str:
    """A JSON value in a table's cell; long lists as their length."""
    if isinstance(value, list) and len(value) > longest:
        return f"{len(value)} values"
    if isinstance(value, dict):
        return " ".join(f"{name}={cell_text(inner)}" for name, inner in value.items()) or "-"
    if isinstance(value, list):
        return ",".join(map(cell_text, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def size_text(count: int) -> str:
    """Bytes for people."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
