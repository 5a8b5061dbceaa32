"""The event stream in a replay's bytes: where it lies, what it is made of, and its first event, the game's start.

peppi does the reading; this is for what it refuses, so that such a file still has a reason that says something.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from exphil_core.errors import ReplayError

PAYLOADS, START, PRE, POST, END, FRAME_START, ITEM, BOOKEND = 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C
# Events that begin with a frame number.
OF_A_FRAME = frozenset({PRE, POST, FRAME_START, ITEM, BOOKEND})
HEAD = b"{U\x03raw[$U#l"
_LENGTH = struct.Struct(">i")
_SIZE = struct.Struct(">H")
Version = tuple[int, int, int]

# Where each field of the start event begins, the command byte being 0, and the size of each player's share.
_AT_VERSION, _AT_TEAMS, _AT_STAGE, _AT_PLAYERS, _AT_SEED = 0x1, 0xD, 0x13, 0x65, 0x13D
_AT_TAGS, _AT_SCENE, _AT_NAMES, _AT_CODES = 0x161, 0x1A3, 0x1A5, 0x221
_PLAYER, _TAG, _NAME, _CODE = 0x24, 0x10, 0x1F, 0xA
PORTS = 4
_TYPES = ("Human", "Cpu", "Demo")


@attrs.frozen(eq=False)
class Stream:
    """The events of a replay: `content` from `first` (the first after the table of sizes) to `stop`, where what the
    file says of itself, or the file, ends. `sizes` has each event's bytes, its command byte included."""

    content: bytes
    table: int
    first: int
    stop: int
    sizes: Mapping[int, int]

    @property
    def version(self) -> Version:
        """The version of Slippi that wrote it."""
        at = self.first + _AT_VERSION
        return self.content[at], self.content[at + 1], self.content[at + 2]

    def events(self) -> Iterator[tuple[int, int, int]]:
        """Command and bounds of each event that is whole, up to the first that can't be one."""
        at, content, sizes, stop = self.first, self.content, self.sizes, self.stop
        while at < stop:
            command = content[at]
            size = sizes.get(command)
            if size is None or at + size > stop:
                return
            yield command, at, at + size
            at += size


def open_stream(content: bytes) -> Stream:
    """Find the events in a replay's bytes. Raises ReplayError where there is no game's start."""
    table = len(HEAD) + _LENGTH.size
    if not content.startswith(HEAD) or len(content) < table + 2 or content[table] != PAYLOADS:
        raise ReplayError("unreadable: no replay")
    length = _LENGTH.unpack_from(content, len(HEAD))[0]
    # A recording that was cut off doesn't know its length.
    stop = min(table + length, len(content)) if length > 0 else len(content)
    first = table + 1 + content[table + 1]
    entries = content[table + 2 : first]
    sizes = {entries[i]: 1 + _SIZE.unpack_from(entries, i + 1)[0] for i in range(0, len(entries) - 2, 3)}
    stream = Stream(content=content, table=table, first=first, stop=stop, sizes=sizes)
    start = sizes.get(START, 0)
    if first + start > stop or start < _AT_SEED + 4 or content[first] != START:
        raise ReplayError("unreadable: no game start")
    return stream


def read_start(stream: Stream) -> dict[str, Any]:
    """The start event as peppi would give it, as far as facts are made of it."""
    block = stream.content[stream.first : stream.first + stream.sizes[START]]
    start: dict[str, Any] = {
        "slippi": {"version": list(stream.version)},
        "stage": _SIZE.unpack_from(block, _AT_STAGE)[0],
        "is_teams": block[_AT_TEAMS] != 0,
        "random_seed": struct.unpack_from(">I", block, _AT_SEED)[0],
        "players": [
            _seat(block, port)
            for port in range(PORTS)
            if block[_AT_PLAYERS + port * _PLAYER + 1] < len(_TYPES)
        ],
    }
    if len(block) >= _AT_NAMES:
        start["scene"] = {"minor": block[_AT_SCENE], "major": block[_AT_SCENE + 1]}
    return start


def _seat(block: bytes, port: int) -> dict[str, Any]:
    at = _AT_PLAYERS + port * _PLAYER
    seat: dict[str, Any] = {"port": f"P{port + 1}", "character": block[at], "type": _TYPES[block[at + 1]]}
    if len(block) >= _AT_TAGS + PORTS * _TAG:
        seat["name_tag"] = _text(block, _AT_TAGS + port * _TAG, _TAG)
    if len(block) >= _AT_CODES + PORTS * _CODE:
        seat["netplay"] = {
            "name": _text(block, _AT_NAMES + port * _NAME, _NAME),
            "code": _text(block, _AT_CODES + port * _CODE, _CODE),
        }
    return seat


def _text(block: bytes, at: int, size: int) -> str:
    return block[at : at + size].split(b"\0")[0].decode("shift-jis", errors="replace")
