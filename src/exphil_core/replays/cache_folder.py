"""Where what is computed from replays is kept between runs. All of it can be deleted at any time."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from exphil_core.errors import ExphilError
from exphil_core.replays.sources import expanded

VARIABLE = "EXPHIL_CACHE"


def cache_folder(setting: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that `--cache-dir` names, else the environment's EXPHIL_CACHE, else `exphil` in the user's cache
    folder as the platform has it. Nothing is made."""
    if setting:
        return expanded(setting)
    if environment.get(VARIABLE):
        return expanded(environment[VARIABLE])
    return _user_caches(environment) / "exphil"


def _user_caches(environment: Mapping[str, str]) -> Path:
    try:
        if sys.platform == "win32":
            return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches"
        named = Path(environment.get("XDG_CACHE_HOME") or "")
        # The specification says to ignore a relative one.
        return named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        raise ExphilError(f"no home folder to keep a cache in: give --cache-dir or set {VARIABLE}") from None
