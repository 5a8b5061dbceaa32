"""Which games are trained on and which sides of them are imitated, and the reason for each that isn't.

Filters look at facts alone: on a later run, no replay is opened to apply them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME, FRAMES_PER_SECOND
from exphil_core.replays.archives import read_one
from exphil_core.replays.facts import FileFacts, reason_kind
from exphil_core.replays.game import Game
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.intake import Progress, look_at
from exphil_core.replays.slp import ABNORMAL
from exphil_core.replays.sources import ReplayFile

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
    seed: int = 0


@attrs.frozen(kw_only=True)
class Chosen:
    """A game to train on, with the fighters (0, 1) in it to imitate."""

    file: ReplayFile
    facts: FileFacts
    sides: tuple[int, ...]


@attrs.frozen(kw_only=True)
class LeftOut:
    """A file that is not used, and why."""

    file: ReplayFile
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details, for counting."""
        return reason_kind(self.reason)


@attrs.frozen(kw_only=True)
class Selection:
    """What the filters made of the files."""

    chosen: tuple[Chosen, ...]
    left_out: tuple[LeftOut, ...]

    def reasons(self) -> Counter[str]:
        """How many files were left out for each kind of reason."""
        return Counter(item.kind for item in self.left_out)


@attrs.frozen(kw_only=True, eq=False)
class Collection:
    """Games to train on with the sides to imitate in each, and what was left out."""

    games: tuple[Game, ...]
    sides: tuple[tuple[int, ...], ...]
    left_out: tuple[LeftOut, ...]

    def reasons(self) -> Counter[str]:
        """How many files were left out for each kind of reason."""
        return Counter(item.kind for item in self.left_out)


def select(files: Sequence[ReplayFile], facts: Sequence[FileFacts], wanted: GameFilter) -> Selection:
    """What of `files`, of which `facts` are known, is wanted. A game that stands in several files counts once.

    With `max_files`, so many of the games that pass are drawn by their content and the seed.
    """
    chosen: list[Chosen] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    for file, known in zip(files, facts, strict=True):
        try:
            check_usable(known, wanted.any_player)
            if known.game_hash in seen:
                raise ReplayError("the same game as another file")
            seen.add(known.game_hash)
            chosen.append(Chosen(file=file, facts=known, sides=wanted_sides(known, wanted)))
        except ReplayError as error:
            left_out.append(LeftOut(file=file, reason=str(error)))
    if wanted.max_files is not None and wanted.max_files < len(chosen):
        chosen = sorted(chosen, key=lambda item: _lot(item.facts, wanted.seed))[: wanted.max_files]
    return Selection(chosen=tuple(chosen), left_out=tuple(left_out))


def check_usable(facts: FileFacts, any_player: bool) -> None:
    """Raise ReplayError with the reason for a file that can't be trained on, or that holds a CPU player."""
    if facts.has_cpu and not any_player and facts.kind not in ABNORMAL:
        raise ReplayError("a CPU player")
    if facts.reason is not None:
        raise ReplayError(facts.reason)


def wanted_sides(facts: FileFacts, wanted: GameFilter) -> tuple[int, ...]:
    """The fighters (0, 1) to imitate. Raises ReplayError with the reason if there are none."""
    if facts.frames < wanted.min_frames:
        raise ReplayError(f"shorter than --min-frames ({facts.frames} frames)")
    if wanted.stage and facts.stage not in wanted.stage:
        raise ReplayError(f"another stage ({facts.stage})")
    players = facts.players
    sides = [
        side
        for side in (0, 1)
        if (wanted.character is None or players[side].played(wanted.character))
        and (not wanted.opponent or any(players[1 - side].played(name) for name in wanted.opponent))
    ]
    if not sides:
        raise ReplayError(f"other characters ({' against '.join(player.character for player in players)})")
    return tuple(sides)


def _lot(facts: FileFacts, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{facts.sha256}".encode()).hexdigest()


def collect(
    files: Sequence[ReplayFile],
    wanted: GameFilter,
    index: ReplayIndex,
    *,
    rollback: str = "last",
    progress: Progress | None = None,
) -> Collection:
    """Look at `files`, select from them, and read the games of those that are wanted."""
    selection = select(files, look_at(files, index, progress=progress), wanted)
    games: list[Game] = []
    sides: list[tuple[int, ...]] = []
    left_out = list(selection.left_out)
    for item in selection.chosen:
        try:
            game = inspect(read_one(item.file), str(item.file)).game(rollback)
        except ReplayError as error:
            left_out.append(LeftOut(file=item.file, reason=str(error)))
            continue
        games.append(game)
        sides.append(item.sides)
    return Collection(games=tuple(games), sides=tuple(sides), left_out=tuple(left_out))


def target_rows(game: Game, fighter: int, drop_idle: bool) -> npt.NDArray[np.bool_]:
    """Which rows' controllers are examples to imitate, (T,): from the first playable frame on, and not idle."""
    rows = np.arange(len(game)) >= FIRST_PLAYABLE_FRAME - FIRST_FRAME
    return rows & ~idle_rows(game.controller_TPC[:, fighter]) if drop_idle else rows


def idle_rows(cells_TC: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Rows (T,) of a stretch of IDLE_FRAMES or more without an input change. The input that such a stretch
    begins with was a decision, and is none of them."""
    idle = np.zeros(len(cells_TC), bool)
    for start, stop in idle_stretches(cells_TC):
        idle[start:stop] = True
    return idle


def idle_stretches(cells_TC: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The same as first row and the one after the last, in order."""
    # Two cells at a time: reducing along an axis of six takes ten times as long.
    pairs = cells_TC.view(np.uint16)
    differs = pairs[1:] != pairs[:-1]
    changed = np.flatnonzero(differs[:, 0] | differs[:, 1] | differs[:, 2]) + 1
    bounds = np.concatenate([[0], changed, [len(cells_TC)]])
    long = np.flatnonzero(np.diff(bounds) >= IDLE_FRAMES).tolist()
    # The game's first row was nobody's decision.
    return [(int(bounds[at]) + (at > 0), int(bounds[at + 1])) for at in long]
