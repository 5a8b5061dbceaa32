"""How the 26 characters differ in the sandbox: a handful of numbers each.

They are rounded from what players know of Melee, and only their order matters here (Fox falls fast,
Jigglypuff is light, Ganondorf is slow). Speeds in units a frame, accelerations in units a frame squared.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Body:
    """One character's movement. `jumps` counts the one from the ground; `reach` and `power` scale attacks."""

    weight: float
    gravity: float
    fall: float
    fast_fall: float
    walk: float
    dash: float
    run: float
    traction: float
    air_speed: float
    air_accel: float
    jump: float
    hop: float
    squat: int
    jumps: int = 2
    reach: float = 1.0
    power: float = 1.0


@attrs.frozen
class Shot:
    """A neutral special that launches an item: Melee's item id, speed, life in frames, damage in percent.

    With `charge` above 0 (frames to full) it is held, cancelled and fired as Mewtwo's Shadow Ball is.
    """

    item: int
    speed: float
    life: int
    damage: float
    knockback: float = 20.0
    charge: int = 0


@attrs.frozen
class Rise:
    """The up special: `start` frames, `travel` frames at `speed` along the stick, `end` frames, helpless.

    `ground` and `air` are the actions of the three phases. The default ones are stand-ins that collide with
    no other special of whoever has them (Zelda's change is 355 and up).
    """

    start: int = 14
    travel: int = 16
    speed: float = 3.6
    end: int = 0
    ground: tuple[int, int, int] = (353, 353, 353)
    air: tuple[int, int, int] = (354, 354, 354)
    intangible: bool = False
    actions: frozenset[int] = attrs.field(
        init=False, default=attrs.Factory(lambda self: frozenset(self.ground + self.air), takes_self=True)
    )


BODIES: dict[str, Body] = {
    "bowser": Body(117, 0.13, 1.9, 2.4, 0.65, 1.1, 1.5, 0.06, 0.9, 0.05, 2.9, 2.0, 8, reach=1.25, power=1.15),
    "captainfalcon": Body(104, 0.13, 2.9, 3.5, 0.85, 2.0, 2.3, 0.08, 1.12, 0.06, 3.1, 1.9, 4, power=1.05),
    "donkeykong": Body(
        114, 0.1, 2.4, 2.96, 1.2, 1.6, 1.6, 0.08, 1.0, 0.04, 2.7, 1.6, 5, reach=1.25, power=1.1
    ),
    "drmario": Body(100, 0.095, 1.7, 2.3, 1.1, 1.5, 1.5, 0.06, 0.9, 0.05, 2.4, 1.5, 4, reach=0.9),
    "falco": Body(80, 0.17, 3.1, 3.5, 1.4, 1.9, 1.5, 0.08, 0.83, 0.07, 4.1, 1.9, 5, reach=0.95),
    "fox": Body(75, 0.23, 2.8, 3.4, 1.6, 2.02, 2.2, 0.08, 0.83, 0.08, 3.68, 2.1, 3, reach=0.95),
    "gameandwatch": Body(60, 0.095, 1.7, 2.3, 1.1, 1.5, 1.5, 0.06, 0.85, 0.05, 2.5, 1.5, 4),
    "ganondorf": Body(
        109, 0.13, 2.0, 2.6, 0.73, 1.3, 1.35, 0.07, 0.78, 0.06, 3.0, 1.9, 6, reach=1.1, power=1.25
    ),
    "iceclimbers": Body(88, 0.1, 1.6, 2.0, 0.9, 1.4, 1.4, 0.035, 0.7, 0.05, 2.5, 1.5, 3),
    "jigglypuff": Body(60, 0.064, 1.3, 1.6, 0.7, 1.4, 1.1, 0.09, 1.35, 0.09, 1.9, 1.3, 5, jumps=6),
    "kirby": Body(70, 0.08, 1.6, 2.0, 0.85, 1.4, 1.4, 0.08, 0.78, 0.06, 2.2, 1.5, 3, jumps=6, reach=0.85),
    "link": Body(104, 0.11, 2.13, 3.0, 1.2, 1.3, 1.3, 0.1, 1.0, 0.05, 2.6, 1.7, 6, reach=1.15, power=1.05),
    "luigi": Body(100, 0.069, 1.6, 2.0, 1.1, 1.3, 1.34, 0.025, 0.68, 0.05, 2.2, 1.4, 4, reach=0.9),
    "mario": Body(100, 0.095, 1.7, 2.3, 1.1, 1.5, 1.5, 0.06, 0.86, 0.05, 2.4, 1.5, 4, reach=0.9),
    "marth": Body(87, 0.085, 2.2, 2.5, 1.6, 1.5, 1.8, 0.06, 0.9, 0.05, 2.4, 1.5, 4, reach=1.25),
    "mewtwo": Body(85, 0.082, 1.5, 2.3, 1.0, 1.4, 1.4, 0.04, 1.2, 0.06, 2.2, 1.4, 5, reach=1.15),
    "ness": Body(94, 0.09, 1.83, 2.2, 0.84, 1.3, 1.4, 0.06, 0.93, 0.06, 2.4, 1.5, 4),
    "peach": Body(90, 0.08, 1.5, 2.0, 0.85, 1.2, 1.3, 0.1, 1.1, 0.06, 2.3, 1.6, 5),
    "pichu": Body(55, 0.11, 1.9, 2.5, 1.24, 1.72, 1.72, 0.1, 0.85, 0.05, 2.6, 1.7, 3, reach=0.85, power=0.9),
    "pikachu": Body(80, 0.11, 1.9, 2.7, 1.24, 1.8, 1.85, 0.09, 0.85, 0.05, 2.6, 1.7, 3, reach=0.9),
    "roy": Body(85, 0.114, 2.4, 2.9, 1.2, 1.5, 1.61, 0.06, 0.9, 0.04, 2.7, 1.6, 5, reach=1.15),
    "samus": Body(110, 0.066, 1.4, 2.3, 1.0, 1.86, 1.4, 0.06, 0.89, 0.04, 2.1, 1.5, 3, reach=1.05),
    "sheik": Body(90, 0.12, 2.13, 3.0, 1.2, 1.7, 1.8, 0.08, 0.8, 0.06, 2.8, 2.1, 3),
    "yoshi": Body(108, 0.093, 1.93, 2.93, 1.15, 1.33, 1.6, 0.06, 1.2, 0.06, 2.5, 1.8, 5),
    "younglink": Body(85, 0.11, 2.13, 2.9, 1.2, 1.8, 1.6, 0.08, 1.0, 0.06, 2.7, 1.6, 4, reach=0.95),
    "zelda": Body(90, 0.073, 1.4, 1.85, 0.7, 1.1, 1.1, 0.1, 0.91, 0.05, 2.1, 1.4, 6, power=1.1),
}

SHOTS: dict[str, Shot] = {
    "drmario": Shot(0x31, 1.5, 60, 5.0),
    "falco": Shot(0x37, 5.0, 30, 3.0, knockback=12.0),
    "fox": Shot(0x36, 7.0, 24, 2.0, knockback=0.0),
    "iceclimbers": Shot(0x6A, 1.4, 60, 4.0),
    "link": Shot(0x40, 3.2, 40, 6.0),
    "luigi": Shot(0x69, 1.3, 60, 5.0),
    "mario": Shot(0x30, 1.5, 60, 5.0),
    "mewtwo": Shot(0x70, 1.3, 70, 4.0, knockback=30.0, charge=119),
    "pichu": Shot(0x5B, 1.6, 60, 5.0),
    "pikachu": Shot(0x59, 1.6, 60, 5.0),
    "samus": Shot(0x5E, 1.8, 60, 4.0, knockback=30.0, charge=90),
    "sheik": Shot(0x4F, 4.0, 25, 3.0, knockback=10.0),
    "younglink": Shot(0x41, 2.8, 40, 6.0),
}

FIREFOX = Rise(start=24, travel=20, speed=3.8, ground=(353, 355, 355), air=(354, 356, 356))
# 7 frames, 10 intangible frames at 4.975 units, 15 frames: Mewtwo's in a real game.
TELEPORT = Rise(
    start=7, travel=10, speed=4.975, end=15, ground=(353, 354, 355), air=(356, 357, 358), intangible=True
)
# Fire, and the Links' spin attack, by the ids that real games show.
FIRE = Rise(ground=(373, 373, 373), air=(374, 374, 374))
SPIN = Rise(ground=(356, 356, 356), air=(357, 357, 357))
RISES: dict[str, Rise] = {
    "falco": FIREFOX, "fox": FIREFOX, "gameandwatch": FIRE, "link": SPIN, "mewtwo": TELEPORT, "younglink": SPIN,
}  # fmt: skip
DEFAULT_RISE = Rise()
