"""What all suites share: finding the thing under test, and saying what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from exphil_core.errors import ExphilError
from exphil_core.options import check_values, info_of
from exphil_core.plugin_manager import HOOKS, PluginManager, Provenance, Registered, load_plugins
from exphil_core.specs import load_reference

UNDER_TEST = Provenance("under-test", "0", "under-test")


def claim(holds: object, sentence: str) -> None:
    """Raise AssertionError with `sentence` unless `holds`; works under `python -O` too."""
    if not holds:
        raise AssertionError(sentence)


def find(hook: str, thing: object, manager: PluginManager | None) -> Registered:
    """`thing` itself if it is a spec, else the one registered as `thing`."""
    kind, expected = HOOKS[hook]
    if isinstance(thing, Registered):
        return thing
    if isinstance(thing, expected):
        return Registered(thing, UNDER_TEST)
    if not isinstance(thing, str):
        raise AssertionError(f"{kind}: give a {expected.__name__} or a name, not {thing!r}")
    try:
        return (manager or load_plugins()).get(hook, thing)
    except ExphilError as error:
        raise AssertionError(str(error)) from error


def factory_of(who: str, reference: str) -> Any:
    """What a spec's factory names, imported."""
    try:
        return load_reference(reference)
    except Exception as error:
        raise AssertionError(f"{who}: {reference} can't be imported ({said(error)})") from error


def said(error: BaseException) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def checked_options(who: str, cls: type | None, given: Mapping[str, Any]) -> Any:
    """An instance of the options class with `given` set, after checking that its settings check themselves."""
    if cls is None:
        claim(not given, f"{who} has no options, so {', '.join(given)} can't be set")
        return None
    for field in attrs.fields(cls):
        info = info_of(field)
        if info is None:
            raise AssertionError(f"{who}: option {field.name} must be made with exphil_core.option(…)")
        claim(info.help.strip(), f"{who}: option {field.name} has an empty help")
        if field.default is not attrs.NOTHING:
            _claim_values(who, cls, {field.name: _default(who, field)}, "the default of ")
        else:
            claim(field.name in given, f"{who}: option {field.name} has no default: give options={{…}}")
    return cls(**_claim_values(who, cls, given))


def _claim_values(who: str, cls: type, values: Mapping[str, Any], which: str = "") -> dict[str, Any]:
    good, problems = check_values(cls, values)
    claim(not problems, f"{who}: {which}option {'; '.join(map(str, problems))}")
    return good


def _default(who: str, field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default
    claim(not default.takes_self, f"{who}: the default of option {field.name} depends on other options")
    return default.factory()
