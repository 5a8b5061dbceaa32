"""Grids and bytes of a controller, as properties."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.sandbox.controller import ALL, A, Controller, L, R, Z, controller, snap_shoulder, snap_stick

# A busy machine is no failure.
RELAXED = settings(deadline=None, max_examples=60)
raw = st.integers(-127, 127)
sticks = st.builds(snap_stick, raw, raw)
shoulders = st.integers(0, 140)
button_sets = st.integers(0, 0xFFFF).map(lambda bits: bits & ALL)
pads = st.builds(
    lambda m, c, left, right, b: controller(*m, *c, left, right, b),
    sticks,
    sticks,
    shoulders,
    shoulders,
    button_sets,
)


@RELAXED
@given(st.floats(-200, 200), st.floats(-200, 200))
def test_snapping_lands_on_the_grid_and_again_changes_nothing(x, y):
    cell = snap_stick(x, y)
    assert all(k == 0 or 23 <= abs(k) <= 80 for k in cell)
    assert cell[0] ** 2 + cell[1] ** 2 <= 80**2
    assert snap_stick(*cell) == cell


@RELAXED
@given(raw, raw)
def test_snapping_is_symmetric(x, y):
    cell = snap_stick(x, y)
    assert snap_stick(-x, y) == (-cell[0], cell[1])
    assert snap_stick(x, -y) == (cell[0], -cell[1])
    assert snap_stick(y, x) == (cell[1], cell[0])


@pytest.mark.parametrize(
    ("x", "y", "cell"),
    [
        (0, 0, (0, 0)), (22, 0, (0, 0)), (23, 0, (23, 0)), (127, 0, (80, 0)), (48, 64, (48, 64)),
        (-127, -127, (-56, -56)), (80, 22, (77, 0)),
    ],
)  # fmt: skip
def test_known_cells(x, y, cell):
    assert snap_stick(x, y) == cell


@RELAXED
@given(st.floats(0, 300))
def test_a_shoulder_is_zero_or_deep_enough(k):
    assert snap_shoulder(k) == 0 or 43 <= snap_shoulder(k) <= 140


@RELAXED
@given(pads)
def test_the_bytes_hold_the_processed_values_to_the_last_bit(pad):
    jx, jy, cx, cy, trigger, processed, physical, left, right, raw_x = struct.unpack(">5fIH2fb", pad.head)
    assert [round(v * 80) for v in (jx, jy, cx, cy)] == [pad.x, pad.y, pad.cx, pad.cy]
    assert [struct.pack(">f", k / 80) for k in (pad.x, pad.y)] == [struct.pack(">f", v) for v in (jx, jy)]
    assert round(trigger * 140) == pad.shoulder
    assert physical == pad.buttons
    assert processed & 0xFFFF & ~A == pad.buttons & ~A
    assert raw_x == pad.x
    assert struct.unpack(">3b", pad.tail) == (pad.y, pad.cx, pad.cy)
    assert snap_stick(raw_x, pad.y) == (pad.x, pad.y)
    assert bool(processed & 0x80000000) == (trigger > 0)
    assert max(left, right) <= 1


@RELAXED
@given(pads)
def test_z_and_the_digital_shoulders_do_what_melee_makes_of_them(pad):
    if pad.buttons & Z:
        assert pad.processed & A
        assert pad.shoulder >= 49
    if pad.buttons & (L | R):
        assert pad.shoulder == 140


@pytest.mark.parametrize(
    "bad", [{"x": 10}, {"x": 80, "y": 80}, {"cy": -81}, {"left": 141}, {"buttons": 0x1000}]
)
def test_a_controller_off_the_grid_is_refused(bad):
    with pytest.raises(ValueError, match=r"grid|shoulder|buttons"):
        Controller(**bad)
