"""Which game the page shows."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.errors import UsageError
from exphil_core.evaluation.report import GameRow

# Shorter games hardly show anything.
LONG_ENOUGH = 20 * 60
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
    if wanted.isdecimal() and not _named(games, wanted, exactly=True):
        if not 1 <= int(wanted) <= len(games):
            raise UsageError(f"--game {wanted}: there are {len(games)} games, numbered from 1")
        return games[int(wanted) - 1]
    found = _named(games, wanted, exactly=True) or _named(games, wanted, exactly=False)
    if not found:
        raise UsageError(f"--game {wanted}: no game's name holds that; there are {_listed(games)}")
    if len(found) > 1:
        raise UsageError(f"--game {wanted}: that may be any of {len(found)}: {_listed(found)}")
    return found[0]


def _typical(games: Sequence[GameRow]) -> GameRow:
    unseen = [game for game in games if not game.trained_on] or list(games)
    long = [game for game in unseen if game.frames >= LONG_ENOUGH]
    ranked = sorted(long or unseen, key=lambda game: game.loss)
    return ranked[len(ranked) // 2] if long else max(ranked, key=lambda game: game.frames)


def _named(games: Sequence[GameRow], wanted: str, *, exactly: bool) -> list[GameRow]:
    low = wanted.casefold()
    if exactly:
        return [game for game in games if low in (game.file.casefold(), _name(game).casefold(), game.game)]
    return [game for game in games if low in game.file.casefold() or game.game.startswith(low)]


def _name(game: GameRow) -> str:
    return game.file.replace("\\", "/").rpartition("/")[2]


def _listed(games: Sequence[GameRow]) -> str:
    names = [_name(game) for game in games[:SHOWN_NAMES]]
    more = len(games) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
