"""Columns found by their buffers' places are what pyarrow itself lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from exphil_core.replays.arrow import Struct

INNER = pa.struct([("x", pa.float32()), ("state", pa.uint16())])
KIND = pa.struct(
    [("id", pa.int32()), ("events", pa.list_(INNER)), ("side", INNER), ("after", pa.int8()), ("no", pa.list_(INNER))]
)  # fmt: skip
RECORDED: list[dict[str, Any]] = [
    {
        "id": row,
        "events": [{"x": 10.0 * row + k, "state": k} for k in range((3, 0, 1, 2, 0)[row])],
        "side": None if row in (1, 3) else {"x": row / 2, "state": 60_000 + row},
        "after": -row,
        "no": [],
    }
    for row in range(5)
]
ROWS = {"all": [0, 1, 2, 3, 4], "the first": [0, 1, 2], "some": [0, 3, 4], "backwards": [4, 2, 0], "none": []}


@pytest.fixture
def frames() -> Struct:
    return Struct.of(pa.array(RECORDED, KIND))


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_hold_what_pyarrow_lists(frames: Struct, rows: list[int]) -> None:
    here = frames.at(np.array(rows, np.intp))
    wanted = [RECORDED[row] for row in rows]
    assert len(here) == len(rows)
    assert here.column("id").tolist() == [row["id"] for row in wanted]
    assert here.column("after").tolist() == [row["after"] for row in wanted]
    side, ragged = here.child("side"), here.ragged("events")
    assert side is not None
    assert ragged is not None
    valid = side.valid()
    there = [row["side"] is not None for row in wanted]
    assert all(there) if valid is None else valid.tolist() == there
    assert side.column("state")[there].tolist() == [row["side"]["state"] for row in wanted if row["side"]]
    frame, values = ragged
    events = [(at, event["x"], event["state"]) for at, row in enumerate(wanted) for event in row["events"]]
    columns = (frame, values.column("x"), values.column("state"))
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == events
    assert here.listed("events") == len(events)


def test_some_of_some_rows_are_rows_too(frames: Struct) -> None:
    chosen = frames.at(np.array([1, 3, 4])).at(np.array([0, 2]))
    assert chosen.column("id").tolist() == [1, 4]
    ragged = frames.at(np.array([3, 0])).ragged("events")
    assert ragged is not None
    assert ragged[1].at(np.array([4, 1])).column("x").tolist() == [2, 31]


def test_what_a_version_lacks_is_none(frames: Struct) -> None:
    assert frames.get("percent") is None
    assert frames.child("side", "post") is None
    assert frames.ragged("items") is None
    assert frames.listed("items") == 0
    nothing = frames.ragged("no")
    assert nothing is not None
    assert nothing[1].column("x").tolist() == []
