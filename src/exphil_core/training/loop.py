"""The training loop: steps, epochs, validation, and the best weights so far.

It knows nothing of files and names; `exphil_core.training.run` does.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import torch
from torch import nn

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.models.backbones.base import State
from exphil_core.models.policy import Policy
from exphil_core.models.prior import ControllerPrior
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.optimiser import learning_rate, make_optimiser
from exphil_core.training.reporter import Reporter
from exphil_core.training.sampling import FrameSampler, Step, WindowSampler
from exphil_core.training.validation import Validation, validate

# How often the progress line is refreshed, in seconds.
REFRESH = 0.2
# Share of the newest step in the shown loss.
SHOWN_LOSS_SHARE = 0.02


@attrs.frozen(kw_only=True)
class EpochResult:
    """One epoch: what was trained, and the score on held-out games."""

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
            "seconds": round(self.seconds, 3),
            "frames_per_second": rate,
            **self.validation.as_json(),
        }


@attrs.define(kw_only=True, eq=False)
class Outcome:
    """How a run ended. `best` is the epoch whose weights the policy holds; `stopped` says why it ended early."""

    history: list[EpochResult] = attrs.field(factory=list)
    best: EpochResult | None = None
    frames: int = 0
    stopped: str = ""
    interrupted: bool = False
    failed: bool = False


class Stopped(Exception):
    """Someone asked the run to end, and its step is done."""


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one. Asking for CUDA in vain is an error, not a slow run."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ExphilError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


class Trainer:
    """Trains `policy` on `training`, validating on `held_out` after each epoch."""

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        training: FrameStore,
        held_out: FrameStore,
        prior: ControllerPrior,
        reporter: Reporter,
        stop: StopRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.policy, self.prior = config, policy, prior
        self.held_out, self.reporter, self.clock = held_out, reporter, clock
        self.stop = stop or StopRequest()
        self.device = next(policy.parameters()).device
        self.sampler = _sampler(config, training)
        steps = config.epochs * self.sampler.step_count()
        self.total_steps = min(steps, config.max_steps) if config.max_steps else steps
        self.optimiser = make_optimiser(policy, config.lr, config.weight_decay)
        self.steps = 0
        self.state: State = ()
        self.began = clock()
        self.best_weights: dict[str, torch.Tensor] = {}

    def run(self, finished: Callable[[EpochResult], None]) -> Outcome:
        """Train to the end, calling `finished` after each epoch, and leave the best epoch's weights in the policy.

        An interruption or a loss that is no number ends the run; the epochs that were validated stay.
        """
        outcome = Outcome()
        try:
            with self.stop.graceful():
                for epoch in range(1, self.config.epochs + 1):
                    result = self._epoch(epoch, outcome)
                    self._told(result, finished)
                    outcome.stopped = self._limit_reached()
                    if outcome.stopped:
                        break
        except (KeyboardInterrupt, Stopped):
            outcome.stopped, outcome.interrupted = "interrupted", True
        except Exception as error:
            # Out of memory, a full disk, a defect: whatever it is, hours of training must not go with it.
            if outcome.best is None:
                raise
            said = str(error) if isinstance(error, ExphilError) else f"{type(error).__name__}: {error}"
            outcome.stopped, outcome.failed = said, True
        self._quietly(self.reporter.finish)
        if self.best_weights:
            self.policy.load_state_dict(self.best_weights)
        return outcome

    def _told(self, result: EpochResult, finished: Callable[[EpochResult], None]) -> None:
        """Write the epoch's metrics and tell the user; neither may end the run."""
        try:
            finished(result)
        except OSError as error:
            said = f"warning: metrics of epoch {result.epoch} can't be written: {error}"
            self._quietly(lambda: self.reporter.line(said))
        self._quietly(lambda: self.reporter.epoch(result.as_json()))

    @staticmethod
    def _quietly(tell: Callable[[], None]) -> None:
        # A terminal that is gone, or `| tee` that died.
        with contextlib.suppress(OSError):
            tell()

    def _keep_if_best(self, result: EpochResult, outcome: Outcome) -> None:
        if outcome.best is None or result.validation.val_loss < outcome.best.validation.val_loss:
            outcome.best = result
            self.best_weights = {
                name: tensor.detach().cpu().clone() for name, tensor in self.policy.state_dict().items()
            }

    def _limit_reached(self) -> str:
        if self.config.max_steps and self.steps >= self.config.max_steps:
            return f"--max-steps {self.config.max_steps} reached"
        if self.config.max_time and self.clock() - self.began >= self.config.max_time:
            return f"--max-time {self.config.max_time:g}s reached"
        return ""

    def _epoch(self, epoch: int, outcome: Outcome) -> EpochResult:
        began, losses, frames, shown_at = self.clock(), 0.0, 0, 0.0
        shown: float | None = None
        self.policy.train()
        title = f"epoch {epoch}/{self.config.epochs}"
        self._quietly(lambda: self.reporter.start(title, self.sampler.step_count(), "steps"))
        for steps, step in enumerate(self._batches(epoch), start=1):
            loss, count = self._step(step)
            if count:
                losses, frames = losses + loss * count, frames + count
                shown = loss if shown is None else shown + SHOWN_LOSS_SHARE * (loss - shown)
            now = self.clock()
            if now - shown_at >= REFRESH:
                rate = frames / max(now - began, 1e-9)
                note = f"loss {shown:.3f}" if shown is not None else ""
                self._show(steps, note, rate)
                shown_at = now
            if self.stop.asked:
                raise Stopped
            if self._limit_reached():
                break
        seconds = self.clock() - began
        outcome.frames += frames
        self._quietly(self.reporter.finish)
        validation = validate(self.policy, self.held_out, self.prior, self.device)
        if not math.isfinite(validation.val_loss):
            raise ExphilError(f"val_loss is {validation.val_loss} after epoch {epoch}: try a smaller --lr")
        result = EpochResult(
            epoch=epoch,
            steps=self.steps,
            frames=frames,
            train_loss=losses / max(frames, 1),
            lr=self.optimiser.param_groups[0]["lr"],
            seconds=seconds,
            validation=validation,
        )
        # Kept before anything else is done with it: a Ctrl-C from here on loses nothing.
        outcome.history.append(result)
        self._keep_if_best(result, outcome)
        return result

    def _show(self, steps: int, note: str, rate: float) -> None:
        self._quietly(lambda: self.reporter.advance(steps, note, rate=rate, rate_unit="frames/s"))

    def _batches(self, epoch: int) -> Iterator[Step]:
        return self.sampler.epoch(np.random.default_rng([self.config.seed, epoch]))

    def _step(self, step: Step) -> tuple[float, int]:
        """One update. Returns the mean loss of its examples, in nats, and how many there were."""
        lr = learning_rate(
            self.steps,
            peak=self.config.lr,
            warmup=self.config.warmup_steps,
            total=self.total_steps,
            schedule=self.config.schedule,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        tensors = to_tensors(step.batch, self.device)
        self.state = carried_state(self.policy, self.state, step, self.device)
        parts, self.state = self.policy.loss(
            tensors.floats, tensors.ids, tensors.decided, tensors.target, self.state
        )
        self.steps += 1
        count = int(step.batch.counts.sum())
        if count == 0:
            return 0.0, 0
        loss = parts.sum(dim=-1)[tensors.counts].mean()
        if not torch.isfinite(loss):
            raise ExphilError(
                f"the loss is {loss.item()} at step {self.steps}: try a smaller --lr (now {self.config.lr:g})"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.grad_clip > 0:
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.grad_clip)
        self.optimiser.step()
        return loss.item(), count


def _sampler(config: TrainConfig, store: FrameStore) -> WindowSampler | FrameSampler:
    assert config.batch_size is not None  # resolution filled it in
    if config.temporal:
        return WindowSampler(
            store=store, lanes=config.batch_size, window=config.window_size, mirror=config.mirror
        )
    return FrameSampler(store=store, size=config.batch_size, mirror=config.mirror)
