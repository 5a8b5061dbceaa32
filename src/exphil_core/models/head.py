"""The policy head: the exact likelihood of a whole controller, part after part, each given those before it.

Each part's logits are those of the repeat-or-marginal prior plus what the network adds. The addition starts at
zero, so an untrained policy scores exactly as the repeat baseline, and training can only improve on that.

The eight buttons are drawn together, as one of 256 chords. To a chord's own logit comes that of each of its buttons,
which depends on whether the button was down before: what is learned of one button holds in every chord.

Shapes: n frames (any leading shape flattened), H backbone width, Z head width, V cells of a part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.models.draw import HeadWeights, PartWeights, draw_controllers, linear_weights, memory
from exphil_core.models.prior import ControllerPrior
from exphil_core.replays.controller import (
    AXIS_CELLS,
    BUTTON_PART,
    CELL_COUNTS,
    CHORD_BITS,
    PARTS,
    STICK_CELLS,
)

# Which group of `prior.GROUPS` a part's loss counts to.
PART_GROUPS = (0, 1, 1, 2, 2, 3)
# The y axis of a stick is scored given its x axis, the part before it.
GIVEN_X = frozenset({PARTS.index("main_y"), PARTS.index("c_y")})
IMPOSSIBLE = -1e9
# Each part is scored given those before it, or without knowing them (to show what that brings).
AUTOREGRESSIVE, INDEPENDENT = "autoregressive", "independent"

Watch = Callable[[int, Tensor], None]


class PolicyHead(nn.Module):
    """Scores and draws controllers. `width` is Z. An independent head's parts don't know of each other, but for a
    stick's y, which must stay in the circle beside its x."""

    def __init__(self, input_size: int, width: int = 128, kind: str = AUTOREGRESSIVE) -> None:
        super().__init__()
        self.told = kind == AUTOREGRESSIVE
        self._drawing: tuple[tuple[int, ...], HeadWeights] | None = None
        self.enter = nn.Linear(input_size, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in PARTS)
        self.dropout = nn.Dropout(0.0)
        self.logits = nn.ModuleList(nn.Linear(width, cells) for cells in CELL_COUNTS)
        # How much more (or less) likely than the prior says is the last value repeated?
        self.copies = nn.ModuleList(nn.Linear(width, 1) for _ in PARTS)
        following = range(len(PARTS) - 1) if self.told else range(0)
        self.told_value = nn.ModuleList(nn.Embedding(CELL_COUNTS[part], width) for part in following)
        self.told_change = nn.ModuleList(nn.Embedding(2, width) for _ in following)
        # How much more likely is each button to be down, and how much more to stay as it is?
        self.each_button = nn.Linear(width, 2 * CHORD_BITS.shape[1])
        for module in (*self.logits, *self.copies, self.each_button):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        for table in (*self.told_value, *self.told_change):
            nn.init.normal_(table.weight, std=0.1)
        for part, cells in enumerate(CELL_COUNTS):
            shape = (AXIS_CELLS, AXIS_CELLS) if part in GIVEN_X else (cells,)
            self.register_buffer(f"base_{part}", torch.zeros(shape))
            odds_shape = (AXIS_CELLS,) if part in GIVEN_X else ()
            self.register_buffer(f"odds_{part}", torch.zeros(odds_shape))
        self.register_buffer("possible", torch.from_numpy(STICK_CELLS.copy()), persistent=False)
        self.register_buffer("bits", torch.from_numpy(CHORD_BITS.copy()), persistent=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without what was gathered for drawing: a copy gathers its own."""
        return {**self.__dict__, "_drawing": None}

    def _buffer(self, name: str) -> Tensor:
        buffer = getattr(self, name)
        assert isinstance(buffer, Tensor)
        return buffer

    @torch.no_grad()
    def set_prior(self, prior: ControllerPrior) -> None:
        """Start from this prior: tables of log-probabilities, and the odds of a repeat on top of them."""
        for part, group in enumerate(PART_GROUPS):
            marginal, repeat = prior.marginals[group], prior.repeats[group]
            odds: Any = repeat / (1 - repeat)
            if group in (1, 2):
                joint = marginal.reshape(AXIS_CELLS, AXIS_CELLS)
                marginal_x = joint.sum(axis=1)
                if part in GIVEN_X:
                    marginal = joint / marginal_x[:, None]
                    odds = odds / marginal_x
                else:
                    marginal = marginal_x
            with np.errstate(divide="ignore"):
                base = np.maximum(np.log(marginal), IMPOSSIBLE)
            self._buffer(f"base_{part}").copy_(torch.from_numpy(base))
            self._buffer(f"odds_{part}").copy_(torch.as_tensor(odds))

    def part_logits(self, part: int, z_nZ: Tensor, last_n6: Tensor, chosen: list[Tensor]) -> Tensor:
        """Unnormalised log-probabilities (n, V) of a part, given the parts chosen before it."""
        z_nZ = self.dropout(F.gelu(self.norms[part](z_nZ)))
        last_n = last_n6[:, part]
        added_nV = self.logits[part](z_nZ)
        if part == BUTTON_PART:
            down_n8, stays_n8 = self.each_button(z_nZ).chunk(2, dim=1)
            bits_V8 = self._buffer("bits")
            was_n8 = 2 * bits_V8[last_n] - 1  # 1 for a button that was down, -1 for one that was up
            added_nV = added_nV + (down_n8 + was_n8 * stays_n8) @ bits_V8.T
        base, odds = self._buffer(f"base_{part}"), self._buffer(f"odds_{part}")
        if part in GIVEN_X:
            x_n, last_x_n = chosen[part - 1], last_n6[:, part - 1]
            base_nV, odds_n = base[x_n], odds[x_n] * (x_n == last_x_n)
        else:
            base_nV, odds_n = base.expand(last_n.shape[0], -1), odds.expand(last_n.shape[0])
        index_n1 = last_n[:, None]
        at_last_n1 = base_nV.gather(1, index_n1)
        # log(m + r) - log m: what the repeat adds at the last value.
        lift_n1 = torch.logaddexp(at_last_n1, torch.log(odds_n + 1e-30)[:, None]) - at_last_n1
        copy_n1 = self.copies[part](z_nZ)
        if part in GIVEN_X:
            # The last y may be out of the circle beside a new x: nothing may lift it then.
            lift_n1 = lift_n1.masked_fill(at_last_n1 <= IMPOSSIBLE / 2, 0.0)
        logits_nV: Tensor = (base_nV + added_nV).scatter_add(1, index_n1, lift_n1 + copy_n1)
        if part in GIVEN_X:
            return logits_nV.masked_fill(~self._buffer("possible")[chosen[part - 1]], IMPOSSIBLE)
        return logits_nV

    def tell(self, part: int, z_nZ: Tensor, value_n: Tensor, last_n6: Tensor) -> Tensor:
        """What the parts after `part` see, once it has its value (n,)."""
        if not self.told or part + 1 == len(PARTS):
            return z_nZ
        changed_n = (value_n != last_n6[:, part]).long()
        told: Tensor = self.told_value[part](value_n) + self.told_change[part](changed_n)
        return z_nZ + told

    def loss(
        self,
        y_nH: Tensor,
        target_n6: Tensor,
        last_n6: Tensor,
        *,
        smoothing: float = 0.0,
        watch: Watch | None = None,
    ) -> Tensor:
        """Nats (n, 6) of each part of the controllers `target_n6`, given the parts before it.

        With `smoothing` above 0 it is no likelihood but a loss for training alone: that share of each target is
        spread over all possible values. `watch` is shown each part's logits (n, V).
        """
        z_nZ = self.enter(y_nH)
        losses: list[Tensor] = []
        chosen: list[Tensor] = []
        for part in range(len(PARTS)):
            value_n = target_n6[:, part]
            logits_nV = self.part_logits(part, z_nZ, last_n6, chosen).float()
            if watch is not None:
                watch(part, logits_nV)
            losses.append(_cross_entropy(logits_nV, value_n, smoothing))
            chosen.append(value_n)
            z_nZ = self.tell(part, z_nZ, value_n, last_n6)
        return torch.stack(losses, dim=1)

    def _weights_for_drawing(self) -> HeadWeights:
        """Gathered once; again when the weights have moved (`to`, `load_state_dict(assign=True)`)."""
        places = (
            self.enter.weight.data_ptr(),
            linear_weights(self.logits[0])[0].data_ptr(),
            self._buffer("possible").data_ptr(),
        )
        if self._drawing is None or self._drawing[0] != places:
            told: list[Any] = [*zip(self.told_value, self.told_change, strict=True)]
            told += [None] * (len(PARTS) - len(told))
            parts = []
            for part in range(len(PARTS)):
                norm: Any = self.norms[part]
                copy_1Z, copy_1 = linear_weights(self.copies[part])
                parts.append(
                    PartWeights(
                        norm=(norm.normalized_shape, norm.weight.detach(), norm.bias.detach(), norm.eps),
                        logits=linear_weights(self.logits[part]),
                        copy_Z=memory(copy_1Z)[0],
                        copy_bias=memory(copy_1),
                        base=memory(self._buffer(f"base_{part}")),
                        odds=memory(self._buffer(f"odds_{part}")),
                        each_button=linear_weights(self.each_button) if part == BUTTON_PART else None,
                        given_x=part in GIVEN_X,
                        told_value=memory(told[part][0].weight) if told[part] else None,
                        told_change=memory(told[part][1].weight) if told[part] else None,
                    )
                )
            possible = memory(self._buffer("possible"))
            weights = HeadWeights(linear_weights(self.enter), tuple(parts), possible, IMPOSSIBLE)
            self._drawing = (places, weights)
        return self._drawing[1]

    @torch.no_grad()
    def sample(
        self,
        y_nH: Tensor,
        last_n6: Tensor,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        uniform_n6: Tensor | None = None,
    ) -> Tensor:
        """Controllers (n, 6): drawn at a temperature, or the likeliest value of each part at 0.

        The numbers that decide come from the `generator` or, on the CPU, are given: float64 from 0 up to 1.
        """
        if y_nH.device.type == "cpu":
            weights = self._weights_for_drawing()
            return draw_controllers(weights, y_nH, last_n6, temperature, generator, uniform_n6)
        z_nZ = self.enter(y_nH)
        chosen: list[Tensor] = []
        for part in range(len(PARTS)):
            logits_nV = self.part_logits(part, z_nZ, last_n6, chosen).float()
            if temperature == 0:
                value_n = logits_nV.argmax(dim=1)
            else:
                chances_nV = torch.softmax(logits_nV / temperature, dim=1)
                value_n = torch.multinomial(chances_nV, 1, generator=generator)[:, 0]
            chosen.append(value_n)
            z_nZ = self.tell(part, z_nZ, value_n, last_n6)
        return torch.stack(chosen, dim=1)


def _cross_entropy(logits_nV: Tensor, value_n: Tensor, smoothing: float) -> Tensor:
    exact_n = F.cross_entropy(logits_nV, value_n, reduction="none")
    if smoothing == 0:
        return exact_n
    # Over the possible values only: an impossible one would cost a billion nats.
    possible_nV = logits_nV > IMPOSSIBLE / 2
    chances_nV = torch.log_softmax(logits_nV, dim=1).masked_fill(~possible_nV, 0.0)
    spread_n = -chances_nV.sum(dim=1) / possible_nV.sum(dim=1)
    return (1 - smoothing) * exact_n + smoothing * spread_n
