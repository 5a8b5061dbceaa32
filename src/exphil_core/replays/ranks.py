"""Which of several processes does what with which game or file: a function of the game's content, or the file's name,
alone, so that nobody has to ask anybody."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from exphil_core.replays.sources import SEVEN_ZIP, ReplayFile


def rank_of(game_hash: str, world: int) -> int:
    """The rank, of `world` ones, that a game belongs to. Made of other digits than the held-out share is."""
    return int(game_hash[-16:], 16) % world


def games_of_rank(hashes: Sequence[str], rank: int, world: int) -> list[int]:
    """The places in `hashes` of the games of one rank, in order."""
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world}")
    return [place for place, game_hash in enumerate(hashes) if rank_of(game_hash, world) == rank]


def files_of_rank(files: Sequence[ReplayFile], rank: int, world: int) -> list[ReplayFile]:
    """The files that one rank reads. A solid block of an archive is one rank's: it is unpacked in one pass."""
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world}")
    return [file for file in files if rank_of(_name_hash(file), world) == rank]


def _name_hash(file: ReplayFile) -> str:
    solid = file.path.lower().endswith(SEVEN_ZIP)
    named = f"{file.path}\0{file.block if solid else file.member}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()
