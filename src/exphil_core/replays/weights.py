"""How much each player's examples count in training: a table by player, character or rank.

```toml
other = 1.0            # what no entry fits; 1 if not given

[player]               # by connect code or tag
"MANG#0" = 2.0

[character]
fox = 0.5

[rank]                 # of anonymised ranked sets, whose players are called "Diamond Player"
platinum = 0
```

A side's weight is the product of the entries that fit it; that of who plays two characters in a game is their mean by
time. 0 leaves the side out of training. Nothing of it touches `val_loss`.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

import attrs

from exphil_core.errors import UsageError, did_you_mean
from exphil_core.melee.characters import BY_NAME, find_character
from exphil_core.replays.facts import RANKS, PlayerFacts
from exphil_core.replays.tables import read_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = Mapping[str, float]
SECTIONS = ("player", "character", "rank")


def folded(name: str) -> str:
    """A tag or code as it is compared: full-width signs, case and surrounding spaces don't count."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


@attrs.frozen(kw_only=True)
class Weights:
    """The table, names folded."""

    player: Table = attrs.field(factory=dict)
    character: Table = attrs.field(factory=dict)
    rank: Table = attrs.field(factory=dict)
    other: float = 1.0

    def of(self, player: PlayerFacts) -> float:
        """The weight of this player's side."""
        factors = [
            self.player[name] for name in (folded(player.code), folded(player.tag)) if name in self.player
        ][:1]
        if player.rank in self.rank:
            factors.append(self.rank[player.rank])
        shares = player.shares or {player.character: 1.0}
        if any(name in self.character for name in shares):
            spread = sum(share * self.character.get(name, 1.0) for name, share in shares.items())
            factors.append(spread / sum(shares.values()))
        if not factors:
            return self.other
        product = 1.0
        for factor in factors:
            product *= factor
        return product


def read_weights(path: str) -> Weights:
    """The table in a `.toml` or `.json` file. Raises ExphilError that names what is wrong in it."""
    return weights_of(read_table("weights", path), path)


def weights_of(text: str, path: str) -> Weights:
    """The table that stood in the file called `path`. Raises UsageError that names what is wrong in it."""
    try:
        values = json.loads(text) if path.lower().endswith(".json") else tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"--weights {path}: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"--weights {path}: must be a table with {', '.join(SECTIONS)} and other")
    problems: list[str] = []
    tables = {section: _table(section, values.get(section, {}), problems) for section in SECTIONS}
    for key in values:
        if key not in (*SECTIONS, "other"):
            problems.append(f"{key} is not a section{did_you_mean(key, (*SECTIONS, 'other'))}")
    other = values.get("other", 1.0)
    if not _is_weight(other):
        problems.append(f"other: {other!r} must be a number from 0 on")
    if problems:
        raise UsageError("\n".join(f"--weights {path}: {problem}" for problem in problems))
    return Weights(other=float(other), **tables)


def _table(section: str, entries: Any, problems: list[str]) -> dict[str, float]:
    if not isinstance(entries, dict):
        problems.append(f"{section}: must be a table of names and numbers")
        return {}
    table: dict[str, float] = {}
    for name, weight in entries.items():
        known = _known(section, name)
        if not _is_weight(weight):
            problems.append(f"{section}.{name}: {weight!r} must be a number from 0 on")
        elif known is None:
            near = RANKS if section == "rank" else BY_NAME
            problems.append(f'{section}: there is no {section} "{name}"{did_you_mean(name, near)}')
        else:
            table[known] = float(weight)
    return table


def _known(section: str, name: str) -> str | None:
    if section == "player":
        return folded(name)
    if section == "rank":
        return folded(name) if folded(name) in RANKS else None
    character = find_character(name)
    return character.name if character else None


def _is_weight(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
