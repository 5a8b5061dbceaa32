"""Built-in backbones."""

from __future__ import annotations

from exphil_core import BackboneSpec, hookimpl
from exphil_core.builtin.backbone_options import MambaOptions

exphil_contract = 1


@hookimpl
def exphil_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="mlp",
            factory="exphil_core.models.backbones.mlp:Mlp",
            temporal=False,
            summary="Feed-forward layers on one frame.",
        ),
        BackboneSpec(
            name="gru",
            factory="exphil_core.models.backbones.gru:Gru",
            temporal=True,
            summary="Gated recurrent units; small, and fast on any machine.",
        ),
        BackboneSpec(
            name="mamba",
            factory="exphil_core.models.backbones.mamba:Mamba",
            temporal=True,
            options=MambaOptions,
            summary="Selective state-space blocks (Mamba-1); a GPU's choice for long memory.",
        ),
    ]
