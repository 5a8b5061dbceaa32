"""A small deterministic platform fighter for two: *not Melee*, but with Melee's ids, stages and replay files.

It makes data to try everything on without the game or anyone's replays: `make_replays` lets scripted players
meet and writes real `.slp` files; `Game.step` plays one frame with any controllers, for closed-loop play.
Imports neither torch nor numpy.
"""

from exphil_core.sandbox.controller import NEUTRAL, Controller, controller, snap_stick
from exphil_core.sandbox.game import Game, Setup
from exphil_core.sandbox.make import make_replays
from exphil_core.sandbox.player import ScriptedPlayer
from exphil_core.sandbox.state import FighterState, GameState, ItemState
from exphil_core.sandbox.styles import STYLES, Style

__all__ = [
    "NEUTRAL",
    "STYLES",
    "Controller",
    "FighterState",
    "Game",
    "GameState",
    "ItemState",
    "ScriptedPlayer",
    "Setup",
    "Style",
    "controller",
    "make_replays",
    "snap_stick",
]
