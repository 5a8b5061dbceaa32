"""What hooks return: frozen descriptions that name heavy things ("module:attribute") without importing them."""

from __future__ import annotations

import importlib
import re
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from exphil_core.options import info_of

_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
_FLAG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _check_name(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{attribute.name} {value!r} must be lower-case letters, digits, '-' or '_'")


def _check_names(instance: object, attribute: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    for item in value:
        _check_name(instance, attribute, item)


def _check_reference(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ValueError(f'{attribute.name} {value!r} must look like "package.module:attribute"')


def _check_lr(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not (isinstance(value, float) and 0 < value <= 10):
        raise ValueError(f"{attribute.name} must be a number above 0 up to 10, or None, not {value!r}")


def _check_options(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not (isinstance(value, type) and attrs.has(value)):
        raise TypeError(f"{attribute.name} must be an attrs class or None, not {value!r}")
    if value is not None:
        try:
            typing.get_type_hints(value)
        except Exception as error:
            raise TypeError(
                f"{attribute.name} {value.__name__} has a type that can't be resolved: {error}"
            ) from None


def _check_flags(instance: object, attribute: attrs.Attribute[Any], value: type | None) -> None:
    _check_options(instance, attribute, value)
    for field in attrs.fields(value) if value is not None else ():
        info = info_of(field)
        if info is not None and info.flag and not _FLAG.fullmatch(info.flag):
            raise ValueError(f"flag {info.flag!r} of {field.name} must be lower-case letters, digits or '-'")


def _names(value: object) -> tuple[object, ...]:
    # A bare string would fall apart into letters.
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def _read_only(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


_string = attrs.validators.instance_of(str)


@attrs.frozen(kw_only=True)
class BackboneSpec:
    """A network between embedding and policy head.

    `factory` is called as ``factory(input_size, hidden_sizes, options)`` and returns an ``nn.Module`` that keeps
    the contract of `exphil_core.models.backbones.base.Backbone`. `options` is an attrs class: the backbone's own
    settings, validated like the core's. `temporal` says whether it carries state from frame to frame. `lr` is the
    learning rate of runs that set none, where the core's default doesn't suit it.
    """

    name: str = attrs.field(validator=_check_name)
    factory: str = attrs.field(validator=_check_reference)
    temporal: bool = attrs.field(validator=attrs.validators.instance_of(bool))
    options: type | None = attrs.field(default=None, validator=_check_options)
    lr: float | None = attrs.field(default=None, validator=_check_lr)
    aliases: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=_check_names)
    summary: str = attrs.field(default="", validator=_string)


@attrs.frozen(kw_only=True)
class PresetSpec:
    """Named training settings: `overrides` on top of the preset `base` (or of the defaults).

    A character preset also names its `character` and the character `features` that it switches on.
    """

    name: str = attrs.field(validator=_check_name)
    base: str | None = attrs.field(default=None, validator=attrs.validators.optional(_check_name))
    overrides: Mapping[str, Any] = attrs.field(factory=dict, converter=_read_only)
    character: str | None = attrs.field(default=None, validator=attrs.validators.optional(_check_name))
    features: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=_check_names)
    notes: str = attrs.field(default="", validator=_string)


@attrs.frozen(kw_only=True)
class FeatureColumn:
    """One column that a character feature adds to the observation; its values lie in [low, high].

    `mirrored`: its sign flips when the stage is seen in a mirror (a direction along x).
    """

    name: str = attrs.field(validator=_check_name)
    low: float = -1.0
    high: float = 1.0
    mirrored: bool = False
    help: str = attrs.field(default="", validator=_string)


def _columns(value: object) -> tuple[object, ...]:
    return tuple(value)  # type: ignore[arg-type]


@attrs.frozen(kw_only=True)
class CharacterFeatureSpec:
    """Columns of the observation that one character needs and others don't.

    `factory` is called without arguments for each fighter of each game and returns an object with
    ``update(rows) -> float32 (T, columns)``, where `rows` are consecutive frames of that fighter (see
    `exphil_core.features.character.FighterRows`) and state is kept between calls, so that a whole game at once
    and one frame at a time give the same values. `characters` are those that it suits.
    """

    name: str = attrs.field(validator=_check_name)
    characters: tuple[str, ...] = attrs.field(converter=_names, validator=_check_names)
    factory: str = attrs.field(validator=_check_reference)
    columns: tuple[FeatureColumn, ...] = attrs.field(
        converter=_columns,
        validator=attrs.validators.deep_iterable(attrs.validators.instance_of(FeatureColumn)),
    )
    summary: str = attrs.field(default="", validator=_string)


@attrs.frozen(kw_only=True)
class NamingSchemeSpec:
    """A way to name models. `factory` names an object that keeps the contract of
    `exphil_core.checkpoints.naming.NamingScheme`; `pattern` shows users what comes out."""

    name: str = attrs.field(validator=_check_name)
    factory: str = attrs.field(validator=_check_reference)
    pattern: str = attrs.field(default="", validator=_string)
    summary: str = attrs.field(default="", validator=_string)


@attrs.frozen(kw_only=True)
class PruningStrategySpec:
    """A way to choose models to delete or archive. `options` is an attrs class whose fields become flags of
    `exphil prune`; `factory` is called with an instance of it and returns a plan-making object."""

    name: str = attrs.field(validator=_check_name)
    factory: str = attrs.field(validator=_check_reference)
    options: type | None = attrs.field(default=None, validator=_check_flags)
    summary: str = attrs.field(default="", validator=_string)


def _check_modules(instance: object, attribute: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    for item in value:
        if not isinstance(item, str) or not item.isidentifier():
            raise ValueError(f"{attribute.name} {item!r} must be the name of a module, without dots")


@attrs.frozen(kw_only=True)
class LoggerSpec:
    """A place that a run's metrics go to. `factory` is called with an instance of `options` (an attrs class; without
    arguments if there is none) and returns an object that keeps the contract of
    `exphil_core.training.logger.Logger`.

    `needs` are modules that have to be installed, and `install` what pip is to be given where one is missing: a run
    is refused then, before it starts.
    """

    name: str = attrs.field(validator=_check_name)
    factory: str = attrs.field(validator=_check_reference)
    options: type | None = attrs.field(default=None, validator=_check_options)
    needs: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=_check_modules)
    install: str = attrs.field(default="", validator=_string)
    summary: str = attrs.field(default="", validator=_string)


@attrs.frozen(kw_only=True)
class ExporterSpec:
    """A form that a policy can be given to others in. `factory` is called with an instance of `options` (an attrs
    class; without arguments if there is none) and returns an object that keeps the contract of
    `exphil_core.exporting.exporter.Exporter`.

    `needs` are modules that have to be installed, and `install` what pip is to be given where one is missing. With
    `archive` the folder is packed as a zip beside it, too.
    """

    name: str = attrs.field(validator=_check_name)
    factory: str = attrs.field(validator=_check_reference)
    options: type | None = attrs.field(default=None, validator=_check_options)
    needs: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=_check_modules)
    install: str = attrs.field(default="", validator=_string)
    archive: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))
    summary: str = attrs.field(default="", validator=_string)


def load_reference(reference: str) -> Any:
    """Import what "module:attribute" names. Raises ImportError or AttributeError as Python does."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
