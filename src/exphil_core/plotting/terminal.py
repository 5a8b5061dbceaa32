"""Curves as text, for a terminal of any width; with colours where they can be shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs

from exphil_core.plotting.canvas import ASCII_MARKS, Canvas, Point
from exphil_core.training.curves import PANELS, Run

ROWS, LABEL = 12, 10
NARROWEST, WIDEST = 24, 160
BAR = 30
# Names of colours as click and ANSI know them; baselines are bright black.
COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue")
BASELINE = "bright_black"


@attrs.frozen
class Piece:
    """Some text in one colour."""

    text: str
    colour: str | None = None


@attrs.frozen(kw_only=True)
class Curve:
    """One line of a panel."""

    name: str
    points: tuple[Point, ...]
    baseline: bool


Line = list[Piece]


def draw(runs: Sequence[Run], width: int, fancy: bool = True) -> Iterator[Line]:
    """Every panel that the runs have something for, `width` characters wide, then press rates."""
    columns = min(max(width - LABEL - 2, NARROWEST), WIDEST)
    for title, metrics in PANELS:
        curves = panel_curves(runs, metrics)
        if curves:
            yield from _panel(title, curves, columns, fancy)
            yield []
    for run in runs:
        yield from _rates(run, fancy)


def panel_curves(runs: Sequence[Run], metrics: Sequence[tuple[str, str, bool]]) -> list[Curve]:
    """The curves of a panel, baselines first so that what is learned stands in front of them. With several runs each
    curve bears its run's name."""
    curves = []
    for run in runs:
        for metric, label, baseline in metrics:
            points = run.series(metric)
            if points:
                name = label if len(runs) == 1 else f"{run.name} {label}"
                curves.append(Curve(name=name, points=tuple(points), baseline=baseline))
    return sorted(curves, key=lambda curve: not curve.baseline)


def bounds(curves: Sequence[Curve]) -> tuple[Point, Point]:
    """Lower left and upper right corner of what the curves fill."""
    xs, ys = zip(*(point for curve in curves for point in curve.points), strict=True)
    alone = 0.5 if min(xs) == max(xs) else 0.0
    return (min(xs) - alone, min(ys)), (max(xs) + alone, max(ys))


def _panel(title: str, curves: Sequence[Curve], columns: int, fancy: bool) -> Iterator[Line]:
    low, high = bounds(curves)
    canvas = Canvas(columns, ROWS, low, high, fancy)
    colours = _colours(curves)
    for number, curve in enumerate(curves):
        points = curve.points
        if curve.baseline:  # it holds for the whole run, and is seen after the first epoch already
            points = ((low[0], points[0][1]), *points, (high[0], points[-1][1]))
        canvas.line(points, number, dashed=curve.baseline)
    yield [Piece(title)]
    labels = {0: f"{high[1]:.5g}", ROWS // 2: f"{(low[1] + high[1]) / 2:.5g}", ROWS - 1: f"{low[1]:.5g}"}
    bar = "│" if fancy else "|"
    for number, cells in enumerate(canvas.cells()):
        line = [Piece(f"{labels.get(number, ''):>{LABEL}} {bar}")]
        line += [Piece(text, None if curve is None else colours[curve]) for text, curve in cells]
        yield line
    first, last = f"{math.ceil(low[0])}", f"epoch {math.floor(high[0])}"
    yield [Piece(" " * (LABEL + 2) + first + last.rjust(columns - len(first)))]
    for number, curve in enumerate(curves):
        mark = ("⠤" if curve.baseline else "⣀") * 2 if fancy else ASCII_MARKS[number % len(ASCII_MARKS)]
        value = f"{curve.points[-1][1]:.5g}"
        yield [Piece(" " * (LABEL + 2)), Piece(mark, colours[number]), Piece(f" {curve.name}  {value}")]


def _colours(curves: Sequence[Curve]) -> list[str]:
    learned = iter(range(len(curves)))
    return [BASELINE if curve.baseline else COLOURS[next(learned) % len(COLOURS)] for curve in curves]


def _rates(run: Run, fancy: bool) -> Iterator[Line]:
    """How often each button is predicted, and is pressed: a bar each."""
    rates = run.rates()
    if not rates:
        return
    yield [Piece(f"press rates of {run.name}, predicted and actual")]
    longest, most = max(map(len, rates)), max(max(pair) for pair in rates.values()) or 1.0
    block = "█" if fancy else "="
    for name, pair in rates.items():
        for label, rate, colour in zip((name, ""), pair, (COLOURS[0], BASELINE), strict=True):
            length = round(rate / most * BAR)
            bar = block * length + " " * (BAR - length)
            yield [Piece(f"{label:>{longest}} "), Piece(bar, colour), Piece(f" {rate:.2%}")]
