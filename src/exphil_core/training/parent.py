"""The model that a run starts from: what its own entry says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Parent:
    """`epochs` are all that the parent has behind it; `continued` those of them that stand in this run's own history,
    which is so where a finished run goes on."""

    id: str
    epochs: int
    training_type: str
    continued: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the run's states."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Parent | None:
        """Read back what `as_json` wrote."""
        return cls(**value) if value is not None else None
