"""How far characters reach with their normal attacks: approximate.

A reach is (across, up or down) in Melee's units, from one fighter's position to the other's. The position is a point
at the feet, so the opponent's width counts in. What lies within it usually connects; long moves go beyond.

Measured, where the comment gives a number of hits: 95 % of the character's hits with jabs, tilts, smashes and aerials
in 72 real games were at this distance or a shorter one (`tools/measure_reach.py` prints the table for any replays).
The others are guesses by comparison with those; nobody's hitboxes were read.
"""

from __future__ import annotations

from exphil_core.melee.characters import BY_NAME, NANA_INTERNAL

_BY_NAME: dict[str, tuple[float, float]] = {
    "bowser": (22, 18),
    "captainfalcon": (20, 17),  # 271 hits
    "donkeykong": (23, 18),
    "drmario": (14, 13),
    "falco": (19, 15),  # 732 hits
    "fox": (18, 14),  # 602 hits
    "gameandwatch": (24, 18),  # 37 hits
    "ganondorf": (19, 22),  # 23 hits
    "iceclimbers": (19, 11),  # 19 hits
    "jigglypuff": (16, 14),  # 56 hits
    "kirby": (16, 13),
    "link": (24, 20),
    "luigi": (14, 13),
    "mario": (14, 13),
    "marth": (28, 23),  # 277 hits
    "mewtwo": (20, 14),  # 150 hits
    "ness": (17, 14),
    "peach": (17, 13),  # 26 hits
    "pichu": (13, 12),
    "pikachu": (15, 13),
    "roy": (26, 22),
    "samus": (17, 15),  # 48 hits
    "sheik": (21, 15),  # 244 hits
    "yoshi": (18, 14),
    "younglink": (14, 19),  # 43 hits, few of them with the sword
    "zelda": (20, 14),
}

# By internal id, as replays tell it frame by frame.
REACH: dict[int, tuple[float, float]] = {
    **{BY_NAME[name].internal: reach for name, reach in _BY_NAME.items()},
    NANA_INTERNAL: _BY_NAME["iceclimbers"],
}
# The medians, for an opponent of whom nobody says who it is.
TYPICAL = (18.5, 14.0)
