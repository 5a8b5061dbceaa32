"""A sketch of Melee's menus: as much as libmelee's `MenuHelper` steers by, with its idea of what lies where.

Cursors move by the main sticks, A chooses what lies under them, START goes on. What the real menus look like, when
they take input, and how long they take is not in here.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Mapping

import attrs

from exphil_core.testing.fake_dolphin.pads import Pad

PRESS_START, MAIN_MENU, CHARACTERS, STAGES, ONLINE, GAME = 0x0000, 0x0001, 0x0002, 0x0102, 0x0008, 0x0202
SCORES = 0x0402
_ENTRIES = 5
_MAIN, _ONE_PLAYER, _VERSUS, _ONLINE_PLAY = 0, 1, 2, 8
_HUMAN, _CPU, _UNPLUGGED = 0, 1, 3
_NOBODY = 26
_SPEED = (
    0.87  # of a cursor in a frame. MenuHelper takes less than 1.5 for there, more for not, and waits at 1.5
)
_REACH = 1.6
# Where MenuHelper looks for stages.
STAGE_PLACES = {
    "battlefield": (1, -9), "finaldestination": (6.7, -9), "dreamland": (12.5, -9), "pokemonstadium": (15, 3.5),
    "yoshisstory": (3.5, 15.5), "fountainofdreams": (10, 15.5), "random": (-13.5, 3.5),
}  # fmt: skip
_FIRST_KEY, _KEY_ROWS = 45, ("ABCDEFGHIJ", "KLMNOPQRST", "UVWXYZ   #", "0123456789")
_PORTS = (1, 2, 3, 4)
_HUMAN_FRAMES = 60


def _slots() -> dict[int, tuple[float, float]]:
    """Where each character of the select screen lies, by its number there."""
    places = {}
    for number in range(_NOBODY):
        row, column = divmod(number, 9)
        places[number] = (-29.0 + 7 * (column + (row == 2)), 4.5 + 7 * (2 - row))
    return places


_SLOTS, _RANDOM_SLOT = _slots(), (-29.0, 4.5)


@attrs.define
class Seat:
    """What the select screen shows of one port."""

    x: float = 0.0
    y: float = 0.0
    status: int = _UNPLUGGED
    character: int = _NOBODY
    coin_down: bool = False
    cpu_level: int = 1
    holding: bool = False

    def near(self, place: tuple[float, float], reach: float = _REACH) -> bool:
        return abs(self.x - place[0]) < reach and abs(self.y - place[1]) < reach


@attrs.define
class Menus:
    """The menus of one Dolphin: `step` takes a frame's controllers, `event` is what it then says. `stage` is chosen
    once the game begins (`scene` is GAME), `code` what was typed as a connect code."""

    scene: int = PRESS_START
    seats: dict[int, Seat] = attrs.field(factory=lambda: {port: Seat() for port in _PORTS})
    frame: int = 0
    stage: str | None = None
    code: str = ""
    _submenu: int = _MAIN
    _selection: int = 0
    _cursor: tuple[float, float] = (0.0, 0.0)
    _typing: bool = False
    _humans: tuple[int, ...] = ()
    _dice: random.Random = attrs.field(factory=lambda: random.Random(1))

    def plug(self, pads: Iterable[int], humans: Iterable[int]) -> None:
        """Say which ports have controllers. At those of `humans` sits somebody who chooses by himself."""
        for port in (*pads, *humans):
            self.seats[port].status = _HUMAN
        self._humans = tuple(humans)

    def again(self) -> None:
        """The scores, after a game; from there back to the select screen."""
        self._go(ONLINE if self.code else SCORES)
        self.frame, self.stage = 0, None

    def _go(self, scene: int) -> None:
        self.scene, self.frame, self._selection = scene, -1, 0

    def step(self, pads: Mapping[int, Pad]) -> None:
        """A frame in the menus."""
        for pad in pads.values():
            if self.scene == PRESS_START:
                if "START" in pad.pressed:
                    self._go(MAIN_MENU)
            elif self.scene == MAIN_MENU:
                self._main_menu(pad)
            elif self.scene == SCORES:
                if "START" in pad.pressed:
                    self._go(CHARACTERS)
            elif self.scene == CHARACTERS:
                self._characters(pad)
            elif self.scene == ONLINE:
                self._online(pad)
            elif self.scene == STAGES:
                self._stages(pad)
        if self._humans and self.frame > _HUMAN_FRAMES:
            self._human()
        self.frame += 1

    def _human(self) -> None:
        """A human chooses his character, starts when all are ready, and chooses the stage."""
        seats = [self.seats[port] for port in self._humans]
        if self.scene == STAGES:
            self.stage = "battlefield"
            self._go(GAME)
        elif self.scene == CHARACTERS and all(seat.coin_down for seat in seats):
            if self._ready():
                self._go(STAGES)
        else:
            for seat in seats:
                seat.character, seat.coin_down = 10, True

    def _main_menu(self, pad: Pad) -> None:
        self._selection = (self._selection + _down(pad)) % _ENTRIES
        if "A" not in pad.pressed:
            return
        entered = {(_MAIN, 0): _ONE_PLAYER, (_MAIN, 1): _VERSUS, (_ONE_PLAYER, 2): _ONLINE_PLAY}
        at = (self._submenu, self._selection)
        if at == (_VERSUS, 0):
            self._go(CHARACTERS)
        elif at == (_ONLINE_PLAY, 2):
            self._go(ONLINE)
        elif at in entered:
            self._submenu, self._selection = entered[at], 0

    def _characters(self, pad: Pad) -> None:
        seat, port = self.seats[pad.port], pad.port
        x, y = pad.sticks["MAIN"]
        pressed = "A" in pad.pressed
        if seat.holding:
            seat.cpu_level = min(9, max(1, seat.cpu_level + _way(x)))
            seat.holding = not pressed
            return
        seat.x, seat.y = seat.x + _SPEED * _way(x), seat.y + _SPEED * _way(y)
        if pressed and seat.near((-32.2 + 15.82 * (port - 1), -2.2)):
            seat.status = _CPU if seat.status == _HUMAN else _HUMAN
        elif pressed and seat.near((-30.9 + 15.4 * (port - 1), -15.12)) and seat.status == _CPU:
            seat.holding = True
        elif pressed and not seat.coin_down:
            _choose(seat, _SLOTS)
        elif "B" in pad.pressed:
            seat.coin_down, seat.character = False, _NOBODY
        elif "START" in pad.pressed and self._ready():
            self._go(STAGES)
            self._cursor = (0.0, 0.0)

    def _ready(self) -> bool:
        there = [seat for seat in self.seats.values() if seat.status != _UNPLUGGED]
        return len(there) == 2 and all(seat.coin_down for seat in there)

    def _stages(self, pad: Pad) -> None:
        x, y = pad.sticks["MAIN"]
        self._cursor = (self._cursor[0] + _SPEED * _way(x), self._cursor[1] + _SPEED * _way(y))
        if "A" in pad.pressed:
            at = Seat(x=self._cursor[0], y=self._cursor[1])
            self.stage = next((name for name, place in STAGE_PLACES.items() if at.near(place)), None)
            if self.stage is not None:
                self._go(GAME)

    def _online(self, pad: Pad) -> None:
        seat = self.seats[pad.port]
        x, y = pad.sticks["MAIN"]
        if self._typing:
            self._type(pad)
            return
        seat.x, seat.y = seat.x + _SPEED * _way(x), seat.y + _SPEED * _way(y)
        if "A" in pad.pressed:
            _choose(seat, {self._dice.randrange(_NOBODY): _RANDOM_SLOT})
        elif "START" in pad.pressed and seat.character != _NOBODY:
            self._typing, self._selection, self.code = True, _FIRST_KEY, ""

    def _type(self, pad: Pad) -> None:
        row, column = (self._selection - _FIRST_KEY) % 5, (_FIRST_KEY + 4 - self._selection) // 5
        x, y = pad.sticks["MAIN"]
        column = min(9, max(0, column + (x > 0.7) - (x < 0.3)))
        row = (row - (y > 0.7) + (y < 0.3)) % 4
        self._selection = _FIRST_KEY - 5 * column + row
        if "A" in pad.pressed:
            self.code += _KEY_ROWS[row][column]
        elif "START" in pad.pressed and self.code:
            self._typing = False
            self._go(GAME)

    def event(self) -> bytes:
        """What Slippi sends of the menus in this frame."""
        seats = [self.seats[port] for port in _PORTS]
        data = bytearray(0x49)
        data[0] = 0x3E
        struct.pack_into(">H", data, 0x1, self.scene)
        for index, seat in enumerate(seats):
            struct.pack_into(">ff", data, 0x3 + 8 * index, seat.x, seat.y)
            data[0x25 + index], data[0x29 + index] = seat.status, seat.character
            data[0x2D + index] = 2 if seat.coin_down else 1
            data[0x41 + index], data[0x45 + index] = seat.cpu_level, seat.holding
        data[0x23] = 0 if self._ready() else 1
        struct.pack_into(">ff", data, 0x31, *self._cursor)
        struct.pack_into(">i", data, 0x39, max(self.frame, 0))
        data[0x3D], data[0x3E] = self._submenu, self._selection
        data[0x40] = 5 if self._typing else 0
        return bytes(data)


def _way(value: float) -> int:
    """Which way a stick points along an axis, if it does."""
    return (value > 0.55) - (value < 0.45)


def _down(pad: Pad) -> int:
    return int(pad.sticks["MAIN"][1] < 0.3)


def _choose(seat: Seat, places: Mapping[int, tuple[float, float]]) -> None:
    for number, place in places.items():
        if seat.near(place, 3.5):
            seat.character, seat.coin_down = number, True
            return
