"""One frame of a policy as a function of tensors alone: what becomes an ONNX graph.

Nothing here calls the CPU kernel, numpy or a random generator: chance comes in as numbers. Shapes: B games, O floats
and I ids of an observation, 6 controller cells, V cells of a part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from exphil_core.models.backbones.base import State
from exphil_core.models.policy import Policy
from exphil_core.replays.controller import PARTS

INPUTS = ("floats", "ids", "decided", "uniform", "temperature")


class OneFrame(nn.Module):
    """Floats (B, O), ids (B, I), controllers decided last (B, 6), uniform numbers (B, 6) from 0 up to 1, a
    temperature () and the state in; controllers (B, 6), each part's logits (B, V) and the state after the frame out.

    At a temperature of 0 each part takes its likeliest value, and the uniform numbers don't matter.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(
        self,
        floats: Tensor,
        ids: Tensor,
        decided: Tensor,
        uniform: Tensor,
        temperature: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """See the class."""
        policy, head = self.policy, self.policy.head
        y_BH, after = policy.backbone.step(policy.embedding(floats, ids), state)
        z_BZ = head.enter(y_BH)
        chosen: list[Tensor] = []
        logits: list[Tensor] = []
        for part in range(len(PARTS)):
            logits_BV = head.part_logits(part, z_BZ, decided, chosen)
            value_B = _drawn(logits_BV, uniform[:, part], temperature)
            logits.append(logits_BV)
            chosen.append(value_B)
            z_BZ = head.tell(part, z_BZ, value_B, decided)
        return torch.stack(chosen, dim=1), *logits, *after


def _drawn(logits_BV: Tensor, uniform_B: Tensor, temperature: Tensor) -> Tensor:
    """As `exphil_core.models.draw`: the value whose stretch of the summed chances holds the uniform number."""
    at_BV = logits_BV - logits_BV.amax(dim=1, keepdim=True)
    chances_BV = torch.exp(at_BV / temperature.clamp(min=1e-6)).double()
    sums_BV = chances_BV.cumsum(dim=1)
    whole_B1 = sums_BV[:, -1:]
    # Never the end of the last stretch, which would be one too many.
    point_B1 = torch.minimum(uniform_B[:, None].double() * whole_B1, whole_B1 * (1 - 2**-52))
    drawn_B = (sums_BV <= point_B1).long().sum(dim=1)
    return torch.where(temperature > 0, drawn_B, logits_BV.argmax(dim=1))


def example(policy: Policy, games: int) -> tuple[Any, ...]:
    """Arguments for `OneFrame` of so many games at their start."""
    shape = policy.shape
    state: State = policy.initial_state(games)
    return (
        torch.zeros(games, shape.float_count),
        torch.zeros(games, len(shape.ids), dtype=torch.int64),
        torch.zeros(games, len(PARTS), dtype=torch.int64),
        torch.full((games, len(PARTS)), 0.5),
        torch.tensor(1.0),
        *state,
    )


def output_names(state: State) -> tuple[str, ...]:
    """What the graph's outputs are called."""
    return ("cells", *(f"logits_{part}" for part in PARTS), *state_names(state, "after"))


def input_names(state: State) -> tuple[str, ...]:
    """What the graph's inputs are called."""
    return (*INPUTS, *state_names(state, "before"))


def state_names(state: State, when: str) -> tuple[str, ...]:
    """``state_0_before`` and so on."""
    return tuple(f"state_{index}_{when}" for index in range(len(state)))
