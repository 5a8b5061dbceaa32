"""A quick look whether the kernel on this machine computes what it should."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.kernels.ops import kernel_gru, kernel_scan
from exphil_core.kernels.reference import looped_scan


def largest_error() -> float:
    """The kernel's largest difference from torch in float64, relative to the largest output: scan and GRU."""
    generator = torch.Generator().manual_seed(0)
    return max(_of_scan(generator), _of_gru(generator))


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _of_scan(generator: torch.Generator) -> float:
    batch, frames, channels, states = 2, 40, 37, 16
    u, step, gate = (_normal(generator, batch, frames, channels) for _ in range(3))
    b, c = (_normal(generator, batch, frames, states) for _ in range(2))
    A, D, bias = -torch.exp(_normal(generator, channels, states)), *_normal(generator, 2, channels)
    before = _normal(generator, batch, channels, states)
    y, _ = looped_scan(u, F.softplus(step + bias), A, b, c, before)
    inputs: list[Any] = [tensor.float() for tensor in (u, step, A, b, c, D, gate, bias, before)]
    return _difference(kernel_scan(*inputs)[0], (y + D * u) * F.silu(gate))


@torch.no_grad()
def _of_gru(generator: torch.Generator) -> float:
    batch, frames, width = 7, 20, 37
    gru = nn.GRU(width, width, batch_first=True).double()
    for weight in gru.parameters():
        weight.copy_(_normal(generator, *weight.shape) * width**-0.5)
    x, before = _normal(generator, batch, frames, width), _normal(generator, batch, width)
    of_input, of_state, input_bias, state_bias = gru.parameters()
    gates = F.linear(x, of_input, input_bias)
    inputs: list[Any] = [tensor.float() for tensor in (gates, of_state, state_bias, before)]
    return _difference(kernel_gru(*inputs), gru(x, before[None])[0])


def _difference(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max())
