"""What a fake Dolphin shall do, and the executable that does it."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

VERSION = "Slippi fake mainline 3.5.0"

_LAUNCHER = """#!{python}
import sys

if "--version" in sys.argv:
    print("{version}")
    sys.exit(0)

from exphil_core.testing.fake_dolphin.server import main

main({settings!r}, sys.argv[1:])
"""


def _whole(path: Path | str) -> Path:
    return Path(path).expanduser().resolve()


def _by_port(codes: Mapping[Any, str]) -> dict[int, str]:
    return {int(port): code for port, code in codes.items()}  # JSON has made texts of the ports


@attrs.frozen(kw_only=True)
class FakeDolphin:
    """`rate` frames a second, or at 0 each frame as soon as every pipe was flushed after the one before. `games` are
    served one after the other from the same `replay`, `frames` of each (all of them unless given). `codes` are
    written into the game's start, by port. The rest happens in the first game after so many of its frames."""

    replay: Path = attrs.field(converter=_whole)
    log: Path = attrs.field(converter=_whole)
    rate: float = 0.0
    games: int = 1
    frames: int | None = None
    codes: dict[int, str] = attrs.field(factory=dict, converter=_by_port)
    skip_menus: bool = False  # straight into the game
    die_after: int | None = None  # killed, without a word
    leave_after: int | None = None  # its window was closed: it disconnects and exits
    pause_after: int | None = None  # no frames for `pause_seconds`
    pause_seconds: float = 1.0
    stubborn: bool = False  # doesn't end when asked to (SIGTERM)


def install(folder: Path, settings: FakeDolphin) -> Path:
    """Write the executable into `folder` and return its path, which is what `exphil play --dolphin` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fake_dolphin"
    content = json.dumps(attrs.asdict(settings), default=str)
    path.write_text(_LAUNCHER.format(python=sys.executable, version=VERSION, settings=content))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log: each has `what`, and says more by it:

    `began`, `pads` (what libmelee configured), `flush` (one on a pipe: `port`, its `lines`, `after` which frame or
    menu it came, in which `game`, and how many `ms` after that was sent), `scene` (another menu), `chosen` (what the
    menus were left with), `saved` (a replay), `end`.
    """
    return [json.loads(line) for line in path.read_text().splitlines()]
