"""Built-in backbones."""

from __future__ import annotations

from exphil_core import BackboneSpec, hookimpl
from exphil_core.builtin.backbone_options import HybridOptions, MambaOptions, SlidingWindowOptions

exphil_contract = 1

HOME = "exphil_core.models.backbones"


@hookimpl
def exphil_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="mlp",
            factory=f"{HOME}.mlp:Mlp",
            temporal=False,
            summary="Feed-forward layers on one frame.",
        ),
        BackboneSpec(
            name="lstm",
            factory=f"{HOME}.lstm:Lstm",
            temporal=True,
            summary="Long short-term memory; fast on any machine.",
        ),
        BackboneSpec(
            name="gru",
            factory=f"{HOME}.gru:Gru",
            temporal=True,
            summary="Gated recurrent units; small, and fast on any machine.",
        ),
        BackboneSpec(
            name="mamba",
            factory=f"{HOME}.mamba:Mamba",
            temporal=True,
            options=MambaOptions,
            summary="Selective state-space blocks (Mamba-1), for long memory.",
        ),
        BackboneSpec(
            name="sliding_window",
            factory=f"{HOME}.sliding_window:SlidingWindow",
            temporal=True,
            options=SlidingWindowOptions,
            lr=0.001,  # with 0.003 it ends up to 0.1 nats apart from seed to seed
            aliases=("sliding-window", "attention"),
            summary="Causal attention over the last window_size frames.",
        ),
        BackboneSpec(
            name="hybrid",
            factory=f"{HOME}.hybrid:Hybrid",
            temporal=True,
            options=HybridOptions,
            summary="Mamba blocks with attention every third layer.",
        ),
    ]
