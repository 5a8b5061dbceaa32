"""Speed of the CPU kernel, of the backbones and of a frame of play, as `make bench` has it: ratios within one run.

    python benchmarks/models.py bench-models.json

The scan of mambapy joins in where it is installed (`pip install --no-deps mambapy`).
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.checkpoints.atomic import write_json
from exphil_core.features.schema import observation_schema
from exphil_core.kernels.library import attempt, force_kernel, kernel_variant
from exphil_core.kernels.ops import kernel_scan
from exphil_core.kernels.reference import chunked_scan, looped_scan
from exphil_core.kernels.variants import VARIANTS, runs_here
from exphil_core.models.backbones.base import Backbone
from exphil_core.models.backbones.gru import Gru
from exphil_core.models.backbones.mamba import Mamba
from exphil_core.models.policy import Policy, build_policy, parameter_count, policy_shape
from exphil_core.plugin_manager import load_plugins

BATCH, FRAMES, CHANNELS, STATES, WIDTH = 64, 60, 512, 16, 256
ROUNDS = 5
BACKBONES = ("mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid")
PLAYED, WARM = 400, 50

Work = Callable[[], object]


def medians(works: dict[str, Work], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each, taken in turn."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


@contextmanager
def variant_in_use(name: str | None) -> Iterator[None]:
    force_kernel(name)
    try:
        yield
    finally:
        force_kernel(None)


def scan_inputs() -> list[Tensor]:
    torch.manual_seed(0)
    wide, narrow = (BATCH, FRAMES, CHANNELS), (BATCH, FRAMES, STATES)
    rates = -torch.arange(1.0, STATES + 1).repeat(CHANNELS, 1)
    return [
        torch.randn(wide), torch.randn(wide) * 0.1 - 4, rates, torch.randn(narrow), torch.randn(narrow),
        torch.ones(CHANNELS), torch.randn(wide), torch.zeros(CHANNELS), torch.zeros(BATCH, CHANNELS, STATES),
    ]  # fmt: skip


def around(scan: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    """A bare scan with what the kernel does besides: softplus, skip and gate."""

    def whole(
        u: Tensor,
        step: Tensor,
        A: Tensor,
        b: Tensor,
        c: Tensor,
        D: Tensor,
        gate: Tensor,
        bias: Tensor,
        h: Tensor,
    ) -> tuple[Tensor, Tensor]:
        y, last = scan(u, F.softplus(step + bias), A, b, c, h)
        return (y + D * u) * F.silu(gate), last

    return whole


def mambapy_scan(
    u: Tensor, step: Tensor, A: Tensor, b: Tensor, c: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    """As mambapy does it; it takes no state."""
    from mambapy.pscan import pscan

    states = pscan(torch.exp(step[..., None] * A), (step * u)[..., None] * b[:, :, None])
    return (states @ c[..., None])[..., 0], states[:, -1]


def forward_backward(scan: Callable[..., tuple[Tensor, Tensor]], inputs: list[Tensor]) -> Work:
    """Both passes, from a gradient in memory of its own, as the layer above hands it down."""
    dy = torch.ones_like(inputs[0])

    def work() -> None:
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        scan(*leaves)[0].backward(dy)

    return work


def scans() -> dict[str, Any]:
    """Scan forward and backward: how many times faster the kernel's variants are, and the memory that each takes."""
    inputs = scan_inputs()
    loop = forward_backward(around(looped_scan), inputs)
    others = {"loop": loop, "chunked": forward_backward(around(partial(chunked_scan, chunk=8)), inputs)}
    if importlib.util.find_spec("mambapy"):
        others["mambapy"] = forward_backward(around(mambapy_scan), inputs)
    result: dict[str, Any] = {"shape": [BATCH, FRAMES, CHANNELS, STATES]}
    for variant in VARIANTS:
        if not runs_here(variant) or attempt(variant.name).kernel is None:
            continue
        with variant_in_use(variant.name):
            taken = medians({"kernel": forward_backward(kernel_scan, inputs), **others}, 7)
        result[variant.name] = {"milliseconds": round(1000 * taken["kernel"], 1)} | {
            f"times_faster_than_{name}": round(taken[name] / taken["kernel"], 2) for name in others
        }
        others = {"loop": loop}  # the slow ones once
    memory = {name: memory_of(name) for name in ("loop", "kernel")}
    if all(memory.values()):
        result["peak_mib"] = memory
    return result


def memory_of(name: str) -> int | None:
    """MiB that a scan forward and backward adds to the peak of a process of its own (Linux)."""
    if not Path("/proc/self/status").exists():
        return None
    command = [sys.executable, __file__, "--memory", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_memory(name: str) -> None:
    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key))

    inputs = scan_inputs()
    work = forward_backward(kernel_scan if name == "kernel" else around(looped_scan), inputs)
    small = [tensor[:1, :2].contiguous() if tensor.dim() == 3 else tensor for tensor in inputs]
    small[8] = inputs[8][:1].contiguous()
    forward_backward(kernel_scan if name == "kernel" else around(looped_scan), small)()
    before = status("VmRSS")
    work()
    print((status("VmHWM") - before) // 1024)


def through(layer: Backbone | nn.LSTM, x: Tensor) -> Work:
    """The layers on (B, T, D), forward and backward."""
    x = x.requires_grad_()

    def work() -> None:
        state = layer.initial_state(len(x)) if isinstance(layer, Backbone) else None
        layer(x, state)[0].sum().backward()

    return work


def without(work: Work) -> Work:
    """The same without the kernel."""

    def fallback() -> None:
        with variant_in_use("off"):
            work()

    return fallback


def layers() -> dict[str, Any]:
    """Two layers of 256, forward and backward: rates as multiples of torch's LSTM, and of the GRU without kernel; the
    latter for the default sizes, too."""
    x = torch.randn(BATCH, FRAMES, WIDTH)
    mamba, gru = through(Mamba(WIDTH, (WIDTH, WIDTH)), x), through(Gru(WIDTH, (WIDTH, WIDTH)), x)
    small = through(Gru(128, (128, 128)), torch.randn(32, FRAMES, 128))
    lstm = through(nn.LSTM(WIDTH, WIDTH, 2, batch_first=True), x)
    taken = medians(
        {
            "lstm": lstm, "mamba": mamba, "fallback": without(mamba), "gru": gru, "torch": without(gru),
            "small": small, "small_torch": without(small),
        }
    )  # fmt: skip
    return {
        "kernel": kernel_variant(),
        "mamba_vs_lstm": round(taken["lstm"] / taken["mamba"], 3),
        "fallback_vs_lstm": round(taken["lstm"] / taken["fallback"], 3),
        "gru_vs_lstm": round(taken["lstm"] / taken["gru"], 3),
        "gru_vs_torch_s_gru": round(taken["torch"] / taken["gru"], 3),
        "gru_vs_torch_s_gru_at_128": round(taken["small_torch"] / taken["small"], 3),
    }


def policy_of(backbone: str, hidden: tuple[int, ...] = (WIDTH, WIDTH)) -> Policy:
    torch.manual_seed(0)
    return build_policy(load_plugins(), policy_shape(backbone, hidden, {}, observation_schema())).eval()


def frame(policy: Policy, batch: int, by_modules: bool = False) -> Work:
    """One frame of play, from an observation to a controller; or with embedding and backbone called as modules."""
    schema = observation_schema()
    floats, ids = (
        torch.randn(batch, schema.float_count),
        torch.zeros(batch, len(schema.ids), dtype=torch.long),
    )
    state = policy.initial_state(batch)
    controllers = torch.full((batch, 6), 58)

    def work() -> None:
        nonlocal state, controllers
        controllers, state = policy.act(floats, ids, controllers, state)

    @torch.no_grad()
    def work_by_modules() -> None:
        nonlocal state, controllers
        y, state = policy.backbone.step(policy.embedding(floats, ids), state)
        controllers = policy.head.sample(y, controllers)

    return work_by_modules if by_modules else work


def frames_of_play() -> dict[str, Any]:
    """Microseconds of a frame through the policy of `full`, and what 128 games at once cost more than one.

    `median` and `p99` are of the clock; `cpu_median` counts this thread's time alone, which others disturb less.
    """
    result = {}
    for name in BACKBONES:
        policy = policy_of(name)
        work = frame(policy, 1)
        clock, cpu = [], []
        for number in range(WARM + PLAYED):
            began, began_cpu = time.perf_counter(), time.thread_time()
            work()
            if number >= WARM:
                clock.append(time.perf_counter() - began)
                cpu.append(time.thread_time() - began_cpu)
        taken = medians({"one": work, "many": frame(policy, 128)}, 20)
        against = medians({"one": work, "modules": frame(policy, 1, by_modules=True)}, PLAYED)
        result[name] = {
            "parameters": parameter_count(policy),
            "median": round(1e6 * statistics.median(clock)),
            "p99": round(1e6 * sorted(clock)[int(0.99 * len(clock))]),
            "cpu_median": round(1e6 * statistics.median(cpu)),
            "vs_modules": round(against["one"] / against["modules"], 2),
            "of_128_games_vs_one": round(taken["many"] / taken["one"], 1),
        }
    return result


def figures() -> dict[str, Any]:
    """Everything, on one thread."""
    torch.set_num_threads(1)
    return {"scan": scans(), "two_layers_of_256": layers(), "frame_of_play_microseconds": frames_of_play()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--memory"]:
        print_memory(sys.argv[2])
    else:
        found = figures()
        write_json(Path(sys.argv[1]), found)
        print(json.dumps(found, indent=2))
