"""Whether a disk has room for what a run will write: told before the first step, not after a night."""

from __future__ import annotations

import shutil
from pathlib import Path

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.models.policy import Policy

# What a state says of each game, and room for all that is small.
BYTES_A_GAME, SLACK = 300, 64 << 10


def needed_bytes(policy: Policy, config: TrainConfig, games: int) -> int:
    """About what the smallest of runs writes: a state beside the one before, and the model."""
    weights: int = sum(tensor.nbytes for tensor in policy.state_dict().values())
    learned = sum(parameter.nbytes for parameter in policy.parameters())
    # The weights, those of the best epoch, two moments, and the average.
    state = 2 * weights + learned * (3 if config.ema else 2) + games * BYTES_A_GAME
    return 2 * state + 2 * weights + games * BYTES_A_GAME + SLACK


def check_space(folder: Path, needed: int, had: int = 0) -> None:
    """Raise ExphilError if `folder` (or where it will be made) has less than `needed` bytes; `had` are those of older
    states, which new ones replace."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free + had < needed:
        raise ExphilError(
            f"--checkpoints {folder}: {free / 1e6:,.1f} MB are free there, and this run's states and model take "
            f"about {needed / 1e6:,.1f} MB: make space, or give another folder"
        )
