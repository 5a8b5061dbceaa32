"""Reads one `.slp` file into a `Game`, or says why not. The parser is peppi; the facts are in docs/replays.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME
from exphil_core.replays.arrow import child, valid
from exphil_core.replays.controller import Cells
from exphil_core.replays.fighters import read_characters, read_fighter, read_partners
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


def build_game(parsed: Any, rows: npt.NDArray[np.intp], info: GameInfo, controllers_TPC: Cells) -> Game:
    """The game that stands in what peppi `parsed`, at `rows` (after rollbacks), in which both players are there and
    have these controllers."""
    frames, ports = parsed.frames, child(parsed.frames, "ports")
    seats = [child(ports, f"P{player.port + 1}") for player in info.players]
    sides = [child(seat, "leader") for seat in seats]
    fighters = [read_fighter(side, rows) for side in sides]
    partner_states, partner_actions = read_partners(seats, rows)
    return Game(
        info=info,
        state_TPF=np.stack([state for state, _ in fighters], axis=1),
        action_TP=np.stack([action for _, action in fighters], axis=1),
        character_TP=np.stack([read_characters(side)[rows] for side in sides], axis=1),
        controller_TPC=controllers_TPC,
        items=read_items(frames, rows, [player.port for player in info.players]),
        partner_state_TPF=partner_states,
        partner_action_TP=partner_actions,
        platform_TS=read_platforms(frames, rows, info.stage, info.version),
        form_T=read_form(frames, rows, info.stage, parsed.start),
    )


def frame_rows(ids: npt.NDArray[np.int32], rollback: str) -> npt.NDArray[np.intp]:
    """Row of each frame from -123 on, after rollbacks: the last (or first) of those with the same id."""
    if ids.min() != FIRST_FRAME:
        raise ReplayError(f"not a normal game (frames start at {ids.min()}, not {FIRST_FRAME})")
    count = int(ids.max()) - FIRST_FRAME + 1
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


def present_frames(sides: list[Any], rows: npt.NDArray[np.intp]) -> int:
    """Frames until one of the players is gone (null rows); null must never become a value."""
    count = len(rows)
    for side in sides:
        there = valid(side)
        if there is not None:
            gone = np.flatnonzero(~there[rows])
            count = min(count, int(gone[0])) if len(gone) else count
    return count
