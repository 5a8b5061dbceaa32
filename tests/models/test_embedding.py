"""Ids become vectors out of shared tables; an empty slot is nothing, before and after training."""

from __future__ import annotations

import torch

from exphil_core.features.schema import NO_ITEM, observation_schema
from exphil_core.models.backbones.base import set_dropout
from exphil_core.models.embedding import EMPTY_LAST, WIDTHS, Embedding

SCHEMA = observation_schema()
IDS = tuple((column.name, column.size, column.table) for column in SCHEMA.ids)


def embedding() -> Embedding:
    torch.manual_seed(0)
    return Embedding(SCHEMA.float_count, IDS, 16)


def test_ids_of_one_kind_share_one_table() -> None:
    made = embedding()
    assert set(made.tables) == set(WIDTHS) == {table for _, _, table in IDS}
    assert [table for table, _, _ in made.parts] == list(made.tables)
    assert sum(stop - first for _, first, stop in made.parts) == len(IDS)


def test_every_id_matters() -> None:
    made = embedding()
    floats = torch.zeros(1, SCHEMA.float_count)
    ids = torch.tensor([[1] * len(IDS)])
    plain = made(floats, ids)
    for index, (name, _, _) in enumerate(IDS):
        other = ids.clone()
        other[0, index] = 2
        assert (made(floats, other) != plain).any(), name


def test_an_empty_slot_stays_nothing() -> None:
    made = embedding()
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.1)
    ids = torch.tensor([[size - 1 for _, size, _ in IDS]])
    for _ in range(3):
        optimiser.zero_grad()
        made(torch.ones(1, SCHEMA.float_count), ids).sum().backward()
        optimiser.step()
    for table in EMPTY_LAST:
        assert (made.tables[table].weight[-1] == 0).all(), table
    assert next(size for _, size, table in IDS if table == "item") - 1 == NO_ITEM


def test_dropout_drops_of_what_is_seen_in_training_only() -> None:
    made = embedding()
    floats, ids = torch.randn(4, SCHEMA.float_count), torch.ones(4, len(IDS), dtype=torch.long)
    plain = made(floats, ids)
    assert set_dropout(made, 0.5) == 1
    dropped = made(floats, ids)
    assert 0.2 < (dropped == 0).float().mean() < 0.8
    assert torch.equal(made.eval()(floats, ids), plain)
