"""Settings in a JSON or TOML file, or in the config file of a model that was trained with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs

from exphil_core.config.presets import Layer
from exphil_core.errors import ExphilError, UsageError
from exphil_core.wording import one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUFFIXES = (".json", ".toml")
# In a settings file this names the preset to start from; it is no setting itself.
PRESET_KEY = "preset"


@attrs.frozen
class SettingsFile:
    """What a file sets, and the preset it builds on."""

    layer: Layer
    preset: str | None


def read_settings(path: Path) -> SettingsFile:
    """Read `path`. Raises ExphilError if it isn't there or isn't what its ending says."""
    content = _parsed(path)
    # A model's config file holds its settings in a section of their own.
    if "model" in content and isinstance(content.get("config"), dict):
        content = content["config"]
    preset = content.pop(PRESET_KEY, None)
    if preset is not None and not isinstance(preset, str):
        raise UsageError(f"{path}: {PRESET_KEY}: {preset!r} is not a text")
    return SettingsFile(Layer(f"file {path.name}", content), preset)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose names stands there once; of TOML's tables that is true anyway."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{one_line(twice)}" stands there twice')
    return table


def _parsed(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: settings are read from {' or '.join(SUFFIXES)} files")
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a BOM first
    except FileNotFoundError:
        raise ExphilError(f'there is no file "{path}"') from None
    except UnicodeDecodeError:
        raise ExphilError(f"{path}: not a text file") from None
    try:
        is_toml = path.suffix.lower() == ".toml"
        content = tomllib.loads(text) if is_toml else json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ExphilError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ExphilError(f"{path}: holds a {type(content).__name__}, not settings by name")
    return content
