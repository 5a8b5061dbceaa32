"""A policy's frame up to its head: embedding and backbone.

The modules remain the one definition: tests hold this to their results. Backbones that aren't ours run their own
`step`.
Shapes: B batch, O floats and I ids of an observation, H output width of the backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import Backbone, State
from exphil_core.models.backbones.gru import Gru
from exphil_core.models.backbones.hybrid import Hybrid
from exphil_core.models.backbones.lstm import Lstm
from exphil_core.models.backbones.mamba import Mamba
from exphil_core.models.backbones.mlp import Mlp
from exphil_core.models.backbones.sliding_window import SlidingWindow
from exphil_core.models.embedding import Embedding
from exphil_core.models.frame.basics import Floats, Run, bent_linear
from exphil_core.models.frame.cells import gru_cell, lstm_cell, mlp_frame, recurrent_frame
from exphil_core.models.frame.mixers import residual_frame

# By the very class: one derived from these may have a `step` of its own.
BACKBONES: dict[type, Callable[[Any], Run | None]] = {
    Mlp: mlp_frame,
    Lstm: lambda backbone: recurrent_frame(backbone, lstm_cell),
    Gru: lambda backbone: recurrent_frame(backbone, gru_cell),
    Mamba: residual_frame,
    SlidingWindow: residual_frame,
    Hybrid: residual_frame,
}


@attrs.frozen(eq=False)
class FrameOfPlay:
    """Embedding and backbone on one frame. It uses the weights where they lay when it was made: what changes them
    in place changes them here, and `is_current` says whether they still lie there."""

    embed: Callable[[Tensor, Tensor], Tensor]
    step: Run
    places: tuple[tuple[dict[str, Any], str, Tensor, int], ...]

    def is_current(self) -> bool:
        """Whether all weights are where they were: not so after `to` or `load_state_dict(assign=True)`."""
        return all(
            owner[name] is weight and weight.data_ptr() == place for owner, name, weight, place in self.places
        )

    def __call__(self, floats: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs (B, H) and the state after the frame, for floats (B, O) and ids (B, I)."""
        return self.step(self.embed(floats, ids), state)


def frame_of_play(embedding: Embedding, backbone: Backbone) -> FrameOfPlay:
    """For both as they are now. Not in training: there is no dropout here."""
    places = tuple(_places(embedding, backbone))
    step = None
    if all(weight.device.type == "cpu" and weight.dtype == torch.float32 for _, _, weight, _ in places):
        make = BACKBONES.get(type(backbone))
        step = make(backbone) if make else None
        return FrameOfPlay(embedding_frame(embedding), step or backbone.step, places)
    return FrameOfPlay(embedding, backbone.step, places)


def _places(*modules: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor, int]]:
    for module in modules:
        for part in module.modules():
            for name, weight in part._parameters.items():
                if weight is not None:
                    yield part._parameters, name, weight, weight.data_ptr()


def embedding_frame(embedding: Embedding) -> Callable[[Tensor, Tensor], Tensor]:
    """As `Embedding.forward` on floats (B, O) and ids (B, I)."""
    project, width = bent_linear(embedding.project), embedding.project.in_features
    tables: list[tuple[Floats, int, int]] = []
    for name, first, stop in embedding.parts:
        table = embedding.tables[name]
        assert isinstance(table, nn.Embedding)
        tables.append((table.weight.detach().numpy(), first, stop))

    def run(floats: Tensor, ids: Tensor) -> Tensor:
        batch, at = floats.shape
        ids_BI = ids.numpy()
        x_BX = np.empty((batch, width), np.float32)
        x_BX[:, :at] = floats.numpy()
        for table, first, stop in tables:
            after = at + (stop - first) * table.shape[1]
            x_BX[:, at:after] = table[ids_BI[:, first:stop]].reshape(batch, -1)
            at = after
        return project(torch.from_numpy(x_BX))

    return run
