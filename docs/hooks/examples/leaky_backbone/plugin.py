"""A backbone that remembers by averaging. This module is read by listings: no torch here."""

from __future__ import annotations

import attrs

from exphil_core import BackboneSpec, hookimpl, option
from exphil_core.options import positive

exphil_contract = 1


@attrs.frozen(kw_only=True)
class LeakyOptions:
    """`--backbone-option half_life=20`; checked before anything else happens."""

    half_life: float = option(10.0, rule=positive(), help="Frames after which half is forgotten, at first.")


@hookimpl
def exphil_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="leaky",
            factory="leaky_backbone.network:Leaky",
            temporal=True,
            options=LeakyOptions,
            aliases=("leaky-average",),
            summary="Feed-forward layers, each with a leaky average of the past.",
        )
    ]
