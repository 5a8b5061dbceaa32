"""Batches in, better weights out: loss, gradient, optimiser, schedule, moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
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
from exphil_core.training.table import Longs
from exphil_core.training.team import ALONE, Team


class NotFiniteError(ExphilError):
    """A loss that is no number: nothing that comes after it is of use."""


class Learner:
    """Trains `policy`; `total_steps` is the run's real length, which the schedule follows.

    The ranks of a `team` have a learner each, with the same weights: each adds its part of a step's gradient.
    """

    def __init__(self, config: TrainConfig, policy: Policy, total_steps: int, team: Team = ALONE) -> None:
        self.config, self.policy, self.total_steps, self.team = config, policy, total_steps, team
        self.device = next(policy.parameters()).device
        self.optimiser = make_optimiser(policy, config.lr, config.weight_decay)
        self.average = WeightAverage(policy, config.ema) if config.ema else None
        self.steps = 0
        self.carried: State = ()
        self.lanes: Longs = np.zeros(0, np.int64)  # whose states those are
        self._weights_P = torch.tensor(
            [config.button_weight if GROUPS[group] == "buttons" else 1.0 for group in PART_GROUPS],
            device=self.device,
        )
        self._loss = torch.compile(policy.loss) if config.compile else policy.loss

    def update(self, batches: Sequence[Step]) -> tuple[float, int]:
        """One step on the examples of one or more batches. Returns their mean training loss, in nats, and how many
        there were on all ranks; without any, nothing is learned.

        Raises NotFiniteError before the weights are touched, on all ranks alike. After any error the learner is as
        it was before.
        """
        (examples,) = self.team.sums([float(sum(step.batch.counts.sum() for step in batches))])
        count, carried, total = int(examples), self.carried, 0.0
        self.optimiser.zero_grad(set_to_none=True)
        for step in batches:
            if not len(step):
                carried = self.policy.initial_state(0)
                continue
            loss, carried = self._loss_sum(step, carried)
            if count:
                # Divided by what all ranks have: their gradients add up to that of the mean over the whole batch.
                (loss / count).backward()
                total += loss.item()
        if count:
            (total,) = self.team.sums([total])
            self._apply(total / count)
        self.carried, self.lanes = carried, batches[-1].lane
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
        self.team.add_gradients(list(self.policy.parameters()))
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

    def level(self) -> None:
        """Put rank 0's weights, moments and average in place of ours. Where the ranks' processors are alike those are
        the same bits already; others round in other ways, and would drift apart."""
        self.team.level(self.policy.state_dict().values())
        for moments in self.optimiser.state.values():
            self.team.level(moments.values())
        if self.average is not None:
            self.team.level(self.average.tensors.values())

    @contextlib.contextmanager
    def shown(self) -> Iterator[Policy]:
        """Within it, the policy has the weights that are validated and kept."""
        with self.average.used(self.policy) if self.average else contextlib.nullcontext():
            yield self.policy
