"""What a disc image says of itself: is it Melee, and the revision that Slippi plays?"""

from __future__ import annotations

from pathlib import Path

import attrs

from exphil_core.errors import ExphilError

MELEE, REVISION = "GALE01", 2  # NTSC 1.02
FULL_SIZE = 1_459_978_240
_DISC_MAGIC, _AT_MAGIC = b"\xc2\x33\x9f\x3d", 0x1C
_HEADER = 0x20
# Containers, and where the disc's own header begins in them; None: it is compressed.
_CONTAINERS: tuple[tuple[bytes, str, int | None], ...] = (
    (b"RVZ\x01", "rvz", 0x58),
    (b"WIA\x01", "wia", 0x58),
    (b"CISO", "ciso", 0x8000),
    (b"\x01\xc0\x0b\xb1", "gcz", None),
)


@attrs.frozen
class Disc:
    """A disc image: its six-letter id, its revision, and how it is stored ("iso" if plainly)."""

    id: str
    revision: int
    stored: str
    size: int

    @property
    def whole(self) -> bool:
        """Whether it has the size of a disc, as far as that says anything."""
        return self.stored != "iso" or self.size == FULL_SIZE


def read_disc(path: Path) -> Disc | None:
    """What `path` says, None if it is compressed. Raises ExphilError if it is no disc image."""
    if not path.exists():
        raise ExphilError(f"--iso {path}: no such file")
    if not path.is_file():
        raise ExphilError(f"--iso {path}: not a file; give the disc image itself")
    stored, at = "iso", 0
    with path.open("rb") as file:
        start = file.read(4)
        for magic, name, where in _CONTAINERS:
            if start == magic:
                if where is None:
                    return None
                stored, at = name, where
        file.seek(at)
        header = file.read(_HEADER)
    if header[_AT_MAGIC : _AT_MAGIC + 4] != _DISC_MAGIC:
        raise ExphilError(f"--iso {path}: not a GameCube disc image")
    return Disc(header[:6].decode("ascii", "replace"), header[7], stored, path.stat().st_size)


def require_melee(path: Path) -> Disc | None:
    """Raise ExphilError unless `path` is the Melee that Slippi plays, as far as can be seen."""
    disc = read_disc(path)
    if disc is None:
        return None
    if disc.id != MELEE:
        raise ExphilError(f"--iso {path}: the disc is {disc.id}; Melee (NTSC) is {MELEE}")
    if disc.revision != REVISION:
        raise ExphilError(
            f"--iso {path}: Melee 1.0{disc.revision}; Slippi and libmelee's codes need 1.0{REVISION}"
        )
    return disc
