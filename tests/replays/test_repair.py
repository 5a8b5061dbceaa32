"""What peppi refuses or panics on, read all the same: old versions, recordings cut off, odd endings."""

from __future__ import annotations

import struct
from pathlib import Path

import melee
import numpy as np
import pytest

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.parsing import parse, parse_bytes
from exphil_core.replays.slp import read_game
from exphil_core.replays.stream import BOOKEND, END, HEAD, ITEM, POST, START, Stream, open_stream, read_start

# Payloads without the command byte, as real files have them: 3.6.1 seen, the others from Slippi's specification.
OLD = {
    (3, 0, 0): {START: 418, POST: 52, ITEM: 37, BOOKEND: 4},
    (3, 3, 0): {START: 418, POST: 52, ITEM: 41, BOOKEND: 4},
    (3, 5, 2): {START: 418, POST: 72, ITEM: 41, BOOKEND: 4},
    (3, 6, 1): {START: 418, POST: 72, ITEM: 42, BOOKEND: 4},
}
SPEEDS = ["speed_air_x", "speed_y", "knock_x", "knock_y", "speed_ground_x"]


def rebuilt(stream: Stream, sizes: dict[int, int], events: bytes) -> bytes:
    """A replay with this table of payload sizes and these events."""
    table = b"".join(struct.pack(">BH", event, size) for event, size in sizes.items())
    raw = bytes((0x35, 1 + len(table))) + table + events
    return HEAD + struct.pack(">i", len(raw)) + raw + stream.content[stream.stop :]


def aged(content: bytes, version: tuple[int, int, int]) -> bytes:
    """The replay as this older version of Slippi would have written it."""
    stream = open_stream(content)
    sizes = {event: size - 1 for event, size in stream.sizes.items()} | OLD[version]
    events = bytearray().join(content[at : at + 1 + sizes[event]] for event, at, _ in stream.events())
    events[1:4] = bytes(version)
    return rebuilt(stream, sizes, bytes(events))


@pytest.fixture(scope="module")
def young(demo_folder: Path) -> bytes:
    return max(demo_folder.glob("*.slp"), key=lambda path: path.stat().st_size).read_bytes()


def same(left: Game, right: Game, unknown: list[str]) -> None:
    known = [index for name, index in STATE.items() if name not in unknown]
    np.testing.assert_array_equal(left.state_TPF[..., known], right.state_TPF[..., known])
    assert np.isnan(left.state_TPF[..., [STATE[name] for name in unknown]]).all()
    for name in ("action_TP", "character_TP", "controller_TPC"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert left.info.game_hash == right.info.game_hash


@pytest.mark.parametrize("version", OLD)
def test_versions_that_peppi_panics_on_are_read_to_the_same_values(
    young: bytes, version: tuple[int, int, int]
) -> None:
    old = aged(young, version)
    with pytest.raises(ReplayError, match="the parser panicked"):
        parse_bytes(old)
    replay = inspect(old, "old.slp")
    assert replay.facts.version == version
    game, whole = replay.game(), inspect(young, "young.slp").game()
    same(game, whole, [*([] if version >= (3, 5, 0) else SPEEDS), "hitlag"])
    assert game.items.known == (version >= (3, 6, 0))
    if game.items.known:
        assert len(whole.items.x) > 0
        np.testing.assert_array_equal(game.items.x, whole.items.x)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("told", [True, False])
def test_a_recording_that_was_cut_off_is_read_to_its_last_whole_frame(
    young: bytes, share: float, told: bool
) -> None:
    cut = young[: int(len(young) * share)]
    if not told:  # Slippi writes the length last
        cut = cut[: len(HEAD)] + bytes(4) + cut[len(HEAD) + 4 :]
    replay = inspect(cut, "cut.slp")
    game, whole = replay.game(), inspect(young, "young.slp").game()
    assert len(game) < len(whole)
    assert abs(share * len(whole) - len(game)) < 0.1 * len(whole)
    np.testing.assert_array_equal(game.state_TPF, whole.state_TPF[: len(game)])
    np.testing.assert_array_equal(game.controller_TPC, whole.controller_TPC[: len(game)])
    assert replay.facts.end == ""
    assert [player.won for player in replay.facts.players] == [None, None]


def test_an_ending_that_peppi_does_not_know_leaves_the_game_as_it_is(young: bytes) -> None:
    stream = open_stream(young)
    odd = bytearray(young)
    (at,) = [at for event, at, _ in stream.events() if event == END]
    odd[at + 1] = 9
    with pytest.raises(ReplayError, match="end method"):
        parse_bytes(bytes(odd))
    np.testing.assert_array_equal(
        inspect(bytes(odd), "x").game().state_TPF, inspect(young, "y").game().state_TPF
    )


def test_our_reading_of_the_start_is_peppi_s(real_replays: Path, demo_folder: Path) -> None:
    compared = 0
    for path in [*real_replays.glob("*/*.slp"), *demo_folder.glob("*.slp")]:
        try:
            theirs = parse(path).start
        except ReplayError:
            continue
        ours = read_start(open_stream(path.read_bytes()))
        for name, value in ours.items():
            if name != "players":
                assert theirs[name] == value, (path.name, name)
        assert "scene" in ours or "scene" not in theirs
        for mine, seat in zip(ours["players"], theirs["players"], strict=True):
            netplay = mine.pop("netplay", {})
            assert {name: seat.get(name) for name in mine} == mine, path.name
            assert {name: seat["netplay"][name] for name in netplay} == netplay, path.name
        compared += 1
    assert compared > 70


def test_a_real_game_of_3_6_has_libmelee_s_values(real_replays: Path) -> None:
    path = next(real_replays.glob("odd/fox-fox_YS_3.6.1_*.slp"))
    game = read_game(path, rollback="first")  # libmelee yields a frame when it is first seen
    console = melee.Console(path=str(path), allow_old_version=True, is_dolphin=False)
    assert console.connect()
    frames = 0
    while (state := console.step()) is not None:
        row = int(state.frame) - FIRST_FRAME
        for fighter, player in enumerate(game.info.players):
            theirs = state.players[player.port + 1]
            mine = dict(zip(STATE, game.state_TPF[row, fighter].tolist(), strict=True))
            assert (mine["x"], mine["y"]) == (float(theirs.position.x), float(theirs.position.y))
            assert mine["percent"] == int(theirs.percent)
            assert mine["stocks"] == theirs.stock
            assert mine["speed_air_x"] == theirs.speed_air_x_self
            assert mine["speed_y"] == theirs.speed_y_self
            assert mine["knock_x"] == theirs.speed_x_attack
            assert mine["speed_ground_x"] == theirs.speed_ground_x_self
            assert (mine["facing"] > 0) == theirs.facing
            action = theirs.action.value
            assert game.action_TP[row, fighter] == action or action == melee.Action.UNKNOWN_ANIMATION.value
        ours = game.items.cut(row, row + 1)
        listed = [(p.type.value, p.position.x, p.position.y) for p in state.projectiles if p.owner > 0]
        known = {value.value for value in melee.ProjectileType}
        mine_items = [(t, x, y) for t, x, y in zip(ours.type, ours.x, ours.y, strict=True) if t in known]
        assert sorted(mine_items) == sorted(item for item in listed if item[0] in known)
        frames += 1
    assert frames == len(game) == 1038
