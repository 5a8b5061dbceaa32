"""What of the machine decides the bits of a result: threads, device, kernel, torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from exphil_core.errors import ExphilError
from exphil_core.kernels.library import force_kernel, kernel_variant
from exphil_core.models.backbones.mamba import MambaMixer
from exphil_core.models.policy import Policy


def machine(policy: Policy, device: torch.device, ranks: int) -> dict[str, Any]:
    """The machine as a run's states and config file name it. `kernel` is that of the CPU's scan, null for a policy
    that has no use for it."""
    scans = device.type == "cpu" and any(isinstance(module, MambaMixer) for module in policy.modules())
    return {
        "torch": torch.__version__,
        "device": device.type,
        "ranks": ranks,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "kernel": kernel_variant() if scans else None,
    }


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
