"""What of the machine decides the bits of a result: threads, device, kernel, torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

import exphil_core
from exphil_core.errors import ExphilError
from exphil_core.kernels.library import force_kernel, kernel_variant
from exphil_core.models.backbones.gru import Gru
from exphil_core.models.backbones.mamba import MambaMixer
from exphil_core.models.policy import Policy


def machine(policy: Policy, device: torch.device, ranks: int) -> dict[str, Any]:
    """The machine as a run's states and config file name it. `kernel` is the CPU's, null for a policy that has no use
    for it."""
    by_kernel = device.type == "cpu" and any(map(_may_use_kernel, policy.modules()))
    return {
        "torch": torch.__version__,
        "device": device.type,
        "ranks": ranks,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "kernel": kernel_variant() if by_kernel else None,
    }


def _may_use_kernel(module: nn.Module) -> bool:
    """Whether training computes it by the kernel. What a plugin's modules call isn't known: they count."""
    own = type(module).__module__.partition(".")[0] in ("torch", exphil_core.__name__)
    return isinstance(module, (Gru, MambaMixer)) or not own


def take_up(
    before: Mapping[str, Any], policy: Policy, device: torch.device, ranks: int, warn: Callable[[str], None]
) -> None:
    """Compute as `before` did, and name what can't be the same: the result isn't exact to the bit then."""
    torch.set_num_threads(before["threads"])
    if before["kernel"] is not None:
        try:
            force_kernel(before["kernel"])
        except ExphilError as error:
            warn(f"warning: {error}")
    now = machine(policy, device, ranks)
    for name, value in before.items():
        if now.get(name) != value:
            warn(f"warning: {name} was {value} and is {now.get(name)} now: going on is not exact to the bit")
    if device.type != "cpu":
        warn(
            "warning: CUDA kernels don't add up in the same order each time: going on is not exact to the bit"
        )
