"""The little of UBJSON that a replay's metadata needs: objects, strings and integers."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Value = int | str | Mapping[str, "Value"]


def key(name: str) -> bytes:
    """An object's key: its length as one unsigned byte, then the text."""
    text = name.encode()
    return b"U" + struct.pack(">B", len(text)) + text


def encode(value: Value) -> bytes:
    """UBJSON for `value`, with the markers that Slippi uses: int32 for numbers, short strings."""
    if isinstance(value, str):
        return b"S" + key(value)
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    return b"{" + b"".join(key(name) + encode(inner) for name, inner in value.items()) + b"}"


def container(raw: bytes, metadata: Mapping[str, Value]) -> bytes:
    """A whole replay file: the event stream as a typed byte array, then the metadata."""
    head = b"{" + key("raw") + b"[$U#l" + struct.pack(">i", len(raw))
    return head + raw + key("metadata") + encode(metadata) + b"}"
