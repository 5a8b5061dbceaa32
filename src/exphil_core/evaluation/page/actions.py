"""What fighters are doing, in words: Melee's action states by their ids, coarsely.

Names follow the decompiled game's; from 341 on each character has moves of its own under the same ids.
"""

from __future__ import annotations

# (last id, name): each entry begins where the one before ends.
_UP_TO = (
    (10, "dead"), (11, "asleep"), (13, "respawn"), (14, "stand"), (17, "walk"), (19, "turn"), (20, "dash"),
    (22, "run"), (23, "run brake"), (24, "jump squat"), (26, "jump"), (28, "double jump"), (34, "fall"),
    (37, "special fall"), (38, "tumble"), (41, "crouch"), (43, "landing"), (49, "jab"), (50, "dash attack"),
    (55, "forward tilt"), (56, "up tilt"), (57, "down tilt"), (62, "forward smash"), (63, "up smash"),
    (64, "down smash"), (65, "neutral air"), (66, "forward air"), (67, "back air"), (68, "up air"),
    (69, "down air"), (74, "aerial landing"), (91, "hurt"), (177, "item"), (180, "shield"),
    (181, "shield stun"), (182, "power shield"), (198, "knocked down"), (204, "tech"), (211, "shield break"),
    (214, "grab"), (218, "holding"), (222, "throw"), (232, "grabbed"), (234, "roll"), (235, "spot dodge"),
    (236, "air dodge"), (238, "rebound"), (243, "thrown"), (244, "drop through"), (246, "teeter"),
    (251, "stumble"), (253, "ledge hang"), (255, "ledge climb"), (257, "ledge attack"), (259, "ledge roll"),
    (263, "ledge jump"), (265, "taunt"), (321, "caught"), (324, "entry"), (340, "other"),
)  # fmt: skip
SPECIAL = "special move"


def action_spans() -> list[tuple[int, str]]:
    """(last id, name) in ascending order; the last one holds for all that follow."""
    return [*_UP_TO, (511, SPECIAL)]
