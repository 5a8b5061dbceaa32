"""The encoder: finite always, blind to the future, and the same in a mirror."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from exphil_core.features.encoder import Rows, encode, mirror_observation, mirror_rows
from exphil_core.features.schema import observation_schema
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game
from exphil_core.training.frames import build_store
from exphil_core.training.samples import Windows

SCHEMA = observation_schema()
NAMES = [column.name for column in SCHEMA.columns]


def rows_of(game: Game, own: int = 0) -> Rows:
    order = [own, 1 - own]
    return Rows(
        state=game.state_TPF[:, order],
        action=game.action_TP[:, order],
        character=game.character_TP[:, order],
        stage=np.full(len(game), game.info.stage.internal, np.uint8),
        decided=game.controller_TPC[:, own],
        features=np.zeros((len(game), 2, 0), np.float32),
        feature_flip=np.zeros(0, np.float32),
    )


def test_the_schema_names_every_column_once_and_matches_the_encoder(demo_games: list[Game]) -> None:
    observation = encode(rows_of(demo_games[0]))
    assert observation.floats.shape == (len(demo_games[0]), SCHEMA.float_count)
    assert observation.ids.shape == (len(demo_games[0]), len(SCHEMA.ids))
    assert len(set(NAMES)) == len(NAMES)
    assert observation.floats.dtype == np.float32


def test_ids_fit_their_tables(demo_games: list[Game]) -> None:
    for game in demo_games:
        ids = encode(rows_of(game)).ids
        assert (ids >= 0).all()
        assert (ids < [column.size for column in SCHEMA.ids]).all()


def test_columns_hold_what_they_are_called(demo_games: list[Game]) -> None:
    game = demo_games[0]
    floats = encode(rows_of(game, own=1)).floats
    column = {name: floats[:, index] for index, name in enumerate(NAMES)}
    own, other = game.state_TPF[:, 1], game.state_TPF[:, 0]
    assert np.allclose(column["own_x"], own[:, STATE["x"]] / 100)
    assert np.allclose(column["opponent_percent"], other[:, STATE["percent"]] / 100)
    assert np.allclose(column["opponent_dx"], (other[:, STATE["x"]] - own[:, STATE["x"]]) / 100, atol=1e-6)
    stage = game.info.stage
    edge = (stage.edge_x - np.abs(own[:, STATE["x"]])) / 100
    assert np.allclose(column["own_inside_edge"], edge, atol=1e-6)
    assert (column["own_speeds_known"] == 1).all()


def test_distances_are_those_of_the_stage_itself(demo_games: list[Game]) -> None:
    rows = rows_of(demo_games[0])
    edges = {}
    for name in ("yoshisstory", "finaldestination"):
        stage = np.full(len(rows.stage), BY_NAME[name].internal, np.uint8)
        edges[name] = encode(attrs.evolve(rows, stage=stage)).floats[:, NAMES.index("own_inside_edge")]
    widths = [BY_NAME[name].edge_x for name in ("finaldestination", "yoshisstory")]
    assert np.allclose(
        edges["finaldestination"] - edges["yoshisstory"], (widths[0] - widths[1]) / 100, atol=1e-5
    )


def test_an_encoded_mirror_image_is_the_mirrored_encoding(demo_games: list[Game]) -> None:
    for game in demo_games:
        rows = rows_of(game)
        seen, expected = encode(mirror_rows(rows)), mirror_observation(encode(rows), SCHEMA)
        assert np.allclose(seen.floats, expected.floats, atol=1e-6)
        assert (seen.ids == expected.ids).all()


def test_mirroring_twice_is_the_identity(demo_games: list[Game]) -> None:
    rows = rows_of(demo_games[0])
    twice = mirror_rows(mirror_rows(rows))
    assert (twice.state == rows.state).all()
    assert (twice.action == rows.action).all()
    assert (twice.decided == rows.decided).all()
    assert (encode(twice).floats == encode(rows).floats).all()


def test_what_is_unknown_is_masked_never_nan(demo_games: list[Game]) -> None:
    rows = rows_of(demo_games[0])
    state = rows.state.copy()
    state[:, :, STATE["hitlag"]] = np.nan
    floats = encode(attrs.evolve(rows, state=state)).floats
    assert np.isfinite(floats).all()
    assert (floats[:, NAMES.index("own_hitlag_known")] == 0).all()
    assert (floats[:, NAMES.index("own_hitlag")] == 0).all()
    assert (floats[:, NAMES.index("own_speeds_known")] == 1).all()


def test_rows_of_all_zeros_are_encoded_without_a_fuss() -> None:
    """UMI pads batches with them."""
    rows = Rows(
        state=np.zeros((3, 2, len(STATE)), np.float32),
        action=np.zeros((3, 2), np.int16),
        character=np.zeros((3, 2), np.uint8),
        stage=np.zeros(3, np.uint8),
        decided=np.zeros((3, 6), np.uint8),
        features=np.zeros((3, 2, 0), np.float32),
        feature_flip=np.zeros(0, np.float32),
    )
    assert np.isfinite(encode(rows).floats).all()


def test_old_and_new_real_replays_give_finite_observations_of_sane_size(real_replays: Path) -> None:
    for pattern in ("games/puff-fox_YS_2.0.1_*", "games/ics-falco_DL_*", "more/cfalcon-sheik_FOD_*"):
        game = read_game(next(real_replays.glob(pattern + ".slp")))
        floats = encode(rows_of(game)).floats
        assert np.isfinite(floats).all()
        assert np.abs(floats).max() < 12


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


def test_the_schema_is_identified_by_its_columns() -> None:
    assert observation_schema().identity == SCHEMA.identity
    shorter = attrs.evolve(SCHEMA, columns=SCHEMA.columns[1:])
    assert shorter.identity != SCHEMA.identity
