"""What players get to see: the newest frame of each game that is being played, and who they are in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import attrs

from exphil_core.melee.characters import Character
from exphil_core.playing.matches import Match
from exphil_core.sandbox import Controller, GameState
from exphil_core.serving.live_batch import LiveBatch
from exphil_core.serving.sandbox_source import sandbox_batch


@attrs.frozen(kw_only=True, eq=False, slots=False)
class View:
    """One frame of n games: what they are, the states that resulted and the controllers that were in force."""

    matches: Sequence[Match]
    states: Sequence[GameState]
    pads: Sequence[tuple[Controller, Controller]]

    @cached_property
    def batch(self) -> LiveBatch:
        """The same in canonical form; made once, if anybody asks."""
        return sandbox_batch(self.states, self.pads, [match.setup for match in self.matches])


class Player(Protocol):
    """Somebody who plays any number of games at once, on one side of each."""

    name: str

    @property
    def character(self) -> Character | None:
        """The one that it was trained to play, if it was one."""
        ...

    def begin(self, match: Match, seat: int) -> None:
        """A game starts in which it has this seat (0 or 1)."""
        ...

    def act(self, view: View) -> Sequence[Controller]:
        """The next frame's controllers, one a game of `view`; each of them has begun."""
        ...
