"""One replay's bytes: parsed once, for its facts and, where wanted, for its game."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ReplayError
from exphil_core.melee.characters import BY_EXTERNAL, BY_INTERNAL
from exphil_core.melee.stages import BY_EXTERNAL as STAGES_BY_EXTERNAL
from exphil_core.replays.arrow import child, column
from exphil_core.replays.controller import Cells
from exphil_core.replays.facts import FileFacts, PlayerFacts
from exphil_core.replays.fighters import read_characters, read_controller, refuse_implausible
from exphil_core.replays.game import Game, GameInfo, Player
from exphil_core.replays.idle import FIRST_ROW, idle_stretches
from exphil_core.replays.outcome import ended, winners
from exphil_core.replays.parsing import parse_replay
from exphil_core.replays.slp import build_game, frame_rows, present_frames
from exphil_core.replays.stream import Stream, open_stream, read_start

# Scenes that are games between people: 2 is VS mode, 8 is Slippi Online. Others are training mode, events and
# special modes (30 is Giant Melee), some of which number their frames in ways of their own.
PLAYABLE_SCENES = frozenset({2, 8})
# Ten seconds of inputs tell games apart, and recordings that end at different moments still agree on them.
HASHED_FRAMES = 600


@attrs.frozen(kw_only=True, eq=False)
class Replay:
    """A replay that was looked into. `parsed`, `rows` and the controllers (T, P, 6) in them are there where `facts`
    name no reason."""

    facts: FileFacts
    parsed: Any = None
    rows: npt.NDArray[np.intp] | None = None
    controllers: Cells | None = None

    def game(self, rollback: str = "last") -> Game:
        """All frames. Raises ReplayError with the reason where the replay can't be trained on."""
        facts, rows, controllers = self.facts, self.rows, self.controllers
        if facts.reason is not None or rows is None:
            raise ReplayError(facts.reason or "no frames")
        frames, start = self.parsed.frames, self.parsed.start
        if rollback != "last":
            rows = _frames(frames, start, rollback)
            controllers = None
        if controllers is None:
            controllers = _controllers(frames, start, rows)
        info = GameInfo(
            path=Path(facts.file),
            sha256=facts.sha256,
            game_hash=facts.game_hash,
            version=tuple(start["slippi"]["version"]),
            stage=STAGES_BY_EXTERNAL[start["stage"]],
            players=_seated(start),
            rows=facts.rows,
            rolled_back=facts.rollback_rows,
        )
        return build_game(self.parsed, rows, info, controllers)


def inspect(content: bytes, name: str, path: Path | None = None) -> Replay:
    """Look into the replay with these bytes, called `name`; `path` is a file on disk that holds them, if there is
    one. Never raises: what is wrong with it is its facts' `reason`."""
    facts = FileFacts(file=name, sha256=hashlib.sha256(content).hexdigest())
    if not content:
        return Replay(facts=attrs.evolve(facts, reason="empty file"))
    stream = None
    try:
        with contextlib.suppress(ReplayError):
            stream = open_stream(content)
        parsed = parse_replay(content, stream, path)
    except ReplayError as error:
        return Replay(facts=_unread(facts, stream, str(error)))
    facts = attrs.evolve(facts, **_of_start(parsed.start), **_of_file(parsed))
    try:
        _check_mode(parsed.start)
        rows = _frames(parsed.frames, parsed.start, "last")
    except ReplayError as error:
        return Replay(facts=attrs.evolve(facts, reason=str(error)))
    controllers = _controllers(parsed.frames, parsed.start, rows)
    facts = attrs.evolve(facts, **_of_game(parsed, rows, controllers, facts.players))
    return Replay(facts=facts, parsed=parsed, rows=rows, controllers=controllers)


def _unread(facts: FileFacts, stream: Stream | None, reason: str) -> FileFacts:
    """The facts of a replay that can't be parsed: what its start says, and that first if it is no game of two."""
    if stream is None:
        return attrs.evolve(facts, reason=reason)
    start = read_start(stream)
    try:
        _check_mode(start)
    except ReplayError as error:
        reason = str(error)
    return attrs.evolve(facts, **_of_start(start), reason=reason)


def _of_start(start: dict[str, Any]) -> dict[str, Any]:
    stage = STAGES_BY_EXTERNAL.get(start["stage"])
    return {
        "version": tuple(start["slippi"]["version"]),
        "stage": stage.name if stage else "",
        "players": tuple(_player(seat) for seat in start["players"]),
    }


def _of_file(parsed: Any) -> dict[str, Any]:
    """What can be said even of games that can't be trained on."""
    ids = column(parsed.frames, "id")
    items = child(parsed.frames, "item")
    count = 0 if ids is None else len(ids)
    frames = 0 if ids is None else _distinct(ids)
    return {
        "date": str((parsed.metadata or {}).get("startAt") or ""),
        "end": ended(parsed.end),
        "frames": frames,
        "rows": count,
        "rollback_rows": count - frames,
        "item_rows": 0 if items is None else len(items.values),
    }


def _distinct(ids: npt.NDArray[np.int32]) -> int:
    """How many frames there are; without a rollback they rise, and need no sorting."""
    return len(ids) if (ids[1:] > ids[:-1]).all() else len(np.unique(ids))


def _controllers(frames: Any, start: dict[str, Any], rows: npt.NDArray[np.intp]) -> Cells:
    return np.stack([read_controller(side, rows) for side in _sides(frames, start)], axis=1)


def _of_game(
    parsed: Any, rows: npt.NDArray[np.intp], controllers: Cells, players: tuple[PlayerFacts, ...]
) -> dict[str, Any]:
    """What two players' frames say. The number of frames is now that of the frames in which both are there."""
    sides = _sides(parsed.frames, parsed.start)
    won = winners(parsed.end, sides, rows, [player.port for player in players])
    return {
        "frames": len(rows),
        "game_hash": _game_hash(parsed.start, players, controllers),
        "players": tuple(
            attrs.evolve(
                player, shares=_shares(side, rows), idle=_idle(controllers[:, index]), won=won[index]
            )
            for index, (player, side) in enumerate(zip(players, sides, strict=True))
        ),
    }


def _player(seat: dict[str, Any]) -> PlayerFacts:
    character = BY_EXTERNAL.get(seat["character"])
    netplay = seat.get("netplay") or {}
    return PlayerFacts(
        port=int(seat["port"][1:]) - 1,
        character=character.name if character else "",
        human=seat["type"] == "Human",
        tag=netplay.get("name") or seat.get("name_tag") or "",
        code=netplay.get("code") or "",
    )


def _seated(start: dict[str, Any]) -> tuple[Player, Player]:
    first, second = (
        Player(
            port=facts.port,
            character=BY_EXTERNAL[seat["character"]],
            human=facts.human,
            tag=facts.tag,
            code=facts.code,
        )
        for seat, facts in ((seat, _player(seat)) for seat in start["players"])
    )
    return first, second


def _check_mode(start: dict[str, Any]) -> None:
    """Refuse what is no game of two players on a stage that is known."""
    scene = start.get("scene")
    if scene is not None and scene["major"] not in PLAYABLE_SCENES:
        raise ReplayError(f"not a normal game (scene {scene['major']}.{scene['minor']})")
    seated = start["players"]
    if len(seated) != 2 or start["is_teams"]:
        raise ReplayError(f"not two players ({len(seated)}{', teams' if start['is_teams'] else ''})")
    for seat in seated:
        if seat["character"] not in BY_EXTERNAL:
            raise ReplayError(f"not a normal game (character id {seat['character']})")
    if start["stage"] not in STAGES_BY_EXTERNAL:
        raise ReplayError(f"not a tournament stage (stage id {start['stage']})")


def _sides(frames: Any, start: dict[str, Any], who: str = "leader") -> list[Any]:
    ports = child(frames, "ports")
    return [child(child(ports, seat["port"]), who) for seat in start["players"]]


def _frames(frames: Any, start: dict[str, Any], rollback: str) -> npt.NDArray[np.intp]:
    """The row of each frame in which both players are there. Raises ReplayError for what no game can hold."""
    ids = column(frames, "id")
    if ids is None or len(ids) == 0:
        raise ReplayError("no frames")
    rows = frame_rows(ids, rollback)
    sides = _sides(frames, start)
    present = present_frames(sides, rows)
    if present <= FIRST_ROW:
        raise ReplayError("cut short: ends before the players could move")
    rows = rows[:present]
    for side in (*sides, *_sides(frames, start, "follower")):
        if side is not None:
            refuse_implausible(side, rows)
    return rows


def _game_hash(start: dict[str, Any], players: tuple[PlayerFacts, ...], controllers: Cells) -> str:
    """The game itself, whatever the file's bytes: both netplay players' recordings, or a file saved again with
    other metadata, are one game. Made of the seed, the stage, who plays, and the first seconds' inputs."""
    digest = hashlib.sha256()
    who = [
        (player.port, BY_EXTERNAL[seat["character"]].external)
        for player, seat in zip(players, start["players"], strict=True)
    ]
    digest.update(repr((start["random_seed"], start["stage"], who)).encode())
    digest.update(controllers[FIRST_ROW : FIRST_ROW + HASHED_FRAMES].tobytes())
    return digest.hexdigest()


def _shares(side: Any, rows: npt.NDArray[np.intp]) -> dict[str, float]:
    counts = np.bincount(read_characters(side)[rows])
    named = {
        BY_INTERNAL[i].name: count for i, count in enumerate(counts.tolist()) if count and i in BY_INTERNAL
    }
    return {name: round(count / len(rows), 4) for name, count in named.items()}


def _idle(cells_TC: Cells) -> int:
    """Frames without a hand on the controller, of those in which inputs have effect."""
    return sum(max(0, stop - max(start, FIRST_ROW)) for start, stop in idle_stretches(cells_TC))
