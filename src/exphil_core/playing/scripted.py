"""The sandbox's own players as opponents."""

from __future__ import annotations

from collections.abc import Sequence

from exphil_core.melee.characters import Character
from exphil_core.playing.matches import Match
from exphil_core.playing.view import View
from exphil_core.sandbox import STYLES, Controller, ScriptedPlayer


class Scripted:
    """Another style of player in each game, with a reaction delay of its own; see `exphil_core.sandbox.styles`."""

    name = "scripted"
    character: Character | None = None

    def __init__(self) -> None:
        self._playing: dict[int, ScriptedPlayer] = {}

    def begin(self, match: Match, seat: int) -> None:
        """A new player with a style and habits of its own."""
        rng = match.rng(f"player{seat}")
        style = STYLES[int(rng.random() * len(STYLES))]
        self._playing[match.number] = ScriptedPlayer(match.setup, seat, style, rng)

    def act(self, view: View) -> Sequence[Controller]:
        """What each of them does."""
        return [
            self._playing[match.number].act(state)
            for match, state in zip(view.matches, view.states, strict=True)
        ]
