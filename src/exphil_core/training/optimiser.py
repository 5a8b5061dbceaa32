"""AdamW and its schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

# What the learning rate falls to at the end of a cosine schedule.
FINAL_SHARE = 0.1


def make_optimiser(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices only: not biases, norms, embeddings, nor the state matrices of Mamba."""
    embeddings = {
        id(parameter) for m in model.modules() if isinstance(m, nn.Embedding) for parameter in m.parameters()
    }
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        plain = parameter.dim() < 2 or id(parameter) in embeddings or name.endswith("A_log")
        (kept if plain else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    # One operation for all weights: on a CPU a third of the time. Elsewhere torch chooses.
    fused = all(parameter.device.type == "cpu" for parameter in model.parameters())
    return torch.optim.AdamW(groups, lr=lr, fused=fused or None)


def learning_rate(step: int, *, peak: float, warmup: int, total: int, schedule: str) -> float:
    """Rate of step `step` (from 0) of `total`: linear warm-up, then constant or along a cosine to a tenth.

    A warm-up longer than a tenth of the run is cut to that, so that short runs reach their rate.
    """
    warmup = min(warmup, max(1, total // 10))
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if schedule == "constant":
        return peak
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
