"""A grid of small dots made of characters: Braille where the terminal can show it, ASCII elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Dots of a Braille character, two columns of four: bit of the dot at (row, column).
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
BLANK = 0x2800
ASCII_MARKS = "*o+x#@%&"

Point = tuple[float, float]


class Canvas:
    """`columns` x `rows` characters that show the rectangle from (x0, y0) to (x1, y1), both included."""

    def __init__(self, columns: int, rows: int, low: Point, high: Point, fancy: bool = True) -> None:
        self.columns, self.rows, self.fancy = columns, rows, fancy
        self._low, self._high = low, high
        # Dots a character: Braille has 2 x 4.
        self._wide, self._tall = (2, 4) if fancy else (1, 1)
        self._dots: dict[tuple[int, int], dict[int, int]] = {}

    def dot(self, point: Point) -> tuple[int, int]:
        """Column and row of the dot that shows `point`, counted from the top left."""
        width, height = self.columns * self._wide - 1, self.rows * self._tall - 1
        x, y = (
            0.5 if high == low else (value - low) / (high - low)
            for value, low, high in zip(point, self._low, self._high, strict=True)
        )
        return round(x * width), round((1 - y) * height)

    def line(self, points: Sequence[Point], curve: int, dashed: bool = False) -> None:
        """Draw straight lines from point to point, for the curve with this number."""
        dots = [self.dot(point) for point in points]
        if len(dots) == 1:  # a single dot would hardly be seen
            (column, row), end = dots[0], self.columns * self._wide - 1
            dots = [(max(column - self._wide, 0), row), (min(column + self._wide, end), row)]
        for first, last in zip(dots, dots[1:], strict=False):
            steps = max(abs(last[0] - first[0]), abs(last[1] - first[1]), 1)
            for step in range(steps + 1):
                x = first[0] + (last[0] - first[0]) * step / steps
                y = first[1] + (last[1] - first[1]) * step / steps
                if not dashed or math.floor(x / (2 * self._wide)) % 2 == 0:
                    self._set(round(x), round(y), curve)

    def _set(self, x: int, y: int, curve: int) -> None:
        cell = self._dots.setdefault((y // self._tall, x // self._wide), {})
        bit = BRAILLE[y % 4][x % 2] if self.fancy else 1
        cell[curve] = cell.get(curve, 0) | bit

    def cells(self) -> list[list[tuple[str, int | None]]]:
        """Rows of (character, the curve whose colour it has). Where curves cross, the later one's colour shows."""
        return [[self._cell(row, column) for column in range(self.columns)] for row in range(self.rows)]

    def _cell(self, row: int, column: int) -> tuple[str, int | None]:
        curves = self._dots.get((row, column))
        if not curves:
            return " ", None
        top = max(curves)
        if not self.fancy:
            return ASCII_MARKS[top % len(ASCII_MARKS)], top
        bits = 0
        for each in curves.values():
            bits |= each
        return chr(BLANK + bits), top
