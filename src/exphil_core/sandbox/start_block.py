"""The game-start event: a block of 761 bytes, most of them the game's own settings.

Constant bytes are those that netplay games of versions 3.16.0 and 3.18.0 have (4 stocks, no items, UCF on).
"""

from __future__ import annotations

import struct

import attrs

from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.sandbox.fighter import STOCKS
from exphil_core.sandbox.game import Setup

START_SIZE = 761
_COMMAND = 0x36
_RULES = bytes.fromhex("32018e4cc3")
_EMPTY_SLOT, _NO_CHARACTER = 3, 0x1A
_PLAYER_SIZE, _UCF_SIZE, _NAME_SIZE, _CODE_SIZE = 0x24, 8, 31, 10
# Where each field begins, the command byte being 0.
_AT_VERSION, _AT_RULES, _AT_ITEMS, _AT_STAGE, _AT_TIMER, _AT_ITEM_BITS, _AT_RATIOS = (
    0x1, 0x5, 0x10, 0x13, 0x15, 0x25, 0x31,
)  # fmt: skip
_AT_PLAYERS, _AT_SEED, _AT_UCF, _AT_FROZEN, _AT_SCENE, _AT_NAMES, _AT_CODES = (
    0x65, 0x13D, 0x141, 0x1A2, 0x1A3, 0x1A5, 0x221,
)  # fmt: skip
_AT_LANGUAGE, _AT_GAME_NUMBER = 0x2BD, 0x2F1
_ENGLISH, _SCENE_MINOR, _SCENE_MAJOR = 1, 2, 8


@attrs.frozen
class Label:
    """How a player is called in the replay: display name, connect code such as DEMO#001."""

    name: str
    code: str


def _player(character: int, costume: int, seat: int, empty: bool) -> bytes:
    """One player's 36 bytes. `seat` tells dittos' shades apart as in real files; the rest is constant."""
    settings = (
        character, _EMPTY_SLOT if empty else 0, STOCKS, costume, 0, 0xFF if empty else seat, 0, 0,
        9, 0, 0x78, 0, 0xC0, 0, 4, 1,
    )  # fmt: skip
    return struct.pack(">24s3f", bytes(settings), 1.0, 1.0, 1.0)


def _full_width(code: str) -> bytes:
    """A connect code as Slippi stores it: in Shift-JIS with a full-width number sign."""
    return code.replace("#", "＃").encode("shift-jis")


def game_start(version: tuple[int, int, int], setup: Setup, labels: tuple[Label, Label], seed: int) -> bytes:
    """The event's bytes. A ditto gives the second player another costume."""
    block = bytearray(START_SIZE)

    def put(at: int, content: bytes) -> None:
        block[at : at + len(content)] = content

    block[0] = _COMMAND
    put(_AT_VERSION, bytes((*version, 0)))
    put(_AT_RULES, _RULES)
    put(_AT_ITEMS, b"\xff\xff\x6e")
    put(_AT_STAGE, struct.pack(">H", setup.stage.external))
    put(_AT_TIMER, struct.pack(">I", max(setup.last_frame, 0) // FRAMES_PER_SECOND))
    put(_AT_ITEM_BITS, b"\xff" * 8)
    put(_AT_RATIOS, struct.pack(">3f", 1.0, 1.0, 1.0))
    for port in range(6):
        put(_AT_PLAYERS + port * _PLAYER_SIZE, _player(_NO_CHARACTER, 0, 0, empty=True))
    ditto = setup.characters[0] == setup.characters[1]
    for seat, (port, character, label) in enumerate(zip(setup.ports, setup.characters, labels, strict=True)):
        costume = int(ditto and seat == 1)
        put(_AT_PLAYERS + port * _PLAYER_SIZE, _player(character.external, costume, seat, empty=False))
        put(_AT_NAMES + port * _NAME_SIZE, label.name.encode("shift-jis")[: _NAME_SIZE - 1])
        put(_AT_CODES + port * _CODE_SIZE, _full_width(label.code)[: _CODE_SIZE - 1])
    put(_AT_SEED, struct.pack(">I", seed))
    for port in range(4):
        put(_AT_UCF + port * _UCF_SIZE, struct.pack(">II", 1, 1))
    block[_AT_FROZEN] = 0
    put(_AT_SCENE, bytes((_SCENE_MINOR, _SCENE_MAJOR)))
    block[_AT_LANGUAGE] = _ENGLISH
    put(_AT_GAME_NUMBER, struct.pack(">I", 1))
    return bytes(block)
