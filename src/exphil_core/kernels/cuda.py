"""mamba-ssm's CUDA kernels with a state carried in.

They start from an empty state. N virtual frames in front write one in: the n-th has a one-hot b, which puts its
input into state n of each channel.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util

import torch
from torch import Tensor

# The step of a virtual frame: short, so that what is written fades little until the last of them.
SHORT = 1e-4


@functools.lru_cache(maxsize=1)
def has_cuda_kernels() -> bool:
    """Whether mamba-ssm's compiled extension is installed. Looked for only where a tensor is on CUDA."""
    return importlib.util.find_spec("selective_scan_cuda") is not None


def with_state_in_front(
    u_BTE: Tensor, step_BTE: Tensor, A_EN: Tensor, b_BTN: Tensor, c_BTN: Tensor, before_BEN: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """u, step, b and c with N frames more, after which an empty state has become `before`."""
    batch, _, channels = u_BTE.shape
    states = A_EN.shape[1]
    later_N = torch.arange(states - 1, -1, -1, device=u_BTE.device, dtype=u_BTE.dtype)
    # What is written first fades in the frames after it; made up for here.
    written_BEN = before_BEN / SHORT * torch.exp(-SHORT * A_EN * later_N)
    one_hot_NN = torch.eye(states, device=u_BTE.device, dtype=u_BTE.dtype)
    in_front = (
        (written_BEN.transpose(1, 2), u_BTE),
        (step_BTE.new_full((batch, states, channels), SHORT), step_BTE),
        (one_hot_NN.expand(batch, -1, -1), b_BTN),
        (c_BTN.new_zeros(batch, states, states), c_BTN),
    )
    u, step, b, c = (torch.cat(pair, dim=1) for pair in in_front)
    return u, step, b, c


def cuda_scan(
    u_BTE: Tensor, step_BTE: Tensor, A_EN: Tensor, b_BTN: Tensor, c_BTN: Tensor, before_BEN: Tensor
) -> tuple[Tensor, Tensor]:
    """As `reference.looped_scan`."""
    interface = importlib.import_module("mamba_ssm.ops.selective_scan_interface")
    u, step, b, c = with_state_in_front(u_BTE, step_BTE, A_EN, b_BTN, c_BTN, before_BEN)
    frames_last = [part.transpose(1, 2).contiguous() for part in (u, step, b, c)]
    y_BET, last_BEN = interface.selective_scan_fn(
        frames_last[0], frames_last[1], A_EN, *frames_last[2:], return_last_state=True
    )
    return y_BET.transpose(1, 2)[:, A_EN.shape[1] :], last_BEN
