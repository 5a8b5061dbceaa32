"""Controllers to a running Dolphin, through one of libmelee's pipes."""

from __future__ import annotations

from typing import Any

from exphil_core.melee.controller import BUTTONS, SHOULDER_STEPS, STICK_STEPS
from exphil_core.replays.controller import (
    AXIS_STEPS,
    BUTTON_PART,
    C_X,
    C_Y,
    MAIN_X,
    MAIN_Y,
    SHOULDER,
    SHOULDER_LEVELS,
    Cells,
)

# Cell -> value as libmelee takes it, 0 to 1. Exactly on its grids of 1/160 and 1/140: it rounds to them again, so
# that nothing but the same value can come out. Always finite and in range, of which libmelee checks neither.
_AXIS = tuple(0.5 + int(step) / (2 * STICK_STEPS) for step in AXIS_STEPS)
_SHOULDER = tuple(int(level) / SHOULDER_STEPS for level in SHOULDER_LEVELS)
_STICKS = (("MAIN", MAIN_X, MAIN_Y), ("C", C_X, C_Y))


class PadWriter:
    """Presses, releases and moves what differs from the controller before, and nothing else. Nothing leaves before
    the pipe is flushed, which libmelee does when it is asked for the next frame."""

    def __init__(self, controller: Any) -> None:
        from melee.enums import Button

        self._controller = controller
        self._buttons = [getattr(Button, f"BUTTON_{name}") for name in BUTTONS]
        self._sticks = [(getattr(Button, f"BUTTON_{name}"), x, y) for name, x, y in _STICKS]
        self._trigger = Button.BUTTON_L
        self._last: list[int] | None = None

    def forget(self) -> None:
        """Somebody else has written meanwhile (menus, libmelee at a game's start): the next controller is written
        whole."""
        self._last = None

    def send(self, cells: Cells) -> None:
        """Press the controller (6,)."""
        now, last = [int(cell) for cell in cells], self._last
        self._press(now[BUTTON_PART], None if last is None else last[BUTTON_PART])
        for stick, x, y in self._sticks:
            if last is None or (now[x], now[y]) != (last[x], last[y]):
                self._controller.tilt_analog(stick, _AXIS[now[x]], _AXIS[now[y]])
        if last is None or now[SHOULDER] != last[SHOULDER]:
            self._controller.press_shoulder(self._trigger, _SHOULDER[now[SHOULDER]])
        self._last = now

    def _press(self, chord: int, last: int | None) -> None:
        for bit, button in enumerate(self._buttons):
            down = chord >> bit & 1
            if last is None or down != last >> bit & 1:
                press = self._controller.press_button if down else self._controller.release_button
                press(button)
