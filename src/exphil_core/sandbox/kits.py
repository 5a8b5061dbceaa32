"""Which characters have a kit of their own."""

from __future__ import annotations

from exphil_core.sandbox.change import KITS as CHANGING
from exphil_core.sandbox.judge import GAME_AND_WATCH
from exphil_core.sandbox.kit import Kit
from exphil_core.sandbox.links import LINKS

KITS: dict[str, Kit] = {**CHANGING, "gameandwatch": GAME_AND_WATCH, "link": LINKS, "younglink": LINKS}
