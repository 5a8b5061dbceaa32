"""Which instruction set the CPU kernel is built for, and how users choose another."""

from __future__ import annotations

import os
from collections.abc import Mapping

import attrs
import torch

from exphil_core.errors import ExphilError

VARIABLE = "EXPHIL_KERNEL"
OFF = "off"


@attrs.frozen
class Variant:
    """`flags` for the compiler; `capabilities` of torch's CPU detection that can run it (empty: any)."""

    name: str
    flags: tuple[str, ...]
    capabilities: tuple[str, ...] = ()


# Best first. torch's AVX512 means F, BW, DQ and VL; its AVX2 includes FMA.
VARIANTS = (
    Variant(
        "avx512", ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"), ("AVX512",)
    ),
    Variant("avx2", ("-mavx2", "-mfma"), ("AVX2", "AVX512")),
    Variant("plain", ()),
)
CHOICES = ("auto", OFF, *(variant.name for variant in VARIANTS))


def runs_here(variant: Variant, capability: str | None = None) -> bool:
    """Whether this CPU (or one of torch's `capability`) has the instructions."""
    here = capability or torch.backends.cpu.get_cpu_capability()
    return not variant.capabilities or here in variant.capabilities


def chosen_variant(
    wanted: str | None = None, environment: Mapping[str, str] = os.environ, capability: str | None = None
) -> Variant | None:
    """The variant to use: `wanted`, else what EXPHIL_KERNEL says, else the best that this CPU runs; None for off.

    Raises ExphilError for a name that isn't one, and for instructions that this CPU doesn't have.
    """
    origin = "" if wanted else f"{VARIABLE}="
    name = wanted or environment.get(VARIABLE) or "auto"
    if name not in CHOICES:
        raise ExphilError(f"{origin}{name}: there is no such kernel; choose one of {', '.join(CHOICES)}")
    if name == OFF:
        return None
    if name == "auto":
        return next(variant for variant in VARIANTS if runs_here(variant, capability))
    variant = next(variant for variant in VARIANTS if variant.name == name)
    if not runs_here(variant, capability):
        raise ExphilError(f"{origin}{name}: this CPU doesn't have these instructions; leave it to auto")
    return variant
