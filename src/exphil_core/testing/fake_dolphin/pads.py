"""Controllers as they come through libmelee's pipes."""

from __future__ import annotations

import os
from pathlib import Path

FLUSH = "FLUSH"


class Pad:
    """The reading end of one pipe. `buttons` are held down, `sticks` and `triggers` stand where they were set."""

    def __init__(self, port: int, path: Path) -> None:
        self.port = port
        self.closed = False
        self.buttons: set[str] = set()
        self.pressed: set[str] = set()  # newly, since somebody cleared it
        self.sticks = {"MAIN": (0.5, 0.5), "C": (0.5, 0.5)}
        self.triggers = {"L": 0.0, "R": 0.0}
        # Not blocking, or nobody would answer the network until the other end is opened.
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._opened = False
        self._text = ""

    def take(self) -> list[list[str]]:
        """The commands of every flush that came since."""
        self._read()
        *whole, self._text = self._text.split(f"{FLUSH}\n")
        batches = [part.splitlines() for part in whole]
        for lines in batches:
            self._apply(lines)
        return batches

    def _read(self) -> None:
        try:
            while data := os.read(self._file, 65536):
                self._opened = True
                self._text += data.decode()
        except BlockingIOError:
            self._opened = True  # somebody has the other end
        else:
            self.closed = self._opened

    def _apply(self, lines: list[str]) -> None:
        held = set(self.buttons)
        for line in lines:
            command, name, *values = line.split()
            if command == "PRESS":
                self.buttons.add(name)
            elif command == "RELEASE":
                self.buttons.discard(name)
            elif command == "SET" and name in self.sticks:
                self.sticks[name] = (float(values[0]), float(values[1]))
            elif command == "SET":
                self.triggers[name] = float(values[0])
            else:
                raise ValueError(f"port {self.port}: unknown command {line!r}")
        self.pressed |= self.buttons - held
