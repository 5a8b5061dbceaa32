"""What a session leaves behind besides Dolphin's replays: `session.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exphil_core.errors import UsageError
from exphil_core.replays.controller import Cells

FILE = "session.jsonl"


class SessionLog:
    """One JSON object a line, each with `what`:

    `session`: model and settings · `game`: its number, port, characters, stage · `frame`: its number `f`, the cells
    `decided` after it, those `pressed` for the next one, and the milliseconds `ms` that took · `stall`, `neutral`:
    neutral inputs, and why · `game_end`: stocks, and latencies · `end`: why the session ended.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self.path.open("x", encoding="utf-8")
        except FileExistsError:
            raise UsageError(f"--session {folder}: holds a session already; give another folder") from None

    def write(self, what: str, **content: Any) -> None:
        self._file.write(json.dumps({"what": what, **content}, default=str) + "\n")
        self._file.flush()

    def frame(self, number: int, decided: Cells, pressed: Cells, ms: float) -> None:
        """A frame; written out with the next other line, as a disk that is busy must not hold up the game."""
        self._file.write(
            f'{{"what": "frame", "f": {number}, "decided": {decided.tolist()}, "pressed": {pressed.tolist()}, '
            f'"ms": {ms:.3f}}}\n'
        )

    def close(self) -> None:
        self._file.close()
