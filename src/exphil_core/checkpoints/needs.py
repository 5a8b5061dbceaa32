"""What a policy needs besides exphil-core: the plugins that its backbone and its character features come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exphil_core.errors import ExphilError, UnknownName
from exphil_core.features.character import ActiveFeature, active_features
from exphil_core.plugin_manager import (
    CORE_DISTRIBUTION,
    HOOKS,
    PluginManager,
    Registered,
    installed_plugins,
)

BACKBONE, FEATURES = "exphil_backbones", "exphil_character_features"


def plugins_json(entries: Iterable[tuple[str, Registered]]) -> dict[str, dict[str, dict[str, str]]]:
    """Where specs (each with its hook) came from, as it stands in a policy file: by hook and name."""
    told: dict[str, dict[str, dict[str, str]]] = {}
    for hook, entry in entries:
        origin = entry.origin
        told.setdefault(hook, {})[entry.spec.name] = {
            "distribution": origin.distribution,
            "version": origin.version,
        }
    return told


def distributions_of(description: Mapping[str, Any]) -> dict[str, str]:
    """The distributions that a policy needs, and the versions that it was trained with. Files written before this
    was kept name none."""
    by_hook: Mapping[str, Mapping[str, Mapping[str, str]]] = description.get("plugins", {})
    return {made["distribution"]: made["version"] for names in by_hook.values() for made in names.values()}


def needed(description: Mapping[str, Any], hook: str, name: str, manager: PluginManager) -> Registered:
    """The spec called `name` that a policy needs. Raises ExphilError naming the plugin where it is missing."""
    try:
        return manager.get(hook, name)
    except UnknownName:
        made = description.get("plugins", {}).get(hook, {}).get(name)
    what = f'the policy needs the {HOOKS[hook][0]} "{name}"'
    if made is None:
        raise ExphilError(
            f"{what}, which no plugin has here: install the plugin that it was trained with"
        ) from None
    distribution, version = made["distribution"], made["version"]
    if distribution == CORE_DISTRIBUTION:
        raise ExphilError(
            f"{what} of exphil-core {version}, which this version lacks: update exphil-core"
        ) from None
    if distribution in installed_plugins():
        why = "which is left out or out of order here: see `exphil plugins check`, --no-plugin and EXPHIL_PLUGINS"
    else:
        why = f"which is not installed here: exphil plugins install {distribution}"
    raise ExphilError(f"{what} of {distribution} {version}, {why}") from None


def needed_features(description: Mapping[str, Any], manager: PluginManager) -> tuple[ActiveFeature, ...]:
    """The character features that a policy was trained with, in order. Raises ExphilError as `needed` does."""
    names = description["observation"]["features"]
    for name in names:
        needed(description, FEATURES, name, manager)
    return active_features(manager, names)
