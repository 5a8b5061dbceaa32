"""`.7z` archives through py7zr, streamed: what is unpacked of a file goes to a callback, never to a folder."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from exphil_core.errors import ReplayError

Deliver = Callable[[str, "bytes | ReplayError"], None]


def brief(error: BaseException) -> str:
    """One line of what went wrong."""
    return " ".join(str(error).split())[:120] or type(error).__name__


class SevenZip:
    """One archive, open for reading. Raises ReplayError where it is no archive or a damaged one."""

    def __init__(self, path: str) -> None:
        import py7zr  # takes 0.2 s

        self._file = Path(path).open("rb")  # noqa: SIM115
        try:
            # An open file instead of a path keeps py7zr to this thread, and so to the order in the block.
            self._archive = py7zr.SevenZipFile(self._file)
        except BaseException as error:
            self._file.close()
            _refuse(error)
        # py7zr refuses to unpack anything beside a name that it doesn't trust (`../a.slp`, `/a.slp`), and changes
        # others. Nothing is written under these names here: it gets their numbers instead.
        files = self._archive.files.files_list
        self._names: list[str] = [info["filename"] for info in files]
        self._crc = [entry.crc32 for entry in self._archive.files]
        for number, info in enumerate(files):
            info["filename"] = str(number)

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()
        self._file.close()

    def listed(self) -> list[tuple[str, int, int]]:
        """Name, size and number of the solid block of each file."""
        blocks: dict[int, int] = {}
        return [
            (name, entry.uncompressed, blocks.setdefault(id(entry.folder), len(blocks)))
            for name, entry in zip(self._names, self._archive.files, strict=True)
            if not entry.is_directory
        ]

    def extract(self, names: Collection[str], deliver: Deliver) -> None:
        """Unpack `names` in the order they lie in, calling `deliver` for each as soon as it is whole. Of files that
        have the same name, the first is meant.

        Raises ReplayError where the archive is damaged: what was not delivered by then can't be had. What
        `deliver` raises goes through.
        """
        raised: list[BaseException] = []
        wanted = set(names)
        first = {name: number for number, name in reversed([*enumerate(self._names)]) if name in wanted}

        def finished(number: str, content: bytes) -> None:
            name, expected = self._names[int(number)], self._crc[int(number)]
            damaged = expected is not None and zlib.crc32(content) != expected
            try:
                deliver(name, ReplayError("unreadable: damaged in the archive") if damaged else content)
            except BaseException as error:
                raised.append(error)
                raise

        try:
            self._archive.reset()
            self._archive.extract(targets=list(map(str, first.values())), factory=_factory(finished))
        except BaseException as error:
            if raised:
                raise raised[0] from None
            _refuse(error)


def _refuse(error: BaseException) -> None:
    """Say in our terms what py7zr stumbled over; a damaged archive makes it raise almost anything."""
    if not isinstance(error, Exception):
        raise error
    if isinstance(error, OSError):
        raise ReplayError(error.strerror or str(error)) from None
    from py7zr.exceptions import PasswordRequired, UnsupportedCompressionMethodError

    if isinstance(error, PasswordRequired):
        raise ReplayError("the archive is encrypted: unpack it with its password") from None
    if isinstance(error, UnsupportedCompressionMethodError):
        said = brief(ValueError(error.message))
        raise ReplayError(
            f"the archive is packed in a way that can't be read here ({said}): unpack it"
        ) from None
    raise ReplayError(f"the archive is damaged ({brief(error)})") from None


def _factory(finished: Callable[[str, bytes], None]) -> Any:
    from py7zr.io import Py7zIO, WriterFactory

    class Member(Py7zIO):
        """Takes what is unpacked of one file, and hands it on when py7zr is done with it."""

        def __init__(self, name: str) -> None:
            self.name, self.content = name, bytearray()

        def write(self, s: bytes | bytearray) -> int:
            self.content += s
            return len(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return len(self.content)

        def close(self) -> None:
            finished(self.name, bytes(self.content))

    class Members(WriterFactory):
        def create(self, filename: str) -> Any:
            return Member(filename)

    return Members()
