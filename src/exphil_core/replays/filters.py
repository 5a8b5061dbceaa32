"""Which games are trained on, and the reason for each that isn't."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME, FRAMES_PER_SECOND
from exphil_core.melee.characters import BY_NAME
from exphil_core.replays.game import Game
from exphil_core.replays.slp import content_hash, read_game

# A side without an input change for so long is no example to imitate: the controller lies on the table.
IDLE_FRAMES = 10 * FRAMES_PER_SECOND


@attrs.frozen(kw_only=True)
class GameFilter:
    """What the user asked for. Empty means any."""

    character: str | None = None
    opponent: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    min_frames: int = 0
    max_files: int | None = None
    any_player: bool = False
    rollback: str = "last"
    seed: int = 0


@attrs.frozen(kw_only=True)
class LeftOut:
    """A file that is not used, and why."""

    path: Path
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details, for counting."""
        return self.reason.partition(":")[0].partition(" (")[0]


@attrs.frozen(kw_only=True, eq=False)
class Collection:
    """Games to train on with the sides to imitate in each, and what was left out."""

    games: tuple[Game, ...]
    sides: tuple[tuple[int, ...], ...]
    left_out: tuple[LeftOut, ...]

    def reasons(self) -> Counter[str]:
        """How many files were left out for each kind of reason."""
        return Counter(item.kind for item in self.left_out)


def played(game: Game, fighter: int, name: str) -> bool:
    """Whether `fighter` was the character `name` at any time (Zelda and Sheik change within a game)."""
    internal = BY_NAME[name].internal
    return bool((game.character_TP[:, fighter] == internal).any())


def wanted_sides(game: Game, wanted: GameFilter) -> tuple[int, ...]:
    """The fighters (0, 1) of `game` to imitate. Raises ReplayError with the reason if there are none."""
    if len(game) < wanted.min_frames:
        raise ReplayError(f"shorter than --min-frames ({len(game)} frames)")
    if wanted.stage and game.info.stage.name not in wanted.stage:
        raise ReplayError(f"another stage ({game.info.stage.name})")
    sides = [
        side
        for side in (0, 1)
        if (wanted.character is None or played(game, side, wanted.character))
        and (not wanted.opponent or any(played(game, 1 - side, name) for name in wanted.opponent))
    ]
    if not sides:
        names = " against ".join(player.character.name for player in game.info.players)
        raise ReplayError(f"other characters ({names})")
    return tuple(sides)


def collect(
    files: Sequence[Path], wanted: GameFilter, progress: Callable[[int, int], None] | None = None
) -> Collection:
    """Read `files` and keep what passes; a file that can't be read is left out with its reason.

    With `max_files`, files are taken in an order made from their content and the seed until enough have passed.
    """
    games: list[Game] = []
    sides: list[tuple[int, ...]] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    for count, path in enumerate(_in_order(files, wanted, left_out)):
        if progress is not None:
            progress(count, len(files))
        if wanted.max_files is not None and len(games) == wanted.max_files:
            break
        try:
            game = read_game(path, rollback=wanted.rollback, any_player=wanted.any_player)
            if game.info.game_hash in seen:
                raise ReplayError("the same game as another file")
            seen.add(game.info.game_hash)
            sides.append(wanted_sides(game, wanted))
            games.append(game)
        except ReplayError as error:
            left_out.append(LeftOut(path=path, reason=str(error)))
        except OSError as error:
            left_out.append(LeftOut(path=path, reason=f"unreadable: {error.strerror or error}"))
    if progress is not None:
        progress(len(files), len(files))
    return Collection(games=tuple(games), sides=tuple(sides), left_out=tuple(left_out))


def _in_order(files: Sequence[Path], wanted: GameFilter, left_out: list[LeftOut]) -> Iterable[Path]:
    """All files as they come, or in a seeded order by content where only a sample is wanted."""
    if wanted.max_files is None or wanted.max_files >= len(files):
        return files
    keyed = []
    for path in files:
        try:
            key = hashlib.sha256(f"{wanted.seed}:{content_hash(path)}".encode()).hexdigest()
        except OSError as error:
            left_out.append(LeftOut(path=path, reason=f"unreadable: {error.strerror or error}"))
            continue
        keyed.append((key, path))
    return [path for _, path in sorted(keyed)]


def target_rows(game: Game, fighter: int, drop_idle: bool) -> npt.NDArray[np.bool_]:
    """Which rows' controllers are examples to imitate, (T,): from the first playable frame on, and not idle."""
    rows = np.arange(len(game)) >= FIRST_PLAYABLE_FRAME - FIRST_FRAME
    return rows & ~idle_rows(game.controller_TPC[:, fighter]) if drop_idle else rows


def idle_rows(cells_TC: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Rows (T,) of a stretch of IDLE_FRAMES or more without an input change. The input that such a stretch
    begins with was a decision, and is none of them."""
    changed = np.flatnonzero((cells_TC[1:] != cells_TC[:-1]).any(axis=1)) + 1
    starts = np.r_[0, changed]
    lengths = np.diff(np.r_[starts, len(cells_TC)])
    idle = np.repeat(lengths >= IDLE_FRAMES, lengths)
    idle[changed] = False
    return idle
