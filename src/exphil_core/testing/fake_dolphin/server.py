"""The fake Dolphin at work. See the package's description."""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import enet

from exphil_core.testing.fake_dolphin.install import FakeDolphin
from exphil_core.testing.fake_dolphin.menus import GAME, Menus
from exphil_core.testing.fake_dolphin.pads import Pad
from exphil_core.testing.fake_dolphin.stream import Recording, Served, message, served

# Two minutes: MenuHelper needs ten seconds, and longer where it waits for a random character.
_MENU_FRAMES = 7200
_HELLO_SECONDS, _PIPE_SECONDS, _ORPHAN_SECONDS = 30.0, 30.0, 20.0


class Gone(Exception):
    """Whoever played has left."""


class Server:
    """One run: `home` is the folder that libmelee configured."""

    def __init__(self, settings: FakeDolphin, home: Path) -> None:
        self.settings, self._home = settings, home
        ini = configparser.ConfigParser()
        ini.read(home / "Config" / "Dolphin.ini")
        self._ini = ini["Slippi"]
        self._blocking = self._ini.getboolean("BlockingPipes", False)
        self._log = settings.log.open("w", buffering=1)
        self._host = enet.Host(enet.Address(b"127.0.0.1", int(self._ini["SpectatorLocalPort"])), 4, 1, 0, 0)
        self._peer: Any = None
        self._pads: dict[int, Pad] = {}
        self._humans: list[int] = []
        self._after: int | str = "start"
        self._sent = time.perf_counter()
        self._game = 0
        self._asked = False
        self._next = 0.0

    def say(self, what: str, **content: object) -> None:
        self._log.write(json.dumps({"what": what, **content}) + "\n")

    def ask_to_end(self, number: int, frame: object) -> None:
        """End at the next chance, not while something is being logged."""
        self._asked = True

    def run(self) -> None:
        """From the client's connection to its leaving."""
        self._wait(lambda: self._peer is not None, _HELLO_SECONDS)
        self._send(message("connect_reply", nick="fake", version="3.5.0", cursor=0))
        self._open_pads()
        if self._pads and not self.settings.rate:
            self._flushed()  # libmelee flushes before it asks for the first frame
        menus = Menus()
        menus.plug(self._pads, self._humans)
        content = served(self.settings.replay, self.settings.codes, self.settings.frames)
        for game in range(1, self.settings.games + 1):
            self._game = game
            if not self.settings.skip_menus:
                self._through(menus)
            self._play(content)
            menus.again()
        self._stay(menus)

    def _open_pads(self) -> None:
        """The pipes that the configuration names. Each is opened at once and waited for."""
        pads = configparser.ConfigParser()
        pads.read(self._home / "Config" / "GCPadNew.ini")
        for section in pads.sections():
            device = pads[section].get("Device", "")
            port = int(section.removeprefix("GCPad"))
            if not device.startswith("Pipe/0/"):
                self._humans.append(port)
            else:
                self._pads[port] = Pad(port, self._home / "Pipes" / device.removeprefix("Pipe/0/"))
        self.say(
            "pads",
            ports=sorted(self._pads),
            humans=self._humans,
            home=str(self._home),
            gecko=self._has_codes(),
        )

    def _has_codes(self) -> bool:
        file = self._home / "GameSettings" / "GALE01r2.ini"
        return file.is_file() and "$Optional: Extract Menu Info" in file.read_text()

    def _through(self, menus: Menus) -> None:
        """The menus, until the game begins."""
        for _ in range(_MENU_FRAMES):
            self._frame(message("menu_event", payload=base64.b64encode(menus.event()).decode()), "menu")
            before = menus.scene
            menus.step(self._pads)
            for pad in self._pads.values():
                pad.pressed.clear()
            if menus.scene != before:
                self.say("scene", scene=menus.scene)
            if menus.scene == GAME:
                break
        else:
            sys.exit("nobody finds the way through the menus")
        seats = {port: menus.seats[port] for port in (*self._pads, *self._humans)}
        self.say(
            "chosen",
            stage=menus.stage,
            code=menus.code,
            characters={port: seat.character for port, seat in seats.items()},
            cpu={port: seat.cpu_level for port, seat in seats.items() if seat.status == 1},
        )

    def _play(self, content: Served) -> None:
        recording = None
        if self._ini.getboolean("SaveReplays", False):
            recording = Recording(Path(self._ini["ReplayDir"]), self._game)
        self._send(message("start_game", payload=""))
        self._event(content.start, recording)
        self._after = "start"
        if self._pads and not self.settings.rate:
            self._flushed()
        last: int | None = None
        for count, (number, data) in enumerate(content.frames, start=1):
            again = last is not None and number <= last
            self._event(data, recording, number, expect=self._blocking or not again)
            last = number if last is None else max(last, number)
            if self._game == 1:
                self._mishap(count)
        self._event(content.end, recording)
        self._send(message("end_game", payload=""))
        if recording is not None:
            recording.finish()
            self.say("saved", path=str(recording.path))

    def _mishap(self, count: int) -> None:
        if count == self.settings.pause_after:
            self._wait(lambda: False, self.settings.pause_seconds)
        if count == self.settings.leave_after:
            sys.exit(0)
        if count == self.settings.die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def _event(
        self, data: bytes, recording: Recording | None, tag: int | None = None, expect: bool = True
    ) -> None:
        if recording is not None:
            recording.write(data)
        packet = message("game_event", cursor=0, next_cursor=1, payload=base64.b64encode(data).decode())
        if tag is None:
            self._send(packet)
        else:
            self._frame(packet, tag, expect)

    def _frame(self, packet: bytes, tag: int | str, expect: bool = True) -> None:
        """Send a frame and take what is pressed after it, for as long as a frame takes."""
        self._after = tag
        self._send(packet)
        if self.settings.rate:
            self._next = max(self._next + 1 / self.settings.rate, time.perf_counter())
            self._wait(lambda: False, self._next - time.perf_counter())
        elif expect and self._pads:
            self._flushed()

    def _flushed(self) -> None:
        """Wait until every pipe was flushed once."""
        missing = set(self._pads)

        def all_there() -> bool:
            nonlocal missing
            missing -= self._take()
            return not missing

        self._wait(all_there, _PIPE_SECONDS, take=False)
        if missing:
            raise Gone

    def _take(self) -> set[int]:
        """Log what came through the pipes; which of them were flushed."""
        flushed = set()
        for port, pad in self._pads.items():
            for lines in pad.take():
                ms = round((time.perf_counter() - self._sent) * 1000, 3)
                self.say("flush", port=port, after=self._after, game=self._game, ms=ms, lines=lines)
                flushed.add(port)
            if pad.closed:
                raise Gone
        return flushed

    def _wait(self, done: Callable[[], bool], seconds: float, take: bool = True) -> None:
        """Serve the network and the pipes until `done` or for so long, once at least: without it packets stall."""
        until = time.perf_counter() + seconds
        left = seconds
        while not done():
            if self._asked:
                sys.exit(0)
            event = self._host.service(min(1, max(0, int(left * 1000))))
            if event.type == enet.EVENT_TYPE_RECEIVE and self._peer is None:
                assert json.loads(event.packet.data)["type"] == "connect_request"
                self._peer = event.peer
            elif event.type == enet.EVENT_TYPE_DISCONNECT:
                raise Gone
            if take:
                self._take()
            left = until - time.perf_counter()
            if left <= 0:
                return

    def _send(self, data: bytes) -> None:
        if self._peer is None:
            raise Gone
        self._sent = time.perf_counter()
        self._peer.send(0, enet.Packet(data, enet.PACKET_FLAG_RELIABLE))
        self._host.flush()

    def _stay(self, menus: Menus) -> None:
        """In the menus after the last game, until the client leaves."""
        while True:
            self._frame(message("menu_event", payload=base64.b64encode(menus.event()).decode()), "menu")
            menus.step(self._pads)
            time.sleep(0 if self.settings.rate else 0.01)

    def leave(self) -> None:
        """Tell the client, as a program does that ends by itself."""
        with contextlib.suppress(Gone):
            self._take()
        if self._peer is not None:
            self._peer.disconnect()
            self._host.flush()
            self._host.service(20)

    def linger(self) -> None:
        """Dolphin doesn't end because a spectator has left: it is ended."""
        self.say("end")
        until = time.perf_counter() + _ORPHAN_SECONDS
        while time.perf_counter() < until and not self._asked:
            self._host.service(20)


def main(settings: str, arguments: Sequence[str]) -> None:
    """Run with these settings, as JSON, and Dolphin's own arguments."""
    wanted = FakeDolphin(**json.loads(settings))
    server = Server(wanted, Path(arguments[arguments.index("-u") + 1]))
    iso = arguments[arguments.index("-e") + 1] if "-e" in arguments else None
    signal.signal(signal.SIGTERM, signal.SIG_IGN if wanted.stubborn else server.ask_to_end)
    server.say("began", iso=iso, process=os.getpid())
    try:
        with contextlib.suppress(Gone):
            server.run()
        server.linger()
    finally:
        server.leave()
