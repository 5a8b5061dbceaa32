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
from exphil_core.melee.characters import BY_EXTERNAL, UNKNOWN_INTERNAL
from exphil_core.melee.stages import BY_EXTERNAL as STAGES_BY_EXTERNAL
from exphil_core.replays.arrow import child, column, valid
from exphil_core.replays.controller import Cells, chords_from_slippi, encode
from exphil_core.replays.game import STATE, STATE_COLUMNS, Game, GameInfo, Player
from exphil_core.replays.items import read_items

# Scenes that are games between people: 2 is VS mode, 8 is Slippi Online. Others are training mode, events and
# special modes (30 is Giant Melee), some of which number their frames in ways of their own.
PLAYABLE_SCENES = frozenset({2, 8})
# Hit-stun stands in misc_as only in damage states or with this flag; elsewhere it is another quantity.
DAMAGE_ACTIONS = frozenset({*range(75, 92), 193, 247})
_IN_DAMAGE = np.zeros(1 << 16, bool)
_IN_DAMAGE[list(DAMAGE_ACTIONS)] = True
MAX_ACTION = 511
# Ten seconds of inputs tell games apart, and recordings that end at different moments still agree on them.
HASHED_FRAMES = 600

# Our column -> where Slippi keeps it.
_SOURCES: dict[str, tuple[str, ...]] = {
    "x": ("position", "x"),
    "y": ("position", "y"),
    "facing": ("direction",),
    "percent": ("percent",),
    "shield": ("shield",),
    "action_frame": ("state_age",),
    "speed_air_x": ("velocities", "self_x_air"),
    "speed_y": ("velocities", "self_y"),
    "knock_x": ("velocities", "knockback_x"),
    "knock_y": ("velocities", "knockback_y"),
    "speed_ground_x": ("velocities", "self_x_ground"),
    "hitlag": ("hitlag",),
    "hitstun": ("misc_as",),
    "stocks": ("stocks",),
    "airborne": ("airborne",),
    "jumps": ("jumps",),
    "invulnerable": ("hurtbox_state",),
}
# Live sources floor percent and truncate counters; do it everywhere, so that a model sees the same in play.
_TRUNCATED = ("percent", "action_frame", "hitlag", "hitstun")
_NOT_NEGATIVE = ("hitlag", "hitstun")
# Largest absolute values that a game can hold, far beyond what real replays show (x to 274, y to 264, percent to
# 317, shield to 60, hit-lag to 18); what lies beyond is damage.
PLAUSIBLE = {
    "x": 2000, "y": 2000, "facing": 1, "percent": 1000, "shield": 100, "action_frame": 1e5,
    "speed_air_x": 200, "speed_y": 200, "knock_x": 200, "knock_y": 200, "speed_ground_x": 200, "hitlag": 1000,
}  # fmt: skip


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
    sides = [child(child(ports, f"P{player.port + 1}"), "leader") for player in players]
    present = _present(sides, rows)
    if present <= FIRST_PLAYABLE_FRAME - FIRST_FRAME:
        raise ReplayError("cut short: ends before the players could move")
    rows = rows[:present]
    actions = [_actions(side)[rows] for side in sides]
    controllers = np.stack([_controller(side, rows) for side in sides], axis=1)
    return Game(
        info=GameInfo(
            path=path,
            sha256=content_hash(path),
            game_hash=_game_hash(start, players, controllers),
            version=tuple(start["slippi"]["version"]),
            stage=stage,
            players=players,
            rows=len(ids),
            rolled_back=len(ids) - len(np.unique(ids)),
        ),
        state_TPF=np.stack([_state(s, a, rows) for s, a in zip(sides, actions, strict=True)], axis=1),
        action_TP=np.minimum(np.stack(actions, axis=1), MAX_ACTION).astype(np.int16),
        character_TP=np.stack([_characters(side)[rows] for side in sides], axis=1),
        controller_TPC=controllers,
        items=read_items(frames, rows, [player.port for player in players]),
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


def _actions(side: Any) -> npt.NDArray[np.uint16]:
    actions = column(side, "post", "state")
    assert actions is not None  # in every version
    return actions


def _characters(side: Any) -> npt.NDArray[np.uint8]:
    """Internal ids, frame by frame: Zelda and Sheik share one slot."""
    characters = column(side, "post", "character")
    assert characters is not None  # in every version
    internal: npt.NDArray[np.uint8] = np.minimum(characters, UNKNOWN_INTERNAL).astype(np.uint8)
    return internal


def _state(side: Any, actions: npt.NDArray[np.uint16], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    state = np.full((len(rows), len(STATE_COLUMNS)), np.nan, np.float32)
    post = child(side, "post")
    for name, path in _SOURCES.items():
        source = column(post, *path)
        if source is not None:
            state[:, STATE[name]] = source[rows]
    _refuse_implausible(state)
    state[~np.isfinite(state)] = np.nan
    for name in _TRUNCATED:
        state[:, STATE[name]] = np.trunc(state[:, STATE[name]])
    flags = column(post, "state_flags", "3")
    stunned = _IN_DAMAGE[actions]
    if flags is not None:
        stunned = stunned | ((flags[rows] & 2) != 0)
    hitstun = state[:, STATE["hitstun"]]
    state[:, STATE["hitstun"]] = np.where(stunned | np.isnan(hitstun), hitstun, 0)
    for name in _NOT_NEGATIVE:
        np.maximum(state[:, STATE[name]], 0, out=state[:, STATE[name]])
    hurtbox = state[:, STATE["invulnerable"]]
    state[:, STATE["invulnerable"]] = np.where(np.isnan(hurtbox), np.nan, hurtbox != 0)
    return state


def _refuse_implausible(state: npt.NDArray[np.float32]) -> None:
    """Damaged bytes read as floats of any size; one of 1e30 would make every weight of a model NaN."""
    for name, limit in PLAUSIBLE.items():
        values = state[:, STATE[name]]
        wild = np.flatnonzero(np.abs(values) > limit)
        if len(wild):
            frame, value = int(wild[0]) + FIRST_FRAME, values[wild[0]]
            raise ReplayError(f"damaged: {name} is {value:g} in frame {frame}")


def _controller(side: Any, rows: npt.NDArray[np.intp]) -> Cells:
    """Cells of the controller in force: physical buttons, processed analog parts.

    Physical triggers are garbage up to version 1.0.0 and drift at rest; the processed ones are right.
    """
    pre = child(side, "pre")

    def rowwise(*path: str) -> npt.NDArray[Any]:
        found = column(pre, *path)
        assert found is not None  # in every version
        return np.asarray(found[rows])

    return encode(
        chords_from_slippi(rowwise("buttons_physical")),
        (rowwise("joystick", "x"), rowwise("joystick", "y")),
        (rowwise("cstick", "x"), rowwise("cstick", "y")),
        rowwise("triggers"),
    )
