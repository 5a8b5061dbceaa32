"""`exphil play MODEL --sandbox`."""

from __future__ import annotations

from typing import Any

import click

from exphil_core.errors import ExphilError

OPTIONS: tuple[click.Option, ...] = ()


def play_sandbox(ctx: click.Context, model: str, flags: dict[str, Any]) -> None:
    """Play in the sandbox. `flags` are those of `OPTIONS` and of `play_options.SHARED`, and `checkpoints`."""
    raise ExphilError("--sandbox isn't there yet")
