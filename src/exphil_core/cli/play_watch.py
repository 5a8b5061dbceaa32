"""A game live in the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from types import TracebackType

import click

from exphil_core.melee import FIRST_FRAME, FRAMES_PER_SECOND
from exphil_core.playing.games import Pads
from exphil_core.playing.matches import Match
from exphil_core.playing.screen import scene
from exphil_core.plotting.terminal import Piece
from exphil_core.sandbox import GameState

# The terminal's other screen without a cursor, and back.
_OPEN, _CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
# To the corner; what is left of a line, and of the screen, cleared.
_HOME, _CLEAR_LINE, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J"
# Frames of the game to one picture: terminals don't draw 60 a second.
_EVERY = 2
# Seconds that a game's end stays on the screen.
_PAUSE = 1.5


class LiveScreen:
    """Draws each frame that it is called with when its time has come, in real time. Used as a context manager, it
    leaves the terminal as it was."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._fancy = (sys.stdout.encoding or "").lower().startswith("utf")
        self._colour = "NO_COLOR" not in os.environ
        self._began = 0.0

    def __enter__(self) -> LiveScreen:
        self._write(_OPEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(_CLOSE)

    def __call__(self, match: Match, state: GameState, pads: Pads) -> None:
        """Wait for the frame's time, and draw it unless that is past."""
        frame = state.frame - FIRST_FRAME
        if frame == 0:
            self._began = time.monotonic()
        ahead = self._began + frame / FRAMES_PER_SECOND - time.monotonic()
        if ahead < -0.5:  # a machine that is too slow, or was asleep: no hurry afterwards
            self._began -= ahead
        over = state.frame >= match.setup.last_frame or any(f.stocks == 0 for f in state.fighters)
        if over or (frame % _EVERY == 0 and ahead > -1 / FRAMES_PER_SECOND):
            self._draw(match, state)
        time.sleep(_PAUSE if over else max(ahead, 0.0))

    def _draw(self, match: Match, state: GameState) -> None:
        size = shutil.get_terminal_size()
        lines = scene(
            match, state, self._names, max(size.columns - 1, 20), max(size.lines - 1, 8), self._fancy
        )
        drawn = ["".join(map(self._styled, line)).rstrip() + _CLEAR_LINE for line in lines]
        self._write(_HOME + "\n".join(drawn) + _CLEAR)

    def _styled(self, piece: Piece) -> str:
        return click.style(piece.text, fg=piece.colour) if self._colour and piece.colour else piece.text

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
