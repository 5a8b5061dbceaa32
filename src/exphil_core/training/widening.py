"""Weights of a model put into one that sees more: what is new counts for nothing at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from exphil_core.errors import ExphilError
from exphil_core.features.schema import ObservationSchema, schema_difference
from exphil_core.models.policy import Policy, completed

PROJECTION = "embedding.project.weight"


def take_weights(
    policy: Policy,
    tensors: Mapping[str, Tensor],
    trained: Mapping[str, Any],
    schema: ObservationSchema,
    name: str,
) -> None:
    """Load the weights of model `name`, trained on the schema `trained` (as its files have it), into `policy`.

    `schema` may have more columns than `trained`: their weights are zero, so that the outputs are the model's.
    Raises ExphilError, saying what differs, for anything else.
    """
    if trained["id"] != schema.identity:
        tensors = {**tensors, PROJECTION: _widened(tensors[PROJECTION], trained, schema, name)}
    own, tensors = policy.state_dict(), completed(policy, tensors)
    odd = sorted(own.keys() ^ tensors.keys())
    odd += [key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape]
    if odd:
        raise ExphilError(f"{name}: its weights are of another make: {', '.join(odd[:5])} differ")
    policy.load_state_dict(tensors)


def _widened(weight_HW: Tensor, trained: Mapping[str, Any], schema: ObservationSchema, name: str) -> Tensor:
    had = [column["name"] for column in trained["columns"]]
    places = {column.name: index for index, column in enumerate(schema.columns)}
    same_ids = [column["name"] for column in trained["ids"]] == [column.name for column in schema.ids]
    kept = {c["name"]: c for c in trained["columns"]}
    unchanged = all(kept.get(c["name"], c) == c for c in schema.as_json()["columns"])
    if not same_ids or not unchanged or not set(had) <= set(places):
        difference = schema_difference(trained, schema.as_json())
        raise ExphilError(f"{name} sees something else than this version of ExPhil offers: {difference}")
    wide = torch.zeros(weight_HW.shape[0], weight_HW.shape[1] + len(places) - len(had))
    wide[:, [places[column] for column in had]] = weight_HW[:, : len(had)]
    # The ids' vectors come after all columns.
    wide[:, len(places) :] = weight_HW[:, len(had) :]
    return wide
