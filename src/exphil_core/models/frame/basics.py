"""What all of a frame's layers are made of.

A frame of one game is little work: calling a module, finding its weights and sending a small operation through torch
takes longer than the operation. So weights are looked up once, torch multiplies matrices (on as many threads as it
is told to), and what is small runs in numpy or in place, on the same memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.kernels.frame import kernel_linear, takes_few
from exphil_core.models.backbones.base import State

Floats = npt.NDArray[np.float32]
# As `Backbone.step`: (B, D) and a state to (B, H) and the next state. Its input may be written over.
Run = Callable[[Tensor, State], tuple[Tensor, State]]
Change = Callable[[Tensor], Tensor]


def linear_weights(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear layer."""
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach(), None if layer.bias is None else layer.bias.detach()


def times(weight: Tensor, bias: Tensor | None) -> Change:
    """x to x times the transposed weight, plus the bias."""

    def run(x: Tensor) -> Tensor:
        return kernel_linear(x, weight, bias) if takes_few(x) else F.linear(x, weight, bias)

    return run


def linear(layer: nn.Module) -> Change:
    """As the `nn.Linear`."""
    return times(*linear_weights(layer))


def bent_linear(layer: nn.Module) -> Change:
    """As the `nn.Linear` and gelu after it."""
    weight, bias = linear_weights(layer)

    def run(x: Tensor) -> Tensor:
        return (
            kernel_linear(x, weight, bias, bends=True) if takes_few(x) else gelu_(F.linear(x, weight, bias))
        )

    return run


def norm(layer: nn.Module) -> Change:
    """As the `nn.LayerNorm`."""
    assert isinstance(layer, nn.LayerNorm)
    shape, epsilon = layer.normalized_shape, layer.eps
    weight, bias = layer.weight.detach(), layer.bias.detach()
    return lambda x: F.layer_norm(x, shape, weight, bias, epsilon)


def gelu_(x: Tensor) -> Tensor:
    """gelu in place. torch's own goes through oneDNN, which takes 16 µs for a single row; this takes 5."""
    values: Floats = x.numpy()
    reached: Floats = torch.erf(x * 0.5**0.5).numpy()
    reached += 1
    values *= reached
    values *= np.float32(0.5)
    return x
