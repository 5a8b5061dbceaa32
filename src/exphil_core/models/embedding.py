"""Observations to vectors: ids through learned tables, floats beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Width of an id's vector, by the table that it is looked up in.
WIDTHS = {"action": 32, "character": 8, "stage": 8, "form": 4, "item": 8, "item_state": 4}


class Embedding(nn.Module):
    """(…, O) floats and (…, I) ids to (…, `output_size`). `ids` has a name, a size and a table for each id; ids of
    one table follow each other, and fighters and item slots share theirs."""

    def __init__(self, float_count: int, ids: tuple[tuple[str, int, str], ...], output_size: int) -> None:
        super().__init__()
        sizes = {table: size for _, size, table in ids}
        self.tables = nn.ModuleDict(
            {table: nn.Embedding(size, WIDTHS[table]) for table, size in sizes.items()}
        )
        for weights in self.tables.parameters():
            nn.init.normal_(weights, std=0.3)
        of_table = [[index for index, (_, _, t) in enumerate(ids) if t == table] for table in sizes]
        self.parts = tuple((table, at[0], at[-1] + 1) for table, at in zip(sizes, of_table, strict=True))
        width = float_count + sum(WIDTHS[table] for _, _, table in ids)
        self.project = nn.Linear(width, output_size)
        self.output_size = output_size

    def forward(self, floats: Tensor, ids: Tensor) -> Tensor:
        looked_up = [
            self.tables[table](ids[..., first:stop]).flatten(-2) for table, first, stop in self.parts
        ]
        return nn.functional.gelu(self.project(torch.cat([floats, *looked_up], dim=-1)))
