"""Long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.recurrent import RecurrentStack, weights_of


class Lstm(RecurrentStack):
    """State: output (B, H) and cell (B, H) a layer."""

    parts = 2

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: object = None) -> None:
        super().__init__(input_size, hidden_sizes)

    def make_layer(self, input_size: int, width: int) -> nn.Module:
        return nn.LSTM(input_size, width, batch_first=True)

    def sequence(self, layer: nn.Module, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        before = tuple(part[None].contiguous() for part in state)
        y_BTH, after = layer(x_BTD, before)
        return y_BTH, tuple(part_1BH[0] for part_1BH in after)

    def cell(self, layer: nn.Module, x_BD: Tensor, state: State) -> State:
        return torch.lstm_cell(x_BD, list(state), *weights_of(layer))
