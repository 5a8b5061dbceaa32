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


class ControllerCounts:
    """How often each value of each part occurred, and how often as a repeat. Grows by nothing, whatever is added."""

    def __init__(self) -> None:
        self._seen = [np.zeros(size, np.int64) for size in GROUP_SIZES]
        self._repeated = [np.zeros(size, np.int64) for size in GROUP_SIZES]

    def add(self, cells: Cells, last: Cells) -> None:
        """Count controllers (n, 6), `last` (n, 6) being the ones before them."""
        values, before = group_values(cells), group_values(last)
        for group, size in enumerate(GROUP_SIZES):
            column = values[:, group]
            self._seen[group] += np.bincount(column, minlength=size)
            self._repeated[group] += np.bincount(column[column == before[:, group]], minlength=size)

    @property
    def tables(self) -> list[npt.NDArray[np.int64]]:
        """What was counted, to be added to by whoever counts elsewhere."""
        return [*self._seen, *self._repeated]

    def prior(self) -> ControllerPrior:
        """The prior fitted on what was counted."""
        marginals = tuple(
            smoothed(seen, _possible(name)) for seen, name in zip(self._seen, GROUPS, strict=True)
        )
        repeats = tuple(
            _repeat_probability(repeated, int(seen.sum()), marginal)
            for repeated, seen, marginal in zip(self._repeated, self._seen, marginals, strict=True)
        )
        return ControllerPrior(marginals=marginals, repeats=repeats)


def fit_prior(cells: Cells, last: Cells) -> ControllerPrior:
    """Fit on controllers (n, 6) and the ones before them (n, 6)."""
    counts = ControllerCounts()
    counts.add(cells, last)
    return counts.prior()


def _repeat_probability(repeated: npt.NDArray[np.int64], total: int, marginal: Doubles) -> float:
    """Weight of "repeated" against "drawn anew", by expectation maximisation; `repeated` counts repeats by value."""
    weight = 0.5
    there = np.flatnonzero(repeated)
    counts, chances = repeated[there], marginal[there]
    for _ in range(EM_ROUNDS):
        weight = float((counts * (weight / (weight + (1 - weight) * chances))).sum() / total)
    # Never certain: a part that always repeated in training must still be able to change.
    return min(max(weight, 1e-4), 1 - 1e-4)
