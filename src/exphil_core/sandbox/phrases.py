"""The phrases that plans are made of (dashes, jumps, aerials, shots), in one player's own way."""

from __future__ import annotations

import math
import random

from exphil_core.sandbox.bodies import BODIES, DEFAULT_RISE, RISES, SHOTS
from exphil_core.sandbox.controller import A, B, R, snap_stick
from exphil_core.sandbox.hand import Step
from exphil_core.sandbox.state import FighterState
from exphil_core.sandbox.styles import Habits, Style

Plan = list[Step]


class Phrases:
    """One player's repertoire. `character` is a canonical name; chances come from `rng.random()` alone."""

    def __init__(self, character: str, style: Style, habits: Habits, rng: random.Random) -> None:
        self._style = style
        self._habits = habits
        self._random = rng.random
        self._body = BODIES[character]
        self._rise = RISES.get(character, DEFAULT_RISE)
        self._shot = SHOTS.get(character)

    def _chance(self, share: float) -> bool:
        return self._random() < share

    def _about(self, frames: int) -> int:
        """`frames`, one time in four one more or less."""
        u = self._random()
        return max(1, frames + (1 if u < 0.125 else -1 if u > 0.875 else 0))

    def _side(self, me: FighterState, foe: FighterState) -> int:
        return 1 if foe.x >= me.x else -1

    def _full(self, side: int) -> tuple[int, int]:
        return snap_stick(side * self._habits.full, self._habits.lean)

    def _dash(self, side: int, frames: int) -> Step:
        x, y = self._full(side)
        return Step(self._about(frames), x, y)

    def _walk(self, side: int, frames: int) -> Step:
        return Step(self._about(frames), side * self._habits.tilt)

    def _rest(self, frames: int, side: int) -> Plan:
        """Wait out one's own attack, leaning away half of the time as hands do."""
        half = frames // 2
        return [Step(self._about(half)), Step(self._about(frames - half), *snap_stick(-34.0 * side, 26.0))]

    def _face(self, me: FighterState, side: int) -> Plan:
        return [] if me.direction == side else [Step(2, side * self._habits.tilt), Step(3)]

    def _jump(self, side: int, short: bool) -> Plan:
        """Into the air, drifting to `side`; a short hop lets go before the knees are straight."""
        x, y = self._full(side) if side else (0, 0)
        squat = self._body.squat
        held = 2 if short else squat + 2
        return [Step(held, x, y, self._habits.jump_button), Step(max(1, squat + 2 - held), x, y)]

    def _aerial(self, side: int, facing: float) -> Plan:
        """An aerial towards `side`, then down fast with an L-cancel on the way."""
        x, y = self._full(side)
        by_c_stick = self._chance(self._style.c_stick)
        strike = Step(2, x, y, cx=side * 80) if by_c_stick else Step(2, x, y, buttons=A)
        drift = Step(self._about(7), x, y)
        return [strike, drift, Step(4, 0, -78), Step(3, 0, -78, buttons=self._habits.shield_button), Step(7)]

    def _teleport(self, towards: tuple[float, float]) -> Plan:
        """Up special, then the stick along `towards` until it sets off."""
        x, y = towards
        length = math.sqrt(x * x + y * y) or 1.0
        aim = snap_stick(x / length * 80, y / length * 80)
        raise_stick = 80 // self._habits.speed + 1
        return [Step(raise_stick, 0, 76), Step(2, 0, 76, B), Step(self._rise.start + 4, *aim)]

    def _fire(self, me: FighterState, side: int) -> Plan:
        shot = self._shot
        start = self._face(me, side)
        if shot is not None and shot.charge:
            hold = self._about(40)
            end = Step(2, buttons=B) if self._chance(0.7) else Step(2, buttons=R)
            return [*start, Step(3, buttons=B), Step(hold), end, Step(28)]
        if self._chance(0.3):
            return [*start, *self._jump(0, short=True), Step(2, buttons=B), Step(22)]
        return [*start, Step(3, buttons=B), Step(self._about(20))]
