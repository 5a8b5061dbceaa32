"""peppi, the parser, behind one door: quiet, and with an ordinary exception for whatever goes wrong."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exphil_core.errors import ReplayError
from exphil_core.replays.repair import as_3_7, panics, undone, whole_frames
from exphil_core.replays.stream import Stream, open_stream

# What peppi says of bytes that don't begin as a replay does: `{U\x03raw[$U#l`, in UBJSON.
_NO_REPLAY = "invalid data: expected: [123, 85, 3, 114, 97, 119"


def parse_replay(content: bytes, stream: Stream | None, path: Path | None = None) -> Any:
    """peppi's `start`, `frames`, `end` and `metadata` of a replay with these bytes and, where it has one, this event
    stream; `path` is a file that holds them, if there is one. What peppi can't read is repaired where it can be.

    Raises ReplayError with peppi's own words otherwise.
    """
    if stream is not None and panics(stream):
        rewritten = as_3_7(stream)
        return undone(_parsed_or_cut(rewritten, open_stream(rewritten)), stream.version)
    return _parsed_or_cut(content, stream, path)


def _parsed_or_cut(content: bytes, stream: Stream | None, path: Path | None = None) -> Any:
    try:
        return parse(path) if path is not None and _is_text(path) else parse_bytes(content)
    except ReplayError as error:
        if stream is None:
            raise
        with contextlib.suppress(ReplayError):
            return parse_bytes(whole_frames(stream))
        raise error


def _is_text(path: Path) -> bool:
    """Whether Rust can be given `path`: names of files may hold bytes that are no UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(path: str | Path) -> Any:
    """peppi's struct arrays of the file at `path`. Raises ReplayError where it can't be parsed, and KeyboardInterrupt
    also where that came while Python's code ran in there (its `json`), of which peppi makes an OSError."""
    from peppi_py import _peppi

    try:
        with _silenced_stderr():
            return _peppi.read_slippi(str(path), False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if str(error).startswith(KeyboardInterrupt.__name__):
            raise KeyboardInterrupt from None
        # A panic of the Rust code arrives as pyo3_runtime.PanicException, which is no Exception.
        raise ReplayError(f"unreadable: {_brief(error)}") from None


def parse_bytes(content: bytes) -> Any:
    """The same for bytes, through a temporary file: peppi takes nothing but paths."""
    handle, name = tempfile.mkstemp(prefix="exphil-", suffix=".slp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return parse(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """peppi's panics print a Rust backtrace straight to file descriptor 2; the reason reaches us anyway."""
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(devnull)


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if text.startswith(_NO_REPLAY):
        return "not a Slippi replay"
    kind = "the parser panicked: " if type(error).__name__ == "PanicException" else ""
    return f"{kind}{text[:120]}"
