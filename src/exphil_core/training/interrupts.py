"""Signals that ask a run to end: Ctrl-C, SIGTERM, and the closing of its terminal.

The first asks: the run finishes its step and saves. The second ends it at once. Neither counts while files are
being written, and once a run has been asked to end, nothing kills it on its last steps out.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

# SIGHUP is the terminal's window being closed; Windows has none.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# Impatient keys and `kill` loops come in volleys; one KeyboardInterrupt is enough for each.
VOLLEY_SECONDS = 1.0
# torchrun passes signals on to all its processes, and sends SIGTERM to the others when one of them ends.
RANKS_TOGETHER_SECONDS = 10.0


class StopRequest:
    """Whether someone asked the run to end. Outside `graceful`, asking raises KeyboardInterrupt at once. What comes
    within `together` seconds of the first request is the same one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, together: float = 0.0) -> None:
        self.asked = False
        self._together, self._asked_at = together, 0.0
        self._graceful = False
        self._held = False
        self._clock = clock
        self._raised_at = -VOLLEY_SECONDS

    def ask(self) -> None:
        """What a signal does. Raises KeyboardInterrupt where nothing is lost by it, or the second time."""
        again, now = self.asked, self._clock()
        if again and now - self._asked_at < self._together:
            return
        self.note()
        if not self._held and (again or not self._graceful) and now - self._raised_at >= VOLLEY_SECONDS:
            self._raised_at = now
            raise KeyboardInterrupt

    def note(self) -> None:
        """Someone was asked elsewhere, which is the same as here."""
        if not self.asked:
            self.asked, self._asked_at = True, self._clock()

    @contextlib.contextmanager
    def graceful(self) -> Iterator[None]:
        """Within it, the first request is only noted: `asked` turns true."""
        before, self._graceful = self._graceful, True
        try:
            yield
        finally:
            self._graceful = before

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within it, requests are only noted: what is being written becomes whole."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before


@contextlib.contextmanager
def stop_on_signals(together: float = 0.0) -> Iterator[StopRequest]:
    """Signals become requests; those within `together` seconds are one. Does nothing outside the main thread.

    Afterwards they are what they were before, unless one came: the process is on its way out then, and a further
    signal must not cut short what it still has to say.
    """
    stop = StopRequest(together=together)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop.ask()

    # One that is ignored (nohup) stays so.
    before = {number: signal.getsignal(number) for number in ENDING}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_IGN if stop.asked else before[number])
