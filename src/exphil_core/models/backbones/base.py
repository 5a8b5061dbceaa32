"""The contract between a policy and its backbone.

Shapes: B batch, T frames, D input width, H output width. A state is a tuple of tensors with the batch first, so
that anyone can select, reset and detach it; a backbone without memory has the empty tuple.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class Backbone(nn.Module):
    """A causal network over frames: the output at a frame depends on that frame and earlier ones only."""

    output_size: int
    # How many frames an output looks back, itself included, where that is bounded and matters to tests.
    reach: int = 1

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        """The state at the start of a game, zeros of shape (B, …)."""
        return ()

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs (B, T, H) and the state after the last frame."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        """One frame, for play: outputs (B, H), equal to `forward`'s."""
        y_B1H, state = self(x_BD[:, None], state)
        return y_B1H[:, 0], state


def set_dropout(module: nn.Module, share: float) -> int:
    """Make every `nn.Dropout` in `module` drop `share` of its values in training; how many there are.

    Embedding and head have one, the built-in backbones one after each layer, at 0 until somebody asks for more; a
    plugin's backbone takes part in `--dropout` by having some too.
    """
    layers = [part for part in module.modules() if isinstance(part, nn.Dropout)]
    for layer in layers:
        layer.p = share
    return len(layers)


def reset_state(state: State, reset_B: Tensor) -> State:
    """The state with the lanes where `reset_B` is true back at the start of a game."""
    return tuple(part.masked_fill(reset_B.view(-1, *[1] * (part.dim() - 1)), 0.0) for part in state)


def select_state(state: State, lanes: Tensor) -> State:
    """The state of some lanes."""
    return tuple(part[lanes] for part in state)


def detach_state(state: State) -> State:
    """The state without the graph behind it."""
    return tuple(part.detach() for part in state)
