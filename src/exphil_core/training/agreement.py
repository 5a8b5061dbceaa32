"""What all ranks must have alike, compared before the first step: a rank that sees other games would spoil the run
without a word."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import torch

import exphil_core
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.training.prepare import Prepared
from exphil_core.training.team import Team


def agree(team: Team, config: TrainConfig, ready: Prepared) -> None:
    """Raises ExphilError, on all ranks, if one of them has something else than rank 0."""
    if team.world == 1:
        return
    mine = {
        "settings": _digest(attrs.asdict(config)),
        "training games": _games(ready.training.table.hashes()),
        "held-out games": _games(ready.held_out.table.hashes()),
        "observation schema": ready.schema.identity,
        "version of exphil-core": exphil_core.__version__,
        "version of torch": torch.__version__,
    }
    first, *others = (json.loads(theirs) for theirs in team.heard(json.dumps(mine)))
    for rank, theirs in enumerate(others, start=1):
        for name, value in first.items():
            if theirs[name] != value:
                raise ExphilError(
                    f"{name}: rank 0 has {value}, rank {rank} {theirs[name]}; all ranks need the same replays, "
                    "settings and versions"
                )


def _games(hashes: list[str]) -> str:
    return f"{len(hashes)} (digest {_digest(hashes)})"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=list).encode()).hexdigest()[:8]
