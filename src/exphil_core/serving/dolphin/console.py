"""A running Dolphin: started, connected to, asked for frames, and ended, whatever happens."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exphil_core.errors import ExphilError
from exphil_core.serving.dolphin.settings import DolphinSettings
from exphil_core.training.interrupts import StopRequest

# libmelee gives up after ten seconds; a first start from an AppImage may take longer.
_CONNECTIONS = 4
_PIPE_SECONDS = 30.0
# Asked to end, Dolphin closes its replay; then it is killed.
_END_SECONDS = 3.0
_READER_SECONDS = 5.0


class DolphinGone(ExphilError):
    """Dolphin ended by itself; `closed` if it was closed as one closes a program."""

    def __init__(self, message: str, closed: bool) -> None:
        super().__init__(message)
        self.closed = closed


class RunningDolphin:
    """Frames and controllers of one Dolphin; to be made by `running_dolphin`. `own` is the model's controller,
    `other` the one that sets up a CPU player."""

    def __init__(self, settings: DolphinSettings) -> None:
        import melee

        self._melee = melee
        self._settings = settings
        self.console = melee.Console(path=str(settings.dolphin), **console_options(settings))
        self.own = melee.Controller(self.console, settings.port)
        self.other = self._second()

    def _second(self) -> Any:
        """A pipe for a CPU player; a GameCube adapter for a human, unless the copied settings say what he plays
        with."""
        port, kind = self._settings.opponent_port, self._melee.ControllerType
        if self._settings.connect_code is not None or port is None:
            return None
        if self._settings.cpu is not None:
            return self._melee.Controller(self.console, port)
        if self._settings.home is None:
            self._melee.Controller(self.console, port, kind.GCN_ADAPTER)
        return None

    def start(self) -> None:
        """Run the game and connect. Raises ExphilError."""
        with _signals_ignored():
            self.console.run(iso_path=str(self._settings.iso))
            connected = self._connect()
        if not connected:
            raise self.gone("started but let nobody watch; is another one using the same settings?")
        for controller in (self.own, self.other):
            if controller is not None:
                self._wait_for_pipe(Path(controller.pipe_path))
                controller.connect()

    def _connect(self) -> bool:
        for _ in range(_CONNECTIONS):
            if self.console.connect():
                return True
            if self.process is None or self.process.poll() is not None:
                return False
            self.console._slippstream = self._melee.slippstream.SlippstreamClient(
                self.console.slippi_address, self.console.slippi_port
            )
        return False

    def _wait_for_pipe(self, path: Path) -> None:
        """Until Dolphin has opened the other end: opening ours would wait for ever if it never does."""
        if platform.system() == "Windows":
            return
        until = time.monotonic() + _PIPE_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                return
            if self.process is None or self.process.poll() is not None:
                raise self.gone("ended while it started")
            time.sleep(0.05)
        raise ExphilError(f"Dolphin doesn't read controllers from {path}; is it Slippi's Dolphin?")

    def step(self) -> Any:
        """The next frame, of a game or of menus; None after `stall_ms` without any. Raises DolphinGone."""
        try:
            state = self.console.step()
        except (self._melee.slippstream.EnetDisconnected, OSError):
            raise self.gone("ended") from None
        except self._melee.console.SlippiVersionTooLow as error:
            raise ExphilError(
                f"Slippi {error.message} is too old: 3.0 or later is needed; update Dolphin"
            ) from None
        if state is None and self.process is not None and self.process.poll() is not None:
            raise self.gone("ended")
        return state

    def behind(self) -> bool:
        """Whether Dolphin has sent more already than was asked for."""
        return bool(self.console._slippstream._buffer.poll(0))

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """Dolphin's process, for which libmelee has no public name."""
        process: subprocess.Popen[bytes] | None = self.console._process
        return process

    def gone(self, what: str) -> DolphinGone:
        """What to say of a Dolphin that is no longer there."""
        process = self.process
        status = None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=_END_SECONDS)
        how = {None: "", 0: " (it was closed)"}.get(status, f" (exit status {status})")
        if status is not None and status < 0:
            how = f" (killed by signal {-status})"
        return DolphinGone(f"Dolphin {what}{how}", closed=status == 0)

    def stop(self) -> None:
        """End Dolphin and take away its pipes and its folder."""
        process = self.process
        if process is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_END_SECONDS)
        for controller in (self.own, self.other):
            if controller is not None:
                with contextlib.suppress(OSError):
                    controller.disconnect()
        self.console.controllers.clear()
        self._end_reader()
        self.console.stop()

    def _end_reader(self) -> None:
        """End libmelee's process that reads from Dolphin. libmelee itself would wait for ever if more is read than it
        asked for, as the reader waits for somebody to take it."""
        stream = self.console._slippstream
        stream.interrupt()
        reader, until = stream._worker, time.monotonic() + _READER_SECONDS
        if reader is not None and reader.pid is None:
            # Dolphin didn't even start: libmelee would wait for a reader that never ran.
            stream._worker = None
            return
        while reader is not None and reader.pid is not None and reader.is_alive():
            try:
                if stream._buffer.poll(0.05):
                    stream._buffer.recv_bytes()
            except (EOFError, OSError):
                reader.join(0.05)
            if time.monotonic() > until:
                reader.kill()


def console_options(settings: DolphinSettings) -> dict[str, Any]:
    """What libmelee's console is made with, besides its path."""
    return {
        "slippi_port": free_port(),
        "tmp_home_directory": True,
        "dolphin_home_path": None if settings.home is None else str(settings.home),
        "copy_home_directory": settings.home is not None,
        "online_delay": settings.online_delay if settings.connect_code is not None else 0,
        "blocking_input": settings.blocking,
        "polling_mode": True,
        "polling_timeout": settings.stall_ms / 1000,
        "fullscreen": settings.fullscreen,
        "disable_audio": not settings.audio,
        "save_replays": True,
        "replay_dir": str(settings.session.resolve()),
        "replay_monthly_folders": False,
        "user_json_path": None if settings.user_json is None else str(settings.user_json),
    }


def free_port() -> int:
    """A UDP port that nobody uses: several may play at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_dolphin(settings: DolphinSettings, stop: StopRequest) -> Iterator[RunningDolphin]:
    """Start Dolphin; afterwards it, its pipes and its temporary folder are gone, whatever signals come."""
    # libmelee logs on the root logger what we say ourselves.
    logging.getLogger().setLevel(logging.CRITICAL)
    dolphin = RunningDolphin(settings)
    try:
        dolphin.start()
        yield dolphin
    finally:
        with stop.held():
            dolphin.stop()


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    """What is started within doesn't get the Ctrl-C that ends us: it reaches every process of the terminal, and
    Dolphin has to stay until it was told to release all buttons."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
