"""Reasons of their own that players have: what one does because of a thing that has to be followed over time."""

from __future__ import annotations

from exphil_core.sandbox.game import WITH_PARTNER, Setup
from exphil_core.sandbox.phrases import Phrases
from exphil_core.sandbox.schemes.base import Scheme
from exphil_core.sandbox.schemes.bombs import AgainstBombs, Bombs
from exphil_core.sandbox.schemes.change import Change
from exphil_core.sandbox.schemes.judge import Bucket, Judge
from exphil_core.sandbox.schemes.partner import Together
from exphil_core.sandbox.schemes.teleport import AgainstTeleport, Blink

_OWN: dict[str, tuple[type[Scheme], ...]] = {
    "gameandwatch": (Bucket, Judge),
    "link": (Bombs,),
    "mewtwo": (Blink,),
    "younglink": (Bombs,),
    "zelda": (Change,),
    "sheik": (Change,),
    WITH_PARTNER: (Together,),
}
_AGAINST: dict[str, tuple[type[Scheme], ...]] = {
    "mewtwo": (AgainstTeleport,),
    "link": (AgainstBombs,),
    "younglink": (AgainstBombs,),
}


def schemes_for(setup: Setup, index: int, phrases: Phrases) -> tuple[Scheme, ...]:
    """The schemes of player `index`, the weightiest first: against the opponent's character, then of its own."""
    me, foe = setup.characters[index].name, setup.characters[1 - index].name
    return tuple(kind(setup, index, phrases) for kind in (*_AGAINST.get(foe, ()), *_OWN.get(me, ())))


__all__ = ["Scheme", "schemes_for"]
