"""Observations to vectors: ids through learned tables, floats beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Width of an id's vector, by the table that it is looked up in.
WIDTHS = {"action": 32, "character": 8, "stage": 8, "form": 4, "item": 8, "item_state": 4}
# Tables whose last id stands for "nothing there" (an empty slot, no partner): a vector of zeros, which stays so.
EMPTY_LAST = frozenset({"action", "item", "item_state"})


class Embedding(nn.Module):
    """(…, O) floats and (…, I) ids to (…, `output_size`). `ids` has a name, a size and a table for each id; ids of
    one table follow each other, and fighters and item slots share theirs."""

    def __init__(self, float_count: int, ids: tuple[tuple[str, int, str], ...], output_size: int) -> None:
        super().__init__()
        sizes = {table: size for _, size, table in ids}
        self.tables = nn.ModuleDict(
            {table: _table(size, WIDTHS[table], table in EMPTY_LAST) for table, size in sizes.items()}
        )
        of_table = [[index for index, (_, _, t) in enumerate(ids) if t == table] for table in sizes]
        self.parts = tuple((table, at[0], at[-1] + 1) for table, at in zip(sizes, of_table, strict=True))
        width = float_count + sum(WIDTHS[table] for _, _, table in ids)
        self.project = nn.Linear(width, output_size)
        self.dropout = nn.Dropout(0.0)
        self.output_size = output_size

    def forward(self, floats: Tensor, ids: Tensor) -> Tensor:
        looked_up = [
            self.tables[table](ids[..., first:stop]).flatten(-2) for table, first, stop in self.parts
        ]
        seen: Tensor = self.dropout(nn.functional.gelu(self.project(torch.cat([floats, *looked_up], dim=-1))))
        return seen


def _table(size: int, width: int, empty_last: bool) -> nn.Embedding:
    table = nn.Embedding(size, width, padding_idx=size - 1 if empty_last else None)
    nn.init.normal_(table.weight, std=0.3)
    if empty_last:
        with torch.no_grad():
            table.weight[-1].zero_()
    return table
