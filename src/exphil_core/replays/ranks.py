"""Which of several processes trains on which game: a function of the game's content alone, so that nobody has to ask
anybody."""

from __future__ import annotations

from collections.abc import Sequence


def rank_of(game_hash: str, world: int) -> int:
    """The rank, of `world` ones, that a game belongs to. Made of other digits than the held-out share is."""
    return int(game_hash[-16:], 16) % world


def games_of_rank(hashes: Sequence[str], rank: int, world: int) -> list[int]:
    """The places in `hashes` of the games of one rank, in order."""
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world}")
    return [place for place, game_hash in enumerate(hashes) if rank_of(game_hash, world) == rank]
