"""Gated recurrent units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State


class Gru(Backbone):
    """A GRU a layer, each followed by a norm; layers of equal width are residual."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: object = None) -> None:
        super().__init__()
        widths = [input_size, *hidden_sizes]
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.layers = nn.ModuleList(nn.GRU(before, width, batch_first=True) for before, width in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden_sizes)
        self.hidden_sizes = tuple(hidden_sizes)
        self.output_size = widths[-1]

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return tuple(torch.zeros(batch, width, device=device) for width in self.hidden_sizes)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        carried = []
        for layer, norm, before_BH in zip(self.layers, self.norms, state, strict=True):
            y_BTH, after_1BH = layer(x_BTD, before_BH[None].contiguous())
            x_BTD = norm(x_BTD + y_BTH if x_BTD.shape == y_BTH.shape else y_BTH)
            carried.append(after_1BH[0])
        return x_BTD, tuple(carried)
