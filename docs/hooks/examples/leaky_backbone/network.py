"""The network itself. Shapes: B batch, T frames, D input width, H layer width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State

from .plugin import LeakyOptions


class Leaky(Backbone):
    """Each layer keeps one average a channel: `state` holds them, (B, H) a layer, zeros at a game's start."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: LeakyOptions) -> None:
        super().__init__()
        widths = [input_size, *hidden_sizes]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in hidden_sizes)
        keep = torch.tensor(0.5 ** (1 / options.half_life)).logit()
        self.keep = nn.ParameterList(torch.full((width,), float(keep)) for width in hidden_sizes)
        self.hidden_sizes = tuple(hidden_sizes)
        self.output_size = widths[-1]

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return tuple(torch.zeros(batch, width, device=device) for width in self.hidden_sizes)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        carried = []
        for layer, norm, keep, average_BH in zip(self.layers, self.norms, self.keep, state, strict=True):
            share_H = keep.sigmoid()
            frames = []
            for now_BH in layer(x_BTD).unbind(dim=1):
                average_BH = share_H * average_BH + (1 - share_H) * now_BH
                frames.append(now_BH + average_BH)
            x_BTD = nn.functional.gelu(norm(torch.stack(frames, dim=1)))
            carried.append(average_BH)
        return x_BTD, tuple(carried)
