"""Every hook of the plugin contract. A plugin is a module (or object) listed under the entry-point group
`exphil_core` whose functions carry `@exphil_core.hookimpl`."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from exphil_core.specs import (
    BackboneSpec,
    CharacterFeatureSpec,
    ExporterSpec,
    LoggerSpec,
    NamingSchemeSpec,
    PresetSpec,
    PruningStrategySpec,
)

GROUP = "exphil_core"
# Raised when a change would break plugins. A plugin says which it was written for: `exphil_contract = 1`.
CONTRACT_VERSION = 1

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def exphil_backbones() -> Iterable[BackboneSpec]:
    """Backbones that this plugin adds. Must not import torch: listings call it."""
    return ()


@hookspec
def exphil_presets() -> Iterable[PresetSpec]:
    """Presets that this plugin adds."""
    return ()


@hookspec
def exphil_character_features() -> Iterable[CharacterFeatureSpec]:
    """Character features that this plugin adds. Must not import torch or numpy: listings call it."""
    return ()


@hookspec
def exphil_naming_schemes() -> Iterable[NamingSchemeSpec]:
    """Naming schemes that this plugin adds."""
    return ()


@hookspec
def exphil_pruning_strategies() -> Iterable[PruningStrategySpec]:
    """Pruning strategies that this plugin adds."""
    return ()


@hookspec
def exphil_loggers() -> Iterable[LoggerSpec]:
    """Loggers that this plugin adds. Must not import what they write with: listings call it."""
    return ()


@hookspec
def exphil_exporters() -> Iterable[ExporterSpec]:
    """Exporters that this plugin adds. Must not import torch or what they write with: listings call it."""
    return ()
