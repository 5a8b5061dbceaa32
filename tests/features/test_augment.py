"""Mirrors and masks: what they make of observations is what the encoder makes of mirrored or unknown rows."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_up import FLIP, made_up_rows

from exphil_core import CharacterFeatureSpec, FeatureColumn
from exphil_core.features.augment import GROUPS, Augmenter, mirror_rows
from exphil_core.features.columns import DECIDED, DECIDED_COLUMNS, IDENTITY, MASKS
from exphil_core.features.encoder import Observation, encode
from exphil_core.features.rows import Rows, game_rows
from exphil_core.features.schema import observation_schema
from exphil_core.melee.characters import UNKNOWN_INTERNAL as UNKNOWN_CHARACTER
from exphil_core.melee.stages import BY_NAME
from exphil_core.melee.stages import UNKNOWN_INTERNAL as UNKNOWN_STAGE
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game

FEATURE = CharacterFeatureSpec(
    name="made-up",
    characters=("fox",),
    factory="nowhere:nothing",
    columns=tuple(
        FeatureColumn(name=f"c{i}", low=-9, high=9, mirrored=bool(flip < 0)) for i, flip in enumerate(FLIP)
    ),
)
SCHEMA = observation_schema([FEATURE])
NAMES = [column.name for column in SCHEMA.columns]


def mirrored(observation: Observation) -> Observation:
    """Every frame seen in a mirror, as one lane a frame."""
    lanes = Observation(floats=observation.floats[:, None].copy(), ids=observation.ids[:, None].copy())
    Augmenter(SCHEMA).mirror(lanes, np.ones(len(lanes.floats), bool))
    return Observation(floats=lanes.floats[:, 0], ids=lanes.ids[:, 0])


def assert_mirrors(rows: Rows) -> None:
    seen, expected = encode(mirror_rows(rows, FLIP)), mirrored(encode(rows))
    for index, name in enumerate(NAMES):
        assert np.allclose(seen.floats[:, index], expected.floats[:, index], atol=1e-5), name
    assert (seen.ids == expected.ids).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([0.0, 0.2, 1.0]))
def test_an_encoded_mirror_image_is_the_mirrored_encoding(seed: int, unknown: float) -> None:
    assert_mirrors(made_up_rows(seed, unknown=unknown))


def test_the_same_in_demo_games_and_real_ones(demo_games: list[Game], real_replays: Path) -> None:
    patterns = (
        "games/ics-falco_DL_*",
        "games/falco-ylink_PS_*",
        "more/fox-fox_YS_3.19.1_*",
        "more/samus-falco_FOD*",
    )
    files = [next(real_replays.glob(pattern + ".slp")) for pattern in patterns]
    for game in [*demo_games, *map(read_game, files)]:
        assert_mirrors(game_rows(game, 1, np.ones((len(game), 2, len(FLIP)), np.float32)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20))
def test_mirroring_twice_is_the_identity(seed: int) -> None:
    rows = made_up_rows(seed)
    twice = mirror_rows(mirror_rows(rows, FLIP), FLIP)
    for field in attrs.fields(Rows):
        before, after = getattr(rows, field.name), getattr(twice, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after, err_msg=field.name)
    assert rows.items is not None
    assert twice.items is not None
    np.testing.assert_array_equal(rows.items.x, twice.items.x)
    once = encode(rows)
    again = mirrored(mirrored(once))
    np.testing.assert_array_equal(once.floats, again.floats)
    np.testing.assert_array_equal(once.ids, again.ids)


def test_only_the_chosen_lanes_are_mirrored() -> None:
    observation = encode(made_up_rows(4, frames=60))
    lanes = Observation(
        floats=observation.floats.reshape(6, 10, -1).copy(), ids=observation.ids.reshape(6, 10, -1).copy()
    )
    before = lanes.floats.copy()
    chosen = np.array([True, False, True, False, False, False])
    Augmenter(SCHEMA).mirror(lanes, chosen)
    assert (lanes.floats[~chosen] == before[~chosen]).all()
    assert (lanes.floats[chosen] != before[chosen]).any(axis=(1, 2)).all()


# What stands for "this replay doesn't say" in rows, by group.
STATE_OF_GROUP = {
    "speeds": ("speed_air_x", "speed_y", "knock_x", "knock_y", "speed_ground_x"),
    "hitlag": ("hitlag",),
    "hitstun": ("hitstun",),
    "airborne": ("airborne", "jumps"),
    "invulnerable": ("invulnerable",),
}


def without(rows: Rows, group: str) -> Rows:
    """The rows of a replay that lacks the group."""
    if group in STATE_OF_GROUP:
        state = rows.state.copy()
        assert rows.partner_state is not None
        partner = rows.partner_state.copy()
        for name in STATE_OF_GROUP[group]:
            state[..., STATE[name]] = partner[..., STATE[name]] = np.nan
        return attrs.evolve(rows, state=state, partner_state=partner)
    return attrs.evolve(rows, **{{"platforms": "platform"}.get(group, group): None})


@pytest.mark.parametrize("group", [group.name for group in MASKS])
def test_a_hidden_group_is_one_that_was_never_known(group: str) -> None:
    for seed in range(10):
        rows = made_up_rows(seed, unknown=0.0)
        rows = attrs.evolve(rows, platform=np.nan_to_num(rows.platform, nan=7.0))
        normal = encode(rows)
        observation = Observation(floats=normal.floats[:, None].copy(), ids=normal.ids[:, None].copy())
        hidden = np.zeros((len(normal.floats), len(GROUPS)), bool)
        hidden[:, GROUPS.index(group)] = True
        Augmenter(SCHEMA).hide(observation, hidden)
        expected = encode(without(rows, group))
        for index, name in enumerate(NAMES):
            assert (observation.floats[:, 0, index] == expected.floats[:, index]).all(), name
        assert (observation.ids[:, 0] == expected.ids).all()
        assert (observation.floats[:, 0] != normal.floats).any()


def test_every_group_has_the_column_that_says_whether_it_is_known() -> None:
    for group in MASKS:
        known = [c for c in SCHEMA.columns if c.mask == group.name and c.name.endswith(group.known)]
        assert known, group.name
        assert group.stage in ("", *BY_NAME)


def test_the_decided_controller_can_be_hidden_and_nothing_else_is() -> None:
    normal = encode(made_up_rows(5))
    observation = Observation(floats=normal.floats[None].copy(), ids=normal.ids[None].copy())
    hidden = np.zeros((1, len(GROUPS)), bool)
    hidden[0, GROUPS.index(DECIDED)] = True
    Augmenter(SCHEMA).hide(observation, hidden)
    names = {column.name for column in DECIDED_COLUMNS}
    for index, name in enumerate(NAMES):
        if name in names:
            assert (observation.floats[0, :, index] == 0).all()
        else:
            assert (observation.floats[0, :, index] == normal.floats[:, index]).all()


def test_a_hidden_identity_is_one_that_the_encoder_never_knew() -> None:
    rows = made_up_rows(5)
    unknown = attrs.evolve(
        rows,
        character=np.full_like(rows.character, UNKNOWN_CHARACTER),
        stage=np.full_like(rows.stage, UNKNOWN_STAGE),
    )
    normal, expected = encode(rows), encode(unknown)
    observation = Observation(floats=normal.floats[None].copy(), ids=normal.ids[None].copy())
    hidden = np.zeros((1, len(GROUPS)), bool)
    hidden[0, GROUPS.index(IDENTITY)] = True
    Augmenter(SCHEMA).hide(observation, hidden)
    assert (observation.ids[0] == expected.ids).all()
    assert (observation.floats[0] == normal.floats).all()
    assert (expected.ids != normal.ids).any(axis=0).sum() == 3


def test_what_one_stage_alone_can_lack_is_hidden_there_though_the_stage_is_hidden_too() -> None:
    stage = BY_NAME["fountainofdreams"].internal
    rows = made_up_rows(5, unknown=0.0)
    rows = attrs.evolve(rows, stage=np.full_like(rows.stage, stage), platform=np.nan_to_num(rows.platform))
    normal = encode(rows)
    observation = Observation(floats=normal.floats[None].copy(), ids=normal.ids[None].copy())
    hidden = np.zeros((1, len(GROUPS)), bool)
    hidden[0, [GROUPS.index(IDENTITY), GROUPS.index("platforms")]] = True
    Augmenter(SCHEMA).hide(observation, hidden)
    known = NAMES.index("platforms_known")
    assert normal.floats[:, known].all()
    assert not observation.floats[0, :, known].any()
