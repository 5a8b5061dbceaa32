"""What a device makes of the policies: agreement with the CPU, frames a second, memory. Writes JSON to stdout.

    python benchmarks/device.py > device.json                 # everything, about 10 minutes
    python benchmarks/device.py parity speed > device.json    # parity, scans, speed, compiled, kernel: any of these

Absolute figures: for the machine they were taken on (see docs/benchmarks.md), unlike `make bench`.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from exphil_core.features.schema import observation_schema
from exphil_core.kernels.cuda import has_cuda_kernels
from exphil_core.kernels.reference import chunked_scan, looped_scan
from exphil_core.models.policy import Policy, build_policy, parameter_count, policy_shape
from exphil_core.plugin_manager import load_plugins
from exphil_core.training.optimiser import make_optimiser

LANES, FRAMES, SECONDS = 256, 60, 2.0
HIDDEN = (256, 256)
BACKBONES = ("mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid")
CHUNKS = (4, 6, 8, 10, 15, 20)
# Dense peak in FLOP/s by a word in the device's name, without sparsity; fp32 outside the tensor cores.
PEAKS = {"H100": {"fp32": 67e12, "bf16": 989e12}, "H200": {"fp32": 67e12, "bf16": 989e12}}

Step = Callable[[], object]
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def batch(lanes: int, device: torch.device) -> Inputs:
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
    return floats.to(device), ids.to(device), cells.roll(1, dims=1).to(device), cells.to(device)


def policy_of(backbone: str, device: torch.device) -> Policy:
    torch.manual_seed(0)
    policy = build_policy(load_plugins(), policy_shape(backbone, HIDDEN, {}, observation_schema()))
    # The head's last layers start at zero, and with them all gradients below.
    for name, weight in policy.head.logits.named_parameters():
        if name.endswith("weight"):
            torch.nn.init.normal_(weight, std=0.05)
    return policy.to(device)


def parity(backbone: str, device: torch.device) -> dict[str, float]:
    """`device` against the CPU, both in fp32, on whole windows and a state carried between two."""
    losses, gradients = [], []
    for where in (torch.device("cpu"), device):
        policy, inputs = policy_of(backbone, where), batch(8, where)
        _, state = policy.loss(*inputs, policy.initial_state(8))
        parts, _ = policy.loss(*inputs, tuple(part.detach() for part in state))
        parts.sum(-1).mean().backward()
        losses.append(parts.detach().cpu())
        gradients.append({n: p.grad.cpu() for n, p in policy.named_parameters() if p.grad is not None})
    shares = [
        float((gradients[1][name] - one).norm() / one.norm().clamp(min=1e-12))
        for name, one in gradients[0].items()
    ]
    return {
        "largest_difference_nats": float((losses[0] - losses[1]).abs().max()),
        "largest_relative_gradient_difference": max(shares),
    }


def synchronised(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(step: Step, device: torch.device) -> tuple[float, int | None]:
    """Seconds a step, and peak MiB."""
    for _ in range(3):
        step()
    synchronised(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        step()
        steps += 1
        synchronised(device)
    seconds = (time.perf_counter() - began) / steps
    return seconds, round(torch.cuda.max_memory_allocated() / 2**20) if device.type == "cuda" else None


def training_step(policy: Policy, precision: str, device: torch.device, compiled: bool) -> Step:
    inputs, optimiser = batch(LANES, device), make_optimiser(policy, 1e-3, 0.01)
    run: Any = torch.compile(policy.loss) if compiled else policy.loss

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            parts, _ = run(*inputs, policy.initial_state(LANES))
        optimiser.zero_grad(set_to_none=True)
        parts.float().sum(-1).mean().backward()
        optimiser.step()

    return step


def speed(backbone: str, precision: str, device: torch.device, compiled: bool = False) -> dict[str, Any]:
    """Whole training steps on a batch that is already on the device."""
    policy = policy_of(backbone, device)
    step = training_step(policy, precision, device, compiled)
    began = time.perf_counter()
    step()
    first = time.perf_counter() - began
    seconds, mib = timed(step, device)
    result: dict[str, Any] = {
        "parameters": parameter_count(policy),
        "frames_per_second": round(LANES * FRAMES / seconds),
        "peak_mib": mib,
    }
    if compiled:
        return result | {"seconds_to_compile": round(first, 1)}
    with FlopCounterMode(display=False) as counted:
        step()
    peak = next((peaks for word, peaks in PEAKS.items() if word in name_of(device)), None)
    if peak:
        result["share_of_peak"] = round(counted.get_total_flops() / seconds / peak[precision], 4)
    return result


def scans(device: torch.device) -> dict[str, Any]:
    """Milliseconds and peak MiB of one layer's scan, forward and backward."""
    channels, states = 512, 16
    wide, narrow = (LANES, FRAMES, channels), (LANES, FRAMES, states)
    inputs = [
        torch.randn(wide), torch.rand(wide) * 0.1, -torch.rand(channels, states) * states, torch.randn(narrow),
        torch.randn(narrow), torch.zeros(LANES, channels, states),
    ]  # fmt: skip
    leaves = [tensor.to(device).requires_grad_() for tensor in inputs]
    ways: dict[str, Callable[..., Any]] = {"loop": looped_scan}
    for chunk in CHUNKS:
        ways[f"chunks of {chunk}"] = partial(chunked_scan, chunk=chunk)
    if device.type == "cuda":
        ways["chunks of 8, compiled"] = torch.compile(partial(chunked_scan, chunk=8))
    if device.type == "cuda" and has_cuda_kernels():
        from exphil_core.kernels.cuda import cuda_scan

        ways["mamba-ssm"] = cuda_scan
    result = {}
    for name, scan in ways.items():

        def step(scan: Callable[..., Any] = scan) -> None:
            scan(*leaves)[0].sum().backward()
            for leaf in leaves:
                leaf.grad = None

        seconds, mib = timed(step, device)
        result[name] = {"milliseconds": round(1000 * seconds, 2), "peak_mib": mib}
    return result


def cpu_kernel() -> dict[str, Any]:
    """The CPU kernel on the device's host: which variants, how exact, how fast."""
    import models

    from exphil_core.kernels.library import attempt
    from exphil_core.kernels.selftest import largest_error
    from exphil_core.kernels.variants import VARIANTS, runs_here

    errors: dict[str, Any] = {}
    for variant in VARIANTS:
        if runs_here(variant):
            got = attempt(variant.name)
            with models.variant_in_use(variant.name if got.kernel else "off"):
                errors[variant.name] = largest_error() if got.kernel else got.why
    return {"relative_errors": errors, **models.figures()}


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()


def main(wanted: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    result: dict[str, Any] = {
        "device": name_of(device),
        "torch": torch.__version__,
        "batch": [LANES, FRAMES],
        "threads": torch.get_num_threads(),
        "mamba_ssm": has_cuda_kernels(),
    }

    def section(name: str, figures: Callable[[], Any]) -> None:
        if wanted and name not in wanted:
            return
        began = time.perf_counter()
        try:
            result[name] = figures()
        except Exception as error:  # the other sections are worth having
            result[name] = f"{type(error).__name__}: {error}"
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)

    section("parity", lambda: {name: parity(name, device) for name in BACKBONES})
    section("scans", lambda: scans(device))
    section("speed", lambda: {n: {p: speed(n, p, device) for p in ("fp32", "bf16")} for n in BACKBONES})
    section(
        "compiled",
        lambda: {
            n: {p: speed(n, p, device, True) for p in ("fp32", "bf16")} for n in ("mlp", "gru", "mamba")
        },
    )
    section("kernel", cpu_kernel)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
