"""The conformance suite of naming schemes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs

from exphil_core.checkpoints.naming import NameFields, NamingScheme, Version
from exphil_core.checkpoints.paths import stem_problem
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import NamingSchemeSpec
from exphil_core.testing.subject import claim, factory_of, find, said

HOOK = "exphil_naming_schemes"
Widths = tuple[int, ...]
MOMENT = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
FIELDS = frozenset(field.name for field in attrs.fields(NameFields))
# What a scheme may report beside the fields: the number that the core adds to a name that is taken.
COPY = "copy"

# Names that others gave, and no names at all.
FOREIGN = (
    "", "x", "_", "a/b/c", "..", "v", "_2", "mamba_2", "mamba_20260119_123456", "mewtwo/mamba_20260119_123456",
    "mewtwo_mamba_v1.0", "mamba_99999999_999999", "mamba_h0x_w_20260119_123456", "mamba_20260119_123456_lossnan",
    "архив/模型", "a" * 500, "a_" * 100, "\n", "model.safetensors",
)  # fmt: skip


def check_naming_scheme(scheme: NamingSchemeSpec | str, *, manager: PluginManager | None = None) -> None:
    """Check a naming scheme: for any fields (no character, unequal widths, a loss that isn't a number) it gives a
    name that is safe everywhere, twice the same; it reads back what it wrote; odd fields and names that others
    gave don't upset it; and its names hold `val_loss` and `version` if and only if it says so.
    """
    entry = find(HOOK, scheme, manager)
    who = f"naming scheme {entry.spec.name}"
    loaded: Any = factory_of(who, entry.spec.factory)
    subject = _Subject(who=who, scheme=_made(who, loaded), other=_made(who, loaded))
    for flag in ("needs_loss", "needs_version"):
        value = getattr(subject.scheme, flag, False)
        claim(isinstance(value, bool), f"{who}: {flag} must be True or False, not {value!r}")
    for fields, plain in _likely_fields():
        stem = _claim_stem(subject, fields)
        _claim_read_back(subject, fields, stem, plain)
        _claim_copy(subject, stem)
    _claim_needs(subject)
    for stem in FOREIGN:
        subject.parse(stem)
    for fields in _odd_fields():
        subject.stem(fields)


def _made(who: str, loaded: Any) -> NamingScheme:
    try:
        scheme: NamingScheme = loaded() if callable(loaded) else loaded
    except Exception as error:
        raise AssertionError(f"{who}: its factory raised {said(error)}") from error
    for method in ("stem", "parse"):
        claim(callable(getattr(scheme, method, None)), f"{who}: what its factory gives has no {method}(…)")
    return scheme


@attrs.frozen(eq=False)
class _Subject:
    who: str
    scheme: NamingScheme
    other: NamingScheme

    def stem(self, fields: NameFields, scheme: NamingScheme | None = None) -> str:
        try:
            return (scheme or self.scheme).stem(fields)
        except Exception as error:
            raise AssertionError(f"{self.who}: stem raised {said(error)} for {fields}") from error

    def parse(self, stem: str) -> dict[str, Any] | None:
        try:
            read: Any = self.scheme.parse(stem)
        except Exception as error:
            raise AssertionError(f'{self.who}: parse raised {said(error)} for "{stem}"') from error
        if read is None:
            return None
        claim(isinstance(read, dict), f'{self.who}: parse gave {read!r} for "{stem}", not a dict or None')
        unknown = sorted(set(read) - FIELDS - {COPY})
        claim(not unknown, f'{self.who}: parse("{stem}") tells {", ".join(unknown)}, no field of a name')
        return dict(read)


def _likely_fields() -> Iterator[tuple[NameFields, bool]]:
    """Fields as training has them, and whether a name can tell all of them as they are."""
    characters = (None, "mewtwo", "gameandwatch")
    backbones = ("mamba", "sliding_window", "gru-v2")
    shapes: tuple[tuple[Widths, int | None], ...] = (((64, 64), 60), ((256,), None), ((64, 32, 16), 90))
    results: tuple[tuple[float | None, Version | None], ...] = (
        (None, None),
        (1.2345, (1, 0)),
        (-0.5, (12, 34)),
    )
    every = itertools.product(characters, backbones, shapes, results)
    for character, backbone, (hidden, window), (loss, version) in every:
        yield _fields(character, backbone, hidden, window, loss, version), True
    # A good name for a backbone, but not for a folder on Windows.
    yield _fields("fox", "nul", (64,), 60, 1.0, (1, 0)), False
    for loss in (float("nan"), float("inf"), 1e300, 0.0):
        yield _fields("fox", "gru", (64,), 1, loss, (0, 0)), False


def _odd_fields() -> Iterator[NameFields]:
    """Fields that no run has. The core refuses an unsafe name, but it has to get one."""
    for word in ("Mr. Game & Watch", "..", "", "ポケモン", "a" * 300, "any", "x/y\\z", "-_."):
        yield _fields(word, "mamba", (64,), None, 1.0, (1, 0))
        yield _fields("fox", word, (), 60, 1.0, (1, 0))
    usual = _fields("fox", "gru", (64,), None, 1.0, (1, 0))
    yield attrs.evolve(usual, created_at=MOMENT.replace(tzinfo=None))
    yield attrs.evolve(usual, created_at=MOMENT.astimezone(timezone(timedelta(hours=9))))


def _fields(
    character: str | None,
    backbone: str,
    hidden: Widths,
    window: int | None,
    loss: float | None,
    version: Version | None,
) -> NameFields:
    return NameFields(
        character=character,
        backbone=backbone,
        hidden_sizes=hidden,
        window_size=window,
        created_at=MOMENT,
        val_loss=loss,
        version=version,
    )


def _claim_stem(subject: _Subject, fields: NameFields) -> str:
    stem = subject.stem(fields)
    problem = stem_problem(stem)
    claim(problem is None, f"{subject.who} gave the name {str(stem)[:200]!r}, which {problem}, for {fields}")
    for scheme in (subject.scheme, subject.other):
        again = subject.stem(fields, scheme)
        claim(again == stem, f'{subject.who} is not deterministic: "{stem}", then "{again}" for {fields}')
    return stem


def _claim_read_back(subject: _Subject, fields: NameFields, stem: str, plain: bool) -> None:
    read = subject.parse(stem)
    if read is None:
        raise AssertionError(f'{subject.who} does not recognise its own name "{stem}"')
    claim(COPY not in read, f'{subject.who} takes "{stem}" for a copy')
    told: NameFields = attrs.evolve(fields, **read)
    again = subject.stem(told)
    claim(again == stem, f'{subject.who} reads {read} in "{stem}", which it would call "{again}"')
    for name, value in read.items() if plain else ():
        claim(
            _agree(name, value, getattr(fields, name)),
            f'{subject.who} reads {name} as {value!r} in "{stem}"; it was {getattr(fields, name)!r}',
        )


def _agree(name: str, read: Any, written: Any) -> bool:
    if name == "created_at":
        return isinstance(read, datetime) and read.tzinfo is not None and abs(read - written).days == 0
    if name == "val_loss" and isinstance(read, float) and written is not None:
        return bool(abs(read - written) < 0.5 + 0.1 * abs(written))  # a name may round as it likes
    # Where neither was known yet, the name says something all the same.
    return bool(read == written) or (written is None and name in ("val_loss", "version"))


def _claim_copy(subject: _Subject, stem: str) -> None:
    """The core adds `_2` to a name that is taken: read the same in it, or nothing."""
    own, copied = subject.parse(stem), subject.parse(f"{stem}_2")
    if own is None or copied is None:
        return
    told = {name: value for name, value in copied.items() if name != COPY}
    claim(
        told == own or _has_nan(own),
        f'{subject.who} reads {told} in "{stem}_2", the second model of the name "{stem}", where it reads {own}',
    )


def _has_nan(fields: dict[str, Any]) -> bool:
    return any(bool(value != value) for value in fields.values())


def _claim_needs(subject: _Subject) -> None:
    base = _fields("fox", "gru", (64,), 60, 1.25, (1, 0))
    changed = {
        ("needs_loss", "val_loss"): attrs.evolve(base, val_loss=7.75),
        ("needs_version", "version"): attrs.evolve(base, version=(3, 5)),
    }
    for (flag, name), other in changed.items():
        differs = subject.stem(base) != subject.stem(other)
        needs = getattr(subject.scheme, flag, False)
        claim(not differs or needs, f"{subject.who} puts {name} into names: set {flag} = True")
        claim(differs or not needs, f"{subject.who} has {flag} = True, but its names don't hold {name}")
    if getattr(subject.scheme, "needs_version", False):
        read = subject.parse(subject.stem(base)) or {}
        claim(
            read.get("version") == (1, 0),
            f"{subject.who} needs a version, so parse must tell it: (1, 0), not {read.get('version')!r}",
        )
