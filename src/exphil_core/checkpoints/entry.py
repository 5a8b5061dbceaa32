"""One model as the registry knows it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from exphil_core.checkpoints.files import CONFIG, POLICY, WEIGHTS, sibling
from exphil_core.checkpoints.paths import ARCHIVE, identity, stem_problem
from exphil_core.wording import one_line

TRAINING_TYPES = ("imitation", "fine_tune", "ppo", "self_play")

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
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


@attrs.frozen(kw_only=True, slots=False)
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

    @property
    def stem(self) -> str:
        """What its files have in common, `archive/` included once it is archived."""
        return self.path[: -len(WEIGHTS)]


def places(stem: str) -> dict[str, Any]:
    """The fields that follow from where a model stands: ``ModelEntry(**places(stem), …)``."""
    return {
        "id": identity(stem.removeprefix(f"{ARCHIVE}/")),
        "path": sibling(stem, WEIGHTS),
        "policy_path": sibling(stem, POLICY),
        "config_path": sibling(stem, CONFIG),
        "archived": stem.startswith(f"{ARCHIVE}/"),
    }


def relocated(entry: ModelEntry, stem: str) -> ModelEntry:
    """The entry after its files have moved to `stem`."""
    moved = places(stem)
    if entry.policy_path is None:
        moved["policy_path"] = None
    return attrs.evolve(entry, **moved)


FIELDS: tuple[str, ...] = tuple(field.name for field in attrs.fields(ModelEntry))


def entry_to_json(entry: ModelEntry) -> dict[str, Any]:
    """The entry as it stands in the registry and in the model's config file."""
    # attrs.asdict would take ten times as long, and there may be ten thousand.
    return {**vars(entry), "hidden_sizes": list(entry.hidden_sizes), "tags": list(entry.tags)}


def utc_text(moment: datetime) -> str:
    """A moment as entries store it; a time without a zone counts as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_utc(text: str) -> datetime:
    """The moment that `utc_text` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def games_digest(held_out: Iterable[str]) -> str:
    """Short digest of what was held out, whatever its order: equal digests make losses comparable.

    Give each game's content hash; where only some sides of it were scored, add them (``"9f2c…:1"``).
    """
    return hashlib.sha256("\n".join(sorted(set(held_out))).encode()).hexdigest()[:16]


def tag_problem(tag: str) -> str | None:
    """Why `tag` can't be given to a model, or None. Those that files hold may be worse."""
    fits = _TAG.fullmatch(tag) and one_line(tag) == tag
    return None if fits else "must be 1 to 64 characters that can be shown, without spaces and commas"


# `registry list` reads ten thousand models, hence no cattrs below. The types of a model's fields are looked up at
# once among the combinations that were right before; values are tested by columns, where most are the same.


def entry_from_json(value: object) -> ModelEntry:
    """Read an entry from a file that anyone may have written. ValueError says what is wrong with it."""
    return entries_from_json([value])[0]


def entries_from_json(values: Iterable[object]) -> list[ModelEntry]:
    """Read many. ValueError names the first model that is wrong, and what is wrong with it."""
    rows = [_shaped(value) for value in values]
    columns = zip(*(row.values() for row in rows), strict=True)
    for name, column in zip(FIELDS, columns, strict=False):
        holds = _RULES[name].holds
        if holds is None:
            continue
        for content in _distinct(column):
            if content is not None and not holds(content):
                raise _wrong(next(row for row in rows if row[name] is content), name)
    return [_built(row) for row in rows]


def _shaped(value: object) -> dict[str, Any]:
    """The fields in their order, each of a type that may stand there."""
    if not isinstance(value, dict):
        raise ValueError("a model is not an object")
    if tuple(value) != FIELDS:
        value = _in_order(value)
    kinds = tuple(map(type, value.values()))
    if kinds not in _good_kinds:
        for name, kind in zip(FIELDS, kinds, strict=True):
            if kind not in _RULES[name].kinds:
                raise _wrong(value, name)
        _good_kinds.add(kinds)
    return value


def _distinct(column: tuple[Any, ...]) -> Iterable[Any]:
    try:
        return set(column)
    except TypeError:
        return column  # lists and objects


def _built(row: dict[str, Any]) -> ModelEntry:
    for name, place in places(row["path"].removesuffix(WEIGHTS)).items():
        if row[name] != place and not (name == "policy_path" and row[name] is None):
            raise ValueError(f"model {row['id']!r}: {name} is {row[name]!r}; by its path it is {place!r}")
    entry = ModelEntry.__new__(ModelEntry)
    fields = vars(entry)  # as ModelEntry(**row), in a third of the time
    fields.update(row)
    for name, convert in _CONVERTERS:
        fields[name] = convert(row[name])
    return entry


def _in_order(value: dict[str, Any]) -> dict[str, Any]:
    odd = sorted(map(str, value.keys() ^ _RULES.keys()))
    if odd:
        raise ValueError(f"model {value.get('id')!r}: unknown or missing {', '.join(odd)}")
    return {name: value[name] for name in FIELDS}


def _wrong(value: dict[str, Any], name: str) -> ValueError:
    shown = str(value[name])[:100]
    return ValueError(f"model {str(value['id'])[:100]!r}: {name} is {shown!r}, not {_RULES[name].says}")


@attrs.frozen
class _Rule:
    """What may stand in a field: the types, and what holds for values other than null."""

    says: str
    kinds: tuple[type, ...]
    holds: Callable[[Any], object] | None = None


def _weights(path: str) -> bool:
    return stem_problem(path.removeprefix(f"{ARCHIVE}/").removesuffix(WEIGHTS)) is None


def _moment(value: str) -> bool:
    if not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:-1])  # a tenth of the time of read_utc
    except ValueError:
        return False
    return True


def _widths(value: list[Any]) -> bool:
    return all(type(width) is int and width in _COUNTS for width in value)


def _tag_list(value: list[Any]) -> bool:
    return all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in value)


def _texts(value: dict[str, Any]) -> bool:
    return all(isinstance(text, str) for text in value.values())


_NULL = type(None)
_COUNTS = range(2**63)
_WORDS = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,400}")

_name = _Rule("a name", (str,), _WORDS.fullmatch)
_count = _Rule("a whole number", (int,), _COUNTS.__contains__)
_flag = _Rule("true or false", (bool,))
_table = _Rule("an object of texts", (dict,), _texts)


def _or_null(rule: _Rule) -> _Rule:
    return _Rule(f"{rule.says} or null", (*rule.kinds, _NULL), rule.holds)


_RULES: dict[str, _Rule] = {
    "id": _Rule("an id", (str,)),  # these three follow from `path`
    "path": _Rule("a model's path inside the folder", (str,), _weights),
    "policy_path": _Rule("a path or null", (str, _NULL)),
    "config_path": _Rule("a path", (str,)),
    "created_at": _Rule("a UTC time", (str,), _moment),
    "character": _or_null(_name),
    "backbone": _name,
    "temporal": _flag,
    "hidden_sizes": _Rule("a list of whole numbers", (list,), _widths),
    "window_size": _or_null(_count),
    "epochs": _count,
    "training_frames": _or_null(_count),
    "val_loss": _Rule("a number or null", (float, int, _NULL), math.isfinite),
    "parent_model": _or_null(_name),
    "tags": _Rule("a list of tags", (list,), _tag_list),
    "training_type": _Rule(f"one of {', '.join(TRAINING_TYPES)}", (str,), TRAINING_TYPES.__contains__),
    "inherited_epochs": _count,
    "total_epochs": _count,
    "sha256": _table,
    "plugins": _table,
    "archived": _flag,
    "schema": _or_null(_name),
    "delay": _or_null(_count),
    "validation_games": _or_null(_name),
}
_CONVERTERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("hidden_sizes", _row),
    ("val_loss", _finite),
    ("tags", _tags),
    ("sha256", _sorted),
    ("plugins", _sorted),
)
_good_kinds: set[tuple[type, ...]] = set()
