"""Which game a page plays: a typical one, or the one asked for, and never another than that."""

from __future__ import annotations

import attrs
import pytest

from exphil_core.errors import UsageError
from exphil_core.evaluation.page.choice import choose_game
from exphil_core.evaluation.report import EvalReport, GameRow


def row(file: str, loss: float, frames: int = 5000, trained_on: bool | None = False) -> GameRow:
    return GameRow(
        game=file.encode().hex(), file=file, stage="Battlefield", players=("Fox", "Falco"), scored=(0,),
        trained_on=trained_on, frames=frames, change_frames=0, loss=loss, loss_change=None, repeat=2.0, parts={},
    )  # fmt: skip


GAMES = (row("worst.slp", 3.0), row("middle.slp", 2.0), row("best.slp", 1.0))


def test_by_default_it_is_the_one_in_the_middle() -> None:
    assert choose_game(GAMES, None).file == "middle.slp"


def test_short_games_and_known_ones_are_taken_only_where_there_are_no_others() -> None:
    known = tuple(attrs.evolve(game, trained_on=True) for game in GAMES)
    short = row("short.slp", 2.0, frames=300)
    assert choose_game((*known, row("new.slp", 9.0)), None).file == "new.slp"
    assert choose_game((*GAMES, short, short), None).file == "middle.slp"
    # 15 seconds of each of two players.
    both = attrs.evolve(row("both.slp", 2.0, frames=1800), scored=(0, 1))
    assert choose_game((both, both, row("long.slp", 9.0)), None).file == "long.slp"
    assert choose_game((row("tiny.slp", 2.0, frames=100), short), None).file == "short.slp"
    assert choose_game(known, None).file == "middle.slp"


@pytest.mark.parametrize(
    ("wanted", "file"),
    [("1", "worst.slp"), ("3", "best.slp"), ("best.slp", "best.slp"), ("MIDD", "middle.slp")],
)
def test_a_number_or_a_part_of_a_name_picks_one(wanted: str, file: str) -> None:
    assert choose_game(GAMES, wanted).file == file


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("0", "there are 3 games, numbered from 1"),
        ("4", "there are 3 games, numbered from 1"),
        ("fox", "no game's name holds that; there are worst.slp, middle.slp, best.slp"),
        (
            "slp",
            "that may be any of 3: worst.slp, middle.slp, best.slp; give more of the name, or the game's number",
        ),
    ],
)
def test_what_means_no_game_or_several_is_refused(wanted: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"--game {wanted}: {said}"):
        choose_game(GAMES, wanted)


def test_a_whole_name_wins_over_parts_of_others() -> None:
    games = (row("a.slp", 1.0), row("aa.slp", 2.0), row("7", 3.0))
    assert choose_game(games, "a.slp").file == "a.slp"
    assert choose_game(games, "7").file == "7"


def test_without_games_it_says_so(made_up_report: EvalReport) -> None:
    with pytest.raises(UsageError, match="no game to show"):
        choose_game((), None)
