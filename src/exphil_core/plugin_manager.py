"""Finds plugins, calls each in isolation, and remembers where everything came from.

What a plugin does wrong becomes a `Problem`; everything else goes on. Nothing here imports torch.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

import attrs
import pluggy

from exphil_core import hookspecs
from exphil_core.errors import ContestedName, ExphilError, UsageError, unknown_name
from exphil_core.hookspecs import CONTRACT_VERSION, GROUP
from exphil_core.specs import (
    BackboneSpec,
    CharacterFeatureSpec,
    ExporterSpec,
    LoggerSpec,
    NamingSchemeSpec,
    PresetSpec,
    PruningStrategySpec,
    load_reference,
)

CORE_DISTRIBUTION = "exphil-core"
CHECK_HINT = "see `exphil plugins check`"

# hook -> (what users call one thing of it, the class of its specs)
HOOKS: dict[str, tuple[str, type]] = {
    "exphil_backbones": ("backbone", BackboneSpec),
    "exphil_presets": ("preset", PresetSpec),
    "exphil_character_features": ("character feature", CharacterFeatureSpec),
    "exphil_naming_schemes": ("naming scheme", NamingSchemeSpec),
    "exphil_pruning_strategies": ("pruning strategy", PruningStrategySpec),
    "exphil_loggers": ("logger", LoggerSpec),
    "exphil_exporters": ("exporter", ExporterSpec),
}


@attrs.frozen
class Provenance:
    """Where a plugin or one of its specs came from."""

    distribution: str
    version: str
    entry_point: str


@attrs.frozen(kw_only=True)
class Problem:
    """Something that a plugin did wrong, in which phase (load, register, call, validate, name)."""

    distribution: str
    phase: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"plugin {self.distribution}: {self.reason}; {self.remedy} ({CHECK_HINT})"


@attrs.frozen
class Registered:
    """A spec together with its origin."""

    spec: Any
    origin: Provenance


@attrs.frozen
class LoadedPlugin:
    """A plugin that loaded: the hooks it implements and how many specs each gave."""

    origin: Provenance
    hooks: Mapping[str, int]


class PluginManager:
    """All registered specs by hook and name. Build one with `load_plugins`."""

    def __init__(self) -> None:
        self.plugins: list[LoadedPlugin] = []
        self.problems: list[Problem] = []
        self._pluggy = pluggy.PluginManager(GROUP)
        self._pluggy.add_hookspecs(hookspecs)
        self._entries: dict[str, dict[str, list[Registered]]] = {hook: {} for hook in HOOKS}

    def registered(self, hook: str) -> list[Registered]:
        """All uncontested specs of `hook`, sorted by name."""
        found = self._entries[hook]
        return [found[name][0] for name in sorted(found) if self._owns(found[name], name)]

    def names(self, hook: str) -> list[str]:
        """The names that can be asked for, aliases left out."""
        return [entry.spec.name for entry in self.registered(hook)]

    def get(self, hook: str, name: str, hint: str = "") -> Registered:
        """The spec called `name` (or one of its aliases). Raises UnknownName or ContestedName."""
        kind = HOOKS[hook][0]
        found = self._entries[hook].get(name.lower(), [])
        if not found:
            raise unknown_name(kind, name, self.names(hook), hint)
        if len(found) > 1:
            first, second = (entry.origin.distribution for entry in found[:2])
            if first == second:
                raise ContestedName(f'{kind} "{name}" is registered twice by {first}; tell its author')
            raise ContestedName(
                f'{kind} "{name}" comes from both {first} and {second}; uninstall one of them '
                f"(`exphil plugins uninstall {second}`) or leave it out with --no-plugin {second}"
            )
        return found[0]

    def has(self, plugin: object) -> bool:
        """Whether this very module or object is registered."""
        return self._pluggy.is_registered(plugin)

    def load(self, reference: str, origin: Provenance) -> Any:
        """Import a spec's "module:attribute"; a failure names the distribution."""
        try:
            return load_reference(reference)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ExphilError(
                f"plugin {origin.distribution}: {reference} can't be imported ({_said(error)}); {CHECK_HINT}"
            ) from error

    def add(self, plugin: object, origin: Provenance) -> None:
        """Register one plugin and collect what its hooks return, turning every fault into a problem."""
        try:
            if not self._fits(plugin, origin):
                return
            self._pluggy.register(plugin, name=f"{origin.distribution}:{origin.entry_point}")
            implementations = list(self._implementations(plugin))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's attributes may do anything when looked at
            self._problem(origin, "register", _said(error))
            return
        counts: dict[str, int] = {}
        for hook, implementation in implementations:
            specs = self._called(hook, implementation, origin)
            counts[hook] = sum(self._enter(hook, spec, origin) for spec in specs)
        self.plugins.append(LoadedPlugin(origin, counts))

    def _fits(self, plugin: object, origin: Provenance) -> bool:
        """Faults that pluggy would let pass or describe poorly."""
        version = getattr(plugin, "exphil_contract", CONTRACT_VERSION)
        if version != CONTRACT_VERSION:
            self._problem(
                origin,
                "register",
                f"it was written for plugin contract {version}, this exphil-core has {CONTRACT_VERSION}",
                f"install a version of {origin.distribution} that fits",
            )
            return False
        if isinstance(plugin, type):
            self._problem(
                origin,
                "register",
                f"entry point {origin.entry_point} names a class",
                "name a module or an instance",
            )
            return False
        for name in dir(plugin):
            if not name.startswith("exphil_") or not callable(getattr(plugin, name, None)):
                continue
            marked = hasattr(getattr(plugin, name), f"{GROUP}_impl")
            if name not in HOOKS:
                near = difflib.get_close_matches(name, HOOKS, n=1)
                meant = f"; did you mean {near[0]}?" if near else f"; hooks: {', '.join(HOOKS)}"
                self._problem(origin, "register", f"there is no hook {name}{meant}", "rename the function")
            elif not marked:
                self._problem(origin, "register", f"{name} is not marked", "put @exphil_core.hookimpl on it")
        return True

    def _implementations(self, plugin: object) -> Iterator[tuple[str, Any]]:
        for hook in HOOKS:
            for implementation in getattr(self._pluggy.hook, hook).get_hookimpls():
                if implementation.plugin is plugin:
                    yield hook, implementation

    def _called(self, hook: str, implementation: Any, origin: Provenance) -> list[object]:
        try:
            result = implementation.function()
            if (
                result is None
                or isinstance(result, (str, bytes, Mapping))
                or not isinstance(result, Iterable)
            ):
                raise TypeError(f"returned {type(result).__name__}, not a list of {HOOKS[hook][1].__name__}")
            return list(result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._problem(origin, "call", f"{hook} {_said(error)}")
            return []

    def _enter(self, hook: str, spec: object, origin: Provenance) -> bool:
        kind, expected = HOOKS[hook]
        if not isinstance(spec, expected):
            got = type(spec).__name__
            self._problem(origin, "validate", f"{hook} gave a {got}, not a {expected.__name__}")
            return False
        entered: Any = spec
        for name in (entered.name, *getattr(entered, "aliases", ())):
            rivals = self._entries[hook].setdefault(name, [])
            rivals.append(Registered(spec, origin))
            if len(rivals) > 1:
                self._contested(f'{kind} "{name}"', rivals[0].origin.distribution, origin)
        return True

    def _contested(self, what: str, first: str, origin: Provenance) -> None:
        if first == origin.distribution:
            reason, remedy = f"{what} is registered twice", "it can't be used until its author renames one"
        else:
            reason = f"{what} is already registered by {first}"
            remedy = "it can't be used until one of the two is uninstalled"
        self._problem(origin, "name", reason, remedy)

    @staticmethod
    def _owns(found: list[Registered], name: str) -> bool:
        return len(found) == 1 and found[0].spec.name == name

    def _problem(
        self, origin: Provenance, phase: str, reason: str, remedy: str = "update or uninstall it"
    ) -> None:
        self.problems.append(
            Problem(distribution=origin.distribution, phase=phase, reason=reason, remedy=remedy)
        )


def _said(error: BaseException) -> str:
    """A plugin's exception on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"raised {type(error).__name__}: {text}" if text else f"raised {type(error).__name__}"


def _wanted(distribution: str, only: frozenset[str] | None) -> bool:
    return only is None or distribution == CORE_DISTRIBUTION or distribution in only


def normalise_distribution(name: str) -> str:
    """PEP 503: case and the choice of -, _ and . don't matter."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _restriction() -> frozenset[str] | None:
    value = os.environ.get("EXPHIL_PLUGINS")
    if value is None:
        return None
    return frozenset(normalise_distribution(part.strip()) for part in value.split(",") if part.strip())


def _entry_points(manager: PluginManager, only: frozenset[str] | None) -> list[EntryPoint]:
    """Entry points of the group. Damaged metadata, of any distribution, costs that one alone."""
    try:
        return list(entry_points(group=GROUP))
    except Exception:
        found: list[EntryPoint] = []
        for distribution in distributions():
            try:
                found += distribution.entry_points.select(group=GROUP)
            except Exception as error:
                origin = Provenance(*_called_itself(distribution), "?")
                if _wanted(origin.distribution, only):
                    manager._problem(origin, "load", f"its entry points can't be read ({_said(error)})")
        return found


def _called_itself(distribution: Distribution | None) -> tuple[str, str]:
    """Name and version of a distribution; half-removed ones have neither."""
    try:
        name, version = (distribution.name, distribution.version) if distribution else (None, None)
    except Exception:
        name, version = None, None
    return normalise_distribution(name or "unknown"), version or "?"


def _discovered(manager: PluginManager, only: frozenset[str] | None) -> list[tuple[Provenance, EntryPoint]]:
    """Entry points to load, the core's own first; an editable install listed twice counts once."""
    found: dict[tuple[str, str, str], tuple[Provenance, EntryPoint]] = {}
    for entry in _entry_points(manager, only):
        origin = Provenance(*_called_itself(entry.dist), entry.name)
        if _wanted(origin.distribution, only):
            found.setdefault((origin.distribution, entry.name, entry.value), (origin, entry))
    return sorted(
        found.values(),
        key=lambda item: (
            item[0].distribution != CORE_DISTRIBUTION,
            item[0].distribution,
            item[0].entry_point,
        ),
    )


def installed_plugins() -> dict[str, str]:
    """Installed distributions that have plugins, and their versions. Loads none, and heeds no restriction."""
    return {origin.distribution: origin.version for origin, _ in _discovered(PluginManager(), None)}


def _left_out(names: Collection[str]) -> frozenset[str]:
    wanted = frozenset(map(normalise_distribution, names))
    if CORE_DISTRIBUTION in wanted:
        raise UsageError(f"{CORE_DISTRIBUTION} can't be left out: it is ExPhil itself")
    known = set(installed_plugins()) - {CORE_DISTRIBUTION} if wanted else set()
    for name in sorted(wanted - known):
        raise unknown_name("plugin", name, known)
    return wanted


def load_plugins(without: Collection[str] = ()) -> PluginManager:
    """Load every installed plugin but those of the distributions `without`.

    `EXPHIL_PLUGINS=a,b` restricts third parties to those distributions. Raises UsageError for a name in `without`
    that isn't installed.
    """
    left_out = _left_out(without)
    manager, only = PluginManager(), _restriction()
    discovered = _discovered(manager, only)
    seen = {origin.distribution for origin, _ in discovered} | {p.distribution for p in manager.problems}
    for name in sorted((only or frozenset()) - seen):
        missing = Provenance(name, "?", "?")
        manager._problem(
            missing, "load", "EXPHIL_PLUGINS names it, but it has no plugin installed here", "install it"
        )
    for origin, entry in discovered:
        if origin.distribution in left_out:
            continue
        if EntryPoint.pattern.match(entry.value) is None:
            reason = f"its entry point {entry.name!r} names no module: {entry.value!r}"
            manager._problem(origin, "load", reason)
            continue
        try:
            plugin = entry.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            manager._problem(origin, "load", _said(error))
            continue
        manager.add(plugin, origin)
    return manager
