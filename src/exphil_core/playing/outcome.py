"""What came of games: each one's result, and rates and means with intervals over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee import FIRST_FRAME, FRAMES_PER_SECOND
from exphil_core.playing.matches import Match
from exphil_core.sandbox import GameState

WON, LOST, DRAWN = "won", "lost", "drawn"
# 95 % of a normal distribution lie so many deviations around its mean.
_DEVIATIONS = 1.959964
RESAMPLES, _RESAMPLE_SEED = 4000, 0

Interval = tuple[float, float]


@attrs.frozen(kw_only=True)
class GameResult:
    """One game as the tested player saw it. Stocks are those left, damage is in percent over the whole game."""

    number: int
    outcome: str
    character: str
    opponent: str
    stage: str
    port: int
    seconds: float
    stocks: int
    opponent_stocks: int
    damage_dealt: float
    damage_taken: float


class Tally:
    """Counts a game's damage while it is played."""

    def __init__(self, match: Match) -> None:
        self._match = match
        self._percent = [0.0, 0.0]
        self._taken = [0.0, 0.0]

    def add(self, state: GameState) -> None:
        """After each frame. Percent falls with a stock, which is no damage."""
        for seat, fighter in enumerate(state.fighters):
            rise = fighter.percent - self._percent[seat]
            if rise:
                self._percent[seat] = fighter.percent
                if rise > 0:
                    self._taken[seat] += rise

    def result(self, state: GameState, winner: int | None) -> GameResult:
        """The game's result; `state` is its last, `winner` a seat or None."""
        match, seat = self._match, self._match.seat
        characters = match.setup.characters
        return GameResult(
            number=match.number,
            outcome=DRAWN if winner is None else WON if winner == seat else LOST,
            character=characters[seat].name,
            opponent=characters[1 - seat].name,
            stage=match.setup.stage.name,
            port=match.setup.ports[seat] + 1,
            seconds=round((state.frame - FIRST_FRAME + 1) / FRAMES_PER_SECOND, 2),
            stocks=state.fighters[seat].stocks,
            opponent_stocks=state.fighters[1 - seat].stocks,
            damage_dealt=round(self._taken[1 - seat], 2),
            damage_taken=round(self._taken[seat], 2),
        )


@attrs.frozen
class Estimate:
    """A figure over all games, and the interval (95 %) in which it lies for games like these."""

    value: float
    low: float
    high: float


@attrs.frozen(kw_only=True)
class Summary:
    """All games together. A drawn game counts as half a win; figures are means a game."""

    games: int
    won: int
    lost: int
    drawn: int
    win_rate: Estimate
    stocks: Estimate
    opponent_stocks: Estimate
    stocks_ahead: Estimate
    damage_dealt: Estimate
    damage_taken: Estimate
    damage_ahead: Estimate
    minutes: float

    def as_json(self) -> dict[str, Any]:
        """Estimates as objects with `value`, `low` and `high`."""
        return attrs.asdict(self)


def summary(results: Sequence[GameResult]) -> Summary:
    """What the results say together; at least one."""
    counts = {kind: sum(r.outcome == kind for r in results) for kind in (WON, LOST, DRAWN)}
    stocks, opponent_stocks, dealt, taken = (
        np.array([getattr(r, name) for r in results], np.float64)
        for name in ("stocks", "opponent_stocks", "damage_dealt", "damage_taken")
    )
    return Summary(
        games=len(results),
        **counts,
        win_rate=wilson(counts[WON] + counts[DRAWN] / 2, len(results)),
        stocks=mean_estimate(stocks),
        opponent_stocks=mean_estimate(opponent_stocks),
        stocks_ahead=mean_estimate(stocks - opponent_stocks),
        damage_dealt=mean_estimate(dealt),
        damage_taken=mean_estimate(taken),
        damage_ahead=mean_estimate(dealt - taken),
        minutes=sum(r.seconds for r in results) / 60 / len(results),
    )


def wilson(successes: float, count: int) -> Estimate:
    """A rate with Wilson's interval, which is right at 0 and 1 too."""
    rate, z2 = successes / count, _DEVIATIONS**2
    centre = (rate + z2 / (2 * count)) / (1 + z2 / count)
    reach = math.sqrt(rate * (1 - rate) / count + z2 / (4 * count**2)) * _DEVIATIONS / (1 + z2 / count)
    return Estimate(rate, max(centre - reach, 0.0), min(centre + reach, 1.0))


def mean_estimate(values: npt.NDArray[np.float64]) -> Estimate:
    """A mean with the interval that drawing the games anew gives."""
    rng = np.random.default_rng(_RESAMPLE_SEED)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))
