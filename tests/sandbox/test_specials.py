"""What characters have of their own, as replays show it: each test names a rule that could be broken."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from exphil_core.melee import stages
from exphil_core.melee.characters import BY_NAME, NANA_INTERNAL, SHEIK_INTERNAL, ZELDA_INTERNAL
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import NEUTRAL, Game, Setup, controller, judge, links
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import SHOULDERS, A, B
from exphil_core.sandbox.link_items import BOMB_EXPLODING, BOMB_RESTING, IN_HAND
from exphil_core.sandbox.state import FighterState, GameState

BOMBS = [kinds[0] for kinds in links.ITEMS.values()]


def sides(recordings, *names: str) -> list[list[FighterState]]:
    return [
        recording.side(index)
        for recording in recordings
        for index in (0, 1)
        if recording.match.setup.characters[index].name in names
    ]


def numbers(side: list[FighterState]) -> list[list[int]]:
    """The numbers that Judge drew, stock by stock."""
    stocks: list[list[int]] = [[]]
    before = 0
    for f in side:
        number = f.state - judge.GROUND if f.state <= judge.GROUND + 9 else f.state - judge.AIR
        number = number if judge.GROUND < f.state <= judge.AIR + 9 else 0
        if number and not before:
            stocks[-1].append(number)
        if f.state in act.DEAD and stocks[-1]:
            stocks.append([])
        before = number
    return stocks


def lives(states: list[GameState], types: list[int]) -> list[list]:
    """Each item of these types, frame by frame."""
    found: dict[int, list] = {}
    for state in states:
        for item in state.items:
            if item.type in types:
                found.setdefault(item.id, []).append(item)
    return list(found.values())


def playing(one: str, two: str = "fox", seed: int = 0) -> Game:
    setup = Setup(stage=stages.BY_NAME["fd"], characters=(BY_NAME[one], BY_NAME[two]), seed=seed)
    game = Game(setup)
    for _ in range(150):
        game.step((NEUTRAL, NEUTRAL))
    return game


def press(game: Game, pad, frames: int) -> list[GameState]:
    """`pad` for 2 frames, then nothing."""
    return [game.step((pad if n < 2 else NEUTRAL, NEUTRAL)) for n in range(frames)]


def test_judge_never_draws_one_of_its_last_two_and_a_stock_never_opens_on_1_or_2(play_out):
    drawn = 0
    for side in sides(play_out("gameandwatch", "fox"), "gameandwatch"):
        for stock in numbers(side):
            drawn += len(stock)
            for before, last, number in zip([1, 2, *stock], [2, *stock], stock, strict=False):
                assert number not in (before, last)
    assert drawn > 10


def test_over_many_draws_judge_draws_everything_that_it_can():
    game, seen = playing("gameandwatch"), set()
    for _ in range(150):
        rows = press(game, controller(x=52, buttons=B), 60)
        seen.update(s.fighters[0].state - judge.GROUND for s in rows if s.fighters[0].state > judge.GROUND)
        if seen >= set(range(1, 10)):
            break
    assert seen >= set(range(1, 10))


def test_a_9_hurts_most_and_a_1_hurts_himself():
    hurt, own = {}, {}
    for seed in range(40):
        game = playing("gameandwatch", seed=seed)
        for _ in range(400):  # walk up to the opponent
            near = game.step((controller(x=40), NEUTRAL)).fighters
            if abs(near[0].x - near[1].x) < 14:
                break
        for _ in range(3):
            before = game.state.fighters
            rows = press(game, controller(x=52, buttons=B), 46)
            number = (
                next(s.fighters[0].state for s in rows if s.fighters[0].state > judge.GROUND) - judge.GROUND
            )
            hurt.setdefault(number, []).append(rows[-1].fighters[1].percent - before[1].percent)
            own.setdefault(number, []).append(rows[-1].fighters[0].percent - before[0].percent)
    assert max(hurt, key=lambda n: max(hurt[n])) == 9
    assert {n for n, values in own.items() if max(values) > 0} == {1}


def test_his_own_aerials_land_in_their_own_landings_uncancelled(play_out):
    seen = 0
    for side in sides(play_out("gameandwatch", "fox"), "gameandwatch"):
        for before, after in itertools.pairwise(side):
            if before.state in judge.LANDINGS and after.state in judge.LANDINGS.values():
                assert after.state == judge.LANDINGS[before.state]
                assert after.l_cancel == 0
                seen += 1
    assert seen > 5


def test_a_bucket_filled_three_times_is_poured():
    game, states = playing("gameandwatch", "fox"), []
    for _ in range(400):
        near = game.step((NEUTRAL, controller(x=-40))).fighters
        if near[1].x - near[0].x < 60:
            break
    for turn in range(4):
        for n in range(70):
            catcher = controller(y=-52, buttons=B) if n in (0, 1) else NEUTRAL
            shooter = controller(buttons=B) if n in (6, 7) else NEUTRAL
            states.append((turn, game.step((catcher, shooter)).fighters[0].state))
    caught = [{state for turn, state in states if turn == which} for which in range(4)]
    assert all(judge.BUCKET_CATCH in seen for seen in caught[:3])
    assert judge.BUCKET_POUR in caught[3]
    assert judge.BUCKET not in caught[3]


def test_a_bomb_explodes_when_its_timer_ends_and_burns_who_holds_it():
    game = playing("link")
    rows = press(game, controller(y=-52, buttons=B), 420)
    (bomb,) = lives(rows, BOMBS)
    assert [b.timer for b in bomb[:2]] == [300, 299]
    assert {(b.x, b.y) for b in bomb if b.state == IN_HAND} == {(bomb[0].x, bomb[0].y)}
    went_off = next(n for n, b in enumerate(bomb) if b.state == BOMB_EXPLODING)
    assert went_off == 300
    assert [b.timer for b in bomb[went_off:]] == list(range(80, 0, -1))
    assert rows[-1].fighters[0].percent > 0


def test_a_bomb_that_is_picked_up_belongs_to_who_picked_it_up():
    game = playing("link")
    press(game, controller(y=-52, buttons=B), 60)
    for _ in range(400):
        near = game.step((controller(x=40), NEUTRAL)).fighters
        if abs(near[0].x - near[1].x) < 8:
            break
    laid = press(game, controller(y=-60, buttons=A), 45)
    assert laid[-1].items[0].state == BOMB_RESTING
    owners = []
    for n in range(12):
        state = game.step((NEUTRAL, controller(buttons=A) if n < 2 else NEUTRAL))
        owners.append((state.items[0].owner, state.items[0].state))
    assert owners[-1] == (1, IN_HAND)


def test_bombs_are_held_thrown_laid_down_and_picked_up_in_games(play_out):
    recordings = play_out("link", "marth", "younglink", count=8)
    states, holders = set(), set()
    for recording in recordings:
        for bomb in lives(recording.states, BOMBS):
            states.update(b.state for b in bomb)
            holders.add(len({b.owner for b in bomb}))
            assert all(b.timer <= 300 for b in bomb)
            exploding = [b.timer for b in bomb if b.state == BOMB_EXPLODING]
            assert exploding == [80 - n for n in range(len(exploding))]
    assert states == {0, 2, 3, 4, 5}
    assert holders == {1, 2}


def test_the_other_items_of_the_links_fly_and_end(play_out):
    recordings = play_out("link", "younglink", "fox", count=6)
    for which, states in ((1, {0, 1, 2, 3}), (2, {0, 1, 3})):
        kinds = [kinds[which] for kinds in links.ITEMS.values()]
        found = {item.state for r in recordings for life in lives(r.states, kinds) for item in life}
        assert found == states
    hookshots = [kinds[2] for kinds in links.ITEMS.values()]
    for recording in recordings:
        assert all(i.velocity_x == 0 for life in lives(recording.states, hookshots) for i in life)
        assert all(len(life) < 400 for life in lives(recording.states, [0x40, 0x41]))
    arrows = [life for r in recordings for life in lives(r.states, [0x40, 0x41])]
    assert any(item.state == 1 for life in arrows for item in life)


def test_zelda_is_sheik_after_43_frames_and_free_after_26_more():
    game = playing("zelda")
    rows = [s.fighters[0] for s in press(game, controller(y=-52, buttons=B), 80)]
    assert [f.state for f in rows].count(355) == 43
    assert [f.state for f in rows].count(362) == 26
    assert all((f.character == SHEIK_INTERNAL) == (n >= 43) for n, f in enumerate(rows))
    back = [s.fighters[0] for s in press(game, controller(y=-52, buttons=B), 80)]
    assert {361, 356} <= {f.state for f in back}
    assert back[-1].character == ZELDA_INTERNAL


def test_changes_show_in_the_replay(play_out):
    seen = set()
    for recording in play_out("zelda", "sheik", count=5):
        game = read_game(recording.path)
        for side in (0, 1):
            seen.add(tuple(k for k, _ in itertools.groupby(game.character_TP[:, side].tolist())))
    changed = [forms for forms in seen if len(forms) > 1]
    assert changed
    assert {form for forms in changed for form in forms} == {ZELDA_INTERNAL, SHEIK_INTERNAL}


def test_nana_follows_popo_and_is_away_from_her_death_to_his(play_out):
    near, died = [], 0
    for recording in play_out("iceclimbers", "fox", count=6):
        for index in (0, 1):
            if recording.match.setup.characters[index].name != "iceclimbers":
                continue
            popo, nana = recording.side(index), [state.partners[index] for state in recording.states]
            for n in range(1, len(nana)):
                him, her, before = popo[n], nana[n], nana[n - 1]
                if her is not None:
                    assert her.character == NANA_INTERNAL
                    near.append(abs(her.x - him.x))
                if her is None and before is not None:
                    died += 1
                    assert before.state in act.DEAD
                if her is not None and before is None:
                    assert him.state == her.state == act.REBIRTH
    assert died > 2
    assert sorted(near)[len(near) // 2] < 25


def test_a_teleport_goes_its_way_and_is_answered_by_where_it_came_from(play_out):
    """Whoever was passed strikes behind with the C-stick; others mostly don't."""
    answers: dict[bool, list[bool]] = {True: [], False: []}
    for recording in play_out("mewtwo", "marth", count=8):
        for index in (0, 1):
            if recording.match.setup.characters[index].name != "mewtwo":
                continue
            him, foe, pads = recording.side(index), recording.side(1 - index), recording.pads(1 - index)
            for n in range(1, len(him) - 40):
                if him[n].state not in (355, 358) or him[n - 1].state in (355, 358):
                    continue
                start = next(m for m in range(n - 1, 0, -1) if him[m].state not in range(353, 359)) + 1
                passed = (him[start].x - foe[n].x) * (him[n].x - foe[n].x) < 0
                answers[passed].append(any(abs(pad.cx) == 80 for pad in pads[n + 6 : n + 22]))
    share = {passed: sum(values) / len(values) for passed, values in answers.items()}
    assert all(len(values) > 10 for values in answers.values())
    assert share[True] > share[False] + 0.2


def test_facing_and_place_dont_tell_where_a_teleport_began(play_out):
    """Of those that end on the ground, many are cut short by it; none of them slides on slower than the others."""
    ways, slides = [], []
    for recording in play_out("mewtwo", "mewtwo", count=8):
        for index in (0, 1):
            him = recording.side(index)
            for n in range(1, len(him)):
                if him[n].state != 355 or him[n - 1].state not in (354, 357):
                    continue
                start = next(m for m in range(n - 1, 0, -1) if him[m].state not in range(353, 359)) + 1
                ways.append(math.dist((him[n].x, him[n].y), (him[start].x, him[start].y)))
                slides.append(abs(him[n].self_x_ground))
    assert sum(way < 40 for way in ways) > 0.2 * len(ways) > 10
    assert sum(way > 45 for way in ways) > 0.2 * len(ways)
    assert {round(slide, 3) for slide in slides if slide > 0.5} == {0.995}


def test_a_flying_bomb_is_answered_by_where_it_will_pass(play_out):
    """Shielded if it will hit; otherwise mostly not."""
    shields: dict[bool, list[bool]] = {True: [], False: []}
    for recording in play_out("link", "marth", count=16):
        for index in (0, 1):
            if recording.match.setup.characters[index].name != "marth":
                continue
            him, pads = recording.side(index), recording.pads(index)
            port = recording.match.setup.ports[1 - index]
            flying = [
                next((b for b in s.items if b.type == BOMBS[0] and (b.state, b.owner) == (2, port)), None)
                for s in recording.states
            ]
            for n in range(1, len(him) - 40):
                bomb, me = flying[n], him[n]
                if bomb is None or flying[n - 1] is not None or me.airborne or me.state > 44:
                    continue
                frames = (me.x - bomb.x) / bomb.velocity_x
                if not 20 < frames < 40:
                    continue
                miss = bomb.y + bomb.velocity_y * frames - 0.049 * frames**2 / 2 - me.y - 8
                held = [bool(pad.buttons & SHOULDERS) for pad in pads[n + 8 : n + 20]]
                shields[abs(miss) < 12].append(sum(held) >= 5)
    share = {hits: sum(values) / len(values) for hits, values in shields.items()}
    assert all(len(values) > 5 for values in shields.values())
    assert share[True] > share[False] + 0.3


@pytest.mark.parametrize(
    "name", ["link", "younglink", "gameandwatch", "zelda", "sheik", "iceclimbers", "mewtwo"]
)
def test_wild_inputs_break_nothing(name):
    rng, pads = random.Random(name), [NEUTRAL, NEUTRAL]
    game = playing(name, "link")
    for _ in range(1500):
        for i in (0, 1):
            if rng.random() < 0.2:
                way = rng.choice(((0, 0), (52, 0), (-52, 0), (0, 52), (0, -52), (80, 0), (0, -80)))
                pads[i] = controller(*way, buttons=rng.choice((0, A, B, 0x400, 0x40, 0x10)))
        state = game.step(pads)
        assert all(0 <= f.percent < 999 and -400 < f.x < 400 for f in state.fighters)
        if game.over:
            break
