"""What a player takes the situation for, from one (late) look at both fighters."""

from __future__ import annotations

import enum

from exphil_core.sandbox import actions as act
from exphil_core.sandbox.moves import MOVES
from exphil_core.sandbox.state import FighterState


class Situation(enum.Enum):
    """The kinds of situation that call for different plans."""

    LIMBO = enum.auto()
    REBORN = enum.auto()
    HURT = enum.auto()
    DOWN = enum.auto()
    LEDGE = enum.auto()
    OFF_STAGE = enum.auto()
    AIRBORNE = enum.auto()
    THREAT = enum.auto()
    FOLLOW = enum.auto()
    EDGE_GUARD = enum.auto()
    ABOVE = enum.auto()
    BELOW = enum.auto()
    CLOSE = enum.auto()
    MIDDLE = enum.auto()
    FAR = enum.auto()
    ALONE = enum.auto()


# In these nobody is free to choose; a plan is dropped half-way only for the urgent ones.
TROUBLE = frozenset((
    Situation.LIMBO, Situation.REBORN, Situation.HURT, Situation.DOWN, Situation.LEDGE, Situation.OFF_STAGE,
))  # fmt: skip
URGENT = TROUBLE | {Situation.THREAT, Situation.FOLLOW}

CLOSE, FAR = 24.0, 75.0
THREAT_RANGE, FOLLOW_RANGE = 30.0, 70.0
_LIMBO = act.DEAD | act.ENTRIES | {act.REBIRTH}
_HURT = act.DAMAGE | act.THROWN | {act.DAMAGE_FALL, act.SHIELD_BREAK_FLY, act.FURA_FURA}
_ATTACKS = frozenset(MOVES) - {act.PUNCH_GROUND, act.PUNCH_AIR} | {act.CATCH}
_FREE = (
    frozenset(range(act.WAIT, act.RUN_BRAKE + 1))
    | {act.SQUAT, act.SQUAT_WAIT, act.SQUAT_RV, act.LANDING}
)  # fmt: skip


def judge(me: FighterState, foe: FighterState, edge: float, follow: bool) -> Situation:
    """The situation of `me` on a stage `edge` wide to each side; `follow`: a landed hit awaits more."""
    action, theirs = me.state, foe.state
    off_stage = me.airborne and (abs(me.x) > edge or me.y < -3.0)
    if action in _HURT and not (off_stage and action == act.DAMAGE_FALL):
        return Situation.HURT
    if action in _LIMBO:
        return Situation.LIMBO
    if action == act.REBIRTH_WAIT:
        return Situation.REBORN
    if action in act.LEDGE:
        return Situation.LEDGE
    if action in act.DOWN:
        return Situation.DOWN
    if off_stage:
        return Situation.OFF_STAGE
    dx, dy = abs(foe.x - me.x), foe.y - me.y
    if follow and theirs in _HURT and dx < FOLLOW_RANGE:
        return Situation.FOLLOW
    if theirs in _ATTACKS and dx < THREAT_RANGE and -15.0 < dy < 30.0 and action in _FREE:
        return Situation.THREAT
    if me.airborne:
        return Situation.AIRBORNE
    if theirs in _LIMBO or theirs == act.REBIRTH_WAIT:
        return Situation.ALONE
    if abs(foe.x) > edge and foe.airborne:
        return Situation.EDGE_GUARD
    if dx < CLOSE:
        if dy > 12.0:
            return Situation.ABOVE
        if dy < -12.0:
            return Situation.BELOW
        return Situation.CLOSE
    return Situation.MIDDLE if dx < FAR else Situation.FAR
