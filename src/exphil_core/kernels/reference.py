"""The selective scan in plain torch: a loop over frames, and a chunked one for devices where each step is dear.

Shapes: B batch, T frames, E channels, N states a channel, K taps. All functions take any floating dtype and device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def looped_scan(
    u_BTE: Tensor, step_BTE: Tensor, A_EN: Tensor, b_BTN: Tensor, c_BTN: Tensor, before_BEN: Tensor
) -> tuple[Tensor, Tensor]:
    """h[t] = exp(step A) h[t-1] + step u b and y[t] = h[t] c: outputs (B, T, E) and the last states.

    On `unbind`: indexing `x[:, t]` inside the loop would make the backward pass quadratic in T.
    """
    outputs, h_BEN = [], before_BEN
    frames = zip(u_BTE.unbind(1), step_BTE.unbind(1), b_BTN.unbind(1), c_BTN.unbind(1), strict=True)
    for u_BE, step_BE, b_BN, c_BN in frames:
        kept_BEN = torch.exp(step_BE[..., None] * A_EN)
        # As products of matrices: sums over channels and states, which the gradients are, go a fifth faster so.
        h_BEN = torch.baddbmm(kept_BEN * h_BEN, (step_BE * u_BE)[..., None], b_BN[:, None])
        outputs.append((h_BEN @ c_BN[..., None])[..., 0])
    return torch.stack(outputs, dim=1), h_BEN


def chunked_scan(
    u_BTE: Tensor,
    step_BTE: Tensor,
    A_EN: Tensor,
    b_BTN: Tensor,
    c_BTN: Tensor,
    before_BEN: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """As `looped_scan`, in about `chunk + T / chunk` dependent steps instead of T.

    All chunks (Q frames each, G of them) run the loop side by side from empty states; then the states at their
    starts follow from one another, and what they leave at each frame is added. Only products of decays occur, never
    quotients: however fast a state fades, nothing overflows.
    """
    frames = u_BTE.shape[1]
    rest = -frames % chunk
    # A step of 0 keeps the state as it is.
    u, step, b, c = (
        _in_chunks(F.pad(part, (0, 0, 0, rest)), chunk) for part in (u_BTE, step_BTE, b_BTN, c_BTN)
    )
    h_BGEN = torch.zeros_like(before_BEN)[:, None]
    outputs = []
    for u_BGE, step_BGE, b_BGN, c_BGN in zip(
        u.unbind(2), step.unbind(2), b.unbind(2), c.unbind(2), strict=True
    ):
        kept_BGEN = torch.exp(step_BGE[..., None] * A_EN)
        h_BGEN = kept_BGEN * h_BGEN + (step_BGE * u_BGE)[..., None] * b_BGN[:, :, None]
        outputs.append((h_BGEN * c_BGN[:, :, None]).sum(-1))
    y_BGQE = torch.stack(outputs, dim=2)
    so_far_BGQE = step.cumsum(2)
    whole_BGEN = torch.exp(so_far_BGQE[:, :, -1, :, None] * A_EN)
    starts, h_BEN = [], before_BEN
    for whole_BEN, own_BEN in zip(whole_BGEN.unbind(1), h_BGEN.unbind(1), strict=True):
        starts.append(h_BEN)
        h_BEN = whole_BEN * h_BEN + own_BEN
    start_BG1EN = torch.stack(starts, dim=1)[:, :, None]
    left_BGQEN = torch.exp(so_far_BGQE[..., None] * A_EN) * start_BG1EN
    y_BGQE = y_BGQE + (left_BGQEN @ c[..., None])[..., 0]
    return y_BGQE.flatten(1, 2)[:, :frames], h_BEN


def _in_chunks(x: Tensor, chunk: int) -> Tensor:
    return x.view(x.shape[0], -1, chunk, x.shape[2])


def plain_convolution(x_BTE: Tensor, weight_EK: Tensor, bias_E: Tensor, before_BKE: Tensor) -> Tensor:
    """silu of each channel's causal filter; `before` are the K - 1 frames before the first one."""
    seen_BET = torch.cat([before_BKE, x_BTE], dim=1).transpose(1, 2)
    y_BET = F.conv1d(seen_BET, weight_EK[:, None], bias_E, groups=weight_EK.shape[0])
    return F.silu(y_BET.transpose(1, 2))
