"""`exphil presets list` and `show`."""

from __future__ import annotations

from typing import Any

import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table, shown
from exphil_core.config.presets import preset_layers
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager


@click.group()
def presets() -> None:
    """Named settings: list, show."""


def _merged(manager: PluginManager, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for layer in preset_layers(manager, name):
        values.update(layer.values)
    return values


@presets.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_presets(ctx: click.Context, as_json: bool) -> None:
    """Every preset, where it comes from and what it sets."""
    manager = manager_of(ctx)
    temporal = {e.spec.name: e.spec.temporal for e in manager.registered("exphil_backbones")}
    rows = []
    for entry in manager.registered("exphil_presets"):
        notes = entry.spec.notes
        try:
            values = _merged(manager, entry.spec.name)
        except UsageError as error:
            # One plugin's mistake must not hide everybody else's presets.
            values, notes = {}, f"can't be used: {error}"
        rows.append(
            {
                "name": entry.spec.name,
                "base": entry.spec.base,
                "origin": entry.origin.distribution,
                "settings": values,
                "temporal": temporal.get(str(values.get("backbone"))),
                "notes": notes,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "origin", "epochs", "max files", "hidden", "backbone", "window", "character", "notes"),
        [
            (
                row["name"],
                row["origin"],
                row["settings"].get("epochs", "-"),
                row["settings"].get("max_files") or "all",
                shown(row["settings"].get("hidden_sizes")),
                row["settings"].get("backbone", "-"),
                row["settings"].get("window_size", "-") if row["temporal"] else "-",
                row["settings"].get("character", "-"),
                row["notes"],
            )
            for row in rows
        ],
    )


@presets.command("show")
@click.argument("name")
@click.option(
    "--resolved", is_flag=True, help="Every setting of a run with its origin, not only the preset's."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show_preset(ctx: click.Context, name: str, resolved: bool, as_json: bool) -> None:
    """What the preset NAME sets, and which link of its chain set it."""
    manager = manager_of(ctx)
    if resolved:
        import attrs

        from exphil_core.config.resolve import resolve

        run = resolve(manager, preset=name)
        rows = [(key, value, run.origins[key]) for key, value in attrs.asdict(run.config).items()]
    else:
        found: dict[str, tuple[Any, str]] = {}
        for layer in preset_layers(manager, name):
            found.update({key: (value, layer.origin) for key, value in layer.values.items()})
        rows = [(key, value, origin) for key, (value, origin) in found.items()]
    if as_json:
        print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return
    print_table(("setting", "value", "origin"), [(k, shown(v), o) for k, v, o in rows])
