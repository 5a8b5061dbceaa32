"""Observations to vectors: ids through learned tables, floats beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Width of an id's vector, by the last word of its column's name.
WIDTHS = {"action": 32, "character": 8, "stage": 8}


class Embedding(nn.Module):
    """(…, O) floats and (…, 5) ids to (…, `output_size`). Fighters share their tables."""

    def __init__(self, float_count: int, ids: tuple[tuple[str, int], ...], output_size: int) -> None:
        super().__init__()
        self.kinds = tuple(name.rsplit("_", 1)[-1] for name, _ in ids)
        sizes = {kind: size for kind, (_, size) in zip(self.kinds, ids, strict=True)}
        self.tables = nn.ModuleDict({kind: nn.Embedding(size, WIDTHS[kind]) for kind, size in sizes.items()})
        for table in self.tables.parameters():
            nn.init.normal_(table, std=0.3)
        width = float_count + sum(WIDTHS[kind] for kind in self.kinds)
        self.project = nn.Linear(width, output_size)
        self.output_size = output_size

    def forward(self, floats: Tensor, ids: Tensor) -> Tensor:
        looked_up = [self.tables[kind](ids[..., index]) for index, kind in enumerate(self.kinds)]
        return nn.functional.gelu(self.project(torch.cat([floats, *looked_up], dim=-1)))
