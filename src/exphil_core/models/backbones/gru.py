"""Gated recurrent units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.kernels.ops import kernel_gru
from exphil_core.kernels.scan import kernel_takes
from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.recurrent import RecurrentStack, weights_of


class Gru(RecurrentStack):
    """State: (B, H) a layer."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: object = None) -> None:
        super().__init__(input_size, hidden_sizes)

    def make_layer(self, input_size: int, width: int) -> nn.Module:
        return nn.GRU(input_size, width, batch_first=True)

    def sequence(self, layer: nn.Module, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        if kernel_takes(x_BTD):
            of_input, of_state, input_bias, state_bias = weights_of(layer)
            y_BTH = kernel_gru(F.linear(x_BTD, of_input, input_bias), of_state, state_bias, state[0])
            return y_BTH, (y_BTH[:, -1],)
        y_BTH, after_1BH = layer(x_BTD, state[0][None].contiguous())
        return y_BTH, (after_1BH[0],)

    def cell(self, layer: nn.Module, x_BD: Tensor, state: State) -> State:
        return (torch.gru_cell(x_BD, state[0], *weights_of(layer)),)
