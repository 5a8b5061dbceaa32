"""The simulation by itself: deterministic, symmetric, and open to other players."""

from __future__ import annotations

import random

import pytest

from exphil_core.melee.characters import BY_NAME, CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.sandbox import Controller, Game, ScriptedPlayer, Setup, controller, snap_stick
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.bodies import BODIES
from exphil_core.sandbox.controller import NEUTRAL, A, B, L, X, Z
from exphil_core.sandbox.styles import STYLES

MIRRORED = {act.DEAD_LEFT: act.DEAD_RIGHT, act.DEAD_RIGHT: act.DEAD_LEFT}
BUTTON_CHOICES = (0, 0, 0, 0, A, B, X, L, Z)


def setup(one: str = "fox", two: str = "marth", stage: str = "fd", seconds: int = 60) -> Setup:
    return Setup(stage=STAGES[stage], characters=(BY_NAME[one], BY_NAME[two]), last_frame=60 * seconds)


def random_pads(rng: random.Random):
    """An endless stream of pairs of wild controllers, each held for some frames."""
    pads = [NEUTRAL, NEUTRAL]
    while True:
        for i in (0, 1):
            if rng.random() < 0.2:
                x, y = snap_stick(rng.uniform(-90, 90), rng.uniform(-90, 90))
                c = (80, 0) if rng.random() < 0.1 else (0, 0)
                pads[i] = controller(x, y, *c, 0, 0, rng.choice(BUTTON_CHOICES))
        yield tuple(pads)


def mirror(pad: Controller) -> Controller:
    return controller(-pad.x, pad.y, -pad.cx, pad.cy, pad.left, pad.right, pad.buttons)


@pytest.mark.parametrize("stage", ["fd", "bf", "ps"])
@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_game_is_the_mirror_image(stage, seed):
    """No port, side or direction is favoured: swapped players with mirrored sticks make the mirrored game."""
    game, image = Game(setup("mewtwo", "falco", stage)), Game(setup("falco", "mewtwo", stage))
    for (one, two), _ in zip(random_pads(random.Random(seed)), range(2400), strict=False):
        if game.over:
            break
        state = game.step((one, two))
        reflected = image.step((mirror(two), mirror(one)))
        for f, g in zip(state.fighters, reversed(reflected.fighters), strict=True):
            mirrored = MIRRORED.get(g.state, g.state)
            assert (f.state, f.state_age, f.percent, f.stocks) == (mirrored, g.state_age, g.percent, g.stocks)
            assert (f.x, f.y, f.direction) == pytest.approx((-g.x, g.y, -g.direction), abs=1e-6)


@pytest.mark.parametrize("character", [c.name for c in CHARACTERS])
def test_anyone_can_play_and_survives_wild_inputs(character):
    game = Game(setup(character, "fox", "bf", seconds=20))
    pads = random_pads(random.Random(character))
    while not game.over:
        state = game.step(next(pads))
        for f in state.fighters:
            assert -400 < f.x < 400
            assert -300 < f.y < 400
            assert 0 <= f.shield <= 60


def test_same_inputs_same_game():
    def run() -> list:
        game, pads = Game(setup()), random_pads(random.Random(4))
        return [game.step(next(pads)) for _ in range(1500)]

    assert run() == run()


def test_characters_differ():
    assert set(BODIES) == {c.name for c in CHARACTERS}
    heights = {}
    for name in ("fox", "jigglypuff"):
        game = Game(setup(name))
        peak = 0.0
        for frame in range(260):
            pad = controller(buttons=X) if frame > 140 else NEUTRAL
            f = game.step((pad, NEUTRAL)).fighters[0]
            peak = max(peak, f.y if frame > 140 else 0.0)
        heights[name] = peak
    assert heights["fox"] != heights["jigglypuff"]


def test_an_outside_player_can_take_part_and_shield():
    """Closed-loop play: any object with controllers may face a scripted player."""
    match = setup("marth", "fox")
    game, rival = Game(match), ScriptedPlayer(match, 1, STYLES[0], random.Random(1))
    shields = 0
    while not game.over:
        state = game.step((controller(buttons=L), rival.act(game.state)))
        shields += state.fighters[0].state in act.GUARDS
    assert shields > 100
    assert game.winner == 1


def test_a_held_shield_shrinks_and_breaks():
    game = Game(setup())
    seen = set()
    for _ in range(700):
        seen.add(game.step((controller(left=140), NEUTRAL)).fighters[0].state)
    assert {act.GUARD_ON, act.GUARD, act.SHIELD_BREAK_FLY, act.FURA_FURA} <= seen


def test_a_lonely_player_gets_up_from_nothing_but_time():
    """With neutral sticks nobody is hurt and time runs out in a draw."""
    game = Game(setup(seconds=5))
    while not game.over:
        state = game.step((NEUTRAL, NEUTRAL))
    assert state.frame == 300
    assert game.winner is None
    assert [f.percent for f in state.fighters] == [0, 0]


def test_dashing_off_kills_until_the_game_is_over():
    game = Game(setup("fox", "fox", "fd", seconds=600))
    stocks = []
    while not game.over:
        dashes = game.state is not None and game.state.frame % 20 < 12
        state = game.step((controller(80) if dashes else NEUTRAL, NEUTRAL))
        stocks.append(state.fighters[0].stocks)
    assert stocks[-1] == 0
    assert state.fighters[0].state in act.DEAD
    assert sorted(set(stocks)) == [0, 1, 2, 3, 4]
    assert game.winner == 1
