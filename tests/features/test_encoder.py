"""The encoder: finite always, each frame by itself, every column what it is called."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up import made_up_rows

from exphil_core.errors import ReplayError
from exphil_core.features.columns import FIGHTERS, ITEM_SLOTS
from exphil_core.features.encoder import CHUNK, encode
from exphil_core.features.rows import Rows, SeenItems, game_rows
from exphil_core.features.schema import ABSENT_ACTION, NO_ITEM, NO_ITEM_STATE, observation_schema
from exphil_core.melee.controller import BUTTONS
from exphil_core.melee.randall import WIDTH, randall
from exphil_core.melee.stages import BY_NAME, STADIUM_FORMS
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.game import NO_ACTION, STATE, Game
from exphil_core.replays.slp import read_game
from exphil_core.training.frames import build_store
from exphil_core.training.samples import Windows

SCHEMA = observation_schema()
NAMES = [column.name for column in SCHEMA.columns]
IDS = [column.name for column in SCHEMA.ids]
Floats = npt.NDArray[np.float32]


def encoded(rows: Rows) -> tuple[dict[str, Floats], dict[str, npt.NDArray[np.int64]]]:
    observation = encode(rows)
    return (
        {name: observation.floats[..., index] for index, name in enumerate(NAMES)},
        {name: observation.ids[..., index] for index, name in enumerate(IDS)},
    )


def plain_rows(frames: int = 1, stage: str = "battlefield", **changes: object) -> Rows:
    """Two fighters at the origin."""
    rows = Rows(
        frame=np.zeros(frames, np.int32),
        stage=np.full(frames, BY_NAME[stage].internal, np.uint8),
        state=np.zeros((frames, 2, len(STATE)), np.float32),
        action=np.full((frames, 2), 14, np.int16),
        character=np.ones((frames, 2), np.uint8),
        decided=np.zeros((frames, 6), np.uint8),
        habit=np.zeros(frames, np.uint8),
        features=np.zeros((frames, 2, 0), np.float32),
    )
    return attrs.evolve(rows, **changes)


def items(*rows: tuple[int, int, int, float], frames: int = 1, known: bool = True) -> SeenItems:
    """Items as (frame, owner, type, x), standing still at height 1."""
    frame, owner, kind, x = (np.array([row[i] for row in rows]) for i in range(4))
    zero = np.zeros(len(rows), np.float32)
    return SeenItems(
        frame=frame.astype(np.int64), owner=owner.astype(np.int8), type=kind.astype(np.int32),
        state=np.full(len(rows), 2, np.uint8), x=x.astype(np.float32), y=zero + 1, vx=zero + 4, vy=zero,
        timer=zero + 200, known=np.full(frames, known),
    )  # fmt: skip


def test_the_schema_names_every_column_once_and_matches_the_encoder(demo_games: list[Game]) -> None:
    observation = encode(game_rows(demo_games[0], 0))
    assert observation.floats.shape == (len(demo_games[0]), SCHEMA.float_count)
    assert observation.ids.shape == (len(demo_games[0]), len(SCHEMA.ids))
    assert len({*NAMES, *IDS}) == len(NAMES) + len(IDS)
    assert observation.floats.dtype == np.float32


def test_ids_fit_their_tables(demo_games: list[Game]) -> None:
    sizes = [column.size for column in SCHEMA.ids]
    for rows in [*(game_rows(game, 0) for game in demo_games), made_up_rows(1)]:
        ids = encode(rows).ids
        assert (ids >= 0).all()
        assert (ids < sizes).all()


def test_columns_hold_what_they_are_called(demo_games: list[Game]) -> None:
    game = demo_games[0]
    column, _ = encoded(game_rows(game, 1))
    own, other = game.state_TPF[:, 1], game.state_TPF[:, 0]
    x, y = own[:, STATE["x"]], own[:, STATE["y"]]
    assert np.allclose(column["own_x"], x / 100)
    assert np.allclose(column["opponent_percent"], other[:, STATE["percent"]] / 100)
    assert np.allclose(column["opponent_dx"], (other[:, STATE["x"]] - x) / 100, atol=1e-6)
    assert np.allclose(column["own_jumps"], own[:, STATE["jumps"]] / 2)
    stage = game.info.stage
    assert np.allclose(column["own_inside_edge"], (stage.edge_x - np.abs(x)) / 100, atol=1e-6)
    assert np.allclose(column["own_to_right_ledge"], (stage.ledge_x - x) / 100, atol=1e-6)
    assert np.allclose(column["own_to_bottom_blast"], (y - stage.blast_bottom) / 200, atol=1e-6)
    assert (column["own_speeds_known"] == 1).all()
    assert (column["decided_known"] == 1).all()
    if stage.platforms:
        left = stage.platforms[0]
        assert np.allclose(column["platform_left_above"], (left.height - y) / 100, atol=1e-6)
        assert np.allclose(column["platform_left_from"], (left.left - x) / 100, atol=1e-6)
        assert np.allclose(column["platform_left_to"], (left.right - x) / 100, atol=1e-6)


def test_it_shows_which_of_two_buttons_was_used_last(demo_games: list[Game]) -> None:
    game = demo_games[0]
    controllers = np.tile(NEUTRAL, (len(game), 2, 1))
    x, y, left, right = (1 << BUTTONS.index(name) for name in ("X", "Y", "L", "R"))
    pressed = {50: x, 100: y, 150: y | right, 200: x | y, 250: left | right, 300: x, 301: 0, 350: left}
    for row, chord in pressed.items():
        controllers[row, 1, 0] = chord
    column, _ = encoded(game_rows(attrs.evolve(game, controller_TPC=controllers), 1))
    # Row 50 is before the players can move; who presses both shows nothing.
    ends = [0, 100, 150, 300, 350, len(game)]
    for name, values in (("last_x_or_y", [0, -1, -1, 1, 1]), ("last_l_or_r", [0, 0, -1, -1, 1])):
        assert column[name].tolist() == np.repeat(values, np.diff(ends)).tolist()
    late, _ = encoded(game_rows(attrs.evolve(game, controller_TPC=controllers), 1, delay=18))
    assert late["last_x_or_y"][:-18].tolist() == column["last_x_or_y"][18:].tolist()


def test_every_column_scales_its_unit_into_a_common_range(real_replays: Path) -> None:
    """What real replays hold lies inside the ranges that the schema promises, and is of sane size."""
    files = sorted(real_replays.glob("games/*.slp"))
    low = np.array([column.low for column in SCHEMA.columns])
    high = np.array([column.high for column in SCHEMA.columns])
    scale = np.array([column.scale for column in SCHEMA.columns])
    for path in files:
        try:
            game = read_game(path, any_player=True)
        except ReplayError:
            continue
        for own in (0, 1):
            floats = encode(game_rows(game, own)).floats
            assert np.isfinite(floats).all()
            assert np.abs(floats).max() < 12
            # An empty slot is 0, whatever a value's range.
            outside = ((floats / scale < low - 1e-3) | (floats / scale > high + 1e-3)) & (floats != 0)
            names = [NAMES[index] for index in np.flatnonzero(outside.any(axis=0))]
            assert not names, (game.info.path.name, names)


def test_distances_are_those_of_the_stage_itself(demo_games: list[Game]) -> None:
    rows = game_rows(demo_games[0], 0)
    edges = {}
    for name in ("yoshisstory", "finaldestination"):
        stage = np.full(len(rows.stage), BY_NAME[name].internal, np.uint8)
        edges[name] = encoded(attrs.evolve(rows, stage=stage))[0]["own_inside_edge"]
    widths = [BY_NAME[name].edge_x for name in ("finaldestination", "yoshisstory")]
    assert np.allclose(
        edges["finaldestination"] - edges["yoshisstory"], (widths[0] - widths[1]) / 100, atol=1e-5
    )


def test_a_partner_is_seen_from_oneself_and_absent_otherwise() -> None:
    state = np.zeros((2, 2, len(STATE)), np.float32)
    state[:, 0, STATE["x"]], state[:, 0, STATE["y"]] = 10, 5
    partner = np.full_like(state, np.nan)
    partner[0, 1] = 0
    partner[0, 1, STATE["x"]], partner[0, 1, STATE["percent"]] = 30, 50
    action = np.array([[NO_ACTION, 20], [NO_ACTION, NO_ACTION]], np.int16)
    column, ids = encoded(plain_rows(2, state=state, partner_state=partner, partner_action=action))
    assert column["opponent_partner_present"].tolist() == [1, 0]
    assert np.allclose(column["opponent_partner_dx"], [0.2, 0])
    assert np.allclose(column["opponent_partner_dy"], [-0.05, 0])
    assert np.allclose(column["opponent_partner_percent"], [0.5, 0])
    assert (column["own_partner_present"] == 0).all()
    assert ids["opponent_partner_action"].tolist() == [20, ABSENT_ACTION]
    assert ids["own_partner_action"].tolist() == [ABSENT_ACTION] * 2


def test_items_fill_their_sides_slots_the_newest_first() -> None:
    seen = items((0, 1, 7, 50), (0, 0, 8, 10), (0, 1, 9, 60), (1, 0, 5, -20), frames=3)
    state = np.zeros((3, 2, len(STATE)), np.float32)
    state[:, 0, STATE["x"]] = 10
    column, ids = encoded(plain_rows(3, state=state, items=seen))
    assert [ids[f"opponent_item_{slot}_type"][0] for slot in range(3)] == [9, 7, NO_ITEM]
    assert np.allclose([column[f"opponent_item_{slot}_dx"][0] for slot in range(3)], [0.5, 0.4, 0])
    assert ids["own_item_0_type"].tolist() == [8, 5, NO_ITEM]
    assert ids["own_item_0_state"].tolist() == [2, 2, NO_ITEM_STATE]
    assert np.allclose(column["own_item_0_dx"], [0, -0.3, 0])
    assert np.allclose(column["own_item_0_vx"], [1, 1, 0])
    assert np.allclose(column["own_item_0_timer"], [1, 1, 0])
    assert column["own_item_0_present"].tolist() == [1, 1, 0]
    assert (column["items_known"] == 1).all()


def test_of_too_many_items_the_oldest_are_left_out() -> None:
    seen = items(*((0, 0, kind, 0) for kind in range(1, ITEM_SLOTS + 3)))
    _, ids = encoded(plain_rows(1, items=seen))
    shown = [int(ids[f"own_item_{slot}_type"][0]) for slot in range(ITEM_SLOTS)]
    assert shown == list(range(ITEM_SLOTS + 2, 2, -1))


def test_no_items_and_nothing_known_of_items_differ() -> None:
    none = items()
    for rows, known in ((plain_rows(), 0), (plain_rows(items=none), 1)):
        column, ids = encoded(rows)
        assert column["items_known"].tolist() == [known]
        assert all((ids[f"{who}_item_0_type"] == NO_ITEM).all() for who in FIGHTERS)


def test_randall_is_there_on_yoshis_story_alone_and_where_the_frame_says() -> None:
    frame = np.array([0, 700], np.int32)
    column, _ = encoded(plain_rows(2, "yoshisstory", frame=frame))
    left, height = randall(frame)
    assert np.allclose(column["randall_from"], left / 100)
    assert np.allclose(column["randall_to"], (left + WIDTH) / 100)
    assert np.allclose(column["randall_above"], height / 100)
    elsewhere, _ = encoded(plain_rows(2, frame=frame))
    assert all((elsewhere[f"randall_{part}"] == 0).all() for part in ("present", "above", "from", "to"))


def test_fountains_platforms_are_where_they_are_or_unknown() -> None:
    heights = np.array([[10, 30], [np.nan, np.nan]], np.float32)
    column, _ = encoded(plain_rows(2, "fountainofdreams", platform=heights))
    assert column["platforms_known"].tolist() == [1, 0]
    assert np.allclose(column["platform_left_above"], [0.1, 0])
    assert np.allclose(column["platform_right_above"], [0.3, 0])
    assert (column["platform_top_above"] > 0.4).all()
    assert (column["platform_left_present"] == 1).all()
    unsaid, _ = encoded(plain_rows(1, "fountainofdreams"))
    assert unsaid["platforms_known"].tolist() == [0]
    assert encoded(plain_rows(1, platform=heights[:1]))[0]["platform_left_above"] == np.float32(0.272001)


def test_stadiums_form_is_an_id_or_unknown() -> None:
    fire = np.full(1, STADIUM_FORMS.index("fire"), np.uint8)
    column, ids = encoded(plain_rows(1, "pokemonstadium", form=fire))
    assert (ids["form"], column["form_known"]) == (fire, 1)
    column, ids = encoded(plain_rows(1, "pokemonstadium"))
    assert (ids["form"], column["form_known"]) == (0, 0)
    assert encoded(plain_rows(1))[0]["form_known"] == 1


def test_what_is_unknown_is_masked_never_nan(demo_games: list[Game]) -> None:
    rows = game_rows(demo_games[0], 0)
    state = rows.state.copy()
    state[:, :, STATE["hitlag"]] = np.nan
    column, _ = encoded(attrs.evolve(rows, state=state))
    assert all(np.isfinite(values).all() for values in column.values())
    assert (column["own_hitlag_known"] == 0).all()
    assert (column["own_hitlag"] == 0).all()
    assert (column["own_speeds_known"] == 1).all()


def test_rows_of_all_zeros_are_encoded_without_a_fuss() -> None:
    """UMI pads batches with them."""
    rows = attrs.evolve(plain_rows(3), stage=np.zeros(3, np.uint8), action=np.zeros((3, 2), np.int16))
    assert np.isfinite(encode(rows).floats).all()


def test_made_up_rows_are_finite_whatever_is_unknown() -> None:
    for seed in range(20):
        rows = made_up_rows(seed, unknown=seed / 20)
        state = rows.state.copy()
        state[0, 0] = np.inf
        assert np.isfinite(encode(attrs.evolve(rows, state=state)).floats).all()


def test_each_frame_is_encoded_from_that_frame_alone() -> None:
    """Whatever leading shape, chunk or neighbours: no encoding of a frame depends on others."""
    rows = made_up_rows(3, frames=CHUNK + 100)
    whole = encode(rows)
    shaped = attrs.evolve(
        rows,
        **{
            field.name: value.reshape(4, -1, *value.shape[1:])
            for field in attrs.fields(Rows)
            if isinstance(value := getattr(rows, field.name), np.ndarray)
        },
    )
    again = encode(shaped)
    assert (again.floats.reshape(whole.floats.shape) == whole.floats).all()
    assert (again.ids.reshape(whole.ids.shape) == whole.ids).all()
    for at in (0, CHUNK - 1, CHUNK, CHUNK + 50):
        alone = encode(only(rows, at))
        assert np.allclose(alone.floats[0], whole.floats[at], atol=1e-7)
        assert (alone.ids[0] == whole.ids[at]).all()


def only(rows: Rows, at: int) -> Rows:
    """Frame `at` of rows."""
    seen = rows.items
    assert seen is not None
    mine = seen.frame == at
    kept = {
        field.name: value[mine]
        for field in attrs.fields(SeenItems)
        if field.name != "known" and (value := getattr(seen, field.name)) is not None
    }
    kept["frame"] = kept["frame"] - at
    return attrs.evolve(
        rows,
        items=SeenItems(**kept, known=seen.known[at : at + 1]),
        **{
            field.name: value[at : at + 1]
            for field in attrs.fields(Rows)
            if isinstance(value := getattr(rows, field.name), np.ndarray)
        },
    )


def test_old_real_replays_say_what_they_lack(real_replays: Path) -> None:
    game = read_game(next(real_replays.glob("games/puff-fox_YS_2.0.1_*.slp")))
    column, _ = encoded(game_rows(game, 0))
    for name in ("own_speeds_known", "opponent_hitlag_known", "own_invulnerable_known", "items_known"):
        assert (column[name] == 0).all(), name
    assert (column["randall_present"] == 1).all()


@pytest.mark.parametrize("delay", [0, 3, 18])
def test_the_controller_to_predict_is_not_in_what_is_seen(demo_games: list[Game], delay: int) -> None:
    """Changing every row after t (and the decided controllers after t+D) leaves the observation of t as it is."""
    game, row = demo_games[0], 400
    state, controller = game.state_TPF.copy(), game.controller_TPC.copy()
    state[row + 1 :] += 1
    controller[row + 1 + delay :, :, 0] ^= 1
    changed = attrs.evolve(game, state_TPF=state, controller_TPC=controller)
    batches = [
        build_store([g], [(0,)], delay=delay).batch(Windows.single(0, 0, row, row + 1))
        for g in (game, changed)
    ]
    before, after = batches
    assert (before.observation.floats == after.observation.floats).all()
    assert (before.observation.ids == after.observation.ids).all()
    assert (before.decided == after.decided).all()
    assert before.target[0, 0, 0] == after.target[0, 0, 0] ^ 1
    assert (before.target[0, 0] == game.controller_TPC[row + 1 + delay, 0]).all()
    assert (before.decided[0, 0] == game.controller_TPC[row + delay, 0]).all()
