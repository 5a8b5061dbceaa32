"""`exphil config check`, `show` and `diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table, shown
from exphil_core.config.files import read_settings
from exphil_core.config.resolve import ResolvedConfig, resolve
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager


@click.group()
def config() -> None:
    """Settings of a run: check a file, show a model's, compare two."""


_checkpoints = click.option(
    "--checkpoints",
    default="checkpoints",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of models and their registry.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def resolved_file(manager: PluginManager, path: Path) -> ResolvedConfig:
    """What `train --config PATH` would start from."""
    settings = read_settings(path)
    return resolve(
        manager, preset=settings.preset, preset_from=settings.layer.origin, layers=[settings.layer]
    )


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@_json
@click.pass_context
def check(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check a settings file: every problem at once, or each value with its origin."""
    run = resolved_file(manager_of(ctx), file)
    _print(attrs.asdict(run.config), dict(run.origins), as_json)
    for warning in run.warnings:
        click.echo(f"warning: {warning}", err=True)


@config.command()
@click.argument("run")
@_checkpoints
@_json
@click.pass_context
def show(ctx: click.Context, run: str, checkpoints: Path, as_json: bool) -> None:
    """Every setting of RUN (a model's id, a config file, or a preset) and where it came from."""
    values, origins = _settings_of(manager_of(ctx), run, checkpoints)
    _print(values, origins, as_json)


@config.command()
@click.argument("a")
@click.argument("b")
@_checkpoints
@_json
@click.pass_context
def diff(ctx: click.Context, a: str, b: str, checkpoints: Path, as_json: bool) -> None:
    """The settings in which A and B (models, config files or presets) differ."""
    manager = manager_of(ctx)
    (first, _), (second, _) = (_settings_of(manager, name, checkpoints) for name in (a, b))
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    if as_json:
        print_json({name: {"a": first.get(name), "b": second.get(name)} for name in names})
    elif names:
        print_table(("setting", a, b), [(n, shown(first.get(n)), shown(second.get(n))) for n in names])
    else:
        click.echo("no setting differs")


def _settings_of(
    manager: PluginManager, name: str, checkpoints: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings and origins of a file, a preset, or a registered model, whichever `name` is."""
    from exphil_core.checkpoints.config_file import read_document
    from exphil_core.checkpoints.registry import Registry

    path = Path(name)
    if path.suffix.lower() in (".json", ".toml") or path.is_file():
        run = resolved_file(manager, path)
    elif name.lower() in manager.names("exphil_presets"):
        run = resolve(manager, preset=name)
    elif checkpoints.is_dir():
        entry = Registry(checkpoints).get(name)
        document = read_document(checkpoints, entry.config_path)
        return dict(document.get("config", {})), dict(document.get("origins", {}))
    else:
        raise ExphilError(f'"{name}" is no settings file and no preset, and there is no folder {checkpoints}')
    # As JSON holds them, so that a model's settings and a file's compare.
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in attrs.asdict(run.config).items()}
    return values, dict(run.origins)


def _print(values: dict[str, Any], origins: dict[str, str], as_json: bool) -> None:
    rows = [(name, value, origins.get(name, "")) for name, value in values.items()]
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return
    print_table(
        ("setting", "value", "origin"), [(name, shown(value), origin) for name, value, origin in rows]
    )
