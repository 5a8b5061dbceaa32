"""The file format: payload sizes as in real files, UBJSON that a foreign reader accepts, whole files only."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import ubjson as foreign
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.sandbox import ubjson
from exphil_core.sandbox.slp import PAYLOAD_SIZES
from exphil_core.sandbox.state import FighterState

REPLAYS = Path(os.environ.get("EXPHIL_REPLAYS", Path(__file__).resolve().parents[3] / "shared" / "replays"))
# The gecko codes' size depends on the codes.
GECKO = 0x3D


def events_of(content: bytes) -> bytes:
    at = content.index(b"raw[$U#l") + 8
    (length,) = struct.unpack(">i", content[at : at + 4])
    return content[at + 4 : at + 4 + length]


def announced(events: bytes) -> dict[int, int]:
    assert events[0] == 0x35
    return {events[i]: int.from_bytes(events[i + 1 : i + 3], "big") for i in range(2, 1 + events[1], 3)}


def real_files() -> list[Path]:
    return sorted(REPLAYS.glob("*/*_3.1[689].*_*.slp"))


@pytest.mark.skipif(not real_files(), reason=f"no real replays of 3.16 or later under {REPLAYS}")
def test_payload_sizes_are_those_of_real_files():
    compared = 0
    for path in real_files():
        version = path.name.split("_")[-2]
        sizes = announced(events_of(path.read_bytes()))
        sizes.pop(GECKO, None)
        for command, size in sizes.items():
            # 3.17 added the C-stick's raw bytes to the pre-frame; all else is the same from 3.16 on.
            if command == 0x37 and version.startswith("3.16"):
                assert size == PAYLOAD_SIZES[command] - 2
            else:
                assert size == PAYLOAD_SIZES[command], (path.name, hex(command))
        compared += version == "3.18.0" and sizes == PAYLOAD_SIZES
    assert compared >= 1


def test_a_file_says_its_own_sizes(short):
    events = events_of(short[0].path.read_bytes())
    assert announced(events) == PAYLOAD_SIZES
    sizes, at, commands = {0x35: events[1], **PAYLOAD_SIZES}, 0, []
    while at < len(events):
        commands.append(events[at])
        at += 1 + sizes[events[at]]
    assert at == len(events)
    assert commands[:2] == [0x35, 0x36]
    assert commands[-1] == 0x39
    assert commands.count(0x37) == commands.count(0x38) == 2 * len(short[0].states)


def test_every_move_of_a_game_is_in_its_file(short):
    for recording in short:
        whole = foreign.loadb(recording.path.read_bytes())
        assert whole["metadata"]["lastFrame"] == recording.states[-1].frame
        assert whole["metadata"]["playedOn"] == "exphil-sandbox"
        assert whole["metadata"]["startAt"].startswith("20")


# A busy machine is no failure.
RELAXED = settings(deadline=None, max_examples=60)
values = st.recursive(
    st.integers(-(2**31), 2**31 - 1) | st.text(max_size=40).filter(lambda s: len(s.encode()) < 256),
    lambda inner: st.dictionaries(st.text(min_size=1, max_size=20), inner, max_size=4),
    max_leaves=12,
)


@RELAXED
@given(
    st.dictionaries(st.text(min_size=1, max_size=20), values, max_size=4), st.binary(min_size=1, max_size=300)
)
def test_a_foreign_reader_understands_the_container(metadata, raw):
    read = foreign.loadb(ubjson.container(raw, metadata))
    assert bytes(read["raw"]) == raw
    assert read["metadata"] == metadata


@RELAXED
@given(st.floats(-1e4, 1e4))
def test_states_survive_as_single_floats(value):
    packed = struct.pack(">f", value)
    assert struct.pack(">f", struct.unpack(">f", packed)[0]) == packed


def test_a_fighter_fits_its_event():
    assert len(FighterState._fields) == 32
