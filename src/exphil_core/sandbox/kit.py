"""What a character has of its own beyond a projectile and a rise: specials, actions, attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from exphil_core.sandbox.fighter import Fighter
    from exphil_core.sandbox.items import Item
    from exphil_core.sandbox.moves import Move

Handler = Callable[["Fighter"], None]


@attrs.frozen(kw_only=True, eq=False)
class Kit:
    """One character's own things. Specials are started by `neutral`, `side` and `down`; None: the common way.

    `handlers` run each frame of an own action, `landings` when it touches the ground (the fighter stands by then).
    `aerials` says which own action stands for a common aerial, `moves` are the attacks of own actions. `catches`
    may take a projectile that is about to hit: True if it did. `grabs` runs as a grab begins.
    """

    neutral: Handler | None = None
    side: Handler | None = None
    down: Handler | None = None
    handlers: Mapping[int, Handler] = attrs.field(factory=dict)
    landings: Mapping[int, Handler] = attrs.field(factory=dict)
    aerials: Mapping[int, int] = attrs.field(factory=dict)
    moves: Mapping[int, Move] = attrs.field(factory=dict)
    catches: Callable[[Fighter, Item], bool] | None = None
    grabs: Handler | None = None


NO_KIT = Kit()


def goes_on(action: int) -> Handler:
    """A landing after which the move goes on as `action` on the ground, at the frame it was in."""

    def land(f: Fighter) -> None:
        f.enter(action, f.age)

    return land
