"""One frame of a game as text: the stage, both fighters, percent and stocks."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.melee.characters import BY_INTERNAL
from exphil_core.melee.stages import Stage
from exphil_core.playing.matches import Match
from exphil_core.plotting.canvas import Canvas, Point
from exphil_core.plotting.terminal import Line, Piece
from exphil_core.sandbox import GameState
from exphil_core.sandbox import actions as act
from exphil_core.sandbox.state import FighterState

# Colours of the fighters in port order, of the stage, and of items.
FIGHTERS = ("cyan", "yellow")
_STAGE, _ITEM = 2, 3
COLOURS: tuple[str | None, ...] = (*FIGHTERS, None, "red")
HEADER, FOOTER = 2, 1
# What is shown beyond the edges and below the floor, in Melee's units; above it, as much as there is room.
_BESIDE, _BELOW, _ABOVE = 70.0, 50.0, 100.0
_WIDTH, _HEIGHT, _REACH, _SHIELD = 3.0, 11.0, 9.0, 10.0
_ATTACKS = act.GROUND_ATTACKS | act.AERIALS | act.THROWS | frozenset((act.CATCH,))
_HURT = act.DAMAGE | act.THROWN


def scene(
    match: Match, state: GameState, names: Sequence[str], columns: int, rows: int, fancy: bool = True
) -> list[Line]:
    """`rows` lines of at most `columns` characters. `names` are those of the players, the tested one first."""
    seats = names[::-1] if match.seat else names
    pairs = zip(seats, state.fighters, FIGHTERS, strict=True)
    left, right = ([Piece(_label(name, fighter, fancy), colour)] for name, fighter, colour in pairs)
    gap = columns - len(left[0].text) - len(right[0].text)
    header = [[*left, Piece(" " * gap), *right]] if gap > 0 else [left, right]
    canvas = _drawn(match.setup.stage, state, columns, rows - HEADER - FOOTER, fancy)
    picture = [[Piece(text, None if who is None else COLOURS[who]) for text, who in row] for row in canvas]
    header += [[]] * (HEADER - len(header))
    return [*header, *picture, [Piece(_footer(match, state)[:columns])]]


def _label(name: str, fighter: FighterState, fancy: bool) -> str:
    character = BY_INTERNAL.get(fighter.character)
    title = character.title if character else "?"
    stocks = ("●" if fancy else "o") * fighter.stocks + ("○" if fancy else ".") * (4 - fighter.stocks)
    return f"{name[:24]} ({title}) {stocks} {int(fighter.percent):3d}%"


def _footer(match: Match, state: GameState) -> str:
    left = max(match.setup.last_frame - state.frame, 0) // FRAMES_PER_SECOND
    return f"{match.setup.stage.title}  {left // 60}:{left % 60:02d} left  (a sandbox, not Melee; Ctrl-C ends it)"


def _drawn(
    stage: Stage, state: GameState, columns: int, rows: int, fancy: bool
) -> list[list[tuple[str, int | None]]]:
    canvas = Canvas(columns, rows, *_window(stage, columns, rows), fancy)
    edge = stage.edge_x
    canvas.line([(-edge, 0.0), (edge, 0.0)], _STAGE)
    for side in (-edge, edge):
        canvas.line([(side, 0.0), (side * 0.9, -12.0)], _STAGE)
    for platform in stage.platforms:
        canvas.line([(platform.left, platform.height), (platform.right, platform.height)], _STAGE)
    for item in state.items:
        canvas.line([(item.x - 1, item.y), (item.x + 1, item.y)], _ITEM)
    for nana in state.partners:
        if nana is not None:
            _fighter(canvas, nana, state.partners.index(nana), _HEIGHT * 0.7)
    for who, fighter in enumerate(state.fighters):
        if fighter.state not in act.DEAD:
            _fighter(canvas, fighter, who, _HEIGHT)
    return canvas.cells()


def _window(stage: Stage, columns: int, rows: int) -> tuple[Point, Point]:
    """Corners of what is shown: dots as wide as high, everything that matters inside."""
    width, height = 2 * (stage.edge_x + _BESIDE), _BELOW + _ABOVE
    unit = max(width / (2 * columns), height / (4 * rows))
    reach = unit * columns
    return (-reach, -_BELOW), (reach, unit * 4 * rows - _BELOW)


def _fighter(canvas: Canvas, fighter: FighterState, who: int, height: float) -> None:
    """A body with a nose to where it looks, longer in an attack; a cross when hurt, a diamond around a shield."""
    x, y, half = fighter.x, fighter.y, _WIDTH / 2
    right, top, middle = fighter.direction, y + height, y + height / 2
    canvas.line([(x - half, y), (x - half, top), (x + half, top), (x + half, y), (x - half, y)], who)
    if fighter.state in _HURT:
        canvas.line([(x - 4, middle - 4), (x + 4, middle + 4)], who)
        canvas.line([(x - 4, middle + 4), (x + 4, middle - 4)], who)
    else:
        reach = _REACH if fighter.state in _ATTACKS else half + 1.5
        canvas.line([(x, y + height * 0.7), (x + right * reach, y + height * 0.7)], who)
    if fighter.state in act.GUARDS:
        r = _SHIELD
        corners = [(x - r, middle), (x, middle + r), (x + r, middle), (x, middle - r), (x - r, middle)]
        canvas.line(corners, who)
