"""The codec loses nothing on the game's grid, and canonicalises what is off it as the game does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exphil_core.melee.controller import BUTTONS
from exphil_core.replays import controller as codec
from exphil_core.replays.slp import _parsed

VALID_STICKS = np.argwhere(codec.STICK_CELLS)

stick = st.integers(0, len(VALID_STICKS) - 1).map(lambda i: VALID_STICKS[i])


@st.composite
def cells(draw: st.DrawFn) -> npt.NDArray[np.uint8]:
    main, c = draw(stick), draw(stick)
    return np.array([draw(st.integers(0, 255)), *main, *c, draw(st.integers(0, 98))], np.uint8)


@given(cells())
def test_decoding_and_encoding_again_gives_the_same_cells(controller: npt.NDArray[np.uint8]) -> None:
    assert (codec.encode_decoded(codec.decode(controller)) == controller).all()
    assert codec.valid(controller)


def test_every_stick_cell_survives_a_round_trip() -> None:
    x, y = VALID_STICKS.T
    values = codec.AXIS_VALUES[x], codec.AXIS_VALUES[y]
    assert (np.stack(codec.stick_cells(*values)) == np.stack([x, y])).all()
    # libmelee's and UMI's 0…1 scale, back again
    halves = [v / 2 + 0.5 for v in values]
    assert (np.stack(codec.stick_cells(*[2 * h - 1 for h in halves])) == np.stack([x, y])).all()


def test_full_right_is_exactly_one() -> None:
    decoded = codec.decode(codec.encode(0, (1.0, 0.0), (0.0, 0.0), 0.0))
    assert decoded[0] == 1.0


def test_neutral_is_all_zero() -> None:
    assert (codec.decode(codec.NEUTRAL) == 0).all()


@given(cells())
def test_mirroring_flips_both_x_axes_and_nothing_else(controller: npt.NDArray[np.uint8]) -> None:
    mirrored = codec.mirror(controller)
    plain, seen = codec.decode(controller), codec.decode(mirrored)
    signs = np.ones(codec.DECODED_SIZE)
    signs[[0, 2]] = -1
    assert (seen == plain * signs).all()
    assert (codec.mirror(mirrored) == controller).all()


raw = st.floats(-1.5, 1.5, width=32)


@given(raw, raw)
def test_a_canonical_stick_is_on_the_grid_and_stays(x: float, y: float) -> None:
    once = codec.canonical_stick(x, y)
    assert codec.STICK_CELLS[codec.stick_cells(x, y)]
    for steps in once:
        assert abs(int(steps)) <= 80
        assert steps == 0 or abs(int(steps)) >= 23
    assert codec.canonical_stick(once[0] / 80, once[1] / 80) == once


@given(arrays(np.float32, 4, elements=st.floats(allow_nan=True, allow_infinity=False, width=32)))
def test_any_float_becomes_a_valid_controller(values: npt.NDArray[np.float32]) -> None:
    x, y, c, shoulder = values
    assert codec.valid(codec.encode(0, (x, y), (c, c), shoulder))


def test_slippi_buttons_keep_what_matters_to_play() -> None:
    start, d_left = 0x1000, 0x0001
    physical = np.array([0x0100, 0x0010 | 0x0100, 0x0008, start | d_left, 0xFFFF], np.uint16)
    bits = {name: 1 << i for i, name in enumerate(BUTTONS)}
    expected = [bits["A"], bits["A"] | bits["Z"], bits["D_UP"], 0, 255]
    assert codec.chords_from_slippi(physical).tolist() == expected


@pytest.mark.parametrize(("level", "cell"), [(0.0, 0), (42 / 140, 0), (43 / 140, 1), (0.35, 7), (1.0, 98)])
def test_shoulder_has_a_dead_zone(level: float, cell: int) -> None:
    assert codec.shoulder_cells(level) == cell


def test_cells_are_in_order() -> None:
    assert all(a < b for a, b in pairwise(codec.AXIS_VALUES))
    assert all(a < b for a, b in pairwise(codec.SHOULDER_VALUES))


def test_raw_sticks_of_real_humans_become_what_the_game_made_of_them(real_replays: Path) -> None:
    """From version 3.15 on a replay holds both the raw and the processed main stick."""
    rows = 0
    for path in sorted(real_replays.glob("*/*_3.1[5-9]*.slp")):
        parsed = _parsed(path)
        for player in parsed.start["players"]:
            if player["type"] != "Human":
                continue
            pre = parsed.frames.field("ports").field(player["port"]).field("leader").field("pre")
            raw_x, raw_y = (pre.field(f"raw_analog_{axis}").to_numpy() for axis in "xy")
            seen = codec.canonical_stick(raw_x / 80, raw_y / 80)
            for axis, steps in zip("xy", seen, strict=True):
                processed = pre.field("joystick").field(axis).to_numpy()
                assert (np.rint(processed * 80) == steps).all(), f"{path.name} {axis}"
            rows += len(raw_x)
    assert rows > 100_000
