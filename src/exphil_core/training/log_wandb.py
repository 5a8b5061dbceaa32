"""Metrics for Weights & Biases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import wandb

from exphil_core.builtin.logger_options import WandbOptions
from exphil_core.training.logger import RunEnd, RunFacts, flat

# Longest id that W&B takes, and the characters that it doesn't.
ID_LENGTH, NOT_IN_IDS = 128, re.compile(r"[/\\#?%:]+")
# Seconds that a question for the key may wait on a terminal that nobody looks at.
LOGIN_SECONDS = 60


class WandbLogger:
    """One W&B run a run, with the same id when it goes on. "step" is a metric like the others and the axis of all of
    them: W&B's own counter can't go back, as a run does that goes on from before a crash."""

    def __init__(self, options: WandbOptions) -> None:
        self._options = options

    def start(self, run: RunFacts) -> None:
        self._run = wandb.init(
            project=self._options.project,
            entity=self._options.entity,
            mode=self._options.mode,
            dir=str(run.folder),
            name=run.name,
            id=run_id(run),
            resume="allow",
            config=dict(run.config),
            # The terminal is ours: progress is drawn there.
            settings=wandb.Settings(console="off", silent=True, login_timeout=LOGIN_SECONDS),
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def step(self, metrics: Mapping[str, float]) -> None:
        self._log("step", metrics)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        self._log("epoch", flat(metrics))

    def finish(self, end: RunEnd) -> None:
        self._run.summary.update({"status": end.status, "reason": end.reason, "model": end.model})
        self._run.finish(exit_code=0 if end.status == "finished" else 1)

    def _log(self, kind: str, metrics: Mapping[str, float]) -> None:
        values = {f"{kind}/{name}": value for name, value in metrics.items() if name not in ("step", "epoch")}
        self._run.log({"step": metrics["step"], "epoch": metrics["epoch"], **values})


def run_id(run: RunFacts) -> str:
    """The same for a run and its resumption, and no other's: a name may come again in another folder."""
    made = re.sub(r"\D", "", run.created_at)
    return NOT_IN_IDS.sub("-", f"{run.name}-{made}")[-ID_LENGTH:]
