"""What peppi and libmelee read from a file is what the simulator had."""

from __future__ import annotations

import csv
from pathlib import Path

import melee
import numpy as np
import pyarrow as pa
import pytest
from melee import enums
from peppi_py import read_slippi
from peppi_py._peppi import read_slippi as read_raw

from exphil_core.melee import FIRST_FRAME
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.state import FighterState, ItemState

# The simulator's names of fields that peppi nests.
NESTED = {
    "x": "position.x", "y": "position.y",
    **{f"flags_{i}": f"state_flags.{i}" for i in range(5)},
    **{f"self_{v}": f"velocities.self_{v}" for v in ("x_air", "y", "x_ground")},
    **{f"knockback_{axis}": f"velocities.knockback_{axis}" for axis in "xy"},
}  # fmt: skip
NESTED_ITEM = {
    "x": "position.x", "y": "position.y", "velocity_x": "velocity.x", "velocity_y": "velocity.y",
    **{f"misc_{i}": f"misc.{i}" for i in range(4)},
}  # fmt: skip


def column(array: pa.StructArray, path: str) -> np.ndarray:
    for part in path.split("."):
        array = array.field(part)
    return array.to_numpy(zero_copy_only=False)


def assert_same(got: np.ndarray, expected: list, what: str) -> None:
    np.testing.assert_array_equal(got, np.array(expected).astype(got.dtype), err_msg=what)


def side_of(recording, frames, index):
    return frames.field("ports").field(f"P{recording.match.setup.ports[index] + 1}").field("leader")


@pytest.mark.parametrize("index", [0, 1])
def test_peppi_reads_every_post_frame_field(short, index):
    for recording in short:
        post = side_of(recording, read_raw(str(recording.path), False).frames, index).field("post")
        for name in FighterState._fields:
            expected = [getattr(f, name) for f in recording.side(index)]
            assert_same(column(post, NESTED.get(name, name)), expected, name)


def test_peppi_reads_nana_and_that_she_is_away(short):
    seen = 0
    for recording in short:
        ports = read_raw(str(recording.path), False).frames.field("ports")
        for index, port in enumerate(recording.match.setup.ports):
            nana = [state.partners[index] for state in recording.states]
            if not any(nana):
                continue
            seen += 1
            follower = ports.field(f"P{port + 1}").field("follower")
            there = np.array([her is not None for her in nana])
            np.testing.assert_array_equal(np.array(follower.is_valid()), there)
            for name in ("character", "state", "x", "y", "percent", "stocks"):
                got = column(follower.field("post"), NESTED.get(name, name))[there]
                assert_same(got, [getattr(her, name) for her in nana if her is not None], name)
    assert seen >= 1


@pytest.mark.parametrize("index", [0, 1])
def test_peppi_reads_every_pre_frame_field(short, index):
    for recording in short:
        pre = side_of(recording, read_raw(str(recording.path), False).frames, index).field("pre")
        pads, states = recording.pads(index), recording.side(index)
        before = [states[0], *states[:-1]]
        expected = {
            "joystick.x": [p.x / 80 for p in pads], "joystick.y": [p.y / 80 for p in pads],
            "cstick.x": [p.cx / 80 for p in pads], "cstick.y": [p.cy / 80 for p in pads],
            "raw_analog_x": [p.x for p in pads], "raw_analog_y": [p.y for p in pads],
            "raw_analog_cstick_x": [p.cx for p in pads], "raw_analog_cstick_y": [p.cy for p in pads],
            "triggers": [p.shoulder / 140 for p in pads],
            "buttons": [p.processed for p in pads], "buttons_physical": [p.buttons for p in pads],
            "state": [f.state for f in before], "percent": [f.percent for f in before],
            "position.x": [f.x for f in before], "position.y": [f.y for f in before],
            "direction": [f.direction for f in before],
        }  # fmt: skip
        for path, values in expected.items():
            assert_same(column(pre, path), values, path)
        left, right = (column(pre, f"triggers_physical.{s}") for s in "lr")
        triggers = column(pre, "triggers")
        z = column(pre, "buttons_physical") & 0x10 > 0
        np.testing.assert_array_equal(np.maximum(left, right)[triggers > 0.36], triggers[triggers > 0.36])
        assert np.all(triggers[z] >= np.float32(0.35))


def test_peppi_reads_every_item_field(short):
    rows = 0
    for recording in short:
        items = read_raw(str(recording.path), False).frames.field("item")
        expected = [item for state in recording.states for item in state.items]
        rows += len(expected)
        lengths = [len(row) if row.is_valid else 0 for row in items]
        assert lengths == [len(state.items) for state in recording.states]
        flat = items.flatten()
        for name in ItemState._fields:
            assert_same(column(flat, NESTED_ITEM.get(name, name)), [getattr(i, name) for i in expected], name)
    assert rows > 100


def test_peppi_reads_start_end_and_metadata(short):
    for recording in short:
        game, setup = read_slippi(str(recording.path)), recording.match.setup
        assert game.start.slippi.version == (3, 18, 0)
        assert game.start.stage == setup.stage.external
        assert game.start.timer == 30
        assert [int(p.port) for p in game.start.players] == list(setup.ports)
        assert [p.character for p in game.start.players] == [c.external for c in setup.characters]
        assert [p.stocks for p in game.start.players] == [4, 4]
        assert all(p.type == 0 and p.cpu_level is None and p.ucf is not None for p in game.start.players)
        assert not any((game.start.is_teams, game.start.is_pal, game.start.is_frozen_ps))
        assert game.metadata["lastFrame"] == recording.states[-1].frame
        assert set(game.metadata["players"]) == {str(port) for port in setup.ports}
        assert game.end is not None
        assert sorted(p.placement for p in game.end.players) in ([0, 1], [0, 0])


def test_frames_are_numbered_as_slippi_does_and_never_repeat(short):
    for recording in short:
        frames = read_raw(str(recording.path), False).frames
        ids = column(frames, "id")
        np.testing.assert_array_equal(ids, np.arange(len(ids)) + FIRST_FRAME)
        np.testing.assert_array_equal(column(frames, "end.latest_finalized_frame"), ids)
        seeds = column(frames, "start.random_seed")
        np.testing.assert_array_equal(column(side_of(recording, frames, 0), "pre.random_seed"), seeds)


def zero_based() -> set[tuple[int, int]]:
    """(character, action) whose action_frame libmelee moves up by one."""
    with (Path(melee.__file__).parent / "actiondata.csv").open() as file:
        return {
            (int(row["character"]), int(row["action"]))
            for row in csv.DictReader(file)
            if row["zeroindex"] == "True"
        }


SHIFTED = zero_based()
BUTTONS = {
    enums.Button.BUTTON_A: 0x100, enums.Button.BUTTON_B: 0x200, enums.Button.BUTTON_X: 0x400,
    enums.Button.BUTTON_Y: 0x800, enums.Button.BUTTON_Z: 0x10, enums.Button.BUTTON_L: 0x40,
    enums.Button.BUTTON_R: 0x20,
}  # fmt: skip


def assert_fighter(got: melee.PlayerState, f: FighterState, shifted=SHIFTED) -> None:
    exact = {
        "percent": f.percent, "shield_strength": f.shield, "stock": f.stocks, "jumps_left": f.jumps,
        "speed_air_x_self": f.self_x_air, "speed_y_self": f.self_y, "speed_x_attack": f.knockback_x,
        "speed_y_attack": f.knockback_y, "speed_ground_x_self": f.self_x_ground,
    }  # fmt: skip
    for name, value in exact.items():
        assert getattr(got, name) == np.float32(value), name
    assert (got.position.x, got.position.y) == (np.float32(f.x), np.float32(f.y))
    assert got.character.value == f.character
    assert got.action.value == f.state
    assert got.facing == (f.direction > 0)
    assert got.on_ground == (not f.airborne)
    assert got.invulnerable == (f.hurtbox_state != 0)
    assert got.hitlag_left == int(f.hitlag)
    assert got.hitstun_frames_left == int(f.misc_as)
    assert got.action_frame == int(f.state_age) + ((f.character, f.state) in shifted)


def assert_pad(got: melee.ControllerState, pad) -> None:
    assert got.main_stick == (np.float32(pad.x / 80) / 2 + 0.5, np.float32(pad.y / 80) / 2 + 0.5)
    assert got.c_stick == (np.float32(pad.cx / 80) / 2 + 0.5, np.float32(pad.cy / 80) / 2 + 0.5)
    assert got.l_shoulder == np.float32(pad.shoulder / 140)
    assert got.raw_main_stick == (pad.x, pad.y)
    assert {b for b, bit in BUTTONS.items() if got.button[b]} == {
        b for b, bit in BUTTONS.items() if pad.buttons & bit
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_libmelee_reads_the_same(short):
    for recording in (*short[:2], *short[-3:]):
        console = melee.Console(path=str(recording.path), is_dolphin=False)
        assert console.connect()
        ports = [port + 1 for port in recording.match.setup.ports]
        count = 0
        while (game := console.step()) is not None:
            state, pads = recording.states[count], recording.controllers[count]
            count += 1
            assert game.frame == state.frame
            assert game.stage.value == recording.match.setup.stage.internal
            assert sorted(game.players) == ports
            for port, fighter, pad in zip(ports, state.fighters, pads, strict=True):
                assert_fighter(game.players[port], fighter)
                assert_pad(game.players[port].controller_state, pad)
            for port, nana in zip(ports, state.partners, strict=True):
                if nana is None:
                    assert game.players[port].nana is None
                else:
                    # libmelee leaves Nana's frames as they are.
                    assert_fighter(game.players[port].nana, nana, shifted=())
            assert [(p.owner, p.position.x, p.position.y, p.spawn_id) for p in game.projectiles] == [
                (i.owner + 1, np.float32(i.x), np.float32(i.y), i.id) for i in state.items
            ]
        assert count == len(recording.states)


def test_hit_stun_is_flagged_exactly_in_damage_states(recordings):
    for recording in recordings:
        for index in (0, 1):
            for f in recording.side(index):
                if f.flags_3 & 0x02:
                    assert f.state in act.DAMAGE
                    assert f.misc_as > 0
