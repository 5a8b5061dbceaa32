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
# Enough to say which special is meant, too little to jump, drop or dash.
TILTED = 52


class Phrases:
    """One player's repertoire. `character` is a canonical name; chances come from `rng.random()` alone."""

    def __init__(self, character: str, style: Style, habits: Habits, rng: random.Random) -> None:
        self._style = style
        self._habits = habits
        self._random = rng.random
        self._body = BODIES[character]
        self._rise = RISES.get(character, DEFAULT_RISE)
        self._shot = SHOTS.get(character)

    @property
    def speed(self) -> int:
        """How far the stick moves in a frame, in 80ths."""
        return self._habits.speed

    @property
    def shield_button(self) -> int:
        """L or R, whichever this player shields with."""
        return self._habits.shield_button

    def chance(self, share: float) -> bool:
        """Yes in `share` of all cases."""
        return self._random() < share

    def share(self) -> float:
        """Anything from 0 to 1."""
        return self._random()

    def about(self, frames: int) -> int:
        """`frames`, one time in four one more or less."""
        u = self._random()
        return max(1, frames + (1 if u < 0.125 else -1 if u > 0.875 else 0))

    def side(self, me: FighterState, foe: FighterState) -> int:
        """-1 or 1: where the opponent is."""
        return 1 if foe.x >= me.x else -1

    def full(self, side: int) -> tuple[int, int]:
        """The stick all the way to `side`."""
        return snap_stick(side * self._habits.full, self._habits.lean)

    def dash(self, side: int, frames: int) -> Step:
        """The stick flung to `side` for about `frames`."""
        x, y = self.full(side)
        return Step(self.about(frames), x, y)

    def walk(self, side: int, frames: int) -> Step:
        """The stick tilted to `side` for about `frames`."""
        return Step(self.about(frames), side * self._habits.tilt)

    def rest(self, frames: int, side: int) -> Plan:
        """Wait out one's own attack, leaning away half of the time as hands do."""
        half = frames // 2
        return [Step(self.about(half)), Step(self.about(frames - half), *snap_stick(-34.0 * side, 26.0))]

    def face(self, me: FighterState, side: int) -> Plan:
        """Turn to `side`, if need be."""
        return [] if me.direction == side else [Step(2, side * self._habits.tilt), Step(3)]

    def jump(self, side: int, short: bool) -> Plan:
        """Into the air, drifting to `side`; a short hop lets go before the knees are straight."""
        x, y = self.full(side) if side else (0, 0)
        squat = self._body.squat
        held = 2 if short else squat + 2
        return [Step(held, x, y, self._habits.jump_button), Step(max(1, squat + 2 - held), x, y)]

    def aerial(self, side: int, facing: float) -> Plan:
        """An aerial towards `side`, then down fast with an L-cancel on the way."""
        x, y = self.full(side)
        by_c_stick = self.chance(self._style.c_stick)
        strike = Step(2, x, y, cx=side * 80) if by_c_stick else Step(2, x, y, buttons=A)
        drift = Step(self.about(7), x, y)
        return [strike, drift, Step(4, 0, -78), Step(3, 0, -78, buttons=self._habits.shield_button), Step(7)]

    def teleport(self, towards: tuple[float, float]) -> Plan:
        """Up special, then the stick along `towards` until it sets off."""
        x, y = towards
        length = math.sqrt(x * x + y * y) or 1.0
        aim = snap_stick(x / length * 80, y / length * 80)
        raise_stick = TILTED // self._habits.speed + 1
        return [Step(raise_stick, 0, TILTED), Step(2, 0, TILTED, B), Step(self._rise.start + 4, *aim)]

    def fire(self, me: FighterState, side: int) -> Plan:
        """The neutral special: shoot, or charge and shoot or keep."""
        shot = self._shot
        start = self.face(me, side)
        if shot is not None and shot.charge:
            hold = self.about(40)
            end = Step(2, buttons=B) if self.chance(0.7) else Step(2, buttons=R)
            return [*start, Step(3, buttons=B), Step(hold), end, Step(28)]
        if self.chance(0.3):
            return [*start, *self.jump(0, short=True), Step(2, buttons=B), Step(22)]
        return [*start, Step(3, buttons=B), Step(self.about(20))]
