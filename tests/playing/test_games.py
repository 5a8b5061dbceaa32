"""Games side by side: each is the game that it would be alone, its replay holds what was decided, and results are
what happened in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from exphil_core.models.prior import ControllerPrior
from exphil_core.playing.chance import Chance
from exphil_core.playing.games import Games
from exphil_core.playing.matches import Match
from exphil_core.playing.model import Model
from exphil_core.playing.outcome import DRAWN, LOST, WON, GameResult
from exphil_core.playing.scripted import Scripted
from exphil_core.playing.view import Player, View
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import Controller, controller
from exphil_core.serving.replay_source import replayed_frames
from exphil_core.serving.runner import Runner

Plan = Callable[..., list[Match]]
PolicyFile = Callable[..., Path]


class Replays(dict[int, bytes]):
    def keep(self, match: Match, replay: bytes) -> None:
        self[match.number] = replay

    def game(self, number: int, folder: Path) -> Game:
        path = folder / f"{number}.slp"
        path.write_bytes(self[number])
        return read_game(path)


def played(
    planned: Sequence[Match], own: Player, other: Player, batch: int = 8
) -> tuple[Replays, list[GameResult]]:
    replays = Replays()
    games = Games(planned, own, other, batch=batch, keep=replays.keep)
    return replays, [result for result in games if result is not None]


class Runs:
    """Holds the stick to the right for ever, and says what it was asked."""

    name = "runs"
    character = None

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.most = 0

    def begin(self, match: Match, seat: int) -> None:
        self.begun.append((match.number, seat))

    def act(self, view: View) -> Sequence[Controller]:
        self.most = max(self.most, len(view.states))
        return [controller(80)] * len(view.states)


def test_a_match_depends_on_seed_and_number_alone(matches: Plan) -> None:
    ten, four = matches(10), matches(4)
    assert ten[:4] == four
    assert matches(4, seed=2) != four
    assert [match.seat for match in ten] == [0, 1] * 5
    assert len({match.setup.stage.name for match in ten}) > 2


@pytest.mark.parametrize("batch", [1, 3])
def test_games_are_the_same_whatever_else_is_played_with_them(
    matches: Plan, prior: ControllerPrior, batch: int
) -> None:
    planned = matches(5)
    all_at_once, results = played(planned, Scripted(), Chance("repeat", prior, 1, repeats=True))
    few, others = played(planned, Scripted(), Chance("repeat", prior, 1, repeats=True), batch)
    assert few == all_at_once
    assert sorted(others, key=lambda r: r.number) == sorted(results, key=lambda r: r.number)


def test_the_batch_is_how_many_are_played_at_once(matches: Plan) -> None:
    own = Runs()
    games = Games(matches(7), own, Runs(), batch=3)
    results = [result for result in games if result is not None]
    assert own.most == 3
    assert own.begun == [(match.number, match.seat) for match in matches(7)]
    assert sorted(result.number for result in results) == list(range(7))
    assert games.progress() == 7
    assert games.frames == pytest.approx(sum(result.seconds for result in results) * 60, abs=4)


def test_each_player_has_its_seat(matches: Plan, tmp_path: Path) -> None:
    replays, results = played(matches(4), Runs(), Scripted())
    for result in results:
        game = replays.game(result.number, tmp_path)
        own, other = result.number % 2, 1 - result.number % 2
        assert game.info.players[own].tag == "runs"
        assert game.info.players[other].tag == "scripted"
        assert result.port == game.info.players[own].port + 1
        assert (result.character, result.opponent) == tuple(
            game.info.players[seat].character.name for seat in (own, other)
        )
        # The first frame is nobody's: nothing was seen before it.
        assert (game.controller_TPC[1:, own] == game.controller_TPC[1, own]).all()
        assert (game.controller_TPC[1, own] != NEUTRAL).any()


def test_results_are_what_the_replay_says(matches: Plan, tmp_path: Path) -> None:
    replays, results = played(matches(4, minutes=0.5), Runs(), Scripted())
    for result in results:
        game = replays.game(result.number, tmp_path)
        own = result.number % 2
        stocks, percent = (game.state_TPF[:, [own, 1 - own], STATE[name]] for name in ("stocks", "percent"))
        assert (result.stocks, result.opponent_stocks) == tuple(stocks[-1])
        assert result.seconds == round(len(game) / 60, 2)
        risen = np.maximum(np.diff(percent, axis=0), 0).sum(axis=0)
        # Percent is whole numbers in a game that was read, so a hit may differ by one.
        assert (result.damage_taken, result.damage_dealt) == pytest.approx(tuple(risen), abs=10)
    assert any(result.damage_taken for result in results)


def test_stocks_and_then_percent_decide_and_a_level_game_is_drawn(matches: Plan, tmp_path: Path) -> None:
    replays, results = played(matches(8), Scripted(), Scripted())
    seen = set()
    for result in results:
        game = replays.game(result.number, tmp_path)
        own = result.number % 2
        last = game.state_TPF[-1][:, [STATE["stocks"], STATE["percent"]]] * [1, -1]
        mine, theirs = tuple(last[own]), tuple(last[1 - own])
        if mine != theirs:
            assert result.outcome == (WON if mine > theirs else LOST)
        seen.add(result.outcome)
    assert len(seen) > 1
    assert seen <= {WON, LOST, DRAWN}


@pytest.mark.parametrize("delay", [0, 4])
def test_a_model_presses_in_play_what_it_would_on_its_own_replay(
    matches: Plan, manager: PluginManager, policy_file: PolicyFile, tmp_path: Path, delay: int
) -> None:
    """The replay, read and shown again frame by frame, gives the very controllers that stand in it, in their frames:
    nothing is seen late, and what was decided last is known."""
    path = policy_file(delay=delay)
    own = Model("wild", Runner.load(path, manager, games=3, seed=4))
    replays, _ = played(matches(3, minutes=0.05), own, Scripted())
    again = Runner.load(path, manager, games=3, seed=4)
    changes = 0
    for number in range(3):
        game, seat = replays.game(number, tmp_path), number % 2
        decided = np.stack([again.step([frame], [seat], [number])[0] for frame in replayed_frames(game)])
        pressed = game.controller_TPC[:, seat]
        sticks = slice(0, 5)  # Z, L and R press the shoulder, whatever was decided for it
        np.testing.assert_array_equal(pressed[1 + delay :, sticks], decided[: len(game) - 1 - delay, sticks])
        np.testing.assert_array_equal(
            pressed[: 1 + delay], np.broadcast_to(NEUTRAL, (1 + delay, len(NEUTRAL)))
        )
        changes += int((np.diff(decided.astype(int), axis=0) != 0).any(axis=1).sum())
    assert changes > 40


def test_a_second_game_of_a_runner_is_as_if_it_were_the_first(
    matches: Plan, manager: PluginManager, policy_file: PolicyFile
) -> None:
    """Lanes are games: what was played before or beside makes no difference."""
    path, planned = policy_file(), matches(3, minutes=0.05)
    replays = [
        played(planned, Model("wild", Runner.load(path, manager, games=3, seed=4)), Scripted(), batch)[0]
        for batch in (1, 2, 3)
    ]
    assert replays[0] == replays[1] == replays[2]


def test_two_models_meet(matches: Plan, manager: PluginManager, policy_file: PolicyFile) -> None:
    path = policy_file()
    sides = [Model("wild", Runner.load(path, manager, games=2, seed=seed)) for seed in (0, 1)]
    replays, results = played(matches(2, minutes=0.05), *sides)
    assert len(replays) == len(results) == 2
