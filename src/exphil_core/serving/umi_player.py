"""A policy as a UMI bot: what the class in an exported `run.py` hands its calls to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from exphil_core.features.rows import Floats
from exphil_core.replays.controller import NEUTRAL
from exphil_core.serving.runner import Runner
from exphil_core.serving.umi_source import umi_batch, umi_rows


class UmiPlayer:
    """Answers the batches of one session (`umi.Session`), a lane of the runner for each of its slots.

    The delay is UMI's to keep. A row that belongs to no game (padding) gets a neutral controller and leaves no
    trace; warm-up batches are computed like others and forgotten.
    """

    def __init__(self, policy: str | Path, session: Any, *, temperature: float = 1.0) -> None:
        self._scratch = session.num_slots - 1
        self._runner = Runner.load(
            policy, games=session.num_slots, temperature=temperature, seed=session.rng_seed
        )

    def act(self, batch: Any) -> Floats:
        """Controller rows (n, 13) for a `umi.Batch`."""
        if batch.warmup:
            rows = self._answer(batch.frames, np.arange(min(len(batch.frames), self._scratch)))
            self._runner.reset()
            return rows
        slots = np.asarray(batch.slots, np.int64)
        played = np.flatnonzero(slots != self._scratch)
        self._runner.reset(slots[played][np.asarray(batch.first)[played]])
        rows = umi_rows(np.tile(NEUTRAL, (len(slots), 1)))
        rows[played] = self._answer(batch.frames[played], slots[played])
        return rows

    def _answer(self, frames: Any, lanes: Any) -> Floats:
        games = umi_batch(frames[: len(lanes)])
        return umi_rows(self._runner.step(games, np.zeros(len(games), np.int64), lanes))
