"""A schema is known by its columns, and a model refuses data of another one in one line that says which."""

from __future__ import annotations

import attrs
import pytest

from exphil_core import CharacterFeatureSpec, FeatureColumn
from exphil_core.errors import ExphilError
from exphil_core.features.schema import observation_schema, require_schema, schema_difference

SCHEMA = observation_schema()


def feature(name: str, *columns: str) -> CharacterFeatureSpec:
    made = tuple(FeatureColumn(name=column, low=0, high=1) for column in columns)
    return CharacterFeatureSpec(name=name, characters=("fox",), factory="a:b", columns=made)


def test_the_schema_is_identified_by_its_columns() -> None:
    assert observation_schema().identity == SCHEMA.identity
    shorter = attrs.evolve(SCHEMA, columns=SCHEMA.columns[1:])
    assert shorter.identity != SCHEMA.identity
    fewer_ids = attrs.evolve(SCHEMA, ids=SCHEMA.ids[1:])
    assert fewer_ids.identity != SCHEMA.identity


def test_what_the_table_says_of_delivery_is_no_part_of_the_identity() -> None:
    said = attrs.evolve(SCHEMA.columns[0], umi="elsewhere")
    assert attrs.evolve(SCHEMA, columns=(said, *SCHEMA.columns[1:])).identity == SCHEMA.identity


def test_own_features_come_before_the_opponents_as_the_encoder_has_them() -> None:
    names = [c.name for c in observation_schema([feature("one", "a"), feature("two", "b")]).columns][-4:]
    assert names == ["own_one_a", "own_two_b", "opponent_one_a", "opponent_two_b"]


def test_equal_schemas_do_not_differ() -> None:
    assert schema_difference(SCHEMA.as_json(), observation_schema().as_json()) == ""
    require_schema(SCHEMA.as_json(), observation_schema(), "model")


def test_the_difference_names_the_columns() -> None:
    with_feature = observation_schema([feature("teleport", "phase")])
    assert schema_difference(SCHEMA.as_json(), with_feature.as_json()) == (
        "the model doesn't know own_teleport_phase, opponent_teleport_phase"
    )
    assert schema_difference(with_feature.as_json(), SCHEMA.as_json()) == (
        "the data lacks own_teleport_phase, opponent_teleport_phase"
    )
    scaled = attrs.evolve(SCHEMA.columns[0], scale=0.5)
    other = attrs.evolve(SCHEMA, columns=(scaled, *SCHEMA.columns[1:]))
    assert schema_difference(SCHEMA.as_json(), other.as_json()) == "not the same in both: own_x"
    turned = attrs.evolve(SCHEMA, columns=SCHEMA.columns[::-1])
    assert schema_difference(SCHEMA.as_json(), turned.as_json()) == "the columns are in another order"


def test_many_differences_stay_one_line() -> None:
    old = {"id": "1-abc", "version": 1, "columns": [{"name": "own_x"}], "ids": []}
    with pytest.raises(ExphilError) as caught:
        require_schema(old, SCHEMA, "fox/gru_policy.safetensors")
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    for part in (
        "fox/gru_policy.safetensors",
        "1-abc",
        SCHEMA.identity,
        "and 186 more",
        "own_x",
        "train it anew",
    ):
        assert part in text, part
