"""An exponential moving average of a policy's weights: what is validated and kept when `--ema` is on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class WeightAverage:
    """Follows `model`'s parameters. Buffers are the model's own: here they don't change in training."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in model.named_parameters()
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights in after a step."""
        self.updates += 1
        # Ten steps into a run an average over a thousand would be the random start.
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in model.named_parameters():
            self.tensors[name].lerp_(parameter.detach(), 1 - decay)

    @contextlib.contextmanager
    def used(self, model: nn.Module) -> Iterator[None]:
        """Within it, the model has the average's weights."""
        own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        _put(model, self.tensors)
        try:
            yield
        finally:
            _put(model, own)


@torch.no_grad()
def _put(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[name])
