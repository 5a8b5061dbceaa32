"""Presets as chains: what each link sets, and the cycle where there is one."""

from __future__ import annotations

from typing import Any

import attrs

from exphil_core.errors import UnknownName, UsageError
from exphil_core.plugin_manager import PluginManager, Registered

# Presets that live in distributions of their own, so that `--preset mewtwo` can say how to get it.
ELSEWHERE = {name: f"exphil-char-{name}" for name in ("mewtwo", "ganondorf", "link", "gameandwatch", "zelda")}


@attrs.frozen
class Layer:
    """Values from one place: `origin` is how users are told of it."""

    origin: str
    values: dict[str, Any]


def find_preset(manager: PluginManager, name: str) -> Registered:
    """The preset called `name`; where a known plugin has it, the error says how to install that."""
    try:
        return manager.get("exphil_presets", name)
    except UnknownName:
        if name.lower() not in ELSEWHERE:
            raise
        hint = f"it comes with a plugin of its own: pip install {ELSEWHERE[name.lower()]}"
        raise UnknownName(f'preset "{name}" is not installed; {hint}') from None


def preset_chain(manager: PluginManager, name: str) -> list[Registered]:
    """The preset and those it extends, the base first. A cycle is an error that shows it."""
    chain: list[Registered] = []
    seen: list[str] = []
    current: str | None = name
    while current is not None:
        if current in seen:
            raise UsageError(f"presets extend each other in a circle: {' -> '.join([*seen, current])}")
        seen.append(current)
        try:
            entry = find_preset(manager, current)
        except UsageError as error:
            if not chain:
                raise
            child = chain[-1]
            raise type(error)(
                f"{error} (base of preset {child.spec.name} ({child.origin.distribution}))"
            ) from None
        chain.append(entry)
        current = entry.spec.base
    return chain[::-1]


def preset_layers(manager: PluginManager, name: str) -> list[Layer]:
    """What each link of the chain sets, the base first. Features add up; other settings replace."""
    layers: list[Layer] = []
    features: tuple[str, ...] = ()
    for entry in preset_chain(manager, name):
        spec = entry.spec
        values = dict(spec.overrides)
        if spec.character:
            values["character"] = spec.character
        if spec.features:
            features = tuple(dict.fromkeys((*features, *spec.features)))
            values["features"] = features
        layers.append(Layer(f"preset {spec.name} ({entry.origin.distribution})", values))
    return layers
