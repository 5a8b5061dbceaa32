"""The contract of naming schemes, and names that collide with nothing.

A name (stem) is a relative POSIX path without ending. It is taken before training starts, by creating its
empty `{stem}_metrics.jsonl` while holding the registry's lock; a run in progress is a stem with that file and
no registry entry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import attrs

from exphil_core.checkpoints import journal
from exphil_core.checkpoints.files import METRICS, sibling, stem_of, walk
from exphil_core.checkpoints.paths import ARCHIVE, folded, identity, inside, stem_problem
from exphil_core.checkpoints.registry import Registry
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import CORE_DISTRIBUTION, PluginManager

Version = tuple[int, int]
MAX_COPIES = 10_000


@attrs.frozen(kw_only=True)
class NameFields:
    """What a name may be made of. `created_at` is UTC; `window_size` None for models without memory.

    `val_loss` is None until the run is over; `version` is given to schemes that ask for one.
    """

    character: str | None
    backbone: str
    hidden_sizes: tuple[int, ...]
    window_size: int | None
    created_at: datetime
    val_loss: float | None = None
    version: Version | None = None


class NamingScheme(Protocol):
    """How models are called.

    `needs_loss`: the name holds `val_loss`; until that is known the run has the timestamp scheme's name.
    `needs_version`: the name holds `version`, for which the core chooses the next one free.
    """

    needs_loss: bool
    needs_version: bool

    def stem(self, fields: NameFields) -> str:
        """The name: relative, POSIX, safe on Windows; `/` makes folders. The core adds `_2` if taken."""
        ...

    def parse(self, stem: str) -> dict[str, object] | None:
        """The fields that `stem` tells (as `NameFields` has them), or None if it isn't this scheme's."""
        ...


class BadNameError(ExphilError):
    """A naming scheme gave something that can't be a name."""


@attrs.frozen(kw_only=True)
class NamedScheme:
    """A scheme with its name and the distribution to blame."""

    name: str
    distribution: str
    scheme: NamingScheme

    def stem(self, fields: NameFields) -> str:
        """The scheme's checked stem. Raises BadNameError, naming its distribution, whatever it did."""
        try:
            stem: object = self.scheme.stem(fields)
        except Exception as error:
            raise self._bad(f"raised {type(error).__name__}: {' '.join(str(error).split())}") from error
        problem = stem_problem(stem)
        if problem:
            raise self._bad(f"gave the name {str(stem)[:200]!r}, which {problem}")
        return str(stem)

    def parse(self, stem: str) -> dict[str, object] | None:
        """What the scheme reads in `stem`; None where it can't."""
        try:
            fields = self.scheme.parse(stem)
        except Exception as error:
            raise self._bad(f'raised {type(error).__name__} reading "{stem}"') from error
        return fields if isinstance(fields, dict) else None

    def _bad(self, reason: str) -> BadNameError:
        return BadNameError(
            f'naming scheme "{self.name}" of {self.distribution} {reason}; '
            "use another --naming, say timestamp"
        )


def load_scheme(manager: PluginManager, name: str) -> NamedScheme:
    """The registered scheme `name`. Its factory is called without arguments, or is the scheme itself."""
    entry = manager.get("exphil_naming_schemes", name)
    loaded: Any = manager.load(entry.spec.factory, entry.origin)
    scheme = loaded() if callable(loaded) else loaded
    return NamedScheme(name=entry.spec.name, distribution=entry.origin.distribution, scheme=scheme)


def _provisional() -> NamedScheme:
    from exphil_core.checkpoints.schemes import Timestamp

    return NamedScheme(name="timestamp", distribution=CORE_DISTRIBUTION, scheme=Timestamp())


def reserve_stem(folder: Path, scheme: NamedScheme, fields: NameFields, bump: str = "minor") -> str:
    """Take a name for a run that begins: nobody else gets it, nothing that exists is overwritten.

    Creates `folder` and the empty `{stem}_metrics.jsonl`. A scheme that needs the loss gets the timestamp
    scheme's name for now, see `finish_stem`; one that needs a version gets the next one after `bump`.
    """
    if getattr(scheme.scheme, "needs_loss", False):
        scheme = _provisional()
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry(folder)
    with registry.lock():
        stem = _wanted(registry, scheme, fields, bump)
        return claim(registry, stem)


def claim(registry: Registry, wanted: str) -> str:
    """Take `wanted` or, if it is in use, the first of `wanted_2`, `wanted_3` … that isn't; hold the lock."""
    registry.create()
    stem = _free(registry, wanted)
    path = inside(registry.folder, sibling(stem, METRICS))
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return stem


def finish_stem(folder: Path, scheme: NamedScheme, fields: NameFields, stem: str) -> str:
    """The name that a finished run's model gets; its files, still unregistered, are renamed to it.

    `fields` now hold the best `val_loss`. Write the config file and register only afterwards, under the name
    that this returns; for schemes that don't need the loss it is `stem` itself.
    """
    if not getattr(scheme.scheme, "needs_loss", False):
        return stem
    registry = Registry(folder)
    with registry.lock():
        wanted = _wanted(registry, scheme, fields, "minor")
        if stem == wanted:
            return stem  # renamed before, and resumed since
        final = _free(registry, wanted)
        # Unregistered before and after: a kill in between leaves it under the old name, to be resumed.
        journal.transact(folder, [journal.intent(folder, identity(stem), stem, final)], commit=lambda: None)
    return final


def _wanted(registry: Registry, scheme: NamedScheme, fields: NameFields, bump: str) -> str:
    if getattr(scheme.scheme, "needs_version", False):
        version = next_version(set(known_stems(registry)), scheme, fields, bump)
        fields = attrs.evolve(fields, version=version)
    return scheme.stem(fields)


def _free(registry: Registry, wanted: str) -> str:
    # Ids, not stems: `fox/gru_1` and `fox_gru_1` have the same id; a case apart, files are one on Windows.
    taken = {folded(identity(stem)) for stem in known_stems(registry)}
    numbers = range(2, MAX_COPIES + 1)
    for stem in (wanted, *(f"{wanted}_{number}" for number in numbers)):
        if folded(identity(stem)) not in taken:
            return stem
    raise ExphilError(f'"{wanted}" and {MAX_COPIES - 1} names after it are taken in {registry.folder}')


def known_stems(registry: Registry) -> Iterator[str]:
    """Every stem in use: registered, on disk or being trained; archived ones as they were called before."""
    for entry in registry.models():
        yield _before_archiving(stem_of(entry.path) or entry.id)
        yield entry.id
    for relative in walk(registry.folder):
        yield _before_archiving(stem_of(relative) or relative)


def _before_archiving(stem: str) -> str:
    return stem.removeprefix(f"{ARCHIVE}/")


def next_version(stems: set[str], scheme: NamedScheme, fields: NameFields, bump: str) -> Version:
    """The version after the highest of the same family (the scheme's name differs in its version alone)."""
    if bump not in ("major", "minor"):
        raise ValueError(f'bump is "{bump}", neither major nor minor')
    taken: list[Version] = []
    for stem in stems:
        version = (scheme.parse(stem) or {}).get("version")
        if not (isinstance(version, tuple) and len(version) == 2 and all(type(n) is int for n in version)):
            continue
        if folded(scheme.stem(attrs.evolve(fields, version=version))) == folded(stem):
            taken.append(version)
    if not taken:
        return (1, 0)
    major, minor = max(taken)
    return (major + 1, 0) if bump == "major" else (major, minor + 1)
