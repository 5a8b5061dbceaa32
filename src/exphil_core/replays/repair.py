"""Replays that peppi 0.8.6 refuses or panics on although their frames are whole, brought into a form that it reads.

Three kinds are common in real folders:

- Slippi 3.0 to 3.6: the event that ends a frame holds nothing but the frame's number there, peppi makes a struct
  without fields of it, and Arrow refuses those. The file is rewritten as one of 3.7, where that event has a field
  more; what the true version lacks is filled with NaN, or taken out again after parsing.
- recordings that were cut off: the stream is cut after its last whole frame and told its length.
- endings that peppi doesn't know (target tests, odd placements): the ending is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import attrs

from exphil_core.errors import ReplayError
from exphil_core.replays.stream import (
    BOOKEND,
    END,
    HEAD,
    ITEM,
    OF_A_FRAME,
    PAYLOADS,
    POST,
    START,
    Stream,
    Version,
)

_FIELDLESS_BOOKEND: tuple[Version, Version] = ((3, 0, 0), (3, 7, 0))
_ITEMS_HAVE_OWNERS: Version = (3, 6, 0)
_SCENE_KNOWN: Version = (3, 7, 0)
# Bytes of these events in 3.7.0, the command byte included.
_SIZES_OF_3_7 = {START: 421, POST: 73, ITEM: 43, BOOKEND: 9}
_NAN = struct.pack(">f", float("nan"))
_TAIL = b"U\x08metadata{}}"


def panics(stream: Stream) -> bool:
    """Whether the version alone makes peppi panic."""
    return _FIELDLESS_BOOKEND[0] <= stream.version < _FIELDLESS_BOOKEND[1] and BOOKEND in stream.sizes


def as_3_7(stream: Stream) -> bytes:
    """The same replay, written as Slippi 3.7.0 would have written it, its metadata untouched."""
    grown = {event: max(size, _SIZES_OF_3_7.get(event, 0)) for event, size in stream.sizes.items()}
    padding = {
        event: _NAN * 16 if event == POST else bytes(64)
        for event in grown
        if grown[event] > stream.sizes[event]
    }
    content, parts, at = stream.content, [], stream.first
    for event, _, stop in stream.events():
        if event in padding:
            parts += [content[at:stop], padding[event][: grown[event] - stream.sizes[event]]]
            at = stop
    parts.append(content[at : stream.stop])
    raw = bytearray(_table(stream, grown) + b"".join(parts))
    version_at = len(_table(stream, grown)) + 1
    raw[version_at : version_at + 3] = bytes((3, 7, 0))
    return HEAD + struct.pack(">i", len(raw)) + bytes(raw) + (content[stream.stop :] or _TAIL)


def whole_frames(stream: Stream) -> bytes:
    """The same replay up to its last whole frame, without an ending. Raises ReplayError if there is none."""
    last, last_at, stop = None, 0, 0
    complete = False
    for event, at, stop in stream.events():
        complete = event == END
        if complete:
            stop = at
            break
        if event in OF_A_FRAME:
            frame = stream.content[at + 1 : at + 5]
            if frame != last:
                last, last_at = frame, at
    if last is None:
        raise ReplayError("no frames")
    # The last frame may lack one of its players: nothing says that it is whole, unless the game went on to its end.
    raw = _table(stream, stream.sizes) + stream.content[stream.first : stop if complete else last_at]
    return HEAD + struct.pack(">i", len(raw)) + raw + _TAIL


def _table(stream: Stream, sizes: Mapping[int, int]) -> bytes:
    entries = {**sizes, END: sizes.get(END, 3)}
    packed = b"".join(struct.pack(">BH", event, size - 1) for event, size in entries.items())
    return bytes((PAYLOADS, 1 + len(packed))) + packed


@attrs.frozen(eq=False)
class Parsed:
    """What peppi gives of a replay, whatever had to be done to it."""

    start: dict[str, Any]
    frames: Any
    end: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


def undone(parsed: Any, version: Version) -> Parsed:
    """peppi's result for a replay that `as_3_7` rewrote, without what its true `version` doesn't know."""
    start = {**parsed.start, "slippi": {"version": list(version)}}
    if version < _SCENE_KNOWN:
        start.pop("scene", None)
    frames = parsed.frames
    if version < _ITEMS_HAVE_OWNERS:
        frames = _without(frames, "item")
    return Parsed(start=start, frames=frames, end=parsed.end, metadata=parsed.metadata)


def _without(frames: Any, name: str) -> Any:
    import pyarrow

    kept = [field for field in frames.type if field.name != name]
    return pyarrow.StructArray.from_arrays([frames.field(field.name) for field in kept], fields=kept)
