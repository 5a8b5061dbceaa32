"""Zelda and Sheik: one fighter in two forms, changed by the down special.

43 frames as the one, then 26 as the other (so in real games, from Zelda to Sheik; the way back is taken to be as
long). The character that replays tell changes in between.
"""

from __future__ import annotations

from exphil_core.melee.characters import BY_NAME
from exphil_core.sandbox.drift import skid
from exphil_core.sandbox.fighter import Fighter
from exphil_core.sandbox.kit import Handler, Kit, goes_on

LEAVE_FRAMES, ARRIVE_FRAMES, SINK = 43, 26, 0.75
# (ground, air) of leaving as the one and of arriving as the other.
ZELDA_LEAVES, SHEIK_ARRIVES = (355, 357), (362, 364)
SHEIK_LEAVES, ZELDA_ARRIVES = (361, 363), (356, 358)


def _start(actions: tuple[int, int]) -> Handler:
    def start(f: Fighter) -> None:
        f.enter(actions[int(f.airborne)], 1)

    return start


def _glide(f: Fighter) -> None:
    if f.airborne:
        f.vx *= 0.9
        f.vy = max(f.vy - f.body.gravity, -SINK)
    else:
        skid(f)


def _leaving(arrives: tuple[int, int], other: str) -> Handler:
    def leave(f: Fighter) -> None:
        _glide(f)
        if f.age > LEAVE_FRAMES:
            f.become(BY_NAME[other], KITS[other])
            f.enter(arrives[int(f.airborne)])

    return leave


def _arriving(f: Fighter) -> None:
    _glide(f)
    if f.age >= ARRIVE_FRAMES:
        if f.airborne:
            f.fall()
        else:
            f.stand()


def _kit(leaves: tuple[int, int], arrived: tuple[int, int], arrives: tuple[int, int], other: str) -> Kit:
    return Kit(
        down=_start(leaves),
        handlers={**dict.fromkeys(leaves, _leaving(arrives, other)), **dict.fromkeys(arrived, _arriving)},
        landings={air: goes_on(ground) for ground, air in (leaves, arrived)},
    )


KITS = {
    "zelda": _kit(ZELDA_LEAVES, ZELDA_ARRIVES, SHEIK_ARRIVES, "sheik"),
    "sheik": _kit(SHEIK_LEAVES, SHEIK_ARRIVES, ZELDA_ARRIVES, "zelda"),
}
