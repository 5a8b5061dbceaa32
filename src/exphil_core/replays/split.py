"""Which games are held out: a fixed function of each game's content, so that a fine-tune never validates on what
its parent trained on, and models trained on overlapping folders share held-out games."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.errors import ExphilError

_SCALE = float(1 << 32)


def holdout_key(sha256: str) -> float:
    """A number in [0, 1) made from a content hash; games below the held-out share are held out."""
    return int(sha256[:8], 16) / _SCALE


def split_games(hashes: Sequence[str], fraction: float) -> tuple[list[int], list[int]]:
    """Indices of the games to train on and of those held out, at least one of each.

    If none falls below `fraction`, the one with the smallest key is held out; if all do, the one with the
    largest is trained on. Raises ExphilError for fewer than two games.
    """
    if len(hashes) < 2:
        raise ExphilError(
            f"{len(hashes)} usable game is too few: at least two are needed, one of which is held out"
        )
    order = sorted(range(len(hashes)), key=lambda index: (holdout_key(hashes[index]), hashes[index]))
    below = sum(holdout_key(sha) < fraction for sha in hashes)
    count = min(max(below, 1), len(hashes) - 1)
    held_out = set(order[:count])
    return [i for i in range(len(hashes)) if i not in held_out], sorted(held_out)
