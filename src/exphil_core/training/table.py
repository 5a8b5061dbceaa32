"""What is known of a run's games without reading their frames: a few numbers a game, in columns.

With 100,000 games this is 10 MB; objects would be a gigabyte. Shapes: G games, S sides, K idle stretches.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME

Longs = npt.NDArray[np.int64]

# The first row whose controller has an effect, and is one to imitate.
FIRST_TARGET = FIRST_PLAYABLE_FRAME - FIRST_FRAME


@attrs.frozen(kw_only=True, eq=False)
class GameTable:
    """One entry a game. The idle stretches of fighter p of game g are `idle[idle_offset[2 g + p]:…[2 g + p + 1]]`."""

    frames: Longs  # (G,)
    stage: npt.NDArray[np.uint8]  # (G,), internal ids
    game_hash: npt.NDArray[np.bytes_]  # (G,) of 32 bytes
    idle: npt.NDArray[np.int32]  # (K, 2): start, stop
    idle_offset: Longs  # (2 G + 1,)

    def __len__(self) -> int:
        return len(self.frames)

    def hashes(self) -> list[str]:
        """The games' hashes, as hexadecimal."""
        # numpy drops zeros at the end.
        return [bytes(digest).ljust(32, b"\0").hex() for digest in self.game_hash]

    def taken(self, chosen: Sequence[int]) -> GameTable:
        """Some of the games, in that order."""
        bounds = [(self.idle_offset[2 * game], self.idle_offset[2 * game + 2]) for game in chosen]
        counts = np.diff(self.idle_offset).reshape(-1, 2)[list(chosen)]
        return GameTable(
            frames=self.frames[list(chosen)],
            stage=self.stage[list(chosen)],
            game_hash=self.game_hash[list(chosen)],
            idle=np.concatenate([np.zeros((0, 2), np.int32), *(self.idle[a:b] for a, b in bounds)]),
            idle_offset=np.r_[0, np.cumsum(counts)].astype(np.int64),
        )


def game_table(
    frames: Sequence[int],
    stage: Sequence[int],
    game_hash: Sequence[bytes],
    idle: Sequence[npt.NDArray[np.int32]],
) -> GameTable:
    """A table from one value a game; `idle` are stretches (K, 3) of fighter, start, stop, in order."""
    counts = [np.bincount(stretches[:, 0], minlength=2) for stretches in idle]
    return GameTable(
        frames=np.array(frames, np.int64),
        stage=np.array(stage, np.uint8),
        game_hash=np.array(game_hash, "S32"),
        idle=np.concatenate([np.zeros((0, 2), np.int32), *(stretches[:, 1:] for stretches in idle)]),
        idle_offset=np.r_[0, np.cumsum(np.concatenate([[], *counts]))].astype(np.int64),
    )


@attrs.frozen(kw_only=True, eq=False)
class Sides:
    """Fighters' views of games, a side each. A side's rows are those of its game of which each is an observation
    with a controller to predict: all but the last 1 + delay."""

    game: Longs  # (S,)
    fighter: npt.NDArray[np.int8]  # (S,)
    rows: Longs  # (S,), from the game's first row on

    def __len__(self) -> int:
        return len(self.game)


def sides_of(table: GameTable, fighters: Sequence[Sequence[int]], delay: int) -> Sides:
    """The sides to imitate: `fighters[g]` of game g, where it is long enough to hold an example."""
    counts = np.array([len(chosen) for chosen in fighters], np.int64)
    game = np.repeat(np.arange(len(table)), counts)
    fighter = np.fromiter((p for chosen in fighters for p in chosen), np.int8, int(counts.sum()))
    rows = table.frames[game] - 1 - delay
    there = rows > 0
    return Sides(game=game[there], fighter=fighter[there], rows=rows[there])


@attrs.frozen(kw_only=True, eq=False)
class Runs:
    """Consecutive rows of sides: (R,) each. Rows are observations, counted from the game's first row."""

    side: Longs
    start: Longs
    stop: Longs

    @property
    def lengths(self) -> Longs:
        """Rows of each."""
        return self.stop - self.start

    def taken(self, chosen: slice) -> Runs:
        """Some of them."""
        return Runs(side=self.side[chosen], start=self.start[chosen], stop=self.stop[chosen])


def whole_sides(sides: Sides) -> Runs:
    """Every side from its first row on."""
    return Runs(side=np.arange(len(sides)), start=np.zeros(len(sides), np.int64), stop=sides.rows)


def example_runs(table: GameTable, sides: Sides, delay: int, drop_idle: bool) -> Runs:
    """The rows whose target is one to imitate: it comes when inputs count, and (with `drop_idle`) in no idle
    stretch."""
    owner = 2 * sides.game + sides.fighter
    first = table.idle_offset[owner]
    counts = table.idle_offset[owner + 1] - first if drop_idle else np.zeros(len(sides), np.int64)
    ends = np.cumsum(counts + 1)
    begins = ends - counts - 1
    side = np.repeat(np.arange(len(sides)), counts + 1)
    # A side with k stretches is k + 1 runs: from the beginning or a stretch's end to the next one or the end.
    start, stop = np.zeros(len(side), np.int64), np.zeros(len(side), np.int64)
    start[begins] = FIRST_TARGET
    stop[ends - 1] = table.frames[sides.game]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    stretch, slot = np.repeat(first, counts) + within, np.repeat(begins, counts) + within
    stop[slot], start[slot + 1] = table.idle[stretch, 0], table.idle[stretch, 1]
    low = np.maximum(start, FIRST_TARGET) - 1 - delay
    low, high = np.maximum(low, 0), stop - 1 - delay
    kept = high > low
    return Runs(side=side[kept], start=low[kept], stop=high[kept])
