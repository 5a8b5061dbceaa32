"""Items that belong to a player, frame by frame, as peppi itself lists them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exphil_core.errors import ReplayError
from exphil_core.features.character import fighter_rows
from exphil_core.replays.game import Game
from exphil_core.replays.items import ItemRows, no_items
from exphil_core.replays.slp import _parsed, frame_rows, read_game


def listed(path: Path, ports: list[int], rollback: str) -> list[tuple[object, ...]]:
    """(frame, type, owner, x, spawn id) of each owned item, by plain Python from peppi's own values."""
    frames = _parsed(path).frames
    ids = np.asarray(frames.field("id"))
    found = []
    for frame, row in enumerate(frame_rows(ids, rollback).tolist()):
        for item in frames.field("item")[row].as_py() or []:
            if item["owner"] in ports:
                owner = ports.index(item["owner"])
                found.append((frame, item["type"], owner, np.float32(item["position"]["x"]), item["id"]))
    return found


def ours(items: ItemRows) -> list[tuple[object, ...]]:
    columns = (items.frame(), items.type, items.owner, items.x, items.spawn_id)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def check(game: Game, rollback: str = "last") -> int:
    ports = [player.port for player in game.info.players]
    assert game.items.known
    assert len(game.items) == len(game)
    assert ours(game.items) == listed(game.info.path, ports, rollback)
    return len(game.items.type)


def test_items_of_demo_games_are_those_that_peppi_lists(demo_games: list[Game]) -> None:
    assert sum(check(game) for game in demo_games) > 50


@pytest.mark.parametrize("rollback", ["last", "first"])
def test_items_of_real_games_are_those_that_peppi_lists(real_replays: Path, rollback: str) -> None:
    for pattern in ("games/falco-ylink_PS_*", "games/falco-falco_YS_*", "games/ics-falco_DL_*"):
        path = next(real_replays.glob(pattern + ".slp"))
        assert check(read_game(path, rollback=rollback), rollback) > 10


def test_an_old_replay_says_nothing_of_items(real_replays: Path) -> None:
    game = read_game(next(real_replays.glob("games/puff-fox_YS_2.0.1_*.slp")))
    assert not game.items.known
    assert len(game.items) == len(game)


def test_each_fighter_sees_its_own_items_as_its_own(demo_games: list[Game]) -> None:
    game = next(game for game in demo_games if len(game.items.type))
    first, second = (fighter_rows(game, fighter).items for fighter in (0, 1))
    assert (first.owner == 1 - second.owner).all()
    assert (first.owner == game.items.owner).all()


def test_pieces_together_are_the_whole(demo_games: list[Game]) -> None:
    items = next(game.items for game in demo_games if len(game.items.type))
    cuts = [0, 1, 100, 101, 500, len(items)]
    pieces = [items.cut(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    assert sum(map(len, pieces)) == len(items)
    assert np.concatenate([piece.x for piece in pieces]).tolist() == items.x.tolist()
    counts = np.concatenate([np.diff(piece.offset) for piece in pieces])
    assert (counts == np.diff(items.offset)).all()


def test_a_mirrored_mirror_image_is_the_original(demo_games: list[Game]) -> None:
    items = next(game.items for game in demo_games if len(game.items.type))
    assert (items.mirrored().x == -items.x).all()
    assert (items.mirrored().mirrored().x == items.x).all()


def test_nothing_known_is_not_nothing_there() -> None:
    assert not no_items(5).known
    assert no_items(5, known=True).known
    assert len(no_items(5)) == 5


def test_all_of_an_items_fields_are_those_that_peppi_lists(real_replays: Path) -> None:
    path = next(real_replays.glob("games/sheik-mewtwo_BF_3.16.0_*.slp"))
    items, frames = read_game(path).items, _parsed(path).frames
    rows = frame_rows(np.asarray(frames.field("id")), "last").tolist()
    listed = [item for row in rows for item in frames.field("item")[row].as_py() or [] if item["owner"] >= 0]
    assert len(listed) > 1000
    misc = [[item["misc"][str(byte)] for byte in range(4)] for item in listed]
    assert items.misc.tolist() == misc
    assert items.instance_id.tolist() == [item["instance_id"] for item in listed]
    assert items.damage.tolist() == [item["damage"] for item in listed]
    assert items.direction.tolist() == [item["direction"] for item in listed]
    assert items.timer.tolist() == [np.trunc(item["timer"]) for item in listed]


def test_items_are_listed_from_the_oldest_to_the_newest(real_replays: Path) -> None:
    for pattern in ("games/falco-ylink_PS_*", "games/sheik-fox_BF_*", "more/samus-falco_FOD_*"):
        items = read_game(next(real_replays.glob(pattern + ".slp"))).items
        same_frame = np.diff(items.frame()) == 0
        assert same_frame.sum() > 50
        assert (np.diff(items.spawn_id)[same_frame] > 0).all()


def test_an_item_that_no_game_can_hold_is_damage(demo_folder: Path, tmp_path: Path) -> None:
    for path in sorted(demo_folder.glob("*.slp")):
        content = bytearray(path.read_bytes())
        raw = content.index(b"\x35", content.index(b"raw"))
        table = content[raw + 2 : raw + 1 + content[raw + 1]]
        sizes = {table[i]: int.from_bytes(table[i + 1 : i + 3], "big") + 1 for i in range(0, len(table), 3)}
        at = raw + 1 + content[raw + 1]
        while content[at] not in (0x3B, 0x39):
            at += sizes[content[at]]
        # Command, frame, type, state, direction, velocity: then the position.
        if content[at] == 0x3B and content[at + 0x2A] < 4:
            content[at + 0x14 : at + 0x18] = np.array(1e30, ">f4").tobytes()
            (tmp_path / "x.slp").write_bytes(content)
            with pytest.raises(ReplayError, match=r"damaged: an item's x is 1e\+30 in frame"):
                read_game(tmp_path / "x.slp")
            return
    pytest.fail("no demo game has an item")
