"""Two models side by side: settings, results, data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from exphil_core.checkpoints.config_file import entry_of
from exphil_core.checkpoints.leaderboard import rank

LEFT_OUT = ("history", "origins")  # as long as the run


@attrs.frozen(kw_only=True)
class Row:
    """One value of both models. A list is given by its length where it is long."""

    section: str
    name: str
    first: Any
    second: Any

    @property
    def differs(self) -> bool:
        """Whether the two have different values."""
        return bool(self.first != self.second)


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Row]:
    """Rows for every model field, setting, result and figure of the data in two config files' contents."""
    rows: list[Row] = []
    for section in ("model", "config", "results", "data"):
        left, right = _flat(first.get(section)), _flat(second.get(section))
        for name in dict.fromkeys([*left, *right]):
            rows.append(Row(section=section, name=name, first=left.get(name), second=right.get(name)))
    return rows


def why_not_comparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """Why the two losses say nothing about which model is better, or None."""
    one, other = entry_of(dict(first), "the first model"), entry_of(dict(second), "the second model")
    ranking = rank([one, other])
    return "; ".join(f"{entry.id} {reason}" for entry, reason in ranking.apart) or None


def _flat(value: object, prefix: str = "") -> dict[str, Any]:
    """Nested objects as `outer.inner`."""
    if not isinstance(value, Mapping):
        return {}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if name in LEFT_OUT:
            continue
        if isinstance(inner, Mapping) and inner:
            flat |= _flat(inner, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat
