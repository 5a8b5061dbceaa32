"""The GameCube controller as Melee processes it: buttons and the grids of its analog parts.

Stick axes are k/80 with |k| <= 80 and k == 0 or |k| >= 23 (the dead zone); the pair lies in the unit circle.
The shoulder is k/140, k == 0 or 43 <= k <= 140. Measured on every human port of the real replays.
"""

from __future__ import annotations

# Order of the bits in a chord, as in UMI's controller row. START and the other d-pad keys do nothing in play.
BUTTONS: tuple[str, ...] = ("A", "B", "X", "Y", "Z", "L", "R", "D_UP")
# Bits of Slippi's physical button field.
SLIPPI_BITS: dict[str, int] = {
    "A": 0x0100, "B": 0x0200, "X": 0x0400, "Y": 0x0800,
    "Z": 0x0010, "L": 0x0040, "R": 0x0020, "D_UP": 0x0008,
}  # fmt: skip
# Buttons that do the same; nearly all players keep to one of each.
TWINS = (("X", "Y"), ("L", "R"))
CHORDS = 1 << len(BUTTONS)

STICK_STEPS = 80
STICK_DEAD_ZONE = 23
SHOULDER_STEPS = 140
SHOULDER_DEAD_ZONE = 43
# Z sets the shoulder to 0.35, a digital L or R to 1.0.
Z_SHOULDER = 49
