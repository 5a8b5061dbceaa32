"""One frame of a Mamba layer through the CPU kernel, for play. Never under autograd or `torch.compile`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from exphil_core.kernels.library import StepArguments, kernel


def kernel_step(
    weights: Mapping[str, int], rank: int, entering: Tensor, past: Tensor, before: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Outputs (B, E) and the layer's state after the frame. `weights` are the addresses of what native/step.h calls
    its weights, `rank` R; entering (B, 2 E), past (B, K - 1, E), before (B, E, N)."""
    batch, channels, states = before.shape
    past, before = past.contiguous(), before.contiguous()
    y = torch.empty(batch, channels)
    past_after, after = torch.empty_like(past), torch.empty_like(before)
    arguments = StepArguments(
        **weights,
        entering=entering.data_ptr(),
        past=past.data_ptr(),
        before=before.data_ptr(),
        y=y.data_ptr(),
        past_after=past_after.data_ptr(),
        after=after.data_ptr(),
        batch=batch,
        channels=channels,
        states=states,
        taps=past.shape[1] + 1,
        rank=rank,
        threads=torch.get_num_threads(),
    )
    found = kernel()
    assert found is not None, "callers look first"
    found.call("mamba_step", arguments)
    return y, (past_after, after)
