"""Pre-normed residual layers: what Mamba, attention and their mixture are stacked in.

Shapes: B batch, T frames, D width of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State


class Mixer(nn.Module):
    """A layer that keeps its width. `parts` is the number of tensors in its state."""

    width: int
    parts: int = 0
    reach: int = 1

    def initial_state(self, batch: int, device: torch.device | str) -> State:
        """The state at a game's start, zeros."""
        return ()

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        """One frame; equal to `forward` on it."""
        y_B1D, state = self(x_BD[:, None], state)
        return y_B1D[:, 0], state


class FeedForward(Mixer):
    """Two linear maps on each frame, `expand` times as wide between them."""

    def __init__(self, width: int, expand: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Linear(width, expand * width), nn.GELU(), nn.Linear(expand * width, width)
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layers(x), state

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layers(x_BD), state


class ResidualStack(Backbone):
    """x + dropout(mixer(norm(x))), mixer after mixer; a linear map where the width changes."""

    def __init__(self, input_size: int, mixers: Sequence[Mixer]) -> None:
        super().__init__()
        widths = [input_size, *(mixer.width for mixer in mixers)]
        self.resize = nn.ModuleList(
            nn.Identity() if before == width else nn.Linear(before, width)
            for before, width in zip(widths[:-1], widths[1:], strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:])
        self.mixers = nn.ModuleList(mixers)
        self.dropouts = nn.ModuleList(nn.Dropout(0.0) for _ in mixers)
        self.last_norm = nn.LayerNorm(widths[-1])
        self.output_size = widths[-1]
        # Layers above look at what layers below made of frames before.
        self.reach = 1 + sum(mixer.reach - 1 for mixer in mixers)

    def _mixers(self) -> list[Mixer]:
        return [mixer for mixer in self.mixers if isinstance(mixer, Mixer)]

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return tuple(part for mixer in self._mixers() for part in mixer.initial_state(batch, device))

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        return self._run(x_BTD, state, False)

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        return self._run(x_BD, state, True)

    def _run(self, x: Tensor, state: State, one_frame: bool) -> tuple[Tensor, State]:
        carried: list[Tensor] = []
        layers = zip(self.resize, self.norms, self._mixers(), self.dropouts, strict=True)
        for resize, norm, mixer, dropout in layers:
            # Calling a module that does nothing takes 5 µs, of a frame's few hundred.
            if not isinstance(resize, nn.Identity):
                x = resize(x)
            before = state[len(carried) : len(carried) + mixer.parts]
            run = mixer.step if one_frame else mixer
            y, after = run(norm(x), before)
            x = x + (dropout(y) if self.training else y)
            carried += after
        return self.last_norm(x), tuple(carried)
