"""Players that look at nothing: the two baselines of `val_loss`, at play.

Shapes: n games, G = 4 groups of controller parts (`prior.GROUPS`), C = 6 controller cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exphil_core.melee.characters import Character
from exphil_core.melee.stages import STAGES
from exphil_core.models.prior import GROUPS, ControllerCounts, ControllerPrior, group_values
from exphil_core.playing.matches import Match
from exphil_core.playing.view import View
from exphil_core.replays.controller import AXIS_CELLS, NEUTRAL, Cells
from exphil_core.sandbox import Controller, GameState
from exphil_core.sandbox.make import DEFAULT_CHARACTERS, find_characters, plan_match, play
from exphil_core.serving.sandbox_source import to_cells, to_pads

# Frames for which a game's chances are drawn at a time.
_BLOCK = 256
# Games of scripted players that frequencies are taken from where no model has any.
_SAMPLE_GAMES, _SAMPLE_MINUTES, _SAMPLE_SEED = 12, 0.5, 0

Doubles = npt.NDArray[np.float64]


class Chance:
    """Draws each part of the controller as often as it occurs; with `repeats`, only where it doesn't repeat the last
    one, which it does as often as players do."""

    character: Character | None = None

    def __init__(self, name: str, prior: ControllerPrior, seed: int, *, repeats: bool) -> None:
        self.name = name
        self._sums = [np.cumsum(marginal) / marginal.sum() for marginal in prior.marginals]
        self._repeat_G = np.array(prior.repeats if repeats else (0.0,) * len(GROUPS))
        self._seed = seed
        self._last: dict[int, npt.NDArray[np.int64]] = {}
        self._drawn: dict[int, tuple[int, Doubles]] = {}
        self._rngs: dict[int, np.random.Generator] = {}

    def begin(self, match: Match, seat: int) -> None:
        """From neutral, with draws of the game's own."""
        number = match.number
        self._rngs[number] = np.random.default_rng([self._seed, number, seat])
        self._drawn[number] = (_BLOCK, np.zeros((0, 2, len(GROUPS))))
        self._last[number] = group_of(NEUTRAL)

    def act(self, view: View) -> Sequence[Controller]:
        """Controllers, whatever happened."""
        numbers = [match.number for match in view.matches]
        chance = np.stack([self._chances(number) for number in numbers])
        last_nG = np.stack([self._last[number] for number in numbers])
        drawn_nG = np.stack(
            [
                np.searchsorted(sums, chance[:, 0, group], side="right")
                for group, sums in enumerate(self._sums)
            ],
            axis=1,
        )
        value_nG = np.where(chance[:, 1] < self._repeat_G, last_nG, drawn_nG)
        for number, value_G in zip(numbers, value_nG, strict=True):
            self._last[number] = value_G
        return to_pads(cells_of(value_nG))

    def _chances(self, number: int) -> Doubles:
        """Two numbers a group for this frame of a game."""
        at, block = self._drawn[number]
        if at == _BLOCK:
            at, block = 0, self._rngs[number].random((_BLOCK, 2, len(GROUPS)))
        self._drawn[number] = (at + 1, block)
        chances: Doubles = block[at]
        return chances


def group_of(cells: Cells) -> npt.NDArray[np.int64]:
    """As `prior.group_values`, of one controller."""
    values: npt.NDArray[np.int64] = group_values(cells[None])[0]
    return values


def cells_of(values_nG: npt.NDArray[np.int64]) -> Cells:
    """Cells (n, C) of one number a group, a stick's two axes joined: what `prior.group_values` undoes."""
    chord, main, c, shoulder = values_nG.T
    columns = (chord, main // AXIS_CELLS, main % AXIS_CELLS, c // AXIS_CELLS, c % AXIS_CELLS, shoulder)
    return np.stack(columns, axis=1).astype(np.uint8)


def scripted_frequencies() -> ControllerPrior:
    """How often scripted players press what: for games in which no model plays."""
    counts = ControllerCounts()
    cast = find_characters(DEFAULT_CHARACTERS)
    for number in range(_SAMPLE_GAMES):
        pads: list[Controller] = []

        def watch(state: GameState, both: Sequence[Controller], pads: list[Controller] = pads) -> None:
            pads.extend(both)

        play(plan_match(_SAMPLE_SEED, number, _SAMPLE_MINUTES, cast, STAGES), watch)
        cells = to_cells(pads)
        for side in (cells[::2], cells[1::2]):
            counts.add(side[1:], side[:-1])
    return counts.prior()
