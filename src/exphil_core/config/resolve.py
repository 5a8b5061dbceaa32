"""From defaults, preset, file and flags to one checked configuration that knows where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from exphil_core.config.loggers import logger_settings
from exphil_core.config.presets import Layer, preset_layers
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import UnknownName, UsageError, unknown_name
from exphil_core.melee.characters import BY_NAME as CHARACTER_NAMES
from exphil_core.melee.characters import CHARACTERS, find_character, normalise
from exphil_core.melee.stages import BY_NAME as STAGE_NAMES
from exphil_core.melee.stages import STAGES
from exphil_core.options import check_values
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import BackboneSpec

DEFAULT_BATCH = {True: 32, False: 1024}  # windows of a temporal run, frames of another
LONG_WINDOW, SHORT_WINDOW = 120, 30
# Origin of what stands on the command line.
FLAG = "flag"


class InvalidSettings(UsageError):
    """Every wrong setting of a run, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@attrs.frozen(kw_only=True)
class ResolvedConfig:
    """The configuration, the origin of each value, and what deserves a second look."""

    config: TrainConfig
    origins: Mapping[str, str]
    preset: str | None
    backbone: BackboneSpec
    warnings: tuple[str, ...]


def resolve(
    manager: PluginManager,
    *,
    preset: str | None = None,
    preset_from: str = "",
    layers: Sequence[Layer] = (),
    flags: Mapping[str, Any] | None = None,
    parent: Layer | None = None,
    trains: bool = True,
) -> ResolvedConfig:
    """Merge defaults < `parent` (the model to start from) < preset < `layers` (files) < `flags` and check the whole.

    `preset_from` is where the preset was named, if not by the user just now. One game is enough unless it `trains`.
    Raises InvalidSettings with every problem at once, before anything is read or written.
    """
    problems: list[str] = []
    stack: list[tuple[Layer, bool]] = [(parent, False)] if parent else []
    if preset is not None:
        try:
            stack += [(layer, False) for layer in preset_layers(manager, preset)]
        except UsageError as error:
            problems.append(f"{error} ({preset_from})" if preset_from else str(error))
    stack += [(layer, False) for layer in layers]
    stack += [(Layer(FLAG, {name: value}), True) for name, value in (flags or {}).items()]

    values: dict[str, Any] = {}
    origins = {field.name: "default" for field in attrs.fields(TrainConfig)}
    for layer, texts in stack:
        good, wrong = check_values(TrainConfig, layer.values, texts=texts)
        problems += [f"{problem} ({layer.origin})" for problem in wrong]
        values.update(good)
        origins.update(dict.fromkeys(good, layer.origin))

    config = TrainConfig(**values)
    backbone = _backbone(manager, config, origins, problems)
    config = _names(manager, config, origins, problems)
    if backbone is not None:
        config = _follow_backbone(config, backbone, origins, problems)
    if trains and config.max_files == 1:
        problems.append(
            f"max_files: 1 is too few to train on: one of two is held out ({origins['max_files']})"
        )
    asked = config
    log_to, log_options, found = logger_settings(manager, config.log_to, config.log_options, origins)
    config = attrs.evolve(config, log_to=log_to, log_options=log_options)
    problems += found
    if problems or backbone is None:
        raise InvalidSettings(problems)
    return ResolvedConfig(
        config=config,
        origins=origins,
        preset=preset,
        backbone=backbone,
        warnings=(*_warnings(config), *_without_effect(manager, asked, origins)),
    )


def _backbone(
    manager: PluginManager, config: TrainConfig, origins: Mapping[str, str], problems: list[str]
) -> BackboneSpec | None:
    try:
        spec: BackboneSpec = manager.get("exphil_backbones", config.backbone).spec
        return spec
    except UsageError as error:
        problems.append(f"{error} ({origins['backbone']})")
        return None


def _names(
    manager: PluginManager, config: TrainConfig, origins: Mapping[str, str], problems: list[str]
) -> TrainConfig:
    """Replace names by their standard spelling; note those that nothing knows."""

    def standard(field: str, name: str) -> str:
        if field == "stage":
            stage = STAGE_NAMES.get(normalise(name))
            known, found = {s.name for s in STAGES}, stage.name if stage else None
        else:
            character = find_character(name)
            known, found = {c.name for c in CHARACTERS}, character.name if character else None
        if found is None:
            near = {**CHARACTER_NAMES, **dict.fromkeys(known)} if field != "stage" else STAGE_NAMES
            problems.append(f"{_unknown(field, name, known, near)} ({origins[field]})")
        return found or name

    for field, hook, names in (
        ("naming", "exphil_naming_schemes", (config.naming,)),
        ("features", "exphil_character_features", config.features),
    ):
        for name in names:
            try:
                manager.get(hook, name)
            except UsageError as error:
                problems.append(f"{error} ({origins[field]})")
    return attrs.evolve(
        config,
        character=standard("character", config.character) if config.character else None,
        opponent=tuple(standard("opponent", name) for name in config.opponent),
        stage=tuple(standard("stage", name) for name in config.stage),
        features=tuple(dict.fromkeys(config.features)),
    )


def _unknown(field: str, name: str, known: set[str], near: Mapping[str, object]) -> UnknownName:
    suggestion = unknown_name(field, name, near)
    return suggestion if "did you mean" in str(suggestion) else unknown_name(field, name, known)


def _follow_backbone(
    config: TrainConfig, backbone: BackboneSpec, origins: dict[str, str], problems: list[str]
) -> TrainConfig:
    """Settings whose default depends on the backbone, and those that contradict it."""
    if config.temporal is None:
        config = attrs.evolve(config, temporal=backbone.temporal)
        origins["temporal"] = f"backbone {backbone.name}"
    elif config.temporal != backbone.temporal:
        flag = "--temporal" if config.temporal else "--no-temporal"
        nature = "remembers earlier frames" if backbone.temporal else "sees one frame at a time"
        problems.append(
            f"temporal and backbone contradict each other: {flag} ({origins['temporal']}), but "
            f"{backbone.name} ({origins['backbone']}) {nature}"
        )
    if backbone.lr is not None and origins["lr"] == "default":
        config = attrs.evolve(config, lr=backbone.lr)
        origins["lr"] = f"backbone {backbone.name}"
    if config.batch_size is None:
        config = attrs.evolve(config, batch_size=DEFAULT_BATCH[backbone.temporal])
    if backbone.options is None and config.backbone_options:
        problems.append(
            f"backbone_options: {backbone.name} has no settings of its own ({origins['backbone_options']})"
        )
    if backbone.options is not None:
        good, wrong = check_values(backbone.options, config.backbone_options, "backbone_options.", texts=True)
        problems += [f"{problem} ({origins['backbone_options']})" for problem in wrong]
        if "window_size" in attrs.fields_dict(backbone.options):
            # What a backbone calls like the run's setting follows it, unless it is set for itself.
            good = {"window_size": config.window_size, **good}
        config = attrs.evolve(config, backbone_options=good)
    return attrs.evolve(config, backbone=backbone.name)


def _without_effect(manager: PluginManager, config: TrainConfig, origins: Mapping[str, str]) -> Iterator[str]:
    """Flags that nothing looks at as the other settings are. Files say everything, a model's above all."""
    pattern = manager.get("exphil_naming_schemes", config.naming).spec.pattern
    idle = {
        "patience": (not config.early_stopping, "--early-stopping"),
        "bump": ("{major" not in pattern, "a naming scheme with versions, as --naming semver"),
        "allow_new_features": (config.from_checkpoint is None, "--from-checkpoint"),
        "window_size": (not config.temporal, "a backbone that remembers"),
    }
    for name, (is_idle, needs) in idle.items():
        if is_idle and origins[name] == FLAG:
            yield f"{name} does nothing without {needs}"
    silenced = origins["log_to"] == FLAG and not config.log_to
    if origins["log_options"] == FLAG and not silenced:
        loggers = dict.fromkeys(key.partition(".")[0] for key in config.log_options)
        for logger in [name for name in loggers if name not in config.log_to]:
            yield f"log_options of {logger} do nothing without --log-to {logger}"


def _warnings(config: TrainConfig) -> list[str]:
    notes = []
    if config.temporal and config.window_size > LONG_WINDOW:
        notes.append(
            f"window_size {config.window_size} is long: the memory of a step grows with batch_size x window_size "
            f"= {(config.batch_size or 0) * config.window_size:,} frames (`exphil train … --dry-run` measures it)"
        )
    if config.temporal and config.window_size < SHORT_WINDOW:
        notes.append(
            f"window_size {config.window_size} is short: gradients reach back only "
            f"{config.window_size / 60:.2f} s"
        )
    return notes
