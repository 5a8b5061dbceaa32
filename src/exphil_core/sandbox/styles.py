"""Personalities of the scripted players: how they lean, how fast they react, how their hands are."""

from __future__ import annotations

import random

import attrs

from exphil_core.sandbox.controller import L, R, X, Y


@attrs.frozen(kw_only=True)
class Style:
    """One personality. `delay` is the reaction time in frames; the rest are shares of the time, 0 to 1.

    `analog` is how often the shield is pressed softly, `c_stick` how often attacks come from the C-stick;
    `order` is the cycle in which pokes follow each other (0 jab or tilt, 1 smash, 2 grab).
    """

    name: str
    delay: int
    aggression: float
    shoot: float
    shield: float
    aerial: float
    analog: float
    c_stick: float
    order: tuple[int, ...]


STYLES: tuple[Style, ...] = (
    Style(
        name="rusher", delay=8, aggression=0.8, shoot=0.1, shield=0.35, aerial=0.5, analog=0.0, c_stick=0.3,
        order=(0, 2, 0, 1),
    ),
    Style(
        name="zoner", delay=11, aggression=0.35, shoot=0.75, shield=0.5, aerial=0.35, analog=0.2, c_stick=0.6,
        order=(1, 0, 2),
    ),
    Style(
        name="turtle", delay=13, aggression=0.45, shoot=0.3, shield=0.85, aerial=0.2, analog=0.7, c_stick=0.5,
        order=(2, 1, 2, 0),
    ),
    Style(
        name="acrobat", delay=10, aggression=0.65, shoot=0.2, shield=0.3, aerial=0.85, analog=0.1,
        c_stick=0.8, order=(0, 1),
    ),
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Habits:
    """One player's hands in one game, drawn once: where sticks come to rest and which buttons they use.

    Stick figures in 80ths: `full` and `tilt` along x with a lean of `lean` in y, `speed` a frame.
    """

    full: int
    tilt: int
    lean: int
    speed: int
    jump_button: int
    shield_button: int
    light_shield: int
    dash_frames: int

    @classmethod
    def draw(cls, rng: random.Random) -> Habits:
        """Habits of a player; only `rng.random()` is used, whose sequence Python promises to keep."""

        def pick(*choices: int) -> int:
            return choices[int(rng.random() * len(choices))]

        return cls(
            full=pick(80, 79, 78, 76),
            tilt=pick(38, 45, 52),
            lean=pick(0, 0, -25, 24, -30),
            speed=pick(14, 18, 24),
            jump_button=pick(X, Y),
            shield_button=pick(L, R, R),
            light_shield=pick(60, 77, 94),
            dash_frames=pick(6, 8, 10),
        )
