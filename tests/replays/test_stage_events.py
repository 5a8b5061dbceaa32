"""Stage events hold until the next one, and rolled-back ones never happened."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from exphil_core.melee.stages import BY_NAME, STADIUM_FORMS
from exphil_core.replays.arrow import Struct
from exphil_core.replays.stage_events import read_form, read_platforms

FOUNTAIN, STADIUM = BY_NAME["fountainofdreams"], BY_NAME["pokemonstadium"]
PLATFORM = pa.struct([("platform", pa.uint8()), ("height", pa.float32())])
CHANGE = pa.struct([("event", pa.uint16()), ("type", pa.uint16())])


def frames(name: str, kind: pa.DataType, events: list[list[dict[str, float]]]) -> Struct:
    return Struct.of(pa.StructArray.from_arrays([pa.array(events, pa.list_(kind))], names=[name]))


def test_platforms_move_when_told_and_stay_otherwise() -> None:
    left, right = ({"platform": number, "height": 10.0 + number} for number in (1, 0))
    told = [[], [left], [], [right, {"platform": 1, "height": 30.0}, {"platform": 1, "height": 31.0}], []]
    heights = read_platforms(frames("fod_platform", PLATFORM, told), FOUNTAIN, (3, 18, 0))
    assert heights is not None
    assert heights.tolist() == [[20, 28], [11, 28], [11, 28], [31, 10], [31, 10]]


def test_an_event_of_a_rolled_back_row_never_happened() -> None:
    told = [[], [{"platform": 1, "height": 5.0}], [{"platform": 1, "height": 6.0}]]
    heights = read_platforms(
        frames("fod_platform", PLATFORM, told).at(np.array([0, 2])), FOUNTAIN, (3, 18, 0)
    )
    assert heights is not None
    assert heights[:, 0].tolist() == [20, 6]


def test_damaged_events_are_passed_over() -> None:
    told = [[{"platform": 1, "height": height}] for height in (float("nan"), 1e30, float("inf"))]
    told.append([{"platform": 7, "height": 3.0}])
    heights = read_platforms(frames("fod_platform", PLATFORM, told), FOUNTAIN, (3, 18, 0))
    assert heights is not None
    assert (heights == [20, 28]).all()
    odd = frames("stadium_transformation", CHANGE, [[{"event": 2, "type": 60000}]])
    form = read_form(odd, STADIUM, {"slippi": {"version": [3, 18, 0]}})
    assert form is not None
    assert form.tolist() == [0]


def test_a_frozen_stadium_is_normal_whatever_the_version() -> None:
    nothing = Struct.of(pa.StructArray.from_arrays([pa.array([1, 2], pa.int32())], names=["id"]))
    start = {"slippi": {"version": [2, 0, 1]}, "is_frozen_ps": True}
    form = read_form(nothing, STADIUM, start)
    assert form is not None
    assert [STADIUM_FORMS[f] for f in form] == ["normal", "normal"]
    assert read_form(nothing, STADIUM, {**start, "is_frozen_ps": False}) is None
    assert read_form(nothing, FOUNTAIN, start) is None
