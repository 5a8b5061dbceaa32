"""What of the machine decides the bits of a result: threads, device, kernel, torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


def machine(device: torch.device) -> dict[str, Any]:
    """The machine as a run's states and config file name it."""
    return {"torch": torch.__version__, "device": str(device), "threads": torch.get_num_threads()}


def take_up(before: Mapping[str, Any], device: torch.device, warn: Callable[[str], None]) -> None:
    """Compute as `before` did, and name what can't be the same: the result isn't exact to the bit then."""
    torch.set_num_threads(before["threads"])
    now = machine(device)
    for name, value in before.items():
        if now.get(name) != value:
            warn(f"warning: {name} was {value} and is {now.get(name)} now: going on is not exact to the bit")
    if device.type == "cuda":
        warn(
            "warning: CUDA kernels don't add up in the same order each time: going on is not exact to the bit"
        )
