"""What a device makes of the policies: agreement with the CPU, and frames a second. Writes JSON to stdout.

    python benchmarks/device.py > device.json

Absolute figures: for the machine they were taken on (see docs/benchmarks.md), unlike `make bench`.
"""

from __future__ import annotations

import json
import platform
import time
from typing import Any

import torch

from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, parameter_count, policy_shape
from exphil_core.plugin_manager import load_plugins
from exphil_core.training.optimiser import make_optimiser

LANES, FRAMES, SECONDS = 256, 60, 4.0
SHAPES = (("mlp", (256, 256)), ("gru", (256, 256)), ("mamba", (256, 256)))


def batch(lanes: int, device: torch.device) -> list[torch.Tensor]:
    """Random floats, ids, decided and target controllers of `lanes` windows."""
    schema = observation_schema()
    generator = torch.Generator().manual_seed(0)
    floats = torch.randn(lanes, FRAMES, schema.float_count, generator=generator)
    ids = torch.stack(
        [torch.randint(column.size, (lanes, FRAMES), generator=generator) for column in schema.ids], dim=-1
    )
    # Any chord and shoulder; sticks on the axes, where every pair exists.
    cells = torch.full((lanes, FRAMES, 6), 58)
    cells[..., 0] = torch.randint(256, (lanes, FRAMES), generator=generator)
    cells[..., 1] = torch.randint(117, (lanes, FRAMES), generator=generator)
    return [tensor.to(device) for tensor in (floats, ids, cells.roll(1, dims=1), cells)]


def policy_of(backbone: str, hidden: tuple[int, ...], device: torch.device) -> Policy:
    torch.manual_seed(0)
    shape = policy_shape(backbone, hidden, {}, observation_schema())
    return build_policy(load_plugins(), shape).to(device)


def difference(backbone: str, hidden: tuple[int, ...], device: torch.device) -> float:
    """Largest difference of a part's loss, in nats, between `device` and the CPU, both in fp32."""
    losses = []
    for where in (torch.device("cpu"), device):
        policy = policy_of(backbone, hidden, where)
        with torch.no_grad():
            losses.append(policy.loss(*batch(8, where), policy.initial_state(8))[0].cpu())
    return float((losses[0] - losses[1]).abs().max())


def speed(backbone: str, hidden: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Frames a second of whole training steps on a batch that is already on the device, and peak memory."""
    policy, inputs = policy_of(backbone, hidden, device), batch(LANES, device)
    optimiser = make_optimiser(policy, 1e-3, 0.01)

    def step() -> None:
        loss = policy.loss(*inputs, policy.initial_state(LANES))[0].sum(-1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    for _ in range(3):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        step()
        steps += 1
        if device.type == "cuda":
            torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    return {
        "parameters": parameter_count(policy),
        "frames_per_second": round(steps * LANES * FRAMES / seconds),
        "peak_mib": round(memory) if memory is not None else None,
    }


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    result: dict[str, Any] = {
        "device": name,
        "torch": torch.__version__,
        "batch": [LANES, FRAMES],
        "threads": torch.get_num_threads(),
    }
    for backbone, hidden in SHAPES:
        figures = speed(backbone, hidden, device)
        figures["largest_difference_from_cpu_nats"] = difference(backbone, hidden, device)
        result[f"{backbone} {'x'.join(map(str, hidden))}"] = figures
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
