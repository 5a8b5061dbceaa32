"""The scan and the convolution of a Mamba layer, by whatever is fastest where the tensors are.

Shapes: B batch, T frames, E channels, N states a channel, K taps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from exphil_core.kernels.cuda import cuda_scan, has_cuda_kernels
from exphil_core.kernels.library import kernel
from exphil_core.kernels.ops import kernel_convolution, kernel_scan
from exphil_core.kernels.reference import chunked_scan, looped_scan, plain_convolution

# Frames a chunk on a GPU, where every dependent step costs a launch. From 4 to 20 it makes 7 % on an H100.
GPU_CHUNK = 8


def selective_scan(
    u_BTE: Tensor,
    step_BTE: Tensor,
    A_EN: Tensor,
    b_BTN: Tensor,
    c_BTN: Tensor,
    D_E: Tensor,
    gate_BTE: Tensor,
    bias_E: Tensor,
    before_BEN: Tensor,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, E) and the last states (B, E, N) of

    d = softplus(step + bias),  h[t] = exp(d A) h[t-1] + d u b,  y = (h c + D u) silu(gate),

    from the state `before` the first frame. Half precision is computed in float32.
    """
    if u_BTE.dtype != torch.float64:
        u_BTE, step_BTE, b_BTN, c_BTN, gate_BTE = (
            x.float() for x in (u_BTE, step_BTE, b_BTN, c_BTN, gate_BTE)
        )
    if kernel_takes(u_BTE):
        return kernel_scan(u_BTE, step_BTE, A_EN, b_BTN, c_BTN, D_E, gate_BTE, bias_E, before_BEN)
    kind = u_BTE.device.type
    if torch.is_autocast_enabled(kind):
        # Products of matrices would be taken in half precision all the same.
        with torch.autocast(kind, enabled=False):
            return selective_scan(u_BTE, step_BTE, A_EN, b_BTN, c_BTN, D_E, gate_BTE, bias_E, before_BEN)
    d_BTE = F.softplus(step_BTE + bias_E)
    if u_BTE.device.type == "cpu":
        y_BTE, last_BEN = looped_scan(u_BTE, d_BTE, A_EN, b_BTN, c_BTN, before_BEN)
    elif has_cuda_kernels():
        y_BTE, last_BEN = cuda_scan(u_BTE, d_BTE, A_EN, b_BTN, c_BTN, before_BEN)
    else:
        y_BTE, last_BEN = chunked_scan(u_BTE, d_BTE, A_EN, b_BTN, c_BTN, before_BEN, GPU_CHUNK)
    return (y_BTE + D_E * u_BTE) * F.silu(gate_BTE), last_BEN


def causal_convolution(x_BTE: Tensor, weight_EK: Tensor, bias_E: Tensor, before_BKE: Tensor) -> Tensor:
    """silu of each channel's filter over the K - 1 frames `before` and those of `x`: (B, T, E)."""
    if kernel_takes(x_BTE):
        return kernel_convolution(x_BTE, weight_EK, bias_E, before_BKE)
    return plain_convolution(x_BTE, weight_EK, bias_E, before_BKE.to(x_BTE.dtype))


def kernel_takes(x: Tensor) -> bool:
    """Whether the CPU kernel is there and computes with tensors like this one."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and has_kernel()


def has_kernel() -> bool:
    """Whether the CPU kernel is there; building it if this is its first use."""
    found: bool = _has_kernel()
    return found


# `torch.compile` asks once and doesn't look inside.
_has_kernel = torch.compiler.assume_constant_result(lambda: kernel() is not None)
