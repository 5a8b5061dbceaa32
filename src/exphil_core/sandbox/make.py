"""Plays games between scripted players and writes them as replay files."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.errors import UsageError, unknown_name
from exphil_core.melee import FRAMES_PER_SECOND, characters, stages
from exphil_core.melee.characters import Character
from exphil_core.melee.stages import STAGES, Stage
from exphil_core.sandbox.controller import Controller
from exphil_core.sandbox.game import Game, Setup
from exphil_core.sandbox.player import ScriptedPlayer
from exphil_core.sandbox.slp import METHOD_GAME, METHOD_TIME, ReplayWriter
from exphil_core.sandbox.start_block import Label
from exphil_core.sandbox.state import GameState
from exphil_core.sandbox.styles import STYLES, Style

DEFAULT_CHARACTERS = ("fox", "falco", "marth", "mewtwo")
ALL_STAGES = tuple(stage.name for stage in STAGES)
# Pairs of ports, so that nobody can rely on 1 and 2; half of the games have them all the same.
_PORTS = ((0, 1), (1, 2), (0, 1), (0, 3), (0, 1), (2, 3), (0, 1), (1, 3))
# Melee's release: no real replay can carry such a date.
_EPOCH = datetime(2001, 11, 21)
_MINUTES_A_GAME = 9


@attrs.frozen(kw_only=True)
class Match:
    """Game `number` of a seed: all that decides how it goes."""

    seed: int
    number: int
    setup: Setup
    styles: tuple[Style, Style]

    @property
    def file_name(self) -> str:
        """Such as demo_s1_0003_fox-marth_FD.slp."""
        first, second = (c.name for c in self.setup.characters)
        return f"demo_s{self.seed}_{self.number:04d}_{first}-{second}_{self.setup.stage.short}.slp"

    @property
    def started_at(self) -> str:
        """A made-up date that grows with the seed and the game's number."""
        return started_at(self.seed, self.number)

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own for each purpose, the same on every platform."""
        return random.Random(f"exphil-sandbox/{self.seed}/{self.number}/{purpose}")


def started_at(seed: int, number: int) -> str:
    """The made-up date of game `number` of a seed."""
    start = _EPOCH + timedelta(days=seed % 3000, minutes=_MINUTES_A_GAME * number)
    return f"{start.isoformat(timespec='seconds')}Z"


def make_replays(
    folder: Path,
    *,
    games: int,
    minutes: float,
    seed: int,
    characters: Sequence[str] = DEFAULT_CHARACTERS,
    stages: Sequence[str] = ALL_STAGES,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write `games` replays of at most `minutes` each into `folder`; the paths, in order.

    The same arguments give the same bytes on any machine, and game i does not depend on `games`. `progress`
    is called with (games done, games). Raises UsageError for an unknown name or a number out of range.
    """
    if games < 1:
        raise UsageError(f"games must be at least 1, not {games}")
    if not 0 < minutes <= 60:
        raise UsageError(f"minutes must be above 0 and at most 60, not {minutes}")
    cast = find_characters(characters)
    places = find_stages(stages)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(games):
        match = plan_match(seed, number, minutes, cast, places)
        path = folder / match.file_name
        write_bytes(path, play(match))
        paths.append(path)
        if progress is not None:
            progress(number + 1, games)
    return paths


def plan_match(
    seed: int, number: int, minutes: float, cast: Sequence[Character], places: Sequence[Stage]
) -> Match:
    """Who meets whom and where in game `number`; characters take turns, so each occurs in len(cast) games."""
    rng = random.Random(f"exphil-sandbox/{seed}/{number}/match")
    first = cast[number % len(cast)]
    second = cast[int(rng.random() * len(cast))]
    pair = (first, second) if rng.random() < 0.5 else (second, first)
    setup = Setup(
        stage=places[int(rng.random() * len(places))],
        characters=pair,
        ports=_PORTS[int(rng.random() * len(_PORTS))],
        last_frame=int(minutes * 60 * FRAMES_PER_SECOND),
    )
    styles = (STYLES[int(rng.random() * len(STYLES))], STYLES[int(rng.random() * len(STYLES))])
    return Match(seed=seed, number=number, setup=setup, styles=styles)


Watch = Callable[[GameState, Sequence[Controller]], None]


def play(match: Match, watch: Watch | None = None) -> bytes:
    """Play a match and return its replay file; `watch` sees each frame's state and controllers."""
    melee_seed = int(match.rng("melee").random() * 0x10000)
    setup = attrs.evolve(match.setup, seed=melee_seed)
    game = Game(setup)
    players = [
        ScriptedPlayer(setup, index, style, match.rng(f"player{index}"))
        for index, style in enumerate(match.styles)
    ]
    labels = tuple(
        Label(f"sandbox {s.name}", f"DEMO#{port}{i}")
        for i, (s, port) in enumerate(zip(match.styles, setup.ports, strict=True))
    )
    writer = ReplayWriter(setup, (labels[0], labels[1]), melee_seed)
    one, two = players
    while not game.over:
        controllers = (one.act(game.state), two.act(game.state))
        state = game.step(controllers)
        writer.add(state, controllers)
        if watch is not None:
            watch(state, controllers)
    method = METHOD_TIME if game.state is not None and game.state.frame >= setup.last_frame else METHOD_GAME
    return writer.finish(game.winner, method, match.started_at)


def find_characters(names: Sequence[str]) -> tuple[Character, ...]:
    """Characters by their names; raises UsageError for an unknown one, and for none at all."""
    found = []
    for name in names:
        character = characters.find_character(name)
        if character is None:
            raise unknown_name("character", name, characters.BY_NAME)
        found.append(character)
    if not found:
        raise UsageError("at least one character is needed")
    return tuple(found)


def find_stages(names: Sequence[str]) -> tuple[Stage, ...]:
    """Stages by their names; raises UsageError for an unknown one, and for none at all."""
    found = []
    for name in names:
        stage = stages.BY_NAME.get(characters.normalise(name))
        if stage is None:
            raise unknown_name("stage", name, stages.BY_NAME)
        found.append(stage)
    if not found:
        raise UsageError("at least one stage is needed")
    return tuple(found)
