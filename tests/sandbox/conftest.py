"""Games recorded once for all tests: what the simulator had, and the file that it wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest

from exphil_core.melee import stages
from exphil_core.melee.characters import BY_NAME
from exphil_core.sandbox.controller import Controller
from exphil_core.sandbox.make import Match, plan_match, play
from exphil_core.sandbox.state import FighterState, GameState


@attrs.frozen
class Recording:
    """One game: `states[t]` resulted from `controllers[t]`; `path` is its replay."""

    match: Match
    states: list[GameState]
    controllers: list[tuple[Controller, ...]]
    path: Path

    def side(self, index: int) -> list[FighterState]:
        return [state.fighters[index] for state in self.states]

    def pads(self, index: int) -> list[Controller]:
        return [pads[index] for pads in self.controllers]


def record(match: Match, folder: Path) -> Recording:
    states: list[GameState] = []
    controllers: list[tuple[Controller, ...]] = []

    def watch(state: GameState, pads: Sequence[Controller]) -> None:
        states.append(state)
        controllers.append(tuple(pads))

    path = folder / match.file_name
    path.write_bytes(play(match, watch))
    return Recording(match, states, controllers, path)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Nine games of two minutes with the default cast on all stages."""
    folder = tmp_path_factory.mktemp("sandbox")
    cast = [BY_NAME[name] for name in ("fox", "falco", "marth", "mewtwo")]
    return [record(plan_match(5, number, 2.0, cast, stages.STAGES), folder) for number in range(9)]


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Nine half-minute games with other characters, for the slow readers; the last three with partners, changes
    and bombs."""
    folder = tmp_path_factory.mktemp("short")
    cast = [BY_NAME[name] for name in ("mewtwo", "samus", "falco", "jigglypuff", "gameandwatch", "link")]
    own = [BY_NAME[name] for name in ("iceclimbers", "zelda", "younglink")]
    return [
        *(record(plan_match(11, number, 0.5, cast, stages.STAGES), folder) for number in range(6)),
        *(record(plan_match(12, number, 0.5, own, stages.STAGES), folder) for number in range(3)),
    ]


@pytest.fixture
def play_out(tmp_path: Path) -> Callable[..., list[Recording]]:
    """Record `count` one-minute games of a cast, by names."""

    def games(*names: str, count: int = 5, seed: int = 3) -> list[Recording]:
        cast = [BY_NAME[name] for name in names]
        return [
            record(plan_match(seed, number, 1.0, cast, stages.STAGES), tmp_path) for number in range(count)
        ]

    return games
