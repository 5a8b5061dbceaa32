"""Causal attention over the last frames.

Shapes: B batch, T frames, D width, h heads, W window, S = W - 1 + T frames that can be seen.
The state holds keys and values of the last W - 1 frames, and which of these slots hold a frame: a slot of zeros is
empty, so that a state of zeros is the start of a game. Positions are distances, so a stream never runs out of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.builtin.backbone_options import SlidingWindowOptions
from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.residual import FeedForward, Mixer, ResidualStack


class Attention(Mixer):
    """Attention of each frame to itself and the `window - 1` frames before it.

    `heads` falls to its largest common divisor with the width. What each head likes at which distance is learned,
    from a slope that favours recent frames (as in ALiBi: 1/4, 1/16, … a frame).
    """

    parts = 2

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self.width, self.reach = width, window
        self.heads = math.gcd(heads, width)
        self.enter = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)
        slopes_h1 = 4.0 ** -torch.arange(1.0, self.heads + 1)[:, None]
        self.distance_bias_hW = nn.Parameter(-slopes_h1 * torch.arange(float(window)))

    def initial_state(self, batch: int, device: torch.device | str) -> State:
        """Keys and values (B, W - 1, 2 D), and 1 for each slot (B, W - 1) that holds a frame."""
        slots = self.reach - 1
        return (
            torch.zeros(batch, slots, 2 * self.width, device=device),
            torch.zeros(batch, slots, device=device),
        )

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        """Long stretches in pieces: time and memory then grow with T x W instead of T x T."""
        pieces = []
        for piece_BTD in torch.split(x_BTD, max(self.reach, 64), dim=1):
            y_BTD, state = self._piece(piece_BTD, state)
            pieces.append(y_BTD)
        return (pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)), state

    def _piece(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x_BTD.shape[1]
        query_BTD, now_BTC = self.enter(x_BTD).split([self.width, 2 * self.width], dim=-1)
        seen_BSC = torch.cat([state[0].to(now_BTC.dtype), now_BTC], dim=1)
        filled_BS = F.pad(state[1], (0, frames), value=1.0)
        key_BSD, value_BSD = seen_BSC.chunk(2, dim=-1)
        q_BhTd, k_BhSd, v_BhSd = (self._by_head(part) for part in (query_BTD, key_BSD, value_BSD))
        scores_BhTS = q_BhTd @ k_BhSd.transpose(2, 3) * q_BhTd.shape[-1] ** -0.5
        # log: 0 where there is a frame, minus infinity where there is none.
        scores_BhTS = scores_BhTS + self._bias(frames) + filled_BS.log()[:, None, None]
        y_BhTd = torch.softmax(scores_BhTS, dim=-1).to(v_BhSd.dtype) @ v_BhSd
        y_BTD = self.leave(y_BhTd.transpose(1, 2).flatten(2))
        return y_BTD, (seen_BSC[:, frames:].to(state[0].dtype), filled_BS[:, frames:])

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        query_BD, now_BC = self.enter(x_BD).split([self.width, 2 * self.width], dim=-1)
        seen_BWC = torch.cat([state[0], now_BC[:, None]], dim=1)
        filled_BW = F.pad(state[1], (0, 1), value=1.0)
        key_BWD, value_BWD = seen_BWC.chunk(2, dim=-1)
        q, k, v = (self._by_head(part) for part in (query_BD[:, None], key_BWD, value_BWD))
        mask_Bh1W = (self.distance_bias_hW.flip(1) + filled_BW.log()[:, None])[:, :, None]
        y_Bh1d = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_Bh1W)
        return self.leave(y_Bh1d.flatten(1)), (seen_BWC[:, 1:], filled_BW[:, 1:])

    def _by_head(self, x_BTD: Tensor) -> Tensor:
        batch, frames, width = x_BTD.shape
        return x_BTD.view(batch, frames, self.heads, width // self.heads).transpose(1, 2)

    def _bias(self, frames: int) -> Tensor:
        """(h, T, S): frame i sees slot j at distance W - 1 + i - j; minus infinity outside the window.

        Each row is a stretch of one padded vector, a place further left than the row before.
        """
        nearest_last_hW = self.distance_bias_hW.flip(1)
        padded = F.pad(nearest_last_hW, (frames - 1, frames - 1), value=-math.inf)
        return padded.unfold(1, self.reach - 1 + frames, 1).flip(1)


class SlidingWindow(ResidualStack):
    """An attention and a feed-forward layer for each of `hidden_sizes`."""

    def __init__(
        self, input_size: int, hidden_sizes: Sequence[int], options: SlidingWindowOptions | None = None
    ) -> None:
        options = options or SlidingWindowOptions()
        super().__init__(input_size, [m for width in hidden_sizes for m in attention_layer(width, options)])


def attention_layer(width: int, options: SlidingWindowOptions) -> list[Mixer]:
    """Attention, then feed-forward."""
    return [
        Attention(width, options.window_size, options.heads),
        FeedForward(width, options.expand_feed_forward),
    ]
