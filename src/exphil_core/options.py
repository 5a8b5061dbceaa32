"""Settings as attrs fields that carry their own help and rule, for the core and for plugins alike.

`check_values` turns text from the command line or values from JSON/TOML into checked values and reports every
problem at once; types are checked by the strict cattrs hooks of `exphil_core.strict`.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any

import attrs

from exphil_core.wording import one_line

METADATA_KEY = "exphil"
_LONGEST_SHOWN = 80


@attrs.frozen(kw_only=True)
class Rule:
    """What values are allowed: `says` completes "must be …". Lists are checked element by element; `some` wants at
    least one."""

    says: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    some: bool = False


@attrs.frozen(kw_only=True)
class OptionInfo:
    """What a setting says of itself. `flag` is its name on the command line (None: not offered there), `negative` the
    flag that turns it off where "no-" in front would not say it well."""

    help: str
    rule: Rule | None = None
    unit: str = ""
    flag: str | None = None
    group: str = ""
    default_text: str | None = None
    parse: Callable[[str], Any] | None = None
    negative: str | None = None


@attrs.frozen(kw_only=True)
class SettingProblem:
    """One wrong setting: where it stands, what was given, what would be right."""

    path: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.value)} {self.reason}"


def _shown(value: object) -> str:
    """`value` in one short line."""
    if isinstance(value, str):
        return f'"{_short(one_line(value))}"'
    return value.isoformat() if isinstance(value, (date, time)) else _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def _shown_name(name: str) -> str:
    """A setting's name as it is, or in quotes if it looks like none."""
    return name if re.fullmatch(r"[\w.-]{1,80}", name) else _shown(name)


def option(
    default: Any = attrs.NOTHING,
    *,
    help: str,
    rule: Rule | None = None,
    unit: str = "",
    flag: str | None = None,
    group: str = "",
    default_text: str | None = None,
    parse: Callable[[str], Any] | None = None,
    negative: str | None = None,
) -> Any:
    """An attrs field that is a setting: its help and rule stand beside it.

    The flag defaults to the field's name with hyphens; `default_text` replaces the default in `--help`;
    `parse` reads a text (say ``2h``) into the value.
    """
    info = OptionInfo(
        help=help,
        rule=rule,
        unit=unit,
        flag=flag,
        group=group,
        default_text=default_text,
        parse=parse,
        negative=negative,
    )
    return attrs.field(default=default, metadata={METADATA_KEY: info}, kw_only=True)


def info_of(field: attrs.Attribute[Any]) -> OptionInfo | None:
    """The setting's description, or None for a plain attrs field."""
    return field.metadata.get(METADATA_KEY)


def some(rule: Rule) -> Rule:
    """The rule for each element of a list that must not be empty."""
    return attrs.evolve(rule, some=True)


def at_least(low: float) -> Rule:
    """A number no smaller than `low`."""
    return Rule(says=f"at least {low}", holds=lambda value: value >= low)


def positive() -> Rule:
    """A number above zero."""
    return Rule(says="above 0", holds=lambda value: value > 0)


def between(low: float, high: float) -> Rule:
    """A number from `low` to `high`, both included."""
    return Rule(says=f"from {low} to {high}", holds=lambda value: low <= value <= high)


def above(low: float, high: float) -> Rule:
    """A number above `low` and no larger than `high`."""
    return Rule(says=f"above {low} and at most {high}", holds=lambda value: low < value <= high)


def inside(low: float, high: float) -> Rule:
    """A number above `low` and below `high`."""
    return Rule(says=f"above {low} and below {high}", holds=lambda value: low < value < high)


def share() -> Rule:
    """A share from 0 up to, but not, 1."""
    return Rule(says="at least 0 and below 1", holds=lambda value: 0 <= value < 1)


def one_of(*choices: str) -> Rule:
    """One of a few words."""
    return Rule(says=f"one of {', '.join(choices)}", holds=lambda value: value in choices, choices=choices)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds in a text such as ``90``, ``90s``, ``10m``, ``2h`` or ``7d``; ValueError otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError("is not a duration such as 90s, 10m, 2h or 7d")
    return float(match[1]) * _SECONDS[(match[2] or "s").lower()]


def day(text: str) -> str:
    """A date such as ``2024-01-31``; ValueError otherwise."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise ValueError("is not a date such as 2024-01-31") from None


def field_types(cls: type) -> dict[str, Any]:
    """The resolved type of every field."""
    return typing.get_type_hints(cls)


def _split_optional(kind: Any) -> tuple[Any, bool]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(kind) if a is not type(None)]
        if len(inner) == 1:
            return inner[0], len(inner) < len(typing.get_args(kind))
    return kind, False


NUMBER_WORDS = {int: "a whole number", float: "a number"}
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def _scalar_from_text(text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError("is not true or false")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"is not {NUMBER_WORDS[kind]}") from None
    return text


def from_text(text: str, kind: Any, parse: Callable[[str], Any] | None = None) -> Any:
    """The value that `text` spells for a field of type `kind`; ValueError says why it doesn't.

    Sequences are separated by commas; ``none`` spells None where the type allows it, and an empty sequence.
    """
    kind, nullable = _split_optional(kind)
    if nullable and text.lower() == "none":
        return None
    if parse is not None:
        return parse(text)
    if typing.get_origin(kind) is tuple:
        if text.strip().lower() == "none":
            return ()
        item = typing.get_args(kind)[0]
        return tuple(_scalar_from_text(part.strip(), item) for part in text.split(","))
    return _scalar_from_text(text, kind)


def _as_text(value: Any, kind: Any, info: OptionInfo | None) -> Any:
    """The text of a whole number or of TOML's own date, where a text of some form is wanted: ``save_every = 500``
    and ``since = 2024-01-31`` say what they mean."""
    formed = info is not None and (info.parse or info.rule) and _split_optional(kind)[0] is str
    if not formed or isinstance(value, bool) or not isinstance(value, (int, date)):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def _text_problem(value: Any) -> str | None:
    """An empty text is an unset shell variable more often than a wish; NUL is in no name of a file."""
    if isinstance(value, str) and not value.strip():
        return "is empty"
    return "holds a NUL character" if isinstance(value, str) and "\0" in value else None


def rule_problem(value: Any, rule: Rule | None) -> str | None:
    """Why `value` breaks `rule` (None where it holds). Every element of a tuple must keep it."""
    if rule is None or value is None:
        return None
    if rule.some and value == ():
        return "must not be empty"
    for element in value if isinstance(value, tuple) else (value,):
        if not rule.holds(element):
            near = difflib.get_close_matches(str(element).lower(), rule.choices, n=1)
            return f"must be {rule.says}" + (f' (did you mean "{near[0]}"?)' if near else "")
    return None


def _problem(value: Any, rule: Rule | None) -> tuple[Any, str] | None:
    """What of `value` is wrong, the element that is or all of it, and why; None if nothing is."""
    parts = value if isinstance(value, tuple) and value else (value,)
    found = ((part, _text_problem(part) or rule_problem(part, rule)) for part in parts)
    return next(((part, reason) for part, reason in found if reason), None)


def check_values(
    cls: type, values: Mapping[str, Any], prefix: str = "", texts: bool = False
) -> tuple[dict[str, Any], list[SettingProblem]]:
    """Check `values` against the fields of the attrs class `cls`, reporting every problem at once.

    With `texts`, string values come from the command line and are parsed first. Returns the good values and
    the problems; a missing value is no problem (it has a default or an earlier layer gives it).
    """
    from exphil_core.strict import structured  # cattrs takes 0.1 s to import; listings never come here

    kinds, known = field_types(cls), attrs.fields_dict(cls)
    good: dict[str, Any] = {}
    problems: list[SettingProblem] = []
    for name, value in values.items():
        path = f"{prefix}{name}"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'is not a setting (did you mean "{near[0]}"?)' if near else "is not a setting"
            path = f"{prefix}{_shown_name(name)}"
            problems.append(SettingProblem(path=path, value=value, reason=hint))
            continue
        info = info_of(known[name])
        try:
            given = _as_text(value, kinds[name], info)
            if isinstance(given, str) and (texts or (info and info.parse)):
                given = from_text(given, kinds[name], info.parse if info else None)
            checked = structured(given, kinds[name])
        except ValueError as error:
            problems.append(SettingProblem(path=path, value=value, reason=str(error)))
            continue
        wrong = _problem(checked, info.rule if info else None)
        if wrong:
            problems.append(SettingProblem(path=path, value=wrong[0], reason=wrong[1]))
        else:
            good[name] = checked
    return good, problems
