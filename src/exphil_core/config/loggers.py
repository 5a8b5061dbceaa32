"""Settings of loggers: which of them a run writes to, and what each is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from exphil_core.config.extras import not_installed
from exphil_core.errors import UsageError, unknown_name
from exphil_core.options import check_values
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import LoggerSpec
from exphil_core.wording import one_line

HOOK = "exphil_loggers"


def logger_settings(
    manager: PluginManager, names: Sequence[str], options: Mapping[str, Any], origins: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, dict[str, Any]], list[str]]:
    """The registered names, each one's settings by its name, and what is wrong with either and where it stands.

    `options` come as a command line gives them (``{"wandb.project": "melee"}``) or as files do
    (``{"wandb": {"project": "melee"}}``).
    """
    chosen: dict[str, LoggerSpec] = {}
    problems: list[str] = []
    for name in names:
        try:
            spec: LoggerSpec = manager.get(HOOK, name).spec
        except UsageError as error:
            problems.append(f"{error} ({origins['log_to']})")
            continue
        chosen[spec.name] = spec
        problems += missing(spec)
    given, wrong = _by_logger(options)
    checked: dict[str, dict[str, Any]] = {}
    for name, spec in chosen.items():
        own = given.pop(name, {})
        values, found = _checked(spec, own)
        wrong += found
        problems += _unset(spec, own)
        if values:
            checked[name] = values
    # Settings of a logger that this run doesn't write to do no harm; those of none are a slip of the pen.
    known = manager.names(HOOK)
    wrong += [f"log_options: {unknown_name('logger', name, known)}" for name in given if name not in known]
    problems += [f"{problem} ({origins['log_options']})" for problem in wrong]
    return tuple(chosen), checked, problems


def missing(spec: LoggerSpec) -> list[str]:
    """Why a logger can't work here: modules that it needs and nobody installed. Imports none of them."""
    absent = not_installed(spec)
    return [f"log_to: {absent}"] if absent else []


def _by_logger(options: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    given: dict[str, dict[str, Any]] = {}
    problems = []
    for key, value in options.items():
        name, dot, setting = key.partition(".")
        if dot and name and setting:
            given.setdefault(name, {})[setting] = value
        elif isinstance(value, Mapping):
            given.setdefault(name, {}).update(value)
        else:
            problems.append(f'log_options: "{one_line(key)}" must say whose it is, as in wandb.project=melee')
    return given, problems


def _checked(spec: LoggerSpec, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    if spec.options is None:
        return {}, [f"log_options: {spec.name} has no settings of its own"] if values else []
    good, wrong = check_values(spec.options, values, f"log_options.{spec.name}.", texts=True)
    return good, list(map(str, wrong))


def _unset(spec: LoggerSpec, values: Mapping[str, Any]) -> list[str]:
    return [
        f"log_options.{spec.name}.{field.name}: must be given, as in --log-option {spec.name}.{field.name}=…"
        for field in (attrs.fields(spec.options) if spec.options else ())
        if field.default is attrs.NOTHING and field.name not in values
    ]
