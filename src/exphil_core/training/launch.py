"""Which of several processes this one is, as `torchrun` (or whoever started them) says in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

import attrs

from exphil_core.errors import ExphilError

_NAMES = {
    "rank": "RANK",
    "world": "WORLD_SIZE",
    "local_rank": "LOCAL_RANK",
    "local_world": "LOCAL_WORLD_SIZE",
}


@attrs.frozen(kw_only=True)
class Launch:
    """Rank `rank` of `world`, and which of the `local_world` ones on its machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1


def launched(environment: Mapping[str, str] = os.environ) -> Launch:
    """How this process was started; alone, if nobody says otherwise. Raises ExphilError for what makes no sense."""
    if environment.get("WORLD_SIZE", "1") == "1":
        return Launch()
    found = {field: _number(environment, name) for field, name in _NAMES.items()}
    launch = Launch(**found)
    if not 0 <= launch.rank < launch.world or not 0 <= launch.local_rank < launch.local_world:
        said = " ".join(f"{name}={environment[name]}" for name in _NAMES.values())
        raise ExphilError(f"{said}: no such rank; start several processes with torchrun")
    return launch


def follows(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether another process was started with the same words and says what there is to say of them."""
    return environment.get("WORLD_SIZE", "1") != "1" and environment.get("RANK", "0") != "0"


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not text.isdecimal():
        said = f'WORLD_SIZE={environment["WORLD_SIZE"]} {name}="{text}"'
        raise ExphilError(f"{said}: no such rank; start several processes with torchrun")
    return int(text)
