"""A quick look whether the kernel on this machine computes what it should."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from exphil_core.kernels.ops import kernel_scan
from exphil_core.kernels.reference import looped_scan


def largest_error() -> float:
    """The kernel's largest difference from the loop in float64, relative to the largest output."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    batch, frames, channels, states = 2, 40, 37, 16
    u, step, gate = (normal(batch, frames, channels) for _ in range(3))
    b, c = normal(batch, frames, states), normal(batch, frames, states)
    A, D, bias = -torch.exp(normal(channels, states)), normal(channels), normal(channels)
    before = normal(batch, channels, states)
    y, _ = looped_scan(u, F.softplus(step + bias), A, b, c, before)
    expected = (y + D * u) * F.silu(gate)
    inputs: list[Any] = [tensor.float() for tensor in (u, step, A, b, c, D, gate, bias, before)]
    got, _ = kernel_scan(*inputs)
    return float((got - expected).abs().max() / expected.abs().max())
