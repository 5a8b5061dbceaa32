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
from exphil_core.replays.arrow import Struct
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
    """A replay that was looked into. What peppi `parsed`, all `recorded` frames, those of them that were `played` and
    the controllers (T, P, 6) in these are there where `facts` name no reason."""

    facts: FileFacts
    parsed: Any = None
    recorded: Struct | None = None
    played: Struct | None = None
    controllers: Cells | None = None

    def game(self, rollback: str = "last") -> Game:
        """All frames. Raises ReplayError with the reason where the replay can't be trained on."""
        facts, frames, controllers = self.facts, self.played, self.controllers
        if facts.reason is not None or frames is None or controllers is None or self.recorded is None:
            raise ReplayError(facts.reason or "no frames")
        start = self.parsed.start
        if rollback != "last":
            frames = _frames(self.recorded, start, rollback)
            controllers = _controllers(frames, start)
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
        return build_game(frames, start, info, controllers)


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
    recorded = Struct.of(parsed.frames)
    facts = attrs.evolve(facts, **_of_start(parsed.start), **_of_file(parsed, recorded))
    try:
        _check_mode(parsed.start)
        played = _frames(recorded, parsed.start, "last")
    except ReplayError as error:
        return Replay(facts=attrs.evolve(facts, reason=str(error)))
    controllers = _controllers(played, parsed.start)
    facts = attrs.evolve(facts, **_of_game(parsed, played, controllers, facts.players))
    return Replay(facts=facts, parsed=parsed, recorded=recorded, played=played, controllers=controllers)


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


def _of_file(parsed: Any, frames: Struct) -> dict[str, Any]:
    """What can be said even of games that can't be trained on."""
    ids = frames.get("id")
    count = 0 if ids is None else len(ids)
    distinct = 0 if ids is None else _distinct(ids)
    return {
        "date": str((parsed.metadata or {}).get("startAt") or ""),
        "end": ended(parsed.end),
        "frames": distinct,
        "rows": count,
        "rollback_rows": count - distinct,
        "item_rows": frames.listed("item"),
    }


def _distinct(ids: npt.NDArray[np.int32]) -> int:
    """How many frames there are; only damaged files' need sorting."""
    if (ids[1:] > ids[:-1]).all():
        return len(ids)
    first, last = int(ids.min()), int(ids.max())
    return int((np.bincount(ids - first) > 0).sum()) if last - first < len(ids) else len(np.unique(ids))


def _controllers(frames: Struct, start: dict[str, Any]) -> Cells:
    # Each player's lie together, which is how they are gone through; the axes are those of a game.
    cells: Cells = np.stack([read_controller(side) for side in _sides(frames, start)]).swapaxes(0, 1)
    return cells


def _of_game(
    parsed: Any, frames: Struct, controllers: Cells, players: tuple[PlayerFacts, ...]
) -> dict[str, Any]:
    """What two players' frames say. The number of frames is now that of the frames in which both are there."""
    sides = _sides(frames, parsed.start)
    won = winners(parsed.end, sides, [player.port for player in players])
    return {
        "frames": len(frames),
        "game_hash": _game_hash(parsed.start, players, controllers),
        "players": tuple(
            attrs.evolve(player, shares=_shares(side), idle=_idle(controllers[:, index]), won=won[index])
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


def _sides(frames: Struct, start: dict[str, Any], who: str = "leader") -> list[Struct]:
    sides = [frames.child("ports", seat["port"], who) for seat in start["players"]]
    return [side for side in sides if side is not None]


def _frames(recorded: Struct, start: dict[str, Any], rollback: str) -> Struct:
    """The frames in which both players are there, each once. Raises ReplayError for what no game can hold."""
    ids = recorded.get("id")
    if ids is None or len(ids) == 0:
        raise ReplayError("no frames")
    rows = frame_rows(ids, rollback)
    present = present_frames(_sides(recorded.at(rows), start))
    if present <= FIRST_ROW:
        raise ReplayError("cut short: ends before the players could move")
    frames = recorded.at(rows[:present])
    for side in (*_sides(frames, start), *_sides(frames, start, "follower")):
        refuse_implausible(side)
    return frames


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


def _shares(side: Struct) -> dict[str, float]:
    counts = np.bincount(read_characters(side))
    named = {
        BY_INTERNAL[i].name: count for i, count in enumerate(counts.tolist()) if count and i in BY_INTERNAL
    }
    return {name: round(count / len(side), 4) for name, count in named.items()}


def _idle(cells_TC: Cells) -> int:
    """Frames without a hand on the controller, of those in which inputs have effect."""
    return sum(max(0, stop - max(start, FIRST_ROW)) for start, stop in idle_stretches(cells_TC))
