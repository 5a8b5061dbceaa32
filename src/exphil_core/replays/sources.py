"""Which replays the user means: files, folders (searched recursively), globs, and archives of replays."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

import attrs

from exphil_core.errors import ExphilError, did_you_mean

SUFFIX, GZIPPED = ".slp", ".slp.gz"
ZIP, SEVEN_ZIP = ".zip", ".7z"
SUFFIXES = (SUFFIX, GZIPPED, ZIP, SEVEN_ZIP)


@attrs.frozen(order=True)
class ReplayFile:
    """One replay: a file (`member` is empty) or a member of the archive at `path`.

    `size` is its own, uncompressed where an archive says so; `mtime_ns` that of the file on disk. Both are 0 where
    there is nothing to be found. `block` numbers the solid block of a `.7z` that it lies in.
    """

    path: str
    member: str = ""
    size: int = attrs.field(default=0, eq=False)
    mtime_ns: int = attrs.field(default=0, eq=False)
    block: int = attrs.field(default=0, eq=False, repr=False)

    @classmethod
    def on_disk(cls, path: str | Path) -> ReplayFile:
        """The file at `path`; one that can't be looked at fails when it is read."""
        try:
            found = os.stat(path)  # noqa: PTH116  (a million times)
        except OSError:
            return cls(path=os.path.abspath(path))  # noqa: PTH100  (links stay what the user called them)
        return cls(path=os.path.abspath(path), size=found.st_size, mtime_ns=found.st_mtime_ns)  # noqa: PTH100

    @property
    def name(self) -> str:
        """Its name without folders: `game.slp`, or `set.7z!games/game.slp`."""
        name = os.path.basename(self.path)  # noqa: PTH119
        return f"{name}!{self.member}" if self.member else name

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else self.path


def find_replays(sources: Iterable[str]) -> list[ReplayFile]:
    """All replays that `sources` name, sorted, each once; archives are listed, not unpacked. An archive that can't be
    listed stands for itself, and so does a folder that can't be looked into: whoever reads them hears why.

    Raises ExphilError for a path that isn't there and for a source without a replay: silence would train on
    less than the user thinks.
    """
    found: dict[ReplayFile, None] = {}
    broken: dict[ReplayFile, ExphilError] = {}
    for source in sources:
        files = [file for path in _expanded(source) for file in _replays_in(path, broken)]
        if not files:
            raise ExphilError(f'no {SUFFIX} files in "{source}"')
        found.update(dict.fromkeys(files))
    if broken and found.keys() <= broken.keys():
        raise next(iter(broken.values()))
    return sorted(found)


def expanded(source: str) -> Path:
    """The path that the user typed, `~` resolved."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise ExphilError(f'there is no such user\'s home: "{source}"') from None


def from_folder(source: str, folder: str) -> str:
    """`source` as whoever typed it in `folder` meant it, where it names nothing here."""
    path = expanded(source)
    if path.is_absolute() or path.exists() or (glob.has_magic(source) and _matches(source)):
        return source
    return os.path.join(folder, source)  # noqa: PTH118


def _matches(pattern: str) -> bool:
    return any(glob.iglob(pattern, recursive=True))  # noqa: PTH207


def _replays_in(path: str | Path, broken: dict[ReplayFile, ExphilError]) -> list[ReplayFile]:
    file = ReplayFile.on_disk(path)
    if not is_archive(file.path):
        return [file]
    from exphil_core.replays.archives import members

    try:
        return members(file)
    except ExphilError as error:
        broken[file] = error
        return [file]


def is_archive(path: str) -> bool:
    """Whether a file with this name holds replays, and is none itself."""
    return path.lower().endswith((ZIP, SEVEN_ZIP))


def _below(folder: Path) -> list[str]:
    """Replays and archives in `folder` and below, behind linked folders too; each real folder once, so that
    circles end."""
    found: list[str] = []
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        found.append(error.filename)

    for parent, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # What macOS writes beside each file on foreign disks (`._set.zip`) is no replay.
        wanted = [name for name in files if name.lower().endswith(SUFFIXES) and not name.startswith("._")]
        found += [os.path.join(parent, name) for name in wanted]  # noqa: PTH118
    return found


def _expanded(source: str) -> list[str] | list[Path]:
    path = expanded(source)
    if path.is_dir():
        return _below(path)
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207  (absolute patterns too)
        # A match that can't be opened (a link to nowhere) is left out later, with its reason.
        nested = [_below(match) if match.is_dir() else [str(match)] for match in sorted(matches)]
        return [file for files in nested for file in files]
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ExphilError(f'there is no file or folder "{source}"{did_you_mean(path.name, siblings)}')
