"""A scripted player: sees late, decides rarely, and carries plans out with human-like hands.

`act` is a noisy function of what could be seen: both fighters' past states and the player's own past inputs.
What it does is decided in `tactics`, which also says what only a memory can predict.
"""

from __future__ import annotations

import random
from collections import deque

from exphil_core.sandbox.controller import NEUTRAL, Controller
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.hand import Hand, Step
from exphil_core.sandbox.situation import TROUBLE, URGENT, Situation, judge
from exphil_core.sandbox.state import GameState
from exphil_core.sandbox.styles import Habits, Style
from exphil_core.sandbox.tactics import Tactics


class ScriptedPlayer:
    """Plays fighter `index` of a game with a reaction delay of `style.delay` frames."""

    def __init__(self, setup: Setup, index: int, style: Style, rng: random.Random) -> None:
        habits = Habits.draw(rng)
        self._index = index
        self._arena_edge = setup.stage.edge_x
        self._seen: deque[GameState] = deque(maxlen=style.delay)
        self._tactics = Tactics(setup, index, style, habits, rng)
        self._hand = Hand(habits.speed, rng)
        self._plan: list[Step] = []
        self._situation = Situation.LIMBO
        self._left = 0
        self._step = Step(1)

    def act(self, state: GameState | None) -> Controller:
        """The next frame's controller, given the newest state (None before the first frame)."""
        if state is None:
            return NEUTRAL
        self._seen.append(state)
        view = self._seen[0]
        me, foe = view.fighters[self._index], view.fighters[1 - self._index]
        self._tactics.notice(me, foe)
        alarm = self._tactics.watch(view)
        situation = judge(me, foe, self._arena_edge, self._tactics.wants_to_follow)
        if alarm and situation not in TROUBLE and not me.airborne:
            self._plan = []
            self._left = 0
        if situation is not self._situation:
            if situation in URGENT:
                self._plan = []
                self._left = 0
            self._situation = situation
        if self._left <= 0:
            if not self._plan:
                # Reversed, so that the next step is cheap to pop.
                self._plan = self._tactics.plan(situation, me, foe)[::-1]
            self._step = self._plan.pop()
            self._left = self._step.frames
        self._left -= 1
        return self._hand.move(self._step)
