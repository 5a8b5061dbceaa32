"""The bytes of replays, wherever they lie: on disk, gzipped, or in a `.zip` or `.7z`, which is never unpacked whole.

A `.7z` packs many files into one stream (a solid block), so that reading one alone means unpacking all before it:
what is wanted of a block is therefore read in one pass, in the order it lies in.
"""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from exphil_core.errors import ExphilError, ReplayError
from exphil_core.replays.seven_zip import SevenZip, brief
from exphil_core.replays.sources import GZIPPED, SEVEN_ZIP, SUFFIXES, ZIP, ReplayFile, is_archive

# The longest real games take 20 MB; what unpacks to more is no replay.
LARGEST = 256 << 20
_GZIP_STREAM = b"\x1f\x8b"
# Tells what became of a file: its bytes, or why there are none.
Reader = Callable[[ReplayFile, "bytes | ReplayError"], None]
UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,  # names that are no text, among others
    KeyError,  # replaced since it was listed
    struct.error,
)


def members(archive: ReplayFile) -> list[ReplayFile]:
    """The replays in `archive`, in the order they lie in, and the archives in it, which are not read: whoever tries
    hears why. Raises ExphilError if it can't be listed."""
    try:
        _check_regular(archive.path)
        listed = (
            _listed_7z(archive.path)
            if archive.path.lower().endswith(SEVEN_ZIP)
            else _listed_zip(archive.path)
        )
    except (OSError, ReplayError, *UNPACKING_ERRORS) as error:
        raise ExphilError(f"{archive.path}: {_reason(error)}") from None
    return [
        ReplayFile(path=archive.path, member=name, size=size, mtime_ns=archive.mtime_ns, block=block)
        for name, size, block in listed
        if name.lower().endswith(SUFFIXES) and not _basename(name).startswith("._")
    ]


def _basename(member: str) -> str:
    """The name of an archive's member without its folders, as whatever system packed it divides them."""
    return member.replace("\\", "/").rpartition("/")[2]


def _reason(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else brief(error)
    return f"the archive can't be read: {said}"


def read_one(file: ReplayFile) -> bytes:
    """The bytes of one replay. Raises ReplayError with the reason if there are none to be had."""
    results: list[bytes | ReplayError] = []
    with Unpacker() as unpacker:
        unpacker.each([file], lambda _, content: results.append(content))
    (content,) = results
    if isinstance(content, ReplayError):
        raise content
    return content


class Unpacker:
    """Reads replays one after the other. The last archive stays open: reading the list of one that holds 172,000
    files takes seconds."""

    def __init__(self) -> None:
        self._path = ""
        self._archive: Any = None

    def __enter__(self) -> Unpacker:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def each(self, files: Iterable[ReplayFile], act: Reader) -> None:
        """Call `act` once for each of `files` with its bytes or the reason why there are none.

        Files of one archive should follow each other, those of one solid block as well.
        """
        for (path, inside, _), group in groupby(files, key=lambda f: (f.path, bool(f.member), f.block)):
            if not inside:
                for file in group:
                    act(file, _attempt(file, partial(_on_disk, file)))
            elif path.lower().endswith(ZIP):
                self._each_zipped(path, list(group), act)
            else:
                self._each_in_block(path, list(group), act)

    def _close(self) -> None:
        archive, self._archive, self._path = self._archive, None, ""
        if archive is not None:
            archive.close()

    def _opened(self, path: str) -> Any:
        if self._path != path:
            self._close()
            self._archive = zipfile.ZipFile(path) if path.lower().endswith(ZIP) else SevenZip(path)
            self._path = path
        return self._archive

    def _each_zipped(self, path: str, files: Sequence[ReplayFile], act: Reader) -> None:
        def read(file: ReplayFile) -> bytes:
            _check_member(file)
            content: bytes = self._opened(path).read(file.member)
            return content

        for file in files:
            act(file, _attempt(file, partial(read, file)))

    def _each_in_block(self, path: str, files: Sequence[ReplayFile], act: Reader) -> None:
        """One pass over a solid block. Where it is damaged, what lies behind can't be had either."""
        waiting = {file.member: file for file in files}
        for file in files:
            if is_archive(file.member) or not 0 < file.size <= LARGEST:
                act(waiting.pop(file.member), _attempt(file, partial(_no_content, file)))

        def deliver(name: str, content: bytes | ReplayError) -> None:
            file = waiting.pop(name, None)
            if file is not None:
                act(
                    file,
                    content if isinstance(content, ReplayError) else _attempt(file, partial(bytes, content)),
                )

        reason = "the archive doesn't hold it"
        if waiting:
            try:
                self._opened(path).extract(waiting, deliver)
            except ReplayError as error:
                reason = str(error)
        for file in list(waiting.values()):
            act(file, ReplayError(f"unreadable: {reason}"))


def _attempt(file: ReplayFile, read: Callable[[], bytes]) -> bytes | ReplayError:
    try:
        return _unpacked(file, read())
    except ReplayError as error:
        return error
    except OSError as error:
        return ReplayError(f"unreadable: {error.strerror or error}")
    except UNPACKING_ERRORS as error:
        return ReplayError(f"unreadable: {brief(error)}")


def _on_disk(file: ReplayFile) -> bytes:
    if is_archive(file.path):
        raise ReplayError(f"unreadable: {_why_not_listed(file)}")
    _check_size(file.size)
    _check_regular(file.path)
    # Without a buffer, and all at once: room of the file's size, which is free again when the next one is read. Room
    # for the largest would be new memory each time, a third of what reading and hashing takes.
    with Path(file.path).open("rb", buffering=0) as opened:
        _check_size(os.fstat(opened.fileno()).st_size)
        content = opened.readall()
    _check_size(len(content))  # it may have grown meanwhile
    return content


def _check_regular(path: str) -> None:
    """Refuse what is called like a file and would be read for ever: pipes and devices."""
    mode = os.stat(path).st_mode  # noqa: PTH116  (a million times)
    if stat.S_ISDIR(mode):
        raise ReplayError("unreadable: a folder that can't be looked into")
    if not stat.S_ISREG(mode):
        raise ReplayError("unreadable: not a regular file")


def _why_not_listed(archive: ReplayFile) -> str:
    try:
        members(archive)
    except ExphilError as error:
        return str(error).removeprefix(f"{archive.path}: ")
    return "the archive could not be read a moment ago"


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise ReplayError(f"unreadable: {size / 1e6:,.0f} MB are no replay")


def _unpacked(file: ReplayFile, content: bytes) -> bytes:
    if not (file.member or file.path).lower().endswith(GZIPPED):
        return content
    plain = b""
    # What is packed in pieces, by several threads say, is one stream after the other.
    while True:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        plain += unpacker.decompress(content, LARGEST + 1 - len(plain))
        _check_size(len(plain))
        if not unpacker.eof:
            raise gzip.BadGzipFile("the compressed file is cut short")
        content = unpacker.unused_data
        if not content.startswith(_GZIP_STREAM):
            return plain


def _check_member(file: ReplayFile) -> None:
    if is_archive(file.member):
        raise ReplayError("unreadable: an archive in an archive; unpack the outer one")
    _check_size(file.size)


def _no_content(file: ReplayFile) -> bytes:
    _check_member(file)
    return b""


def _listed_zip(path: str) -> list[tuple[str, int, int]]:
    with zipfile.ZipFile(path) as opened:
        # Of members with one name the last counts, as it does for who unpacks them and for `ZipFile.read`.
        sizes = {info.filename: info.file_size for info in opened.infolist()}
    return [(name, size, 0) for name, size in sizes.items()]


def _listed_7z(path: str) -> list[tuple[str, int, int]]:
    archive = SevenZip(path)
    try:
        return archive.listed()
    finally:
        archive.close()
