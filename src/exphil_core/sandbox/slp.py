"""Writes a game as Slippi's event stream, version 3.18.0, and as a `.slp` file.

Layouts are those of Slippi's replay specification; payload sizes and constant bytes were compared with real
files of 3.16.0 and 3.18.0. All numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence

from exphil_core.melee import FIRST_FRAME
from exphil_core.sandbox import ubjson
from exphil_core.sandbox.controller import Controller
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.start_block import START_SIZE, Label, game_start
from exphil_core.sandbox.state import FighterState, GameState

VERSION = (3, 18, 0)

PAYLOADS, GAME_START, PRE, POST, GAME_END = 0x35, 0x36, 0x37, 0x38, 0x39
FRAME_START, ITEM, BOOKEND, FOUNTAIN = 0x3A, 0x3B, 0x3C, 0x3F
# Payload sizes without the command byte; 0x10 (split messages), 0x40 and 0x41 are announced, never sent.
PAYLOAD_SIZES = {
    GAME_START: START_SIZE - 1, PRE: 66, POST: 84, GAME_END: 6, FRAME_START: 12,
    ITEM: 44, BOOKEND: 8, 0x10: 516, FOUNTAIN: 9, 0x40: 5, 0x41: 8,
}  # fmt: skip

_PRE = struct.Struct(">BiBBIH3f")
_PERCENT = struct.Struct(">f")
_POST = struct.Struct(">BiBBBH5f4Bf5BfBH3B6fIHH")
_FRAME_START = struct.Struct(">BiII")
_ITEM = struct.Struct(">BiHB5fHfI4BbH")
_BOOKEND = struct.Struct(">Bii")
_FOUNTAIN = struct.Struct(">BiBf")
_END = struct.Struct(">BBb4b")
# Melee's random seed moves on by this much a frame.
_SEED_STEP = 65536

METHOD_TIME, METHOD_GAME = 1, 2
_NOBODY_QUIT = -1
_FOUNTAIN_STAGE = 2


def _payload_sizes() -> bytes:
    entries = b"".join(struct.pack(">BH", command, size) for command, size in PAYLOAD_SIZES.items())
    return struct.pack(">BB", PAYLOADS, len(entries) + 1) + entries


class ReplayWriter:
    """Collects one game, frame by frame. `labels` name the players, `seed` is Melee's random seed."""

    def __init__(self, setup: Setup, labels: tuple[Label, Label], seed: int) -> None:
        self._setup = setup
        self._labels = labels
        self._seed = seed & 0xFFFFFFFF
        self._parts = [_payload_sizes(), game_start(VERSION, setup, labels, self._seed)]
        self._before: tuple[FighterState, FighterState] | None = None
        self._partners: tuple[FighterState | None, FighterState | None] | None = None
        self._played: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self._frames = 0
        self._last = FIRST_FRAME - 1

    def add(self, state: GameState, controllers: Sequence[Controller]) -> None:
        """Append one frame: the controllers in force in it and the state that resulted."""
        frame, fighters, items, _ = state
        seed = (self._seed + _SEED_STEP * self._frames) & 0xFFFFFFFF
        add = self._parts.append
        ports = self._setup.ports
        add(_FRAME_START.pack(FRAME_START, frame, seed, self._frames))
        if not self._frames and self._setup.stage.external == _FOUNTAIN_STAGE:
            self._add_fountain(frame)
        # The pre-frame's state, position and percent are the previous frame's.
        before, befores = self._before or fighters, self._partners or state.partners
        for seat, (port, f, pad) in enumerate(zip(ports, before, controllers, strict=True)):
            self._add_pre(frame, port, 0, seed, f, pad)
            nana = befores[seat] or state.partners[seat]
            if nana is not None and state.partners[seat] is not None:
                self._add_pre(frame, port, 1, seed, nana, pad)
        for item in items:
            add(_ITEM.pack(ITEM, frame, *item))
        for seat, (port, f) in enumerate(zip(ports, fighters, strict=True)):
            add(_POST.pack(POST, frame, port, 0, *f))
            self._played[seat][f.character] += 1
            nana = state.partners[seat]
            if nana is not None:
                add(_POST.pack(POST, frame, port, 1, *nana))
        add(_BOOKEND.pack(BOOKEND, frame, frame))
        self._before, self._partners = fighters, state.partners
        self._frames += 1
        self._last = frame

    def _add_pre(
        self, frame: int, port: int, follower: int, seed: int, f: FighterState, pad: Controller
    ) -> None:
        add = self._parts.append
        add(_PRE.pack(PRE, frame, port, follower, seed, f.state, f.x, f.y, f.direction))
        add(pad.head)
        add(_PERCENT.pack(f.percent))
        add(pad.tail)

    def _add_fountain(self, frame: int) -> None:
        """Fountain of Dreams' side platforms: 0 is the right one, 1 the left one. They never move here."""
        left, right = self._setup.stage.platforms[:2]
        for platform, height in ((0, right.height), (1, left.height)):
            self._parts.append(_FOUNTAIN.pack(FOUNTAIN, frame, platform, height))

    def finish(self, winner: int | None, method: int, started_at: str) -> bytes:
        """The whole file. `winner` is the index of the player who won (None for a draw)."""
        placements = [-1, -1, -1, -1]
        for index, port in enumerate(self._setup.ports):
            placements[port] = 0 if winner is None else int(index != winner)
        self._parts.append(_END.pack(GAME_END, method, _NOBODY_QUIT, *placements))
        return ubjson.container(b"".join(self._parts), self._metadata(started_at))

    def _metadata(self, started_at: str) -> dict[str, ubjson.Value]:
        players: dict[str, ubjson.Value] = {
            str(port): {
                "names": {"netplay": label.name, "code": label.code},
                "characters": {str(internal): frames for internal, frames in sorted(played.items())},
            }
            for port, played, label in zip(self._setup.ports, self._played, self._labels, strict=True)
        }
        return {
            "startAt": started_at, "lastFrame": self._last, "players": players, "playedOn": "exphil-sandbox",
        }  # fmt: skip
