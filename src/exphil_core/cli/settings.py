"""Flags made from the settings' schema: each field of `TrainConfig` is one, with its help, default and unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs
import click

from exphil_core.options import OptionInfo, field_types, info_of

# Shells expand globs themselves: these flags take all words up to the next flag.
GREEDY = ("replays",)
# Lists whose elements may hold commas: one element each time the flag is given.
WHOLE = (*GREEDY, "player")
# Repeatable key=value settings.
PAIRS = ("backbone_options", "log_options")
NOTHING: Mapping[str, str] = {}


def flag_of(name: str, info: OptionInfo) -> str:
    """The flag's name, without dashes in front."""
    return info.flag or name.replace("_", "-")


def default_text(field: attrs.Attribute[Any], info: OptionInfo) -> str:
    """What `--help` shows as the default."""
    if info.default_text is not None:
        return info.default_text
    value = field.default
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def setting_flags(
    cls: type,
    names: Collection[str] | None = None,
    *,
    helps: Mapping[str, str] = NOTHING,
    defaults: Mapping[str, str] = NOTHING,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds a flag for every setting of the attrs class `cls` (or for those in `names`), in its
    order. `helps` and `defaults` replace what is said of some of them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        kinds = field_types(cls)
        for field in reversed(attrs.fields(cls)):
            info = info_of(field)
            if info is not None and (names is None or field.name in names):
                info = attrs.evolve(
                    info,
                    help=helps.get(field.name, info.help),
                    default_text=defaults.get(field.name, info.default_text),
                )
                command = _flag(field, info, kinds[field.name])(command)
        return command

    return decorate


def _flag(field: attrs.Attribute[Any], info: OptionInfo, kind: Any) -> Callable[..., Any]:
    name, help = flag_of(field.name, info), f"{info.help}  [{default_text(field, info)}]"
    if "bool" in str(kind):
        negative = info.negative or f"no-{name}"
        return click.option(f"--{name}/--{negative}", field.name, default=None, help=help)
    repeated = "tuple" in str(kind) or field.name in PAIRS
    metavar = "PATH…" if field.name in GREEDY else _metavar(info, kind, field.name)
    # Text on purpose: our own validation reports every wrong setting at once.
    return click.option(
        f"--{name}",
        field.name,
        type=str,
        multiple=repeated,
        default=None,
        metavar=metavar,
        help=help,
    )


def _metavar(info: OptionInfo, kind: Any, name: str) -> str:
    if name in PAIRS:
        return "NAME=VALUE"
    if info.rule is not None and info.rule.choices:
        return "|".join(info.rule.choices)
    if info.unit:
        return info.unit.upper()
    if info.parse is not None:
        return "DURATION"
    words = str(kind)
    if "int" in words:
        return "N,N…" if "tuple" in words else "N"
    return "NUMBER" if "float" in words else "TEXT"


def given_flags(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user typed, as texts for `check_values`; repeated flags are joined."""
    given: dict[str, Any] = {}
    for field in attrs.fields(cls):
        value = values.get(field.name)
        if value is None or value == ():
            continue
        if field.name in PAIRS:
            given[field.name] = dict(_pair(text) for text in value)
        elif isinstance(value, tuple):
            given[field.name] = value if field.name in WHOLE else ",".join(value)
        else:
            given[field.name] = value
    return given


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f'"{text}" must look like name=value')
    return key.strip(), value.strip()


def spread_greedy(args: list[str], flags: tuple[str, ...] = ("--replays",)) -> list[str]:
    """Repeat a greedy flag before each of its words: `--replays a b` becomes `--replays a --replays b`."""
    spread: list[str] = []
    current: str | None = None
    for index, word in enumerate(args):
        if word == "--":
            return [*spread, *args[index:]]
        if word in flags:
            current = word
            if index + 1 == len(args) or args[index + 1].startswith("-"):
                spread.append(word)  # click says that a value is missing
        elif word.startswith("-") and len(word) > 1:
            current = None
            spread.append(word)
        elif current is not None:
            spread += [current, word]
        else:
            spread.append(word)
    return spread
