"""Situations: what a Melee player would call them, and the same moment seen from both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.evaluation.situations import SITUATIONS, situations
from exphil_core.melee.stages import BY_NAME, STAGES
from exphil_core.replays.game import STATE, STATE_COLUMNS

WAIT, FALL, TUMBLE, HURT, THROWN, CLIFF_WAIT, TECH = 14, 29, 38, 88, 239, 253, 199
DEAD, REBIRTH, ENTRY, GRABBED, SPECIAL, DOWN = 2, 13, 322, 227, 341, 184


def fighter(action: int = WAIT, **columns: float) -> tuple[int, list[float]]:
    state = dict.fromkeys(STATE_COLUMNS, 0.0) | columns
    return action, [state[name] for name in STATE_COLUMNS]


def situation(own: Any, opponent: Any, stage: str = "battlefield") -> str:
    actions, states = zip(own, opponent, strict=True)
    found = situations(
        np.array([states], np.float32),
        np.array([actions], np.int16),
        np.array([BY_NAME[stage].internal], np.uint8),
    )
    return SITUATIONS[found[0]]


ON_STAGE = fighter(x=10)
OFF = fighter(FALL, x=100, y=-20, airborne=1)
FAR_OFF = fighter(FALL, x=160, y=-20, airborne=1)

CASES = {
    "both on stage": (ON_STAGE, fighter(x=-20), "neutral", "neutral"),
    "in the air above the stage": (fighter(FALL, x=30, y=40, airborne=1), ON_STAGE, "neutral", "neutral"),
    "in hit-stun": (fighter(HURT, hitstun=12), ON_STAGE, "disadvantage", "advantage"),
    "hit-stun in an action of a character's own": (
        fighter(SPECIAL, hitstun=3), ON_STAGE, "disadvantage", "advantage",
    ),
    "tumbling after hit-stun": (fighter(TUMBLE, y=30, airborne=1), ON_STAGE, "disadvantage", "advantage"),
    "lying": (fighter(DOWN), ON_STAGE, "disadvantage", "advantage"),
    "teching": (fighter(TECH), ON_STAGE, "disadvantage", "advantage"),
    "grabbed": (fighter(GRABBED), ON_STAGE, "disadvantage", "advantage"),
    "thrown": (fighter(THROWN, airborne=1, y=5), ON_STAGE, "disadvantage", "advantage"),
    "a trade": (fighter(HURT, hitstun=5), fighter(HURT, hitstun=9), "neutral", "neutral"),
    "recovering": (OFF, ON_STAGE, "off stage", "edge-guard"),
    "hit off stage": (fighter(HURT, x=100, y=9, airborne=1, hitstun=20), ON_STAGE, "off stage", "edge-guard"),
    "recovering, the other one in hit-stun": (OFF, fighter(HURT, hitstun=4), "off stage", "edge-guard"),
    "hanging from the ledge": (fighter(CLIFF_WAIT, x=71, y=-24, airborne=1), ON_STAGE, "off stage", "edge-guard"),
    "below the stage": (fighter(FALL, x=20, y=-40, airborne=1), ON_STAGE, "off stage", "edge-guard"),
    "both off, oneself farther": (FAR_OFF, OFF, "off stage", "edge-guard"),
    "holding the ledge against one who is off": (
        fighter(CLIFF_WAIT, x=71, y=-24, airborne=1), OFF, "edge-guard", "off stage",
    ),
    "dead": (fighter(DEAD, x=250, y=0), ON_STAGE, "respawn", "respawn"),
    "on the platform": (fighter(REBIRTH, y=60, airborne=1), ON_STAGE, "respawn", "respawn"),
    "entering": (fighter(ENTRY), fighter(ENTRY), "respawn", "respawn"),
    "standing on Yoshi's outer platform": (
        fighter(x=-59, y=23.45), ON_STAGE, "neutral", "neutral",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_a_player_calls_it(case: str) -> None:
    one, two, ours, theirs = CASES[case]
    stage = "yoshisstory" if "Yoshi" in case else "battlefield"
    assert situation(one, two, stage) == ours
    assert situation(two, one, stage) == theirs


def test_the_edge_is_the_stage_s_own() -> None:
    for stage in STAGES:
        for offset, expected in ((-1, "neutral"), (1, "off stage")):
            there = fighter(FALL, x=-(stage.edge_x + offset), airborne=1)
            assert situation(there, ON_STAGE, stage.name) == expected


def test_without_word_of_the_air_whoever_is_beyond_the_edge_is_off_stage() -> None:
    assert situation(fighter(FALL, x=100, airborne=float("nan")), ON_STAGE) == "off stage"
    assert situation(fighter(x=20, airborne=float("nan")), ON_STAGE) == "neutral"


def test_on_an_unknown_stage_nobody_is_beyond_its_edge() -> None:
    action, state = fighter(FALL, x=500, airborne=1)
    found = situations(
        np.array([[state, state]], np.float32),
        np.array([[action, action]], np.int16),
        np.array([32], np.uint8),
    )
    assert SITUATIONS[found[0]] == "neutral"


OTHER_SIDE = {
    "neutral": "neutral", "advantage": "disadvantage", "disadvantage": "advantage",
    "off stage": "edge-guard", "edge-guard": "off stage", "respawn": "respawn",
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_both_sides_of_a_moment_belong_together(seed: int) -> None:
    rng, count = np.random.default_rng(seed), 300
    state = np.zeros((count, 2, len(STATE_COLUMNS)), np.float32)
    state[..., STATE["x"]], state[..., STATE["y"]] = rng.uniform(-200, 200, (2, count, 2))
    state[..., STATE["airborne"]] = rng.integers(0, 2, (count, 2))
    state[..., STATE["hitstun"]] = rng.choice([0, 0, 9, np.nan], (count, 2))
    action = rng.integers(-1, 400, (count, 2)).astype(np.int16)
    stage = rng.choice([s.internal for s in STAGES], count).astype(np.uint8)
    ours = situations(state, action, stage)
    theirs = situations(state[:, ::-1], action[:, ::-1], stage)
    for own, other in zip(ours, theirs, strict=True):
        assert SITUATIONS[other] == OTHER_SIDE[SITUATIONS[own]] or {own, other} == {
            SITUATIONS.index("off stage")
        }
