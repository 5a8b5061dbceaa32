"""Metrics as TensorBoard's event files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from exphil_core.builtin.logger_options import TensorBoardOptions
from exphil_core.training.logger import RunEnd, RunFacts, flat

# What stands on every line to say where it belongs.
PLACES = ("step", "epoch")


class TensorBoardLogger:
    """One folder a run, named like it. A run that goes on adds a file there, which tells TensorBoard to forget what
    came after the step that it goes on from."""

    def __init__(self, options: TensorBoardOptions) -> None:
        self._folder = options.folder

    def start(self, run: RunFacts) -> None:
        root = Path(self._folder).expanduser() if self._folder else run.folder / "tensorboard"
        purge = None if run.resumed_at is None else run.resumed_at + 1
        self._writer = SummaryWriter(root / run.name, purge_step=purge)
        config = json.dumps(run.config, indent=2, ensure_ascii=False, default=str)
        text = "\n".join(f"    {line}" for line in config.splitlines())
        self._text("config", text, run.resumed_at or 0)

    def step(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if name not in PLACES:
                self._scalar(f"step/{name}", value, int(metrics["step"]))

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        for name, value in flat(metrics).items():
            if name not in PLACES:
                self._scalar(f"epoch/{name}", value, metrics["step"])
        self._writer.flush()

    def finish(self, end: RunEnd) -> None:
        self._text("end", f"{end.status}: {end.model or end.reason}", 0)
        self._writer.close()

    def _scalar(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)

    def _text(self, name: str, text: str, step: int) -> None:
        self._writer.add_text(name, text, step)
