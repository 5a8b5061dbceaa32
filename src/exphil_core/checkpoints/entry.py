"""One model as the registry knows it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from exphil_core.checkpoints.paths import relative_problem

TRAINING_TYPES = ("imitation", "fine_tune", "ppo", "self_play")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TAG = re.compile(r"[^\s,\x00-\x1f\x7f]{1,64}")


def _finite(value: float | None) -> float | None:
    """JSON has no NaN: a loss that isn't a number counts as unknown."""
    return float(value) if value is not None and math.isfinite(value) else None


def _tags(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(value)))


def _row(value: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value)


def _sorted(value: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(value.items()))


@attrs.frozen(kw_only=True)
class ModelEntry:
    """A registered model. Paths are POSIX and relative to the registry's folder.

    `created_at` is UTC (``2026-01-19T12:34:56Z``). Losses compare only between models of one observation
    `schema`, one `delay` and one set of held-out frames, of which `validation_games` is the digest. `sha256`
    holds "weights" and "policy"; `plugins` the versions of the distributions that took part. `total_epochs`
    adds what the ancestors trained to `epochs`.
    """

    id: str
    path: str
    policy_path: str | None = None
    config_path: str
    created_at: str
    character: str | None = None
    backbone: str
    temporal: bool
    hidden_sizes: tuple[int, ...] = attrs.field(converter=_row)
    window_size: int | None = None
    epochs: int
    training_frames: int | None = None
    val_loss: float | None = attrs.field(default=None, converter=_finite)
    parent_model: str | None = None
    tags: tuple[str, ...] = attrs.field(default=(), converter=_tags)
    training_type: str = "imitation"
    inherited_epochs: int = 0
    total_epochs: int = attrs.field(
        default=attrs.Factory(lambda self: self.inherited_epochs + self.epochs, takes_self=True)
    )
    sha256: dict[str, str] = attrs.field(factory=dict, converter=_sorted)
    plugins: dict[str, str] = attrs.field(factory=dict, converter=_sorted)
    archived: bool = False
    schema: str | None = None
    delay: int | None = None
    validation_games: str | None = None


FIELDS: tuple[str, ...] = tuple(field.name for field in attrs.fields(ModelEntry))


def entry_to_json(entry: ModelEntry) -> dict[str, Any]:
    """The entry as it stands in the registry and in the model's config file."""
    # Ten thousand at a time: attrs.asdict would take ten times as long.
    value = {name: getattr(entry, name) for name in FIELDS}
    value["hidden_sizes"], value["tags"] = list(entry.hidden_sizes), list(entry.tags)
    return value


def entry_from_json(value: object) -> ModelEntry:
    """Read an entry from a file that anyone may have written. ValueError says what is wrong with it."""
    if not isinstance(value, dict):
        raise ValueError("a model is not an object")
    if value.keys() != _CHECKS.keys():
        odd = sorted(map(str, value.keys() ^ _CHECKS.keys()))
        raise ValueError(f"model {value.get('id')!r}: unknown or missing {', '.join(odd)}")
    for name, (holds, says) in _CHECKS.items():
        if not holds(value[name]):
            raise ValueError(f"model {value['id']!r}: {name} is {value[name]!r}, not {says}")
    return ModelEntry(**value)


def utc_text(moment: datetime) -> str:
    """A moment as entries store it; a time without a zone counts as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def games_digest(held_out: Iterable[str]) -> str:
    """Short digest of what was held out, whatever its order: equal digests make losses comparable.

    Give each game's content hash; where only some sides of it were scored, add them (``"9f2c…:1"``).
    """
    return hashlib.sha256("\n".join(sorted(set(held_out))).encode()).hexdigest()[:16]


def tag_problem(tag: str) -> str | None:
    """Why `tag` can't be one, or None."""
    return None if _TAG.fullmatch(tag) else "must be 1 to 64 characters without spaces or commas"


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 400 and value.isprintable()


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _path(value: object) -> bool:
    return isinstance(value, str) and relative_problem(value) is None


def _identifier(value: object) -> bool:
    return isinstance(value, str) and "/" not in value and relative_problem(value) is None


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    )


def _row_of(item: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(item, value))


def _or_null(holds: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or holds(value)


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _tag(value: object) -> bool:
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def _boolean(value: object) -> bool:
    return value is True or value is False


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "id": (_identifier, "an id"),
    "path": (_path, "a relative path inside the folder"),
    "policy_path": (_or_null(_path), "a relative path inside the folder"),
    "config_path": (_path, "a relative path inside the folder"),
    "created_at": (lambda v: isinstance(v, str) and _TIME.fullmatch(v) is not None, "a UTC time"),
    "character": (_or_null(_text), "a name or null"),
    "backbone": (_text, "a name"),
    "temporal": (_boolean, "true or false"),
    "hidden_sizes": (_row_of(_count), "a list of whole numbers"),
    "window_size": (_or_null(_count), "a whole number or null"),
    "epochs": (_count, "a whole number"),
    "training_frames": (_or_null(_count), "a whole number or null"),
    "val_loss": (_or_null(_number), "a number or null"),
    "parent_model": (_or_null(_identifier), "an id or null"),
    "tags": (_row_of(_tag), "a list of tags"),
    "training_type": (lambda v: v in TRAINING_TYPES, f"one of {', '.join(TRAINING_TYPES)}"),
    "inherited_epochs": (_count, "a whole number"),
    "total_epochs": (_count, "a whole number"),
    "sha256": (_texts, "an object of texts"),
    "plugins": (_texts, "an object of texts"),
    "archived": (_boolean, "true or false"),
    "schema": (_or_null(_text), "a name or null"),
    "delay": (_or_null(_count), "a whole number or null"),
    "validation_games": (_or_null(_text), "a digest or null"),
}
