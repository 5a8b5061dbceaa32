"""How a game ended and who won it, as far as a replay says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exphil_core.replays.arrow import Struct

# Slippi's end methods in our words.
_ENDS = {
    "Unresolved": "unresolved", "Time": "time", "Game": "game", "Resolved": "resolved", "NoContest": "no contest",
}  # fmt: skip
Won = tuple["bool | None", "bool | None"]
UNKNOWN: Won = (None, None)


def ended(end: dict[str, Any] | None) -> str:
    """How the game ended: `game`, `time`, `no contest`, `resolved`, `unresolved`, or nothing if the file stops."""
    return _ENDS.get(end["method"], "") if end else ""


def winners(end: dict[str, Any] | None, sides: Sequence[Struct], ports: Sequence[int]) -> Won:
    """Whether each of the two players won.

    Who leaves loses; otherwise the last stocks decide, then (when time ran out) the lower percent. A game that
    was cut off, and one that ended level, has no winner.
    """
    if end is None:
        return UNKNOWN
    left = end.get("lras_initiator")
    if left is not None:
        quitter = int(str(left)[1:]) - 1
        return (quitter != ports[0], quitter != ports[1]) if quitter in ports else UNKNOWN
    if end["method"] in ("NoContest", "Unresolved"):
        return UNKNOWN
    stocks = [_last(side, "stocks") for side in sides]
    if stocks[0] != stocks[1]:
        return stocks[0] > stocks[1], stocks[1] > stocks[0]
    percent = [int(_last(side, "percent")) for side in sides]
    if end["method"] == "Time" and percent[0] != percent[1]:
        return percent[0] < percent[1], percent[1] < percent[0]
    return UNKNOWN


def _last(side: Struct, name: str) -> float:
    value = float(side.column("post", name)[-1])
    return value if np.isfinite(value) else 0.0
