"""What kind of moment a decision falls into, as one player sees it. A function of a single frame: the one before the
controller takes effect.

In this order, the first that holds:

============  =================================================================================================
respawn       one of the two is dead, on the way back or entering: no input can meet the other one
off stage     oneself is off stage and the opponent is not; or both are, and oneself is farther from a ledge
edge-guard    the opponent is off stage and oneself is not; or both are, and oneself is nearer to a ledge
disadvantage  oneself is hit and the opponent is not
advantage     the opponent is hit and oneself is not
neutral       anything else
============  =================================================================================================

*Off stage*: in the air beyond a teetering fighter's |x|, or lower than LOW; hanging from a ledge or climbing up it,
too. *Hit*: in hit-stun, tumbling, lying, getting up or teching, grabbed, thrown, carried, buried, asleep, frozen, or
with a broken shield. Shapes: n decisions, P = 2 fighters (own, opponent), F state columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.melee.stages import INTERNAL_IDS, STAGES
from exphil_core.replays.game import STATE

SITUATIONS = ("neutral", "advantage", "disadvantage", "off stage", "edge-guard", "respawn")
NEUTRAL, ADVANTAGE, DISADVANTAGE, OFF_STAGE, EDGE_GUARD, RESPAWN = range(len(SITUATIONS))

# Below any floor: Yoshi's Story slopes down to -3.5 at its edges.
LOW = -6.0
Flags = npt.NDArray[np.bool_]


def _actions(*ranges: tuple[int, int]) -> npt.NDArray[np.int16]:
    """Melee's action ids from the first to the last of each range."""
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges]).astype(np.int16)


# Dead, on the platform that brings back, entering.
_GONE = _actions((0, 13), (322, 324))
# Ledge: catch, hang, climb, attack, roll, jump.
_LEDGE = _actions((252, 263))
# Tumble; damage; lying, getting up, techs, broken shield; grabbed; thrown; off a wall or ceiling; carried, captured,
# buried, asleep; frozen; captured by others.
_HIT = _actions((38, 38), (75, 91), (183, 211), (223, 232), (239, 243), (247, 248), (266, 304), (325, 340))


def _by_stage(name: str) -> npt.NDArray[np.float32]:
    table = np.full(INTERNAL_IDS, np.inf, np.float32)
    for stage in STAGES:
        table[stage.internal] = getattr(stage, name)
    return table


_EDGE, _LEDGE_X = _by_stage("edge_x"), _by_stage("ledge_x")


def situations(
    state_nPF: npt.NDArray[np.float32], action_nP: npt.NDArray[np.int16], stage_n: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """An index of SITUATIONS for each of n frames, the first fighter being oneself; `stage_n` are internal ids."""
    own_off, other_off = _off_stage(state_nPF, action_nP, stage_n).T
    own_hit, other_hit = _hit(state_nPF, action_nP).T
    own_far, other_far = _distance(state_nPF, action_nP, stage_n).T
    farther = own_far >= other_far
    conditions = [
        np.isin(action_nP, _GONE).any(axis=1),
        own_off & (~other_off | farther),
        other_off,
        own_hit & ~other_hit,
        other_hit & ~own_hit,
    ]
    found = np.select(conditions, [RESPAWN, OFF_STAGE, EDGE_GUARD, DISADVANTAGE, ADVANTAGE], NEUTRAL)
    return found.astype(np.uint8)


def _off_stage(
    state_nPF: npt.NDArray[np.float32], action_nP: npt.NDArray[np.int16], stage_n: npt.NDArray[np.uint8]
) -> Flags:
    x, y, airborne = (state_nPF[..., STATE[name]] for name in ("x", "y", "airborne"))
    # Replays before 2.0 don't say who is in the air: whoever is beyond the edge must be.
    beyond = (airborne != 0) & ((np.abs(x) > _EDGE[stage_n][:, None]) | (y < LOW))
    off: Flags = beyond | np.isin(action_nP, _LEDGE)
    return off


def _hit(state_nPF: npt.NDArray[np.float32], action_nP: npt.NDArray[np.int16]) -> Flags:
    stun = np.nan_to_num(state_nPF[..., STATE["hitstun"]])
    hit: Flags = (stun > 0) | np.isin(action_nP, _HIT)
    return hit


def _distance(
    state_nPF: npt.NDArray[np.float32], action_nP: npt.NDArray[np.int16], stage_n: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Units from the nearer ledge; 0 for those who hold it."""
    ledge = _LEDGE_X[stage_n][:, None]
    x, y = state_nPF[..., STATE["x"]], state_nPF[..., STATE["y"]]
    # On a stage that isn't known nobody is off it.
    ledge = np.where(np.isfinite(ledge), ledge, 0.0)
    far: npt.NDArray[np.float32] = np.hypot(np.abs(x) - ledge, y).astype(np.float32)
    return np.where(np.isin(action_nP, _LEDGE), np.float32(0), far)
