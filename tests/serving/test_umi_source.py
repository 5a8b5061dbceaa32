"""What UMI delivers of a game becomes what training made of its replay, to the bit but for what UMI doesn't tell."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from umi.frame import FRAME, NEUTRAL_CTRL

from exphil_core.checkpoints.store import save_policy
from exphil_core.features.encoder import encode
from exphil_core.features.rows import game_rows
from exphil_core.features.schema import observation_schema
from exphil_core.melee.controller import SLIPPI_BITS
from exphil_core.models.policy import Policy
from exphil_core.replays.controller import NEUTRAL, decode
from exphil_core.replays.controller import valid as is_valid
from exphil_core.replays.game import Game
from exphil_core.replays.habits import habits
from exphil_core.replays.parsing import parse
from exphil_core.replays.slp import frame_rows, read_game
from exphil_core.serving.umi_player import UmiPlayer
from exphil_core.serving.umi_source import umi_batch, umi_cells, umi_rows

PolicyMaker = Callable[..., Policy]
FRAMES = 700
# Whatever moves and comes and goes: a partner, items, Teleport, Randall, Fountain, Stadium, Zelda.
REAL = (
    "ics-falco_DL", "kirby-ylink_BF", "sheik-mewtwo_BF", "falco-falco_YS_3.15.0", "fox-mewtwo_PS_3.19.1",
    "zelda-mario_BF",
)  # fmt: skip
_BUTTONS = ("A", "B", "X", "Y", "Z", "L", "R", "D_UP")


def leaf(source: Any, *path: str) -> np.ndarray:
    """A column of pyarrow's struct array, 0 where it is null."""
    for name in path:
        source = source.field(name)
    found: np.ndarray = source.fill_null(0).to_numpy(zero_copy_only=False)
    return found


def fighter(side: Any, rows: np.ndarray, into: np.ndarray) -> None:
    """UMI's fields of a fighter out of a replay, as UMI describes them: raw, percent floored, no hit-stun outside of
    damage. Written from its own documentation, apart from our reading."""
    post, pre = side.field("post"), side.field("pre")
    exists = side.is_valid().to_numpy(zero_copy_only=False)[rows]

    def of(source: Any, *path: str) -> np.ndarray:
        return np.nan_to_num(leaf(source, *path)[rows])

    into["exists"] = exists
    for field, path in {
        "character": ("character",), "stocks": ("stocks",), "jumps_left": ("jumps",), "action": ("state",),
        "x": ("position", "x"), "y": ("position", "y"), "shield_strength": ("shield",),
        "speed_air_x_self": ("velocities", "self_x_air"), "speed_ground_x_self": ("velocities", "self_x_ground"),
        "speed_y_self": ("velocities", "self_y"), "speed_x_attack": ("velocities", "knockback_x"),
        "speed_y_attack": ("velocities", "knockback_y"), "hurtbox_state": ("hurtbox_state",),
        "percent": ("percent",), "action_frame": ("state_age",), "hitlag_left": ("hitlag",),
    }.items():  # fmt: skip
        into[field] = of(post, *path).astype(into.dtype[field])
    into["facing"], into["on_ground"] = of(post, "direction") > 0, of(post, "airborne") == 0
    into["invulnerable"] = into["hurtbox_state"] != 0
    damage = np.isin(into["action"], [*range(75, 92), 193, 247])
    into["hitstun_left"] = np.where(damage, np.maximum(of(post, "misc_as"), 0), 0).astype(np.uint16)
    pad = into["controller"]
    for field, path in {"main": ("joystick",), "c": ("cstick",)}.items():
        for axis in "xy":
            pad[f"{field}_{axis}"] = of(pre, *path, axis) / 2 + 0.5
    physical = of(pre, "buttons_physical").astype(np.uint16)
    pad["buttons"] = sum(
        ((physical & SLIPPI_BITS[b]) != 0).astype(np.uint8) << i for i, b in enumerate(_BUTTONS)
    )
    # Raw: what L, R and Z add to the shoulder isn't there.
    pad["shoulder"] = np.where(pad["buttons"] & 0x70, 0, of(pre, "triggers"))
    into[~exists] = np.zeros((), into.dtype)


def umi_frames(path: Path, game: Game, own: int) -> np.ndarray:
    """`Frame[T]` of a replay as the player `own` would get them."""
    parsed = parse(path)
    rows = frame_rows(leaf(parsed.frames, "id"), "last")[: len(game)]
    frames = np.zeros(len(rows), FRAME)
    frames["frame"], frames["stage"] = np.arange(len(rows)) - 123, game.info.stage.internal
    ports = parsed.frames.field("ports")
    for place, player in enumerate((game.info.players[own], game.info.players[1 - own])):
        seat = ports.field(f"P{player.port + 1}")
        fighter(seat.field("leader"), rows, frames["players"][:, place])
        if "follower" in {field.name for field in seat.type}:
            fighter(seat.field("follower"), rows, frames["nana"][:, place])
    if game.platform_TS is not None:
        frames["fod_left"], frames["fod_right"] = game.platform_TS.T
    items, dice = game.items, np.random.default_rng(0)
    for at in range(len(rows)):
        # In slots of any order, among stage items that belong to nobody.
        slots = dice.permutation(15)
        for slot, item in zip(slots, range(items.offset[at], items.offset[at + 1]), strict=False):
            one = frames["items"][at, slot]
            one["exists"], one["owner"] = 1, items.owner[item] ^ own
            for field in ("type", "state", "x", "y", "vx", "vy", "spawn_id"):
                one[field] = getattr(items, field)[item]
            one["timer"] = items.timer[item] + np.sign(items.timer[item]) * 0.25
        frames["items"][at, slots[-1]] = (1, 210, 0, -1, 5.0, 5.0, 0, 0, 9, 100.0, 0)
    return frames


def shown(game: Game, frames: np.ndarray, own: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Floats and ids by UMI, and those of training."""
    count = len(frames)
    trained = encode(game_rows(game, own))
    decided = game.controller_TPC[:count, own]
    habit, nothing = habits(game.controller_TPC[:, own])[:count], np.zeros((count, 2, 0), np.float32)
    seen = encode(umi_batch(frames).rows(np.zeros(count, np.int64), decided, habit, nothing))
    return seen.floats, seen.ids, trained.floats[:count].copy(), trained.ids[:count].copy()


@pytest.mark.parametrize("own", [1, pytest.param(0, marks=pytest.mark.all_only)])
@pytest.mark.parametrize("name", REAL)
def test_observations_are_those_of_training_to_the_bit(real_replays: Path, name: str, own: int) -> None:
    path = next(real_replays.glob(f"games/{name}*.slp"))
    game = read_game(path, any_player=True)
    if not game.items.known:
        pytest.skip("a replay without items has nothing to hold UMI's to")
    frames = umi_frames(path, game, own)[:FRAMES]
    floats, ids, expected, expected_ids = shown(game, frames, own)
    schema = observation_schema()
    form = [column.name for column in schema.ids].index("form")
    form_known = [column.name for column in schema.columns].index("form_known")
    if game.info.stage.name == "pokemonstadium":
        assert not ids[:, form].any()
        assert not floats[:, form_known].any()
        expected_ids[:, form], expected[:, form_known] = 0, 0
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(floats.view(np.uint32), expected.view(np.uint32))
    if not any(not player.human for player in game.info.players):
        pads = umi_cells(frames["players"]["controller"])
        np.testing.assert_array_equal(pads, game.controller_TPC[: len(frames), [own, 1 - own]])


def test_fountain_and_partners_of_demo_games_too(demo_folder: Path) -> None:
    fountains = partners = 0
    for path in sorted(demo_folder.glob("*.slp")):
        game = read_game(path)
        floats, ids, expected, expected_ids = shown(game, umi_frames(path, game, 0)[:600], 0)
        if game.info.stage.name == "pokemonstadium":
            continue
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_array_equal(floats.view(np.uint32), expected.view(np.uint32))
        fountains += game.platform_TS is not None
        partners += game.partner_state_TPF is not None
    assert fountains + partners > 0


def test_controllers_are_in_umis_range_and_come_back() -> None:
    dice = np.random.default_rng(0)
    cells = dice.integers(0, [256, 117, 117, 117, 117, 99], (5000, 6)).astype(np.uint8)
    cells = cells[is_valid(cells)]
    rows = umi_rows(cells)
    assert rows.dtype == np.float32
    assert ((rows >= 0) & (rows <= 1)).all()
    np.testing.assert_array_equal(umi_rows(NEUTRAL[None])[0], NEUTRAL_CTRL)
    np.testing.assert_allclose(rows[:, 4:], decode(cells)[:, 4:])


@pytest.fixture
def player(made_policy: PolicyMaker, tmp_path: Path) -> UmiPlayer:
    policy = made_policy("lstm", features=("shadow-ball",), characters=["fox"])
    path = tmp_path / "p_policy.safetensors"
    save_policy(path, policy, policy.description)
    return UmiPlayer(path, SimpleNamespace(num_slots=9, rng_seed=4))


def fixtures() -> np.ndarray:
    with resources.files("umi.conform").joinpath("fixtures.npz").open("rb") as file:
        frames: np.ndarray = np.load(file)["frames"]
    return frames[:, :, 0]


def batch_of(frames: np.ndarray, slots: Any, first: Any, warmup: bool = False) -> Any:
    return SimpleNamespace(frames=frames, slots=np.array(slots), first=np.array(first), warmup=warmup)


def test_padding_is_neutral_and_changes_nothing(
    player: UmiPlayer, made_policy: PolicyMaker, tmp_path: Path
) -> None:
    """Rows of zeros on the scratch slot, among games that come and go; a slot's next game starts anew."""
    path = tmp_path / "p_policy.safetensors"
    alone = UmiPlayer(path, SimpleNamespace(num_slots=9, rng_seed=4))
    games, padding = fixtures(), np.zeros(3, FRAME)
    player.act(batch_of(games[:, 0][[0, 1, 2, 3, 4, 5, 0, 1, 2]], [8] * 9, [True] * 9, warmup=True))
    alone.act(batch_of(games[:, 0][[0, 1, 2, 3, 4, 5, 0, 1, 2]], [8] * 9, [True] * 9, warmup=True))
    for at in range(40):
        # The second game ends after 20 frames, and another takes its slot.
        streams = [0, 1] if at < 20 else [0, 2]
        now = np.concatenate([games[[0], at], games[[streams[1]], at % 20], padding])
        first = [at == 0, at % 20 == 0, False, False, False]
        rows = player.act(batch_of(now, [5, 2, 8, 8, 8], first))
        expected = np.concatenate(
            [alone.act(batch_of(now[[i]], [slot], [first[i]])) for i, slot in enumerate((5, 2))]
        )
        np.testing.assert_array_equal(rows[:2], expected)
        np.testing.assert_array_equal(rows[2:], np.tile(NEUTRAL_CTRL, (3, 1)))


def test_any_bytes_give_controllers(player: UmiPlayer) -> None:
    """Ids beyond the known ones, positions that are no numbers: nothing an arena sends may end a bot."""
    dice = np.random.default_rng(0)
    for at in range(20):
        wild = np.frombuffer(dice.bytes(8 * FRAME.itemsize), FRAME)
        with np.errstate(all="ignore"):
            rows = player.act(batch_of(wild, range(8), [at == 0] * 8))
        assert np.isfinite(rows).all()
        assert ((rows >= 0) & (rows <= 1)).all()
