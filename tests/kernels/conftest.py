"""Kernels that can be had on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exphil_core.kernels.library import attempt, force_kernel
from exphil_core.kernels.variants import VARIANTS, runs_here


@pytest.fixture(params=[variant.name for variant in VARIANTS])
def kernel_in_use(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each variant that this CPU runs and this machine can build."""
    (variant,) = (v for v in VARIANTS if v.name == request.param)
    if not runs_here(variant):
        pytest.skip(f"this CPU doesn't run the variant {variant.name}")
    if attempt(variant.name).kernel is None:
        pytest.skip(attempt(variant.name).why)
    force_kernel(variant.name)
    yield variant.name
    force_kernel(None)
