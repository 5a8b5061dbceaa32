"""What a run has to show: one result an epoch, which of them is the best, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from exphil_core.training.validation import Validation

# Scores whose names would be taken for the training's.
_KEYS = {"frames": "validation_frames", "change_frames": "validation_change_frames"}


@attrs.frozen(kw_only=True)
class EpochResult:
    """One epoch: what was trained, and the score on held-out games. `steps` counts from the run's start."""

    epoch: int
    steps: int
    frames: int
    train_loss: float
    lr: float
    seconds: float
    validation: Validation

    def as_json(self) -> dict[str, Any]:
        """One line of metrics. `train_loss` and `val_loss` are nats a frame."""
        rate = round(self.frames / self.seconds, 1) if self.seconds > 0 else 0.0
        return {
            "epoch": self.epoch,
            "step": self.steps,
            "frames": self.frames,
            "train_loss": self.train_loss,
            "lr": self.lr,
            "seconds": self.seconds,
            "frames_per_second": rate,
            **{_KEYS.get(name, name): score for name, score in self.validation.as_json().items()},
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> EpochResult:
        """Read back what `as_json` wrote."""
        scores = {f.name: line[_KEYS.get(f.name, f.name)] for f in attrs.fields(Validation)}
        names = ("epoch", "frames", "train_loss", "lr", "seconds")
        return cls(
            **{name: line[name] for name in names}, steps=line["step"], validation=Validation(**scores)
        )


@attrs.define(kw_only=True, eq=False)
class Outcome:
    """How a run ended. `best` is the epoch whose weights the policy holds; `stopped` says why it ended early."""

    history: list[EpochResult] = attrs.field(factory=list)
    best: EpochResult | None = None
    stopped: str = ""
    interrupted: bool = False
    failed: bool = False
    error: Exception | None = None

    @property
    def frames(self) -> int:
        """Examples trained on, those of every epoch counted."""
        return sum(result.frames for result in self.history)

    def improved(self, val_loss: float, min_delta: float) -> bool:
        """Whether `val_loss` makes a new best: lower by more than `min_delta`. At a tie the earlier epoch stays,
        and NaN never improves on anything. Early stopping and the model that is kept follow this one rule."""
        return self.best is None or val_loss < self.best.validation.val_loss - min_delta

    def epochs_since_best(self) -> int:
        """Epochs validated after the best one."""
        return self.history[-1].epoch - self.best.epoch if self.best and self.history else 0
