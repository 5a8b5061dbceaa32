"""Layers of recurrent cells, one stack for LSTM and GRU.

Shapes: B batch, T frames, D input width, H layer width. torch's own recurrent layers see whole sequences; for a
single frame they take 2.8 ms (LSTM, two layers of 256, one thread), the cell with the same weights 0.17 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State


class RecurrentStack(Backbone):
    """A recurrent layer each, followed by a norm; layers of equal width are residual."""

    # Tensors (B, H) of state a layer.
    parts = 1

    def __init__(self, input_size: int, hidden_sizes: Sequence[int]) -> None:
        super().__init__()
        widths = [input_size, *hidden_sizes]
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.layers = nn.ModuleList(self.make_layer(before, width) for before, width in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden_sizes)
        self.dropouts = nn.ModuleList(nn.Dropout(0.0) for _ in hidden_sizes)
        self.hidden_sizes = tuple(hidden_sizes)
        self.output_size = widths[-1]

    def make_layer(self, input_size: int, width: int) -> nn.Module:
        """One recurrent layer that takes the batch first."""
        raise NotImplementedError

    def sequence(self, layer: nn.Module, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        """A layer over frames: outputs (B, T, H) and its state after them."""
        raise NotImplementedError

    def cell(self, layer: nn.Module, x_BD: Tensor, state: State) -> State:
        """A layer over one frame: its state (B, H) each, the output first."""
        raise NotImplementedError

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        widths = [width for width in self.hidden_sizes for _ in range(self.parts)]
        return tuple(torch.zeros(batch, width, device=device) for width in widths)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        carried: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            before = state[self.parts * index : self.parts * (index + 1)]
            y_BTH, after = self._in_full_precision_on_cpu(layer, x_BTD, before)
            x_BTD = self._joined(index, x_BTD, y_BTH)
            carried += (part.to(old.dtype) for part, old in zip(after, before, strict=True))
        return x_BTD, tuple(carried)

    def _in_full_precision_on_cpu(self, layer: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        # oneDNN has no LSTM in bf16 for CPUs without the instructions: it raises instead of taking another way.
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return self.sequence(layer, x, state)
        with torch.autocast("cpu", enabled=False):
            return self.sequence(layer, x.float(), state)

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        carried: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            before = state[self.parts * index : self.parts * (index + 1)]
            after = self.cell(layer, x_BD, before)
            x_BD = self._joined(index, x_BD, after[0])
            carried += after
        return x_BD, tuple(carried)

    def _joined(self, index: int, x: Tensor, y: Tensor) -> Tensor:
        y = self.dropouts[index](y)
        joined: Tensor = self.norms[index](x + y if x.shape[-1] == y.shape[-1] else y)
        return joined


def weights_of(layer: nn.Module) -> list[Tensor]:
    """A one-layer nn.LSTM's or nn.GRU's weights in the order that torch's cells take them."""
    return [getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
