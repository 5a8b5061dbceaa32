"""A frame of residual layers: attention, feed-forward, Mamba.

Shapes: B batch, D width, h heads, W window, C = 2 D of keys and values; E, K, N, R as in `backbones.mamba`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.kernels.frame import kernel_attention
from exphil_core.kernels.scan import kernel_takes
from exphil_core.kernels.step import kernel_step
from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.mamba import MambaMixer
from exphil_core.models.backbones.residual import FeedForward, Mixer, ResidualStack
from exphil_core.models.backbones.sliding_window import Attention
from exphil_core.models.frame.basics import Floats, Run, bent_linear, linear, linear_weights, norm


def residual_frame(backbone: ResidualStack) -> Run | None:
    """As `ResidualStack.step`, without dropout; None if it has a mixer that isn't one of ours."""
    layers = []
    for resize, normed, mixer in zip(backbone.resize, backbone.norms, backbone.mixers, strict=True):
        make = MIXERS.get(type(mixer))
        if make is None or not isinstance(mixer, Mixer):
            return None
        resized = None if isinstance(resize, nn.Identity) else linear(resize)
        layers.append((resized, norm(normed), make(mixer), mixer.parts))
    last_norm = norm(backbone.last_norm)

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        carried: State = ()
        for resized, normed, mixer, parts in layers:
            if resized is not None:
                x_BD = resized(x_BD)
            y_BD, after = mixer(normed(x_BD), state[len(carried) : len(carried) + parts])
            x_BD = y_BD.add_(x_BD)
            carried += after
        return last_norm(x_BD), carried

    return run


def feed_forward_frame(mixer: FeedForward) -> Run:
    """As `FeedForward.step`."""
    enter, leave = bent_linear(mixer.layers[0]), linear(mixer.layers[2])
    return lambda x_BD, state: (leave(enter(x_BD)), state)


def attention_frame(mixer: Attention) -> Run:
    """As `Attention.step`."""
    enter, leave = linear(mixer.enter), linear(mixer.leave)
    bias_hW, by_numpy = mixer.distance_bias_hW.detach(), _attention_step(mixer)

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        entered_BX = enter(x_BD)
        if kernel_takes(entered_BX):
            y_BD, (seen_BWC, filled_BW) = kernel_attention(entered_BX, bias_hW, *state)
        else:
            y_BD, (seen_BWC, filled_BW) = by_numpy(entered_BX, state)
        return leave(y_BD), (seen_BWC[:, 1:], filled_BW[:, 1:])

    return run


def _attention_step(mixer: Attention) -> Run:
    """What lies between the two linear maps."""
    width, heads, window = mixer.width, mixer.heads, mixer.reach
    # From the oldest frame to the newest, and (W, h): both are views of the weights.
    bias_Wh: Floats = mixer.distance_bias_hW.detach().numpy()[:, ::-1].T
    share = (width // heads) ** -0.5
    own_hD = np.repeat(np.eye(heads, dtype=np.float32), width // heads, axis=1)
    own_share_Dh = np.ascontiguousarray(own_hD.T) * np.float32(share)

    def run(entered: Tensor, state: State) -> tuple[Tensor, State]:
        entered_BX: Floats = entered.numpy()
        batch = len(entered_BX)
        seen_BWC, filled_BW = torch.empty(batch, window, 2 * width), torch.empty(batch, window)
        seen, filled = seen_BWC.numpy(), filled_BW.numpy()
        seen[:, :-1], seen[:, -1] = state[0].numpy(), entered_BX[:, width:]
        filled[:, :-1], filled[:, -1] = state[1].numpy(), 1
        # Each head's query lies in a column of its own, with zeros where other heads look: one product for all.
        query_BDh = torch.from_numpy(entered_BX[:, :width, None] * own_share_Dh)
        scores_BWh = torch.bmm(seen_BWC[:, :, :width], query_BDh)
        scores: Floats = scores_BWh.numpy()
        scores += bias_Wh
        if not filled.all():
            scores[filled == 0] = -np.inf
        weights_BWh = torch.softmax(scores_BWh, dim=1)
        found_BhD: Any = torch.bmm(weights_BWh.transpose(1, 2), seen_BWC[:, :, width:]).numpy()
        found_BhD *= own_hD
        return torch.from_numpy(found_BhD.sum(axis=1)), (seen_BWC, filled_BW)

    return run


def mamba_frame(mixer: MambaMixer) -> Run:
    """As `MambaMixer.step`: by the kernel, or in numpy."""
    enter, leave = linear(mixer.in_proj), linear(mixer.out_proj)
    weights = mixer.step_weights()
    places = {name: weight.data_ptr() for name, weight in weights.items()}
    by_numpy = _mamba_step(mixer)

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        entering_BX = enter(x_BD)
        if kernel_takes(entering_BX):
            y_BE, state = kernel_step(places, mixer.dt_rank, entering_BX, *state)
        else:
            y_BE, state = by_numpy(entering_BX, state)
        return leave(y_BE), state

    return run


def _mamba_step(mixer: MambaMixer) -> Run:
    """What lies between the two outer projections."""
    weights = mixer.step_weights()
    project, (step_weight, _) = weights["projection"], linear_weights(mixer.dt_proj)
    filter_KE: Floats = weights["filter"][:, 0].numpy().T
    filter_bias, step_bias, A_log, D = (
        weights[name].numpy() for name in ("filter_bias", "step_bias", "A_log", "D")
    )
    inner, rank, states = mixer.d_inner, mixer.dt_rank, mixer.d_state

    def run(entering_BX: Tensor, state: State) -> tuple[Tensor, State]:
        past_BKE, before_BEN = state[0].numpy(), state[1].numpy()
        entering: Floats = entering_BX.numpy()
        seen_BKE = np.concatenate([past_BKE, entering[:, None, :inner]], axis=1)
        u_BE = torch.from_numpy(filter_bias + (seen_BKE * filter_KE).sum(axis=1))
        u: Floats = F.silu(u_BE, inplace=True).numpy()
        projected_BX = F.linear(u_BE, project)
        b_BN, c_BN = np.split(projected_BX.numpy()[:, rank:], [states], axis=1)
        step_BE = F.linear(projected_BX[:, :rank], step_weight).numpy() + step_bias
        step_BE = F.softplus(torch.from_numpy(step_BE)).numpy()
        kept_BEN: Any = torch.from_numpy(step_BE[:, :, None] * -np.exp(A_log)).exp_().numpy()
        kept_BEN *= before_BEN
        kept_BEN += (step_BE * u)[:, :, None] * b_BN[:, None]
        y_BE = (kept_BEN @ c_BN[:, :, None])[:, :, 0]
        y_BE += D * u
        y_BE *= F.silu(entering_BX[:, inner:]).numpy()
        return torch.from_numpy(y_BE), (torch.from_numpy(seen_BKE[:, 1:]), torch.from_numpy(kept_BEN))

    return run


MIXERS: dict[type, Callable[[Any], Run]] = {
    Attention: attention_frame,
    FeedForward: feed_forward_frame,
    MambaMixer: mamba_frame,
}
