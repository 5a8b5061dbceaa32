"""A trained model as a player."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exphil_core.melee.characters import BY_NAME, Character
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior
from exphil_core.playing.matches import Match
from exphil_core.playing.view import View
from exphil_core.replays.controller import BUTTON_PART, C_X, MAIN_X, SHOULDER
from exphil_core.sandbox import Controller
from exphil_core.serving.delay import DelayQueue
from exphil_core.serving.runner import Runner
from exphil_core.serving.sandbox_source import to_pads

# The part that holds a group's odds of a repeat.
_FIRST_PART = (BUTTON_PART, MAIN_X, C_X, SHOULDER)


class Model:
    """Plays with a `runner` that has a lane for each game, and waits out the model's reaction delay."""

    def __init__(self, name: str, runner: Runner) -> None:
        self.name = name
        self.runner = runner
        self._seats = np.zeros(runner.games, np.int64)
        self._queues = [DelayQueue(runner.delay) for _ in range(runner.games)]

    @property
    def character(self) -> Character | None:
        """The one that it was trained to play, if it was one."""
        return BY_NAME.get(self.runner.character or "")

    def frequencies(self) -> ControllerPrior:
        """How often each controller occurs in what it was trained on."""
        return frequencies(self.runner.policy)

    def begin(self, match: Match, seat: int) -> None:
        """Its lane is the game's number: what is drawn doesn't depend on which games are played together."""
        self._seats[match.number] = seat
        self._queues[match.number].clear()
        self.runner.reset([match.number])

    def act(self, view: View) -> Sequence[Controller]:
        """What was decided `delay` frames ago for each game."""
        lanes = np.array([match.number for match in view.matches])
        decided = self.runner.step(view.batch, self._seats[lanes], lanes)
        if self.runner.delay:
            turns = zip(lanes.tolist(), decided, strict=True)
            decided = np.stack([self._queues[lane].push(cells) for lane, cells in turns])
        return to_pads(decided)


def frequencies(policy: Policy) -> ControllerPrior:
    """How often each controller occurs in what a policy was trained on, and how often it is repeated: its head starts
    from these and keeps them."""
    tables = policy.head.state_dict()
    marginals, repeats = [], []
    for group, part in zip(GROUPS, _FIRST_PART, strict=True):
        chances = np.exp(tables[f"base_{part}"].double().numpy())
        if group in ("main", "c"):
            given_x = np.exp(tables[f"base_{part + 1}"].double().numpy())
            chances = (chances[:, None] * given_x).reshape(-1)
        marginals.append(chances / chances.sum())
        odds = float(tables[f"odds_{part}"])
        repeats.append(odds / (1 + odds))
    return ControllerPrior(marginals=tuple(marginals), repeats=tuple(repeats))
