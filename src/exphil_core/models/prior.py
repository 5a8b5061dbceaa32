"""How often each controller occurs and how often the last one is repeated: two baselines, and where the policy
head starts.

Both are per controller part: buttons, main stick, C-stick, shoulder (a stick's x and y together). Fitted on
training frames only.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee.controller import CHORDS
from exphil_core.replays.controller import (
    AXIS_CELLS,
    BUTTON_PART,
    C_X,
    C_Y,
    MAIN_X,
    MAIN_Y,
    SHOULDER,
    SHOULDER_CELLS,
    STICK_CELLS,
    Cells,
)

GROUPS = ("buttons", "main", "c", "shoulder")
GROUP_SIZES = (CHORDS, AXIS_CELLS**2, AXIS_CELLS**2, SHOULDER_CELLS)
# Pseudo-counts a cell that are tried; the best by leave-one-out likelihood is taken.
PSEUDO_COUNTS = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
EM_ROUNDS = 50

Doubles = npt.NDArray[np.float64]


def group_values(cells: Cells) -> npt.NDArray[np.int64]:
    """One number a part: (…, 6) cells to (…, 4), a stick's two axes joined."""
    wide = cells.astype(np.int64)
    main = wide[..., MAIN_X] * AXIS_CELLS + wide[..., MAIN_Y]
    c = wide[..., C_X] * AXIS_CELLS + wide[..., C_Y]
    return np.stack([wide[..., BUTTON_PART], main, c, wide[..., SHOULDER]], axis=-1)


def _possible(group: str) -> npt.NDArray[np.bool_]:
    if group in ("main", "c"):
        return STICK_CELLS.reshape(-1)
    return np.ones(GROUP_SIZES[GROUPS.index(group)], bool)


def smoothed(counts: npt.NDArray[np.int64], possible: npt.NDArray[np.bool_]) -> Doubles:
    """Probabilities from counts, every possible value above zero.

    Additive smoothing; the pseudo-count is the one under which each observation is likeliest given the others.
    """
    total, cells = counts.sum(), possible.sum()

    def left_out(pseudo: float) -> float:
        seen = counts[counts > 0]
        rest = np.log(seen - 1 + pseudo) - np.log(max(total - 1, 0) + pseudo * cells)
        return float((seen * rest).sum())

    best = max(PSEUDO_COUNTS, key=left_out)
    probabilities: Doubles = np.where(possible, counts + best, 0.0) / (total + best * cells)
    return probabilities


@attrs.frozen(kw_only=True, eq=False)
class ControllerPrior:
    """The smoothed marginal of each part, and the probability that a part's last value is simply repeated."""

    marginals: tuple[Doubles, ...]
    repeats: tuple[float, ...]

    def marginal_loss(self, cells: Cells) -> Doubles:
        """Nats (…, 4) of controllers under the marginals."""
        values = group_values(cells)
        return np.stack([-np.log(m[values[..., g]]) for g, m in enumerate(self.marginals)], axis=-1)

    def repeat_loss(self, cells: Cells, last: Cells) -> Doubles:
        """Nats (…, 4) under "as the last one, or else by the marginal"."""
        values, before = group_values(cells), group_values(last)
        losses = []
        for group, (marginal, repeat) in enumerate(zip(self.marginals, self.repeats, strict=True)):
            same = values[..., group] == before[..., group]
            losses.append(-np.log(repeat * same + (1 - repeat) * marginal[values[..., group]]))
        return np.stack(losses, axis=-1)


def fit_prior(cells: Cells, last: Cells) -> ControllerPrior:
    """Fit on controllers (n, 6) and the ones before them (n, 6)."""
    values, before = group_values(cells), group_values(last)
    marginals, repeats = [], []
    for group, name in enumerate(GROUPS):
        counts = np.bincount(values[:, group], minlength=GROUP_SIZES[group])
        marginal = smoothed(counts, _possible(name))
        marginals.append(marginal)
        same = values[:, group] == before[:, group]
        repeats.append(_repeat_probability(same, marginal[values[:, group]]))
    return ControllerPrior(marginals=tuple(marginals), repeats=tuple(repeats))


def _repeat_probability(same: npt.NDArray[np.bool_], marginal_n: Doubles) -> float:
    """Weight of "repeated" against "drawn anew", by expectation maximisation."""
    weight = 0.5
    same_marginal = marginal_n[same]
    for _ in range(EM_ROUNDS):
        weight = float((weight / (weight + (1 - weight) * same_marginal)).sum() / len(same))
    # Never certain: a part that always repeated in training must still be able to change.
    return min(max(weight, 1e-4), 1 - 1e-4)
