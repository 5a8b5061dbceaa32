"""Controllers on the coarser cells of slippi-ai, baselines on them, and what our policies say of them.

Sticks on 17 levels an axis, the shoulder on 5, eight buttons of which A is also down whenever Z is (as the game
processes it). A cell is a set of values of our own grid, so that its probability is a sum of exact ones; each part is
conditioned on the *cells* of those before it, never on their exact values, which would tell more.

Shapes: n frames, m rows (a frame with one way to fill the cells so far), 13 parts, V values of a part of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from exphil_core.models.head import PolicyHead
from exphil_core.replays.controller import (
    AXIS_STEPS,
    BUTTON_PART,
    C_X,
    C_Y,
    MAIN_X,
    MAIN_Y,
    SHOULDER,
    SHOULDER_LEVELS,
    Cells,
)

Levels = npt.NDArray[np.int64]
PARTS = ("A", "B", "X", "Y", "Z", "L", "R", "D_UP", "main x", "main y", "C x", "C y", "shoulder")
SIZES = (2,) * 8 + (17,) * 4 + (5,)
# Rounding half up, as floor(16 v + 1/2) of v = (1 + axis) / 2 does; exact in integers.
AXIS_LEVEL: Levels = ((AXIS_STEPS.astype(np.int64) + 80) * 2 + 10) // 20
SHOULDER_LEVEL: Levels = (SHOULDER_LEVELS.astype(np.int64) * 8 + 140) // 280
_bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
_bits[:, 0] |= _bits[:, 4]
CHORD_BITS: Levels = _bits.astype(np.int64)  # (256, 8)
# Ways to fill a frame's cells that are less likely than the likeliest by this factor are left out: our likelihood
# comes out too low by at most that.
NEGLIGIBLE = 1e-7
AT_ONCE = 256


def levels(cells: Cells) -> Levels:
    """(n, 6) controllers of ours as (n, 13) of theirs."""
    axes = [AXIS_LEVEL[cells[:, part]] for part in (MAIN_X, MAIN_Y, C_X, C_Y)]
    return np.concatenate(
        [CHORD_BITS[cells[:, BUTTON_PART]], np.stack([*axes, SHOULDER_LEVEL[cells[:, SHOULDER]]], axis=1)],
        axis=1,
    )


class Baselines:
    """The marginal of each part, and its mixture with "the last value again", fitted by EM on whole sides."""

    def __init__(self, sides: Sequence[Cells]) -> None:
        own = [levels(side) for side in sides]
        every = np.concatenate(own)
        now, last = np.concatenate([side[1:] for side in own]), np.concatenate([side[:-1] for side in own])
        self.marginals, self.repeats = [], []
        for part, size in enumerate(SIZES):
            counts = np.bincount(every[:, part], minlength=size) + 1.0
            self.marginals.append(counts / counts.sum())
            chance, same, weight = self.marginals[-1][now[:, part]], now[:, part] == last[:, part], 0.9
            for _ in range(100):
                weight = float((same * weight / (weight + (1 - weight) * chance)).mean())
            self.repeats.append(weight)

    def marginal(self, now: Levels) -> npt.NDArray[np.float64]:
        """Nats (n, 13)."""
        return np.stack([-np.log(m[now[:, part]]) for part, m in enumerate(self.marginals)], axis=1)

    def mixture(self, now: Levels, last: Levels) -> npt.NDArray[np.float64]:
        """Nats (n, 13)."""
        columns = []
        for part, (marginal, weight) in enumerate(zip(self.marginals, self.repeats, strict=True)):
            same = now[:, part] == last[:, part]
            columns.append(-np.log(weight * same + (1 - weight) * marginal[now[:, part]]))
        return np.stack(columns, axis=1)


@torch.no_grad()
def cell_losses(head: PolicyHead, y_nH: Tensor, target_n6: Cells, last_n6: Cells) -> npt.NDArray[np.float64]:
    """Nats (n, 13) of the cells that `target_n6` lie in, part after part."""
    found = []
    for first in range(0, len(y_nH), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        wanted = torch.from_numpy(levels(target_n6[some]))
        last = torch.from_numpy(last_n6[some].astype(np.int64))
        found.append(_Ways(head, y_nH[some], last).losses(wanted))
    return np.concatenate(found)


class _Ways:
    """All ways to fill the cells so far, with their probabilities."""

    def __init__(self, head: PolicyHead, y_nH: Tensor, last_n6: Tensor) -> None:
        self.head, self.last = head, last_n6
        self.frame = torch.arange(len(y_nH))
        self.z = head.enter(y_nH)
        self.weight = torch.zeros(len(y_nH), dtype=torch.float64)  # log
        self.chosen: list[Tensor] = []

    def losses(self, wanted_n13: Tensor) -> npt.NDArray[np.float64]:
        """Of each part given the cells before it."""
        columns = self._buttons(wanted_n13[:, :8])
        for part, table in (
            (1, AXIS_LEVEL),
            (2, AXIS_LEVEL),
            (3, AXIS_LEVEL),
            (4, AXIS_LEVEL),
            (5, SHOULDER_LEVEL),
        ):
            before = self._total()
            member_mV = torch.from_numpy(table) == wanted_n13[self.frame, 7 + part][:, None]
            self._choose(part, member_mV)
            columns.append(before - self._total())
        return torch.stack(columns, dim=1).numpy()

    def _buttons(self, wanted_n8: Tensor) -> list[Tensor]:
        logp_nV = self._logp(0)
        agree_nV = torch.ones(logp_nV.shape, dtype=torch.bool)
        before, columns = torch.zeros(len(logp_nV), dtype=torch.float64), []
        for bit in range(8):
            agree_nV &= torch.from_numpy(CHORD_BITS[:, bit]) == wanted_n8[:, bit : bit + 1]
            now = torch.logsumexp(logp_nV.masked_fill(~agree_nV, -torch.inf), dim=1)
            columns.append(before - now)
            before = now
        self._choose(0, agree_nV, logp_nV)
        return columns

    def _logp(self, part: int) -> Tensor:
        logits_mV = self.head.part_logits(part, self.z, self.last[self.frame], self.chosen)
        return torch.log_softmax(logits_mV.double(), dim=1)

    def _choose(self, part: int, member_mV: Tensor, logp_mV: Tensor | None = None) -> None:
        """Go on from each row with every value that lies in its cell."""
        weight_mV = self.weight[:, None] + (self._logp(part) if logp_mV is None else logp_mV)
        weight_mV = weight_mV.masked_fill(~member_mV, -torch.inf)
        likeliest_n = torch.full((len(self.last),), -torch.inf, dtype=torch.float64)
        likeliest_n.scatter_reduce_(0, self.frame, weight_mV.amax(dim=1), "amax")
        row, value = torch.nonzero(
            weight_mV >= likeliest_n[self.frame][:, None] + np.log(NEGLIGIBLE), as_tuple=True
        )
        self.weight, self.frame = weight_mV[row, value], self.frame[row]
        self.chosen = [*(column[row] for column in self.chosen), value]
        self.z = self.head.tell(part, self.z[row], value, self.last[self.frame])

    def _total(self) -> Tensor:
        """Log-probability (n,) of the cells so far."""
        likeliest = torch.full((len(self.last),), -torch.inf, dtype=torch.float64)
        likeliest.scatter_reduce_(0, self.frame, self.weight, "amax")
        sums = torch.zeros(len(self.last), dtype=torch.float64)
        sums.index_add_(0, self.frame, torch.exp(self.weight - likeliest[self.frame]))
        return likeliest + torch.log(sums)
