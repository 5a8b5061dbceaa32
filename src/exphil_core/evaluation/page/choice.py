"""Which game the page shows."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.errors import UsageError
from exphil_core.evaluation.report import GameRow
from exphil_core.melee import FRAMES_PER_SECOND

# Frames of a side: shorter games hardly show anything.
LONG_ENOUGH = 20 * FRAMES_PER_SECOND
SHOWN_NAMES = 5


def choose_game(games: Sequence[GameRow], wanted: str | None) -> GameRow:
    """The game that `wanted` means, or a typical one: of the games that are long enough (and that the model was not
    trained on, if there are such), the one whose loss is the middle one.

    `wanted` is a number, 1 being the first of `games`, or part of a file's name. Raises UsageError for any other.
    """
    if not games:
        raise UsageError("there is no game to show")
    if wanted is None:
        return _typical(games)
    files = [game.file for game in games]
    check_wanted(files, wanted)
    (place,) = _matching(files, wanted) or [int(wanted) - 1]
    return games[place]


def check_wanted(files: Sequence[str], wanted: str) -> None:
    """Raise UsageError unless `wanted` means one of `files`."""
    found = _matching(files, wanted)
    if len(found) > 1:
        raise UsageError(
            f"--game {wanted}: that may be any of {len(found)}: {_listed([files[i] for i in found])}; give more of "
            "the name, or the game's number in the list of all games"
        )
    if found or (wanted.isdecimal() and 1 <= int(wanted) <= len(files)):
        return
    if wanted.isdecimal():
        raise UsageError(f"--game {wanted}: there are {len(files)} games, numbered from 1")
    raise UsageError(f"--game {wanted}: no game's name holds that; there are {_listed(files)}")


def _matching(files: Sequence[str], wanted: str) -> list[int]:
    """The places of the files that `wanted` names. A number is one only where it is a file's whole name."""
    low = wanted.casefold()
    exact = [place for place, file in enumerate(files) if file.casefold() == low]
    if exact or wanted.isdecimal():
        return exact
    return [place for place, file in enumerate(files) if low in file.casefold()]


def _typical(games: Sequence[GameRow]) -> GameRow:
    unseen = [game for game in games if not game.trained_on] or list(games)
    long = [game for game in unseen if game.frames >= LONG_ENOUGH * len(game.scored)]
    if not long:
        return max(unseen, key=lambda game: game.frames)
    return sorted(long, key=lambda game: game.loss)[len(long) // 2]


def _listed(files: Sequence[str]) -> str:
    more = len(files) - SHOWN_NAMES
    return ", ".join(files[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
