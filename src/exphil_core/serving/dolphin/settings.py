"""What to play in Dolphin, against whom, and how."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from exphil_core.errors import UsageError, unknown_name
from exphil_core.melee.characters import CHARACTERS, Character, find_character
from exphil_core.melee.stages import BY_NAME, STAGES, Stage

PORTS = (1, 2, 3, 4)
RANDOM = "random"
_CODE = re.compile(r"[A-Z]{1,6}#[0-9]{1,6}")
_LONGEST_CODE = 8


@attrs.frozen(kw_only=True)
class DolphinSettings:
    """`dolphin` is the executable. Exactly one opponent: a CPU player of level `cpu` or a human at `opponent_port`,
    or whoever has the `connect_code`, for which `user_json` says who we are. `stage` None stands for a random one."""

    dolphin: Path
    iso: Path
    character: Character
    port: int = 1
    opponent_port: int | None = 2
    cpu: int | None = None
    opponent_character: Character  # of a CPU player
    stage: Stage | None
    chooses_stage: bool = True  # and starts the game
    connect_code: str | None = None
    user_json: Path | None = None
    online_delay: int = 2
    home: Path | None = None  # a Dolphin user folder whose settings are copied
    session: Path
    games: int | None = None
    stall_ms: int = 250
    blocking: bool = False
    fullscreen: bool = False
    audio: bool = True

    def __attrs_post_init__(self) -> None:
        if self.connect_code is None and self.opponent_port == self.port:
            raise UsageError(f"--opponent-port {self.port}: the model plays there")
        if self.cpu is not None and self.opponent_character.name == "sheik":
            raise UsageError(
                "--opponent-character sheik: a CPU player can't be made to choose her; use zelda"
            )
        if self.connect_code is None:
            return
        if self.character.name == "zelda":
            raise UsageError("--character zelda: libmelee can't choose her in netplay; sheik works")
        if self.port != 1:
            raise UsageError(f"--port {self.port}: in netplay the own controller is at port 1")

    @property
    def opponent(self) -> str:
        """Whom it is against, for people."""
        if self.connect_code is not None:
            return self.connect_code
        who = "a human" if self.cpu is None else f"a CPU player of level {self.cpu}"
        return f"{who} at port {self.opponent_port}"


def parse_connect_code(text: str) -> str:
    """A direct code as Slippi writes it. Raises UsageError."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code) or len(code) > _LONGEST_CODE:
        raise UsageError(
            f'--connect-code "{text}": a direct code looks like ABC#123 (unranked, ranked and teams are for humans)'
        )
    return code


def parse_character(name: str, flag: str) -> Character:
    """The character called `name`. Raises UnknownName, which says whose flag it was."""
    found = find_character(name)
    if found is None:
        raise unknown_name(f"character after {flag}", name, [character.name for character in CHARACTERS])
    return found


def parse_stage(name: str) -> Stage | None:
    """The stage called `name`; None for "random". Raises UnknownName."""
    key = name.lower().replace(" ", "").replace("-", "").replace("'", "").replace("_", "")
    if key == RANDOM:
        return None
    if key not in BY_NAME:
        raise unknown_name("stage", name, [*(stage.name for stage in STAGES), RANDOM])
    return BY_NAME[key]
