"""The conformance suite of presets."""

from __future__ import annotations

from exphil_core.config.resolve import InvalidSettings, resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.melee.characters import find_character
from exphil_core.options import check_values
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.specs import PresetSpec
from exphil_core.testing.subject import claim, find

HOOK = "exphil_presets"


def check_preset(preset: PresetSpec | str, manager: PluginManager | None = None) -> None:
    """Check a preset: it resolves to a complete configuration without problems, its overrides are settings with
    right values and arrive as written, and its features are there and suit its character.

    `manager` has to know the preset and what it builds on (default: everything installed).
    """
    manager = manager or load_plugins()
    spec: PresetSpec = find(HOOK, preset, manager).spec
    who = f"preset {spec.name}"
    try:
        registered = manager.get(HOOK, spec.name).spec
    except ExphilError as error:
        raise AssertionError(
            f"{who} is not registered ({error}); give manager=manager_with(plugin)"
        ) from error
    claim(registered == spec, f"{who}: another preset is registered under this name")
    for name in ("character", "features"):
        claim(
            name not in spec.overrides or not getattr(spec, name),
            f"{who} gives {name} twice: as PresetSpec({name}=…) and in its overrides",
        )
    good, wrong = check_values(TrainConfig, spec.overrides)
    claim(not wrong, f"{who}: override {'; '.join(map(str, wrong))}")
    try:
        run = resolve(manager, preset=spec.name)
    except InvalidSettings as error:
        raise AssertionError(f"{who} does not resolve: {'; '.join(error.problems)}") from error
    for name, value in good.items():
        # Names may have been put into their standard spelling, and options completed.
        arrived = getattr(run.config, name)
        claim(
            arrived == value or isinstance(value, (str, tuple, dict)),
            f"{who}: {name} is {value!r} in the overrides but resolves to {arrived!r}",
        )
        claim(
            run.origins[name].startswith(f"preset {spec.name} "),
            f"{who}: {name} comes from {run.origins[name]}, not from the preset",
        )
    _claim_features(who, spec, manager)


def _claim_features(who: str, spec: PresetSpec, manager: PluginManager) -> None:
    character = find_character(spec.character) if spec.character else None
    for name in spec.features:
        suits = manager.get("exphil_character_features", name).spec.characters
        claim(
            character is None or character.name in suits,
            f"{who} is for {spec.character}, but its feature {name} suits {', '.join(suits)}",
        )
