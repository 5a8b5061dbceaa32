"""What plugin authors test their plugins with: one conformance suite a hook, and rows to feed features.

Each `check_…` takes a spec or the name of a registered one and raises AssertionError with one sentence on the
first thing that breaks the contract. None needs pytest; `exphil_core.testing.fixtures` does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exphil_core.testing.backbones import check_backbone
    from exphil_core.testing.exporters import check_exporter
    from exphil_core.testing.features import check_character_feature
    from exphil_core.testing.games import check_feature_on_games, short_run
    from exphil_core.testing.loggers import check_logger
    from exphil_core.testing.naming import check_naming_scheme
    from exphil_core.testing.plugins import check_plugin, manager_with
    from exphil_core.testing.presets import check_preset
    from exphil_core.testing.pruning import check_pruning_strategy
    from exphil_core.testing.rows import cut_rows, make_rows, mirror_fighter, random_rows

__all__ = [
    "check_backbone",
    "check_character_feature",
    "check_exporter",
    "check_feature_on_games",
    "check_logger",
    "check_naming_scheme",
    "check_plugin",
    "check_preset",
    "check_pruning_strategy",
    "cut_rows",
    "make_rows",
    "manager_with",
    "mirror_fighter",
    "random_rows",
    "short_run",
]

# Imported when asked for: who tests a naming scheme needn't wait for torch.
_HOMES = {
    "check_backbone": "backbones",
    "check_character_feature": "features",
    "check_exporter": "exporters",
    "check_feature_on_games": "games",
    "check_logger": "loggers",
    "check_naming_scheme": "naming",
    "check_plugin": "plugins",
    "manager_with": "plugins",
    "check_preset": "presets",
    "check_pruning_strategy": "pruning",
    "cut_rows": "rows",
    "make_rows": "rows",
    "mirror_fighter": "rows",
    "random_rows": "rows",
    "short_run": "games",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
