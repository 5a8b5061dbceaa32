"""What decides a run's result besides its settings and the machine: the versions of code and data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import exphil_core
from exphil_core.features.cached import code_digest
from exphil_core.features.character import ActiveFeature
from exphil_core.plugin_manager import CORE_DISTRIBUTION, PluginManager
from exphil_core.replays.cache import recipe_key, rows_recipe
from exphil_core.replays.facts import FACTS_VERSION

# Packages beside torch whose version may change what is read or drawn.
PACKAGES = ("numpy", "peppi-py")


def versions(
    manager: PluginManager, backbone: str, features: Sequence[ActiveFeature], rollback: str
) -> dict[str, str]:
    """Each version by what it is of, as the user is told of it. A plugin's code is named by its hash, too: whoever
    works on one changes its code before its version."""
    found = {CORE_DISTRIBUTION: exphil_core.__version__}
    entries = [manager.get("exphil_backbones", backbone), *(feature.entry for feature in features)]
    for entry in entries:
        distribution = entry.origin.distribution
        if distribution != CORE_DISTRIBUTION:
            found[distribution] = entry.origin.version
            found[f"the code of {distribution}'s {entry.spec.name}"] = code_digest(entry.spec.factory)[:12]
    found |= {name: version(name) for name in PACKAGES}
    found["the facts of replays"] = str(FACTS_VERSION)
    found["the rows of the cache"] = recipe_key(rows_recipe(rollback))
    return found


def tell_changes(before: Mapping[str, str], now: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Name to `warn` what has another version than `before`."""
    for name in dict.fromkeys([*before, *now]):
        was, is_now = before.get(name, "not there"), now.get(name, "not there")
        if was != is_now:
            warn(f"warning: {name} was {was} and is {is_now} now: going on is not exact to the bit")
