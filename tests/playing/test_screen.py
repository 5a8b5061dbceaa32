"""What a watcher sees is where the fighters are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exphil_core.playing.matches import Match
from exphil_core.playing.screen import FIGHTERS, scene
from exphil_core.plotting.terminal import Line
from exphil_core.sandbox import NEUTRAL, Game, GameState, controller

Plan = Callable[..., list[Match]]


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


def columns_of(lines: list[Line], colour: str) -> list[int]:
    """Columns of the picture in which something has this colour."""
    return [at for line in lines[2:-1] for at, piece in enumerate(line) if piece.colour == colour]


def after(match: Match, frames: int, x: int = 0) -> GameState:
    game = Game(match.setup)
    for _ in range(frames):
        state = game.step((NEUTRAL, controller(x) if game.state and game.state.frame > 0 else NEUTRAL))
    return state


@pytest.mark.parametrize("fancy", [True, False])
@pytest.mark.parametrize("size", [(80, 24), (100, 40), (40, 12)])
def test_it_fills_the_terminal_and_no_more(matches: Plan, size: tuple[int, int], fancy: bool) -> None:
    for match in matches(6):
        lines = text_of(scene(match, after(match, 1), ["one", "two"], *size, fancy))
        assert len(lines) == size[1]
        assert max(map(len, lines[2:])) <= size[0]
        if not fancy:
            assert all(line.isascii() for line in lines[2:-1])


def test_fighters_are_where_they_are(matches: Plan) -> None:
    match = matches(1)[0]
    start, later = (scene(match, after(match, n, 80), ["one", "two"], 100, 30) for n in (124, 150))
    first, second = (columns_of(start, colour) for colour in FIGHTERS)
    assert max(first) < min(second)  # the first one starts on the left
    assert sum(columns_of(later, FIGHTERS[1])) / len(columns_of(later, FIGHTERS[1])) > sum(second) / len(
        second
    )


def test_the_tested_players_name_stands_at_its_seat(matches: Plan) -> None:
    for match in matches(2):
        header = text_of(scene(match, after(match, 1), ["mine", "theirs"], 100, 30))[0]
        assert header.startswith("theirs" if match.seat else "mine")
        assert match.setup.characters[0].title in header[:50]


def test_a_narrow_terminal_has_a_line_for_each(matches: Plan) -> None:
    match = matches(1)[0]
    lines = text_of(scene(match, after(match, 1), ["mine", "theirs"], 36, 20))
    assert lines[0].startswith("mine")
    assert lines[1].startswith("theirs")


def test_stocks_and_percent_are_told(matches: Plan) -> None:
    match = matches(1)[0]
    state = after(match, 1)
    hurt = state.fighters[0]._replace(percent=57.9, stocks=2)
    header = text_of(scene(match, state._replace(fighters=(hurt, state.fighters[1])), ["a", "b"], 100, 30))[0]
    assert "●●○○  57%" in header
    assert "●●●●   0%" in header
