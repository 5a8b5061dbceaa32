"""The observation, column by column. Models store it and refuse data of another.

Floats are scaled to about -1…1 by a fixed factor; ids go through learned embeddings, never as numbers. What a
replay doesn't record is 0 with the group's `…_known` column at 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from exphil_core.errors import ExphilError
from exphil_core.features.columns import (
    DECIDED_COLUMNS,
    FIGHTERS,
    ITEM_COLUMNS,
    ITEM_SLOTS,
    ITEMS_KNOWN,
    KNOWN_COLUMNS,
    PARTNER_COLUMNS,
    PLACE_COLUMNS,
    RELATIVE_COLUMNS,
    STAGE_COLUMNS,
    STATE_COLUMNS,
    Column,
    IdColumn,
)
from exphil_core.melee.characters import INTERNAL_IDS as CHARACTER_IDS
from exphil_core.melee.stages import INTERNAL_IDS as STAGE_IDS
from exphil_core.melee.stages import STADIUM_FORMS
from exphil_core.specs import CharacterFeatureSpec

# Raised when a column changes its meaning, place or scale.
SCHEMA_VERSION = 3
# Melee's actions, and one more for a partner that isn't there.
ACTION_IDS = 513
ABSENT_ACTION = ACTION_IDS - 1
# Melee's item ids end at 236; two more stand for anything beyond and for an empty slot.
ITEM_IDS, ITEM_STATE_IDS = 242, 32
NO_ITEM = ITEM_IDS - 1
NO_ITEM_STATE = ITEM_STATE_IDS - 1
# So many columns are named of those in which two schemas differ.
NAMED_COLUMNS = 6


@attrs.frozen(kw_only=True)
class ObservationSchema:
    """All columns of an observation, in order; `features` are the character features among them."""

    columns: tuple[Column, ...]
    ids: tuple[IdColumn, ...]
    features: tuple[str, ...]

    @property
    def float_count(self) -> int:
        """Number of floats of an observation."""
        return len(self.columns)

    def as_json(self) -> dict[str, Any]:
        """The schema as it stands in a model's config file."""
        return {
            "version": SCHEMA_VERSION,
            "features": list(self.features),
            "columns": [column.meaning for column in self.columns],
            "ids": [column.meaning for column in self.ids],
            "id": self.identity,
        }

    @property
    def identity(self) -> str:
        """A short text that is equal for equal schemas."""
        content = [SCHEMA_VERSION, *([c.meaning for c in columns] for columns in (self.columns, self.ids))]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{SCHEMA_VERSION}-{digest[:12]}"


def _prefixed(prefix: str, columns: Sequence[Column]) -> list[Column]:
    def renamed(column: Column) -> Column:
        mirror = f"{prefix}_{column.mirror_name}" if column.mirror_name else ""
        return attrs.evolve(column, name=f"{prefix}_{column.name}", mirror_name=mirror)

    return [renamed(column) for column in columns]


def _fighter_columns(who: str) -> list[Column]:
    known = [column for column, _ in KNOWN_COLUMNS]
    return _prefixed(who, [*STATE_COLUMNS, *known, *PLACE_COLUMNS])


def _feature_columns(who: str, feature: CharacterFeatureSpec) -> list[Column]:
    return [
        Column(
            name=f"{who}_{feature.name}_{c.name}".replace("-", "_"),
            unit=f"{c.low:g} to {c.high:g}",
            scale=1.0,
            low=c.low,
            high=c.high,
            mirrored=c.mirrored,
        )
        for c in feature.columns
    ]


def _action(name: str, says: str) -> IdColumn:
    return IdColumn(name=name, size=ACTION_IDS, table="action", says=says)


def _id_columns() -> tuple[IdColumn, ...]:
    slots = [f"{who}_item_{slot}" for who in FIGHTERS for slot in range(ITEM_SLOTS)]
    item: dict[str, Any] = {"mask": "items", "since": "3.6"}
    return (
        *(_action(f"{who}_action", "Melee's action id") for who in FIGHTERS),
        *(_action(f"{who}_partner_action", "Melee's action id; 512 without a partner") for who in FIGHTERS),
        *(
            IdColumn(name=f"{who}_character", size=CHARACTER_IDS, table="character", says="internal id")
            for who in FIGHTERS
        ),
        IdColumn(name="stage", size=STAGE_IDS, table="stage", says="internal id"),
        IdColumn(
            name="form",
            size=len(STADIUM_FORMS),
            table="form",
            says="Pokémon Stadium's form, present or announced: " + ", ".join(STADIUM_FORMS),
            mask="form",
            since="3.18",
            umi="no",
        ),
        *(
            IdColumn(
                name=f"{slot}_type",
                size=ITEM_IDS,
                table="item",
                says="Melee's item id",
                unknown=NO_ITEM,
                **item,
            )
            for slot in slots
        ),
        *(
            IdColumn(
                name=f"{slot}_state",
                size=ITEM_STATE_IDS,
                table="item_state",
                says="the item's own state",
                unknown=NO_ITEM_STATE,
                **item,
            )
            for slot in slots
        ),
    )


def observation_schema(features: Sequence[CharacterFeatureSpec] = ()) -> ObservationSchema:
    """The schema with the columns of these character features, for both fighters each."""
    columns = [
        *(column for who in FIGHTERS for column in _fighter_columns(who)),
        *RELATIVE_COLUMNS,
        *(column for who in FIGHTERS for column in _prefixed(f"{who}_partner", PARTNER_COLUMNS)),
        *STAGE_COLUMNS,
        ITEMS_KNOWN,
        *(
            column
            for who in FIGHTERS
            for slot in range(ITEM_SLOTS)
            for column in _prefixed(f"{who}_item_{slot}", ITEM_COLUMNS)
        ),
        *DECIDED_COLUMNS,
        *(column for who in FIGHTERS for feature in features for column in _feature_columns(who, feature)),
    ]
    return ObservationSchema(
        columns=tuple(columns), ids=_id_columns(), features=tuple(feature.name for feature in features)
    )


def schema_difference(trained: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """In what the schema of a model's data (`as_json`) differs from that of other data: one line, or nothing."""
    if trained.get("id") == data.get("id"):
        return ""
    found = [
        _listed(verb, names)
        for verb, names in (
            ("the data lacks", _only(trained, data)),
            ("the model doesn't know", _only(data, trained)),
            ("not the same in both:", _changed(trained, data)),
        )
        if names
    ]
    return "; ".join(found) or "the columns are in another order"


def require_schema(trained: Mapping[str, Any], data: ObservationSchema, model: str) -> None:
    """Raise ExphilError unless `model`, trained on observations of schema `trained`, can be given those of `data`."""
    difference = schema_difference(trained, data.as_json())
    if difference:
        raise ExphilError(
            f"{model} was trained on observations of schema {trained.get('id')}, these are of {data.identity}: "
            f"{difference}; use the version and the features that it was trained with, or train it anew"
        )


def _by_name(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {column["name"]: column for kind in ("columns", "ids") for column in schema.get(kind, ())}


def _only(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    there = _by_name(second)
    return [name for name in _by_name(first) if name not in there]


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    there = _by_name(second)
    return [name for name, column in _by_name(first).items() if name in there and there[name] != column]


def _listed(verb: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_COLUMNS} more" if len(names) > NAMED_COLUMNS else ""
    return f"{verb} {', '.join(names[:NAMED_COLUMNS])}{more}"
