"""Melee's action-state ids that the sandbox uses, by their names in the decompiled game.

Ids were checked against real replays where the sandbox's behaviour follows the game's (entry, teleport,
Shadow Ball, damage, shield, ledge).
"""

from __future__ import annotations

DEAD_DOWN, DEAD_LEFT, DEAD_RIGHT, DEAD_UP = 0, 1, 2, 3
REBIRTH, REBIRTH_WAIT = 12, 13
WAIT, WALK_SLOW, WALK_MIDDLE, WALK_FAST, TURN = 14, 15, 16, 17, 18
DASH, RUN, RUN_BRAKE, KNEE_BEND = 20, 21, 23, 24
JUMP_F, JUMP_B, JUMP_AERIAL_F, JUMP_AERIAL_B = 25, 26, 27, 28
FALL, FALL_AERIAL, FALL_SPECIAL, DAMAGE_FALL = 29, 32, 35, 38
SQUAT, SQUAT_WAIT, SQUAT_RV, LANDING, LANDING_SPECIAL = 39, 40, 41, 42, 43
ATTACK_JAB, ATTACK_DASH, ATTACK_F, ATTACK_UP, ATTACK_LOW = 44, 50, 53, 56, 57
SMASH_F, SMASH_UP, SMASH_LOW = 60, 63, 64
AIR_N, AIR_F, AIR_B, AIR_UP, AIR_LOW = 65, 66, 67, 68, 69
LANDING_AIR_N, LANDING_AIR_LOW = 70, 74
PICK_UP, THROW_LIGHT_F, THROW_AIR_F = 92, 94, 100
DAMAGE_FIRST, DAMAGE_GROUND, DAMAGE_AIR, DAMAGE_FLY, DAMAGE_FLY_TOP, DAMAGE_LAST = 75, 78, 84, 88, 90, 91
GUARD_ON, GUARD, GUARD_OFF, GUARD_SET_OFF = 178, 179, 180, 181
DOWN_BOUND, DOWN_WAIT, DOWN_STAND = 183, 184, 186
PASSIVE, PASSIVE_F, PASSIVE_B = 199, 200, 201
SHIELD_BREAK_FLY, FURA_FURA = 205, 211
CATCH, THROW_F, THROW_B, THROW_UP, THROW_LOW = 212, 219, 220, 221, 222
ESCAPE_F, ESCAPE_B, ESCAPE, ESCAPE_AIR = 233, 234, 235, 236
THROWN_F, THROWN_LOW = 239, 242
PASS = 244
CLIFF_CATCH, CLIFF_WAIT, CLIFF_CLIMB_SLOW, CLIFF_CLIMB_QUICK, CLIFF_JUMP = 252, 253, 254, 255, 262
ENTRY, ENTRY_START, ENTRY_END = 322, 323, 324
# Specials share ids between characters: 341 and up mean something else for each.
SPECIAL_N_START, SPECIAL_N_HOLD, SPECIAL_N_FULL, SPECIAL_N_CANCEL, SPECIAL_N_FIRE = 341, 342, 343, 344, 345
SPECIAL_N_AIR_START, SPECIAL_N_AIR_HOLD, SPECIAL_N_AIR_FULL = 346, 347, 348
SPECIAL_N_AIR_CANCEL, SPECIAL_N_AIR_FIRE = 349, 350
SHOT_GROUND, SHOT_AIR, PUNCH_GROUND, PUNCH_AIR = 341, 344, 341, 344
SPECIALS_N = range(341, 351)
SPECIALS_UP = range(353, 359)
# Mewtwo's: start, out of sight, end, each one id further.
TELEPORT, TELEPORT_AIR = 353, 356

DEAD = frozenset((DEAD_DOWN, DEAD_LEFT, DEAD_RIGHT, DEAD_UP))
DAMAGE = frozenset(range(DAMAGE_FIRST, DAMAGE_LAST + 1))
GUARDS = frozenset((GUARD_ON, GUARD, GUARD_SET_OFF))
THROWS = frozenset(range(THROW_F, THROW_LOW + 1))
# Items are thrown ahead, back, up or down: 94 to 97, in the air 100 to 103.
ITEM_THROWS = frozenset((*range(THROW_LIGHT_F, THROW_LIGHT_F + 4), *range(THROW_AIR_F, THROW_AIR_F + 4)))
THROWN = frozenset(range(THROWN_F, THROWN_LOW + 1))
DOWN = frozenset((DOWN_BOUND, DOWN_WAIT))
ENTRIES = frozenset((ENTRY, ENTRY_START, ENTRY_END))
GROUND_ATTACKS = frozenset(range(ATTACK_JAB, SMASH_LOW + 1))
AERIALS = frozenset(range(AIR_N, AIR_LOW + 1))
LEDGE = frozenset((CLIFF_CATCH, CLIFF_WAIT))

NO_ANIMATION = 0xFFFFFFFF
# (first action, last action, animation - action) as real replays of 3.10 and later show them most often.
_ANIMATION_OFFSETS = (
    (12, 12, -10), (13, 13, -11), (14, 14, -12), (15, 21, -8), (22, 40, -9), (41, 43, -7), (44, 62, 2),
    (63, 74, 3), (75, 91, 90), (180, 181, -141), (183, 211, 0), (212, 212, 30), (213, 214, 29),
    (215, 228, 28), (233, 234, -191), (235, 235, -194), (236, 236, -192), (239, 242, 23), (244, 246, -35),
    (250, 253, -36), (254, 263, -35), (323, 323, -85), (341, 355, -46), (356, 358, -47),
)  # fmt: skip
ANIMATION: tuple[int, ...] = tuple(
    next((a + offset for first, last, offset in _ANIMATION_OFFSETS if first <= a <= last), NO_ANIMATION)
    for a in range(400)
)
