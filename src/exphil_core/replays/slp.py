"""Reads one `.slp` file into a `Game`, or says why not. The parser is peppi; the facts are in docs/replays.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.arrow import Struct
from exphil_core.replays.controller import Cells
from exphil_core.replays.fighters import read_characters, read_fighters, read_partners
from exphil_core.replays.game import Game, GameInfo
from exphil_core.replays.items import read_items
from exphil_core.replays.parsing import parse as _parsed  # noqa: F401  (tests and benchmarks compare with it)
from exphil_core.replays.stage_events import read_form, read_platforms

# Kinds of reasons that come before who plays: these are no games of two players at all.
ABNORMAL = frozenset({"not a normal game", "not two players"})


def read_game(path: Path, *, rollback: str = "last", any_player: bool = False) -> Game:
    """Read a game of two players. Raises ReplayError with the reason where it can't be trained on.

    `rollback` chooses the last (what happened) or first (what was shown) version of a frame; CPU players are
    refused unless `any_player`.
    """
    from exphil_core.replays.inspecting import inspect  # it builds on this module

    replay = inspect(path.read_bytes(), str(path), path)
    if replay.facts.has_cpu and not any_player and replay.facts.kind not in ABNORMAL:
        raise ReplayError("a CPU player")
    return replay.game(rollback)


def build_game(frames: Struct, start: dict[str, Any], info: GameInfo, controllers_TPC: Cells) -> Game:
    """The game that stands in peppi's `frames` (after rollbacks), in which both players are there and have these
    controllers; `start` is its start block."""
    ports = [f"P{player.port + 1}" for player in info.players]
    seats = [seat for port in ports if (seat := frames.child("ports", port)) is not None]
    sides = [side for seat in seats if (side := seat.child("leader")) is not None]
    states, actions = read_fighters(sides)
    partner_states, partner_actions = read_partners(seats)
    return Game(
        info=info,
        state_TPF=states,
        action_TP=actions,
        character_TP=np.stack([read_characters(side) for side in sides]).T,
        controller_TPC=controllers_TPC,
        items=read_items(frames, [player.port for player in info.players]),
        partner_state_TPF=partner_states,
        partner_action_TP=partner_actions,
        platform_TS=read_platforms(frames, info.stage, info.version),
        form_T=read_form(frames, info.stage, start),
    )


def frame_rows(ids: npt.NDArray[np.int32], rollback: str) -> npt.NDArray[np.intp]:
    """Row of each frame from -123 on, after rollbacks: the last (or first) of those with the same id."""
    if ids.min() != FIRST_FRAME:
        raise ReplayError(f"not a normal game (frames start at {ids.min()}, not {FIRST_FRAME})")
    count = int(ids.max()) - FIRST_FRAME + 1
    if count == len(ids) and (ids[1:] > ids[:-1]).all():
        return np.arange(count)
    if count > len(ids):
        raise ReplayError(f"damaged: {count - len(np.unique(ids))} frames are missing")
    rows = np.full(count, -1, np.intp)
    order = np.arange(len(ids))
    if rollback == "first":
        order = order[::-1]
    # With repeated indices the last assignment stays.
    rows[ids[order] - FIRST_FRAME] = order
    if (rows < 0).any():
        raise ReplayError(f"damaged: {(rows < 0).sum()} frames are missing")
    return rows


def present_frames(sides: list[Struct]) -> int:
    """Frames until one of the players is gone (null rows); null must never become a value."""
    there = [valid for side in sides if (valid := side.valid()) is not None]
    return min((int(valid.argmin()) for valid in there), default=len(sides[0]))
