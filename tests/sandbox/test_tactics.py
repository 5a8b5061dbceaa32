"""The scripted players: a function of what was seen, with a memory that a single frame does not show."""

from __future__ import annotations

import random

import pytest

from exphil_core.melee.characters import BY_NAME
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.sandbox import Game, ScriptedPlayer, Setup
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import NEUTRAL, SHOULDERS, Z
from exphil_core.sandbox.hand import Hand, Step
from exphil_core.sandbox.situation import Situation, judge
from exphil_core.sandbox.styles import STYLES, Habits
from exphil_core.sandbox.tactics import Tactics

RUSHER, _, TURTLE, _ = STYLES


def setup(one="fox", two="fox") -> Setup:
    return Setup(stage=STAGES["fd"], characters=(BY_NAME[one], BY_NAME[two]))


def standing(setup):
    """Both fighters on the ground, free to act."""
    game = Game(setup)
    for _ in range(150):
        state = game.step((NEUTRAL, NEUTRAL))
    return state.fighters


def mind(setup, style=RUSHER):
    rng = random.Random(3)
    return Tactics(setup, 0, style, Habits.draw(rng), rng)


def hit_and_back(tactics, me, foe):
    tactics.notice(me._replace(percent=me.percent + 5, state=act.DAMAGE_GROUND), foe)
    tactics.notice(me, foe)


def test_replies_to_hits_alternate_in_one_and_the_same_frame():
    me, foe = standing(setup())
    tactics = mind(setup())
    kinds = []
    for _ in range(6):
        hit_and_back(tactics, me, foe)
        plan = tactics.plan(Situation.MIDDLE, me, foe)
        kinds.append(any(step.buttons & Z for step in plan))
    assert kinds == [True, False] * 3


def test_mewtwo_answers_every_other_hit_with_a_teleport():
    both = setup("mewtwo", "fox")
    me, foe = standing(both)
    tactics = mind(both)
    for turn in range(4):
        hit_and_back(tactics, me, foe)
        plan = tactics.plan(Situation.CLOSE, me, foe)
        assert any(step.buttons & 0x200 for step in plan) == (turn % 2 == 1)


@pytest.mark.parametrize("by_air", [True, False])
def test_the_answer_out_of_shield_depends_on_how_the_foe_came(by_air):
    me, foe = standing(setup())
    tactics = mind(setup(), TURTLE)
    near = foe._replace(x=me.x + 20)
    tactics.notice(me, near._replace(airborne=by_air, self_x_air=-1.0))
    tactics.notice(me, near)
    plans = [tactics.plan(Situation.THREAT, me, near) for _ in range(12)]
    shields = [p for p in plans if any(s.buttons & SHOULDERS or s.left >= 43 or s.right >= 43 for s in p)]
    assert shields
    for plan in shields:
        assert any(step.cy == 80 for step in plan) == by_air
        assert any(step.buttons & Z for step in plan) != by_air


def test_the_same_sights_and_seed_give_the_same_inputs():
    both = setup("mewtwo", "marth")
    game = Game(both)
    twins = [ScriptedPlayer(both, 0, RUSHER, random.Random(7)) for _ in range(2)]
    rival = ScriptedPlayer(both, 1, TURTLE, random.Random(8))
    for _ in range(1200):
        one, two = (twin.act(game.state) for twin in twins)
        assert one == two
        game.step((one, rival.act(game.state)))


def test_a_player_sees_late():
    """Nothing that happens within the reaction time changes what a player does."""
    both = setup()
    game = Game(both)
    seer, blind = (ScriptedPlayer(both, 0, TURTLE, random.Random(7)) for _ in range(2))
    for _ in range(300):
        seer.act(game.state)
        blind.act(game.state)
        state = game.step((NEUTRAL, NEUTRAL))
    moved = state._replace(
        fighters=(state.fighters[0], state.fighters[1]._replace(x=-30.0, state=act.SMASH_F))
    )
    for _ in range(TURTLE.delay - 1):
        assert seer.act(state) == blind.act(moved)
    late = [(seer.act(state), blind.act(moved)) for _ in range(40)]
    assert any(one != two for one, two in late)


def test_a_stick_takes_frames_to_arrive():
    hand = Hand(20, random.Random(0))
    assert [hand.move(Step(9, 80)).x for _ in range(4)] == [0, 40, 60, 80]


def test_situations_follow_from_what_is_seen():
    me, foe = standing(setup())
    edge = STAGES["fd"].edge_x
    cases = {
        Situation.FAR: (me._replace(x=-40), foe._replace(x=40)),
        Situation.CLOSE: (me._replace(x=0), foe._replace(x=10)),
        Situation.HURT: (me._replace(state=act.DAMAGE_FLY), foe),
        Situation.OFF_STAGE: (me._replace(x=-100, airborne=1, state=act.FALL), foe),
        Situation.LEDGE: (me._replace(state=act.CLIFF_WAIT), foe),
        Situation.THREAT: (me._replace(x=0), foe._replace(x=20, state=act.SMASH_F)),
        Situation.ABOVE: (me._replace(x=0), foe._replace(x=5, y=30, airborne=1, state=act.FALL)),
        Situation.EDGE_GUARD: (me, foe._replace(x=110, airborne=1, state=act.FALL)),
    }
    for expected, (mine, theirs) in cases.items():
        assert judge(mine, theirs, edge, follow=False) is expected
