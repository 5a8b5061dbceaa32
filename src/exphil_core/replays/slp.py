"""Reads one `.slp` file into a `Game`, or says why not. The parser is peppi; the facts are in docs/replays.md."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME
from exphil_core.melee.characters import BY_EXTERNAL
from exphil_core.melee.stages import BY_EXTERNAL as STAGES_BY_EXTERNAL
from exphil_core.replays.arrow import child, column, valid
from exphil_core.replays.controller import Cells
from exphil_core.replays.fighters import read_characters, read_controller, read_fighter, read_partners
from exphil_core.replays.game import Game, GameInfo, Player
from exphil_core.replays.items import read_items
from exphil_core.replays.stage_events import read_form, read_platforms

# Scenes that are games between people: 2 is VS mode, 8 is Slippi Online. Others are training mode, events and
# special modes (30 is Giant Melee), some of which number their frames in ways of their own.
PLAYABLE_SCENES = frozenset({2, 8})
# Ten seconds of inputs tell games apart, and recordings that end at different moments still agree on them.
HASHED_FRAMES = 600


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, as hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """peppi's panics print a Rust backtrace straight to file descriptor 2; the reason reaches us anyway."""
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(devnull)


def _parsed(path: Path) -> Any:
    from peppi_py import _peppi

    try:
        with _silenced_stderr():
            return _peppi.read_slippi(str(path), False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # A panic of the Rust code arrives as pyo3_runtime.PanicException, which is no Exception.
        raise ReplayError(f"unreadable: {_brief(error)}") from None


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    kind = "the parser panicked: " if type(error).__name__ == "PanicException" else ""
    return f"{kind}{text[:120]}"


def read_game(path: Path, *, rollback: str = "last", any_player: bool = False) -> Game:
    """Read a game of two players. Raises ReplayError with the reason where it can't be trained on.

    `rollback` chooses the last (what happened) or first (what was shown) version of a frame; CPU players are
    refused unless `any_player`.
    """
    if path.stat().st_size == 0:
        raise ReplayError("empty file")
    parsed = _parsed(path)
    start, frames = parsed.start, parsed.frames
    players = _players(start, any_player)
    stage = STAGES_BY_EXTERNAL.get(start["stage"])
    if stage is None:
        raise ReplayError(f"not a tournament stage (stage id {start['stage']})")
    ids = column(frames, "id")
    if ids is None or len(ids) == 0:
        raise ReplayError("no frames")
    rows = frame_rows(ids, rollback)
    ports = child(frames, "ports")
    seats = [child(ports, f"P{player.port + 1}") for player in players]
    sides = [child(seat, "leader") for seat in seats]
    present = _present(sides, rows)
    if present <= FIRST_PLAYABLE_FRAME - FIRST_FRAME:
        raise ReplayError("cut short: ends before the players could move")
    rows = rows[:present]
    controllers = np.stack([read_controller(side, rows) for side in sides], axis=1)
    fighters = [read_fighter(side, rows) for side in sides]
    partner_states, partner_actions = read_partners(seats, rows)
    version = tuple(start["slippi"]["version"])
    return Game(
        info=GameInfo(
            path=path,
            sha256=content_hash(path),
            game_hash=_game_hash(start, players, controllers),
            version=version,
            stage=stage,
            players=players,
            rows=len(ids),
            rolled_back=len(ids) - len(np.unique(ids)),
        ),
        state_TPF=np.stack([state for state, _ in fighters], axis=1),
        action_TP=np.stack([action for _, action in fighters], axis=1),
        character_TP=np.stack([read_characters(side)[rows] for side in sides], axis=1),
        controller_TPC=controllers,
        items=read_items(frames, rows, [player.port for player in players]),
        partner_state_TPF=partner_states,
        partner_action_TP=partner_actions,
        platform_TS=read_platforms(frames, rows, stage, version),
        form_T=read_form(frames, rows, stage, start),
    )


def _game_hash(start: dict[str, Any], players: tuple[Player, Player], controllers_TPC: Cells) -> str:
    """The game itself, whatever the file's bytes: both netplay players' recordings, or a file saved again with
    other metadata, are one game. Made of the seed, the stage, who plays, and the first seconds' inputs."""
    digest = hashlib.sha256()
    who = [(player.port, player.character.external) for player in players]
    digest.update(repr((start["random_seed"], start["stage"], who)).encode())
    first = FIRST_PLAYABLE_FRAME - FIRST_FRAME
    digest.update(controllers_TPC[first : first + HASHED_FRAMES].tobytes())
    return digest.hexdigest()


def _players(start: dict[str, Any], any_player: bool) -> tuple[Player, Player]:
    scene = start.get("scene")
    if scene is not None and scene["major"] not in PLAYABLE_SCENES:
        raise ReplayError(f"not a normal game (scene {scene['major']}.{scene['minor']})")
    seated = start["players"]
    if len(seated) != 2 or start["is_teams"]:
        raise ReplayError(f"not two players ({len(seated)}{', teams' if start['is_teams'] else ''})")
    players = []
    for seat in seated:
        character = BY_EXTERNAL.get(seat["character"])
        if character is None:
            raise ReplayError(f"not a normal game (character id {seat['character']})")
        netplay = seat.get("netplay") or {}
        players.append(
            Player(
                port=int(seat["port"][1:]) - 1,
                character=character,
                human=seat["type"] == "Human",
                tag=netplay.get("name") or seat.get("name_tag") or "",
                code=netplay.get("code") or "",
            )
        )
    if not any_player and not all(player.human for player in players):
        raise ReplayError("a CPU player")
    return players[0], players[1]


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


def _present(sides: list[Any], rows: npt.NDArray[np.intp]) -> int:
    """Frames until one of the players is gone (null rows); null must never become a value."""
    count = len(rows)
    for side in sides:
        there = valid(side)
        if there is not None:
            gone = np.flatnonzero(~there[rows])
            count = min(count, int(gone[0])) if len(gone) else count
    return count
