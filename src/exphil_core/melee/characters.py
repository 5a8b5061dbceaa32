"""Melee's characters: names, external ids (game start) and internal ids (post-frame)."""

from __future__ import annotations

import attrs


@attrs.frozen
class Character:
    """One playable character.

    `external` is the id in a replay's game-start block, `internal` the one in its post-frame rows: they
    differ for almost all (Fox is 2 and 1). Source: Slippi's replay specification, checked on real replays.
    """

    name: str
    title: str
    external: int
    internal: int
    aliases: tuple[str, ...] = ()


CHARACTERS: tuple[Character, ...] = (
    Character("bowser", "Bowser", 5, 5, ("koopa",)),
    Character("captainfalcon", "Captain Falcon", 0, 2, ("falcon", "cfalcon", "cptfalcon")),
    Character("donkeykong", "Donkey Kong", 1, 3, ("dk",)),
    Character("drmario", "Dr. Mario", 22, 21, ("doc",)),
    Character("falco", "Falco", 20, 22),
    Character("fox", "Fox", 2, 1),
    Character("gameandwatch", "Mr. Game & Watch", 3, 24, ("gnw", "mrgameandwatch")),
    Character("ganondorf", "Ganondorf", 25, 25, ("ganon",)),
    Character("iceclimbers", "Ice Climbers", 14, 10, ("ics", "popo")),
    Character("jigglypuff", "Jigglypuff", 15, 15, ("puff",)),
    Character("kirby", "Kirby", 4, 4),
    Character("link", "Link", 6, 6),
    Character("luigi", "Luigi", 7, 17),
    Character("mario", "Mario", 8, 0),
    Character("marth", "Marth", 9, 18),
    Character("mewtwo", "Mewtwo", 10, 16),
    Character("ness", "Ness", 11, 8),
    Character("peach", "Peach", 12, 9),
    Character("pichu", "Pichu", 24, 23),
    Character("pikachu", "Pikachu", 13, 12, ("pika",)),
    Character("roy", "Roy", 23, 26),
    Character("samus", "Samus", 16, 13),
    Character("sheik", "Sheik", 19, 7),
    Character("yoshi", "Yoshi", 17, 14),
    Character("younglink", "Young Link", 21, 20, ("ylink", "yl")),
    Character("zelda", "Zelda", 18, 19),
)

# Nana has an internal id of her own; she is never chosen.
NANA_INTERNAL = 11
ZELDA_INTERNAL, SHEIK_INTERNAL = 19, 7

BY_NAME = {name: c for c in CHARACTERS for name in (c.name, *c.aliases)}
BY_EXTERNAL = {c.external: c for c in CHARACTERS}
BY_INTERNAL = {c.internal: c for c in CHARACTERS}

# Internal ids run to 32 (wire frames, Giga Bowser, sandbag); one more stands for anything unknown.
INTERNAL_IDS = 34
UNKNOWN_INTERNAL = INTERNAL_IDS - 1


def normalise(name: str) -> str:
    """Fold case, spaces and punctuation: 'Mr. Game & Watch' and 'mr-game-and-watch' are one name."""
    return "".join(ch for ch in name.lower().replace("&", "and") if ch.isalnum())


def find_character(name: str) -> Character | None:
    """The character called `name` (any usual spelling), or None."""
    return BY_NAME.get(normalise(name))
