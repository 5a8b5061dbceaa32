"""A replay as Slippi's spectator protocol sends it: a message for the start, one for each frame, one for the end."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import attrs

from exphil_core.replays.stream import BOOKEND, END, HEAD, START, open_stream

_AT_CODES, _CODE = 0x221, 0xA
# Both in Shift-JIS: the sign that connect codes are written with.
_HASH, _WIDE_HASH = "#", "＃"


@attrs.frozen(eq=False)
class Served:
    """`start`, `frames` (number and bytes of each, rolled-back ones twice) and `end`."""

    start: bytes
    frames: tuple[tuple[int, bytes], ...]
    end: bytes


def served(replay: Path, codes: Mapping[int, str], limit: int | None) -> Served:
    """What is sent of `replay`, with connect `codes` by port written into its start."""
    stream = open_stream(replay.read_bytes())
    start, frames, events, end = stream.content[stream.table : stream.first], [], [], b""
    for command, at, stop in stream.events():
        event = stream.content[at:stop]
        if command == START:
            start += _with_codes(event, codes)
        elif command == END:
            end = event
        else:
            events.append(event)
        if command == BOOKEND:
            frames.append((struct.unpack_from(">i", event, 1)[0], b"".join(events)))
            events = []
    return Served(start=start, frames=tuple(frames[:limit]), end=end)


def _with_codes(event: bytes, codes: Mapping[int, str]) -> bytes:
    block = bytearray(event)
    for port, code in codes.items():
        at = _AT_CODES + _CODE * (port - 1)
        block[at : at + _CODE] = code.replace(_HASH, _WIDE_HASH).encode("shift-jis").ljust(_CODE, b"\0")
    return bytes(block)


class Recording:
    """The replay file that Dolphin would write: without a length until it is finished."""

    def __init__(self, folder: Path, number: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"Game_20260101T0000{number:02}.slp"
        self._file = self.path.open("wb")
        self._file.write(HEAD + struct.pack(">i", 0))
        self._length = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        self._length += len(data)

    def finish(self) -> None:
        self._file.write(b"U\x08metadata{U\x08playedOnSU\x07dolphin}}")
        self._file.seek(len(HEAD))
        self._file.write(struct.pack(">i", self._length))
        self._file.close()


def message(kind: str, **content: object) -> bytes:
    """One message of the protocol."""
    return json.dumps({"type": kind, **content}).encode()
