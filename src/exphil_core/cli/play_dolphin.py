"""`exphil play MODEL --dolphin PATH`."""

from __future__ import annotations

from typing import Any

import click

from exphil_core.errors import ExphilError

OPTIONS: tuple[click.Option, ...] = ()


def play_dolphin(ctx: click.Context, model: str, flags: dict[str, Any]) -> None:
    """Play in Dolphin. `flags` are those of `OPTIONS` and of `play_options.SHARED`, `dolphin` and `checkpoints`."""
    raise ExphilError("--dolphin isn't there yet")
