"""docs/backbones.md is true of the built-in backbones."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from exphil_core.plugin_manager import PluginManager

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backbones.md"


def rows(manager: PluginManager) -> dict[str, list[str]]:
    """The cells of each line of the first table."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines if rest.count("|") == 4}


def built_in(manager: PluginManager) -> list:
    entries = manager.registered("exphil_backbones")
    return [entry for entry in entries if entry.origin.distribution == "exphil-core"]


def test_every_built_in_backbone_stands_there_with_its_parameters(manager: PluginManager) -> None:
    table = rows(manager)
    assert sorted(table) == sorted(entry.spec.name for entry in built_in(manager))
    for entry in built_in(manager):
        options = entry.spec.options() if entry.spec.options else None
        backbone = manager.load(entry.spec.factory, entry.origin)(256, (256, 256), options)
        count = sum(parameter.numel() for parameter in backbone.parameters())
        assert table[entry.spec.name][2] == f"{count:,}"


def test_every_option_stands_there_with_its_default(manager: PluginManager) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for entry in built_in(manager):
        for field in attrs.fields(entry.spec.options) if entry.spec.options else ():
            shown = "that of the run" if field.name == "window_size" else field.default
            assert f"| `{field.name}` | {shown} |" in page
