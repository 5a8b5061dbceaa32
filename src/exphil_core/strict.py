"""Strict cattrs hooks: 2.9 is no whole number, True is no 1, "5" is no 5, an unknown key is an error.

cattrs' default converter would turn each of these into something else without a word.
"""

from __future__ import annotations

import collections.abc
import math
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import cattrs
from cattrs.errors import BaseValidationError


def _integer(value: Any, kind: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not a whole number")
    return value


def _number(value: Any, kind: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number")
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return float(value)


def _boolean(value: Any, kind: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is not true or false")
    return value


def _text(value: Any, kind: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a text")
    return value


def _is_row(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _is_table(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (dict, collections.abc.Mapping)


@cache
def converter() -> cattrs.Converter:
    """The one converter of the package, for settings and for what stands in JSON files."""
    strict = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, hook in ((int, _integer), (float, _number), (bool, _boolean), (str, _text)):
        strict.register_structure_hook(kind, hook)

    def row(value: Any, kind: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError("is not a list")
        kinds = typing.get_args(kind)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        elif len(kinds) != len(value):
            raise ValueError(f"is not a list of {len(kinds)}")
        return tuple(strict.structure(each, item) for each, item in zip(value, kinds, strict=True))

    def table(value: Any, kind: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise ValueError("is not a table of names and values")
        name, item = typing.get_args(kind) or (Any, Any)
        return {strict.structure(key, name): strict.structure(each, item) for key, each in value.items()}

    strict.register_structure_hook_func(_is_row, row)
    strict.register_structure_hook_func(_is_table, table)
    return strict


def _first_reason(error: BaseException) -> str:
    while isinstance(error, BaseValidationError):
        error = error.exceptions[0]
    return str(error)


def structured(value: Any, kind: Any) -> Any:
    """`value` as `kind`; ValueError completes "<setting>: <value> …"."""
    try:
        return converter().structure(value, kind)
    except (BaseValidationError, ValueError, TypeError) as error:
        raise ValueError(_first_reason(error)) from None


def check_kinds(told: Mapping[str, Any], kinds: Mapping[str, Any], where: str = "") -> None:
    """ValueError names the first of `kinds` that `told` lacks or has as something else; `where` stands before it."""
    for name, kind in kinds.items():
        if name not in told:
            raise ValueError(f"{where}{name} is missing")
        try:
            structured(told[name], kind)
        except ValueError as error:
            raise ValueError(f"{where}{name} {error}") from None
