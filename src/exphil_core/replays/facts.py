"""What is known of a replay without its frames: enough to list it, to filter it and to find its cached rows."""

from __future__ import annotations

import functools
import json
import re
import sys
from typing import Any

import attrs

from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME

# Raise it when facts change their meaning or get better: index entries of another version are made anew.
FACTS_VERSION = 2

RANKS = ("bronze", "silver", "gold", "platinum", "diamond", "master", "grandmaster")
# Anonymised ranked sets name players by their rank alone.
_RANK = re.compile(rf"({'|'.join(RANKS)})\b.*\bplayer", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class PlayerFacts:
    """Who sat at a port (0 to 3). `character` is the one chosen, `shares` the share of the game's frames as each
    character: Zelda and Sheik change. `idle` counts the frames, of those in which inputs have effect, that lie in
    stretches of 10 s and more without an input change. `won` is None where a replay doesn't say."""

    port: int
    character: str
    human: bool
    tag: str = ""
    code: str = ""
    shares: dict[str, float] = attrs.field(factory=dict)
    idle: int = 0
    won: bool | None = None

    @property
    def rank(self) -> str:
        """`diamond` for the "Diamond Player" of an anonymised ranked set; empty where nothing is known."""
        found = _RANK.match(self.tag)
        return found[1].lower() if found else ""

    def played(self, character: str) -> bool:
        """Whether it was `character` at any time."""
        return character in self.shares or (not self.shares and character == self.character)


@attrs.frozen(kw_only=True)
class FileFacts:
    """What stands in one replay. `reason` is None if it can be trained on, else why not; whether the user wants it
    is another question, which filters answer.

    `sha256` is that of the (unpacked) bytes, empty where there were none to be had; `game_hash` that of the game,
    which other files may hold as well. `rows` counts frames with their rolled-back versions, `frames` those that
    are left; `item_rows` all of the file's. `stage` is empty unless it is one of the six that are known.
    """

    file: str
    sha256: str = ""
    game_hash: str = ""
    version: tuple[int, int, int] | None = None
    date: str = ""
    stage: str = ""
    players: tuple[PlayerFacts, ...] = ()
    frames: int = 0
    rows: int = 0
    rollback_rows: int = 0
    item_rows: int = 0
    end: str = ""
    reason: str | None = None

    @property
    def has_cpu(self) -> bool:
        """Whether a CPU player takes part."""
        return not all(player.human for player in self.players)

    def examples(self, side: int, drop_idle: bool = True) -> int:
        """How many of a side's controllers are examples to imitate."""
        playable = max(0, self.frames - (FIRST_PLAYABLE_FRAME - FIRST_FRAME))
        return playable - self.players[side].idle if drop_idle else playable

    @property
    def kind(self) -> str:
        """The reason without its details, for counting; empty if there is none."""
        return reason_kind(self.reason or "")

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `from_json` and for users."""
        return attrs.asdict(self)

    def as_text(self) -> str:
        """One line of JSON."""
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FileFacts:
        """The inverse of `as_json`, also of what JSON made of it."""
        players = tuple(_player(player) for player in values["players"])
        version = _once(tuple(values["version"])) if values["version"] else None
        texts = {name: sys.intern(values[name]) for name in ("stage", "end")}
        return cls(**{**values, **texts, "players": players, "version": version})


def _player(values: dict[str, Any]) -> PlayerFacts:
    """What a million games say again and again is kept once: that halves what they take."""
    texts = {name: sys.intern(values[name]) for name in ("character", "tag", "code")}
    return PlayerFacts(**{**values, **texts, "shares": _shares(tuple(values["shares"].items()))})


@functools.lru_cache(maxsize=4096)
def _shares(items: tuple[tuple[str, float], ...]) -> dict[str, float]:
    return {sys.intern(name): share for name, share in items}


@functools.lru_cache(maxsize=4096)
def _once(version: tuple[int, int, int]) -> tuple[int, int, int]:
    return version


def reason_kind(reason: str) -> str:
    """ "unreadable: I/O error" and "another stage (dreamland)" are an "unreadable" and an "another stage"."""
    return reason.partition(":")[0].partition(" (")[0]
