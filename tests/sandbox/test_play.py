"""What a recorded game must be like for a bot that learns from it."""

from __future__ import annotations

import itertools

import pytest

from exphil_core.melee.controller import SHOULDER_DEAD_ZONE, STICK_DEAD_ZONE
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.controller import JUMPS, A, L, R, Z

SIDES = (0, 1)


def rows(recordings):
    """(fighter before, fighter after, controller before, controller in force) of every frame and side."""
    for recording in recordings:
        for side in SIDES:
            states, pads = recording.side(side), recording.pads(side)
            yield from zip(states, states[1:], pads, pads[1:], strict=False)


def test_a_jump_press_and_the_knee_bend_share_a_row(recordings):
    seen = 0
    for before, after, last, pad in rows(recordings):
        pressed = pad.buttons & ~last.buttons
        if before.state == act.WAIT and before.hitlag == 0 and pressed & JUMPS and not pressed & ~JUMPS:
            if after.state in act.DAMAGE | act.THROWN:
                continue
            assert after.state == act.KNEE_BEND
            assert after.state_age == 0
            seen += 1
    assert seen > 50


def test_an_a_press_and_leaving_wait_share_a_row(recordings):
    seen = 0
    for before, after, last, pad in rows(recordings):
        if before.state == act.WAIT and pad.buttons & ~last.buttons == A:
            assert after.state != act.WAIT
            seen += 1
    assert seen > 50


def test_a_controller_never_shows_before_it_counts(recordings):
    for recording in recordings:
        for state in recording.states:
            if state.frame < -39:
                assert all(f.state in act.ENTRIES | {act.FALL, act.LANDING, act.WAIT} for f in state.fighters)


def test_every_stick_and_shoulder_is_on_the_grid(recordings):
    for recording in recordings:
        for pads in recording.controllers:
            for p in pads:
                for x, y in ((p.x, p.y), (p.cx, p.cy)):
                    assert x * x + y * y <= 80 * 80
                    assert all(k == 0 or STICK_DEAD_ZONE <= abs(k) <= 80 for k in (x, y))
                assert p.shoulder == 0 or SHOULDER_DEAD_ZONE <= p.shoulder <= 140
                if p.buttons & (L | R):
                    assert p.shoulder == 140
                if p.buttons & Z:
                    assert p.processed & A
                    assert p.shoulder >= 49


def test_percent_only_rises_within_a_life_and_stocks_only_fall(recordings):
    for before, after, _, _ in rows(recordings):
        assert after.stocks <= before.stocks
        if after.percent < before.percent:
            assert (after.state, after.percent) == (act.REBIRTH, 0.0)


def test_a_death_is_seen_on_the_row_that_takes_the_stock(recordings):
    deaths = 0
    for before, after, _, _ in rows(recordings):
        if after.stocks < before.stocks:
            assert after.state in act.DEAD
            assert after.percent >= before.percent
            deaths += 1
    assert deaths >= len(recordings)


def test_both_sides_deal_damage_and_both_sometimes_win(recordings):
    winners = set()
    for recording in recordings:
        first, second = (recording.side(side) for side in SIDES)
        assert max(f.percent for f in first) > 20
        assert max(f.percent for f in second) > 20
        ends = [(f[-1].stocks, -f[-1].percent) for f in (first, second)]
        winners.add(ends.index(max(ends)))
    assert winners == {0, 1}


def test_nobody_alive_is_beyond_a_blast_zone(recordings):
    for recording in recordings:
        stage = recording.match.setup.stage
        for side in SIDES:
            for f in recording.side(side):
                if f.state not in act.DEAD:
                    assert stage.blast_left <= f.x <= stage.blast_right
                    assert stage.blast_bottom <= f.y <= stage.blast_top


def test_nobody_stands_beside_the_stage(recordings):
    for recording in recordings:
        edge = recording.match.setup.stage.edge_x
        for side in SIDES:
            for f in recording.side(side):
                if not f.airborne and f.ground == 1 and f.state not in act.THROWN:
                    assert f.y == 0
                    assert abs(f.x) <= edge + 1e-9


@pytest.mark.parametrize("side", SIDES)
def test_most_frames_repeat_the_last_controller_as_people_do(recordings, side):
    for recording in recordings:
        pads = recording.pads(side)
        share = sum(a == b for a, b in itertools.pairwise(pads)) / (len(pads) - 1)
        assert 0.5 < share < 0.85


def test_hands_are_varied(recordings):
    """Off the cardinal directions, both jump buttons, shoulders digital and analog, C-stick and Z."""
    pads = [p for r in recordings for pair in r.controllers for p in pair]
    assert len({(p.x, p.y) for p in pads}) > 200
    assert sum(p.x != 0 and p.y != 0 for p in pads) > len(pads) / 20
    for used in (lambda p: p.buttons & 0x400, lambda p: p.buttons & 0x800, lambda p: p.buttons & L,
                 lambda p: p.buttons & R, lambda p: p.buttons & Z, lambda p: p.cx or p.cy,
                 lambda p: 0 < p.shoulder < 140 and not p.buttons & Z):  # fmt: skip
        assert sum(bool(used(p)) for p in pads) > 50


def test_the_whole_repertoire_shows(recordings):
    seen = {f.state for r in recordings for side in SIDES for f in r.side(side)}
    expected = (
        act.DASH, act.RUN, act.TURN, act.JUMP_AERIAL_F, act.GUARD, act.GUARD_SET_OFF, act.CATCH, act.THROW_F,
        act.CLIFF_CATCH, act.CLIFF_CLIMB_QUICK, act.PASS, act.SMASH_F, act.SMASH_UP, act.AIR_F, act.AIR_B,
        act.ESCAPE_AIR, act.FALL_SPECIAL, act.DOWN_BOUND, act.REBIRTH_WAIT, act.LANDING_AIR_N + 1,
    )  # fmt: skip
    assert set(expected) <= seen
    assert {f.l_cancel for r in recordings for side in SIDES for f in r.side(side)} == {0, 1, 2}


def mewtwo_chains(recordings) -> set[tuple[int, ...]]:
    chains = set()
    for recording in recordings:
        for side in SIDES:
            if recording.match.setup.characters[side].name == "mewtwo":
                actions = [key for key, _ in itertools.groupby(f.state for f in recording.side(side))]
                chains |= set(zip(actions, actions[1:], actions[2:], actions[3:], strict=False))
    return chains


def test_mewtwo_teleports_as_in_melee(recordings):
    chains = mewtwo_chains(recordings)
    assert (356, 357, 358, act.FALL_SPECIAL) in chains
    assert any(chain[:3] == (353, 354, 355) for chain in chains)


def test_a_teleport_moves_far_towards_the_stick(recordings):
    moves = 0
    for recording in recordings:
        for side in SIDES:
            for before, after in itertools.pairwise(recording.side(side)):
                travels = after.character == 16 and before.state == after.state == 357
                # What is left of a hit pushes him on his way.
                pushed = before.knockback_x or after.knockback_x
                if travels and not pushed and after.hurtbox_state == 2:
                    step = ((after.x - before.x) ** 2 + (after.y - before.y) ** 2) ** 0.5
                    assert step == pytest.approx(4.975, abs=0.01) or abs(after.x) == pytest.approx(
                        recording.match.setup.stage.edge_x
                    )
                    moves += 1
    assert moves > 50


def test_items_fly_for_their_owner(recordings):
    types, owners = set(), set()
    for recording in recordings:
        ports = set(recording.match.setup.ports)
        for state in recording.states:
            for item in state.items:
                types.add(item.type)
                owners.add(item.owner)
                assert item.owner in ports
    assert {0x36, 0x37, 0x70} <= types
    assert len(owners) > 2
