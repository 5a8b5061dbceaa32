"""Feed-forward layers on one frame."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State


class Mlp(Backbone):
    """`hidden_sizes` layers, each normalised: training is the same at any width."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: object = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden_sizes:
            bend = nn.Sequential(nn.GELU(), nn.Dropout(0.0))
            layers += [nn.Linear(input_size, width), nn.LayerNorm(width), bend]
            input_size = width
        self.layers = nn.Sequential(*layers)
        self.output_size = input_size

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layers(x_BTD), state

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layers(x_BD), state
