"""Batches in, better weights out: loss, gradient, optimiser, schedule, moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.models.backbones.base import State
from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS
from exphil_core.training.average import WeightAverage
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.optimiser import learning_rate, make_optimiser
from exphil_core.training.sampling import Step


class NotFiniteError(ExphilError):
    """A loss that is no number: nothing that comes after it is of use."""


class Learner:
    """Trains `policy`; `total_steps` is the run's real length, which the schedule follows."""

    def __init__(self, config: TrainConfig, policy: Policy, total_steps: int) -> None:
        self.config, self.policy, self.total_steps = config, policy, total_steps
        self.device = next(policy.parameters()).device
        self.optimiser = make_optimiser(policy, config.lr, config.weight_decay)
        self.average = WeightAverage(policy, config.ema) if config.ema else None
        self.steps = 0
        self.carried: State = ()
        self._weights_P = torch.tensor(
            [config.button_weight if GROUPS[group] == "buttons" else 1.0 for group in PART_GROUPS],
            device=self.device,
        )
        self._loss = torch.compile(policy.loss) if config.compile else policy.loss

    def update(self, batches: Sequence[Step]) -> tuple[float, int]:
        """One step on the examples of one or more batches. Returns their mean training loss, in nats, and how many
        there were; without any, nothing is learned.

        Raises NotFiniteError before the weights are touched. After any error the learner is as it was before.
        """
        count = sum(int(step.batch.counts.sum()) for step in batches)
        carried, total = self.carried, 0.0
        self.optimiser.zero_grad(set_to_none=True)
        for step in batches:
            loss, carried = self._loss_sum(step, carried)
            if count:
                (loss / count).backward()  # type: ignore[no-untyped-call]
                total += loss.item()
        if count:
            self._apply(total / count)
        self.carried = carried
        self.steps += 1
        return (total / count if count else 0.0), count

    def _loss_sum(self, step: Step, carried: State) -> tuple[Tensor, State]:
        """Weighted nats of the step's examples, summed, and the state after its last frame."""
        tensors = to_tensors(step.batch, self.device)
        state = carried_state(self.policy, carried, step, self.device)
        with self._precision():
            parts, state = self._loss(
                tensors.floats,
                tensors.ids,
                tensors.decided,
                tensors.target,
                state,
                smoothing=self.config.label_smoothing,
            )
        # Carried in fp32 whatever the step ran in.
        state = tuple(part.float() for part in state)
        losses_BT = (parts.float() @ self._weights_P) * tensors.weight[:, None]
        return losses_BT[tensors.counts].sum(), state

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        if self.config.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _apply(self, loss: float) -> None:
        if not torch.isfinite(torch.tensor(loss)):
            raise NotFiniteError(
                f"the loss is {loss} at step {self.steps + 1}: try a smaller --lr (now {self.config.lr:g})"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.steps)
        if self.config.grad_clip > 0:
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.grad_clip)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.policy)

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, counted from 0."""
        return learning_rate(
            step,
            peak=self.config.lr,
            warmup=self.config.warmup_steps,
            total=self.total_steps,
            schedule=self.config.schedule,
        )

    @contextlib.contextmanager
    def shown(self) -> Iterator[Policy]:
        """Within it, the policy has the weights that are validated and kept."""
        with self.average.used(self.policy) if self.average else contextlib.nullcontext():
            yield self.policy
