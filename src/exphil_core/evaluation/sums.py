"""Sums by game, and intervals from drawing games anew. Nothing is kept of a frame.

Every figure is a function of sums over games, so that its interval comes from the same sums with games counted as
often as they were drawn. Shapes: U units (a game each, or a fixed choice of games where there are very many),
R draws, n decisions, K figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.evaluation.report import Estimate

# Beyond so many games, several make one unit of the intervals, and memory stops growing.
UNITS = 1024
# Of fewer games an interval would say little but look sure: that of two holds the truth one time in two.
LEAST_GAMES = 5
Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]


def unit_of_games(hashes: Sequence[str]) -> Longs:
    """Which unit each game belongs to: one of its own, or beyond UNITS games one that follows from its hash."""
    if len(hashes) <= UNITS:
        return np.arange(len(hashes))
    return np.array([int(name[:8], 16) % UNITS for name in hashes])


@attrs.frozen(eq=False)
class Runs:
    """Decisions n in the order of the games that they belong to: where each run of one game begins, and its game."""

    starts: Longs
    game: Longs
    count: int

    @classmethod
    def of(cls, game_n: Longs) -> Runs:
        """Of decisions of which the same lane's follow each other; `game_n` is each one's game."""
        starts = np.flatnonzero(np.r_[True, game_n[1:] != game_n[:-1]]) if len(game_n) else np.zeros(0, int)
        return cls(starts, game_n[starts], len(game_n))

    def summed(self, values: npt.NDArray[np.generic]) -> Doubles:
        """Sums (runs, …) of values (n, …)."""
        wide = values.astype(np.float64)
        if not len(self.starts):
            return np.zeros((0, *wide.shape[1:]))
        return np.add.reduceat(wide, self.starts, axis=0)

    def counted(self, place: Longs, size: int, weights: Sequence[npt.NDArray[np.generic] | None]) -> Doubles:
        """Sums (runs, size, len(weights)) by place: `place` (n, …) is an index below `size` (or -1: nowhere), each
        of `weights` (n, …) is what is added there (None: 1)."""
        lengths = np.diff(np.r_[self.starts, self.count])
        run = np.repeat(np.arange(len(self.starts)), lengths)
        key = run.reshape(-1, *[1] * (place.ndim - 1)) * size + place
        there = place >= 0
        sums = [
            np.bincount(
                key[there],
                weights=None if each is None else each[there].astype(np.float64),
                minlength=len(self.starts) * size,
            )
            for each in weights
        ]
        return np.stack(sums, axis=-1).astype(np.float64).reshape(len(self.starts), size, len(weights))


class UnitSums:
    """Sums by name, each (U, …)."""

    def __init__(self, unit_of_game: Longs) -> None:
        self._unit = unit_of_game
        self._units = int(unit_of_game.max()) + 1 if len(unit_of_game) else 0
        self._sums: dict[str, Doubles] = {}

    def add(self, name: str, runs: Runs, sums: Doubles) -> None:
        """Add sums (runs, …) of decisions to the units of their games."""
        if name not in self._sums:
            self._sums[name] = np.zeros((self._units, *sums.shape[1:]))
        np.add.at(self._sums[name], self._unit[runs.game], sums)

    def __getitem__(self, name: str) -> Doubles:
        return self._sums[name]


@attrs.frozen(eq=False)
class Resampling:
    """Games drawn with replacement: how often each unit counts in each draw, (R, U). Units without a decision are not
    drawn."""

    weight_RU: Doubles
    level: float

    @classmethod
    def drawn(cls, frames_U: Doubles, samples: int, seed: int, level: float) -> Resampling:
        """`samples` draws of as many units as hold decisions."""
        there = np.flatnonzero(frames_U > 0)
        weight = np.zeros((samples, len(frames_U)))
        if len(there):
            rng = np.random.default_rng(seed)
            weight[:, there] = rng.multinomial(len(there), np.full(len(there), 1 / len(there)), samples)
        return cls(weight, level)

    def sums(self, sums_U: Doubles) -> tuple[Doubles, Doubles]:
        """The sum (…) of sums (U, …), and those (R, …) of every draw."""
        flat = sums_U.reshape(len(sums_U), -1)
        return sums_U.sum(axis=0), (self.weight_RU @ flat).reshape(-1, *sums_U.shape[1:])

    def ratios(self, above_UK: Doubles, below_UK: Doubles) -> list[Estimate]:
        """Sums above over sums below, K of them; `below_UK` says how much each unit tells of each."""
        above, below = np.broadcast_arrays(above_UK, below_UK)
        (top_K, top_RK), (base_K, base_RK) = self.sums(above), self.sums(below)
        point_K, draws_RK = _quotient(top_K, base_K), _quotient(top_RK, base_RK)
        telling_K = (below > 0).sum(axis=0)
        return [self._estimate(point_K[k], draws_RK[:, k], int(telling_K[k])) for k in range(len(point_K))]

    def ratio(self, above_U: Doubles, below_U: Doubles) -> Estimate:
        """One of them."""
        return self.ratios(above_U[:, None], below_U[:, None])[0]

    def figure(self, of: Callable[[Doubles], Doubles], sums_U: Doubles, tells_U: Doubles) -> Estimate:
        """A figure `of` sums (…, S), whatever it is; NaN where they don't tell it."""
        total, draws = self.sums(sums_U)
        return self._estimate(float(of(total)), of(draws), int((tells_U > 0).sum()))

    def _estimate(self, point: float, draws_R: Doubles, telling: int) -> Estimate:
        finite = draws_R[np.isfinite(draws_R)]
        value = float(point) if np.isfinite(point) else None
        if value is None or telling < LEAST_GAMES or not len(finite):
            return Estimate(value)
        tail = (1 - self.level) / 2
        low, high = np.quantile(finite, [tail, 1 - tail])
        return Estimate(value, float(low), float(high))


def _quotient(above: Doubles, below: Doubles) -> Doubles:
    quotient: Doubles = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)
    return quotient
