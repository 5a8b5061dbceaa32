"""The six tournament stages: ids, ledges, blast zones, platforms. Lengths in Melee's units.

Figures agree with libmelee's tables (tests compare them) where libmelee has them; Fountain of Dreams' side
platforms move, the heights here are those at the start of a game.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Platform:
    """A flat platform that can be dropped through, from x `left` to x `right` at `height`."""

    height: float
    left: float
    right: float


@attrs.frozen
class Stage:
    """One stage. `external` is the id in game start, `internal` what live sources report.

    `ledge_x` is a hanging fighter's |x|, `edge_x` a teetering fighter's; blast zones are x, x, y, y.
    """

    name: str
    title: str
    short: str
    external: int
    internal: int
    ledge_x: float
    edge_x: float
    blast_left: float
    blast_right: float
    blast_top: float
    blast_bottom: float
    platforms: tuple[Platform, ...]


STAGES: tuple[Stage, ...] = (
    Stage(
        "fountainofdreams", "Fountain of Dreams", "FOD", 2, 8, 66.2554016113, 63.3475494385,
        -198.75, 198.75, 202.5, -146.25,
        (Platform(20.0, -49.5, -21.0), Platform(28.0, 21.0, 49.5), Platform(42.750099, -14.25, 14.25)),
    ),
    Stage(
        "pokemonstadium", "Pokémon Stadium", "PS", 3, 18, 90.657852, 87.75,
        -230.0, 230.0, 180.0, -111.0,
        (Platform(25.000099, -55.0, -25.0), Platform(25.000099, 25.0, 55.0)),
    ),
    Stage(
        "yoshisstory", "Yoshi's Story", "YS", 8, 6, 58.907848, 56.0,
        -175.7, 173.6, 168.0, -91.0,
        (
            Platform(23.450098, -59.5, -28.0),
            Platform(23.450098, 28.0, 59.5),
            Platform(42.000099, -15.75, 15.75),
        ),
    ),
    Stage(
        "dreamland", "Dream Land N64", "DL", 28, 26, 80.1791534424, 77.2713012695,
        -255.0, 255.0, 250.0, -123.0,
        (
            Platform(30.142199, -61.392899, -31.725401),
            Platform(30.242599, 31.7036, 63.074501),
            Platform(51.425400, -19.018101, 19.017099),
        ),
    ),
    Stage(
        "battlefield", "Battlefield", "BF", 31, 24, 71.3078536987, 68.4000015259,
        -224.0, 224.0, 200.0, -108.8,
        (
            Platform(27.2001, -57.6, -20.0),
            Platform(27.2001, 20.0, 57.6),
            Platform(54.400101, -18.8, 18.8),
        ),
    ),
    Stage(
        "finaldestination", "Final Destination", "FD", 32, 25, 88.4735488892, 85.5656967163,
        -246.0, 246.0, 188.0, -140.0,
        (),
    ),
)  # fmt: skip

BY_EXTERNAL = {s.external: s for s in STAGES}
BY_INTERNAL = {s.internal: s for s in STAGES}
BY_NAME = {name: s for s in STAGES for name in (s.name, s.short.lower())}

# Internal stage ids of vs. mode stay below 32; one more stands for anything unknown.
INTERNAL_IDS = 33
UNKNOWN_INTERNAL = INTERNAL_IDS - 1

# What Pokémon Stadium can be; 0 stands for "not known, or another stage".
STADIUM_FORMS = ("unknown", "normal", "fire", "grass", "rock", "water")
NORMAL_FORM = STADIUM_FORMS.index("normal")
# Slippi's number of a form -> its index in STADIUM_FORMS. The numbers are Slippi's replay specification's.
FORM_BY_SLIPPI = {
    number: STADIUM_FORMS.index(form)
    for number, form in ((3, "fire"), (4, "grass"), (5, "normal"), (6, "rock"), (9, "water"))
}
