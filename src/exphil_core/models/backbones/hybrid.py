"""Mamba blocks with attention every third layer."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.builtin.backbone_options import HybridOptions
from exphil_core.models.backbones.mamba import MambaMixer
from exphil_core.models.backbones.residual import Mixer, ResidualStack
from exphil_core.models.backbones.sliding_window import attention_layer

EVERY = 3


class Hybrid(ResidualStack):
    """Layers 3, 6, … are attention, the others Mamba blocks. Of two layers the second is attention; a single
    layer is a Mamba block with attention after it."""

    def __init__(
        self, input_size: int, hidden_sizes: Sequence[int], options: HybridOptions | None = None
    ) -> None:
        options = options or HybridOptions()
        mixers: list[Mixer] = []
        for kinds, width in zip(layer_kinds(len(hidden_sizes)), hidden_sizes, strict=True):
            for kind in kinds:
                mixers += [MambaMixer(width, options)] if kind == "mamba" else attention_layer(width, options)
        super().__init__(input_size, mixers)


def layer_kinds(layers: int) -> list[tuple[str, ...]]:
    """What each of so many layers is made of."""
    if layers == 1:
        return [("mamba", "attention")]
    attention = set(range(EVERY - 1, layers, EVERY)) or {layers - 1}
    return [("attention",) if layer in attention else ("mamba",) for layer in range(layers)]
