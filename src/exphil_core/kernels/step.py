"""One frame of a Mamba layer through the CPU kernel, for play. Never under autograd or `torch.compile`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from exphil_core.kernels.library import StepArguments, kernel


def kernel_step(tensors: Mapping[str, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Outputs (B, E) and the layer's state after the frame, given what native/step.h calls its arguments."""
    past_BKE, before_BEN = tensors["past"], tensors["before"]
    batch, channels, states = before_BEN.shape
    y_BE, past, after = (
        before_BEN.new_empty(batch, channels),
        torch.empty_like(past_BKE),
        torch.empty_like(before_BEN),
    )
    pointers = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    arguments = StepArguments(
        **pointers,
        y=y_BE.data_ptr(),
        past_after=past.data_ptr(),
        after=after.data_ptr(),
        batch=batch,
        channels=channels,
        states=states,
        taps=past_BKE.shape[1] + 1,
        rank=tensors["step_weight"].shape[1],
        threads=torch.get_num_threads(),
    )
    found = kernel()
    assert found is not None, "callers look first"
    found.call("mamba_step", arguments)
    return y_BE, (past, after)
