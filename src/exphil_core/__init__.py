"""ExPhil: train Super Smash Bros. Melee bots by imitating Slippi replays.

This is the public namespace for plugin authors. It imports nothing heavy.
"""

from exphil_core.errors import ContestedName, ExphilError, ReplayError, UnknownName, UsageError
from exphil_core.hookspecs import CONTRACT_VERSION, hookimpl
from exphil_core.options import option
from exphil_core.specs import (
    BackboneSpec,
    CharacterFeatureSpec,
    ExporterSpec,
    FeatureColumn,
    LoggerSpec,
    NamingSchemeSpec,
    PresetSpec,
    PruningStrategySpec,
)

__version__ = "0.1.0"

__all__ = [
    "CONTRACT_VERSION",
    "BackboneSpec",
    "CharacterFeatureSpec",
    "ContestedName",
    "ExphilError",
    "ExporterSpec",
    "FeatureColumn",
    "LoggerSpec",
    "NamingSchemeSpec",
    "PresetSpec",
    "PruningStrategySpec",
    "ReplayError",
    "UnknownName",
    "UsageError",
    "hookimpl",
    "option",
]
