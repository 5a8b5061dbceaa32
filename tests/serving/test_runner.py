"""A policy in play sees what it was trained on, decides the same, and keeps its games apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.checkpoints.store import save_policy
from exphil_core.errors import ExphilError, UsageError
from exphil_core.features.character import active_features
from exphil_core.features.encoder import Observation
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import NEUTRAL, valid
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.serving import runner as runner_module
from exphil_core.serving.delay import DelayQueue
from exphil_core.serving.live_batch import LiveBatch
from exphil_core.serving.live_frame import LiveFrame
from exphil_core.serving.replay_source import replayed_frames
from exphil_core.serving.runner import AGAIN, HOTTEST, LONG_GAP, Runner
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import build_store
from exphil_core.training.sampling import validation_steps

from .conftest import PolicyMaker

# Real games with what moves and what comes and goes: Nana, items, Teleport, Randall, Fountain.
REAL = {
    "ics-falco_DL": (),
    "kirby-ylink_BF": ("item-tracking",),
    "sheik-mewtwo_BF": ("teleport", "shadow-ball"),
    "falco-falco_YS_3.15.0": (),
    "zelda-mario_BF": ("dual-character",),
}
GAME_FRAMES = 400


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Observation]:
    """Every observation that a runner makes."""
    found: list[Observation] = []
    real = runner_module.encode

    def encode(rows: Any) -> Observation:
        found.append(real(rows))
        return found[-1]

    monkeypatch.setattr(runner_module, "encode", encode)
    return found


def trained_on(
    manager: PluginManager, policy: Policy, game: Game, own: int
) -> tuple[Observation, torch.Tensor]:
    """What training makes of a whole game: observations (T, …), and the network's outputs (T, H) on them."""
    features = active_features(manager, policy.description["observation"]["features"])
    store = build_store([game], [(own,)], features=features, delay=policy.description["delay"])
    floats, ids, outputs, state = [], [], [], policy.initial_state(1)
    for step in validation_steps(store, 1, 256):
        floats.append(step.batch.observation.floats[0])
        ids.append(step.batch.observation.ids[0])
        tensors = to_tensors(step.batch, torch.device("cpu"))
        with torch.no_grad():
            y, state = policy.backbone(policy.embedding(tensors.floats, tensors.ids), state)
        outputs.append(y[0])
    return Observation(floats=np.concatenate(floats), ids=np.concatenate(ids)), torch.cat(outputs)


def played(runner: Runner, game: Game, own: int, frames: int | None = None, lane: int = 0) -> None:
    """Show a game to a lane, frame after frame, as if it had decided what its player did."""
    count = len(game)
    late = np.minimum(np.arange(count + 1) + runner.delay, count - 1)
    runner.override(game.controller_TPC[late[0], own][None], [lane])
    for at, frame in enumerate(replayed_frames(game)):
        if at == frames:
            break
        runner.step([frame], [own], [lane])
        runner.override(game.controller_TPC[late[at + 1], own][None], [lane])


def assert_same_observations(seen: list[Observation], trained: Observation) -> None:
    assert len(seen) <= len(trained.floats)
    np.testing.assert_array_equal(np.concatenate([one.ids for one in seen]), trained.ids[: len(seen)])
    floats = np.concatenate([one.floats for one in seen])
    # To the bit: 0 and -0 are not the same here.
    np.testing.assert_array_equal(floats.view(np.uint32), trained.floats[: len(seen)].view(np.uint32))


@pytest.mark.parametrize(("own", "delay"), [(1, 18), pytest.param(0, 0, marks=pytest.mark.all_only)])
@pytest.mark.parametrize("name", REAL)
def test_what_it_sees_of_a_real_game_is_what_training_saw_to_the_bit(
    real_replays: Path,
    manager: PluginManager,
    made_policy: PolicyMaker,
    seen: list[Observation],
    name: str,
    own: int,
    delay: int,
) -> None:
    game = read_game(next(real_replays.glob(f"games/{name}*.slp")), any_player=True)
    policy = made_policy(features=REAL[name], delay=delay, hidden=(8,))
    trained, _ = trained_on(manager, policy, game, own)
    played(Runner(policy, manager=manager), game, own, min(400, len(trained.floats)))
    assert len(seen) == 400
    assert_same_observations(seen, trained)


@pytest.mark.all_only
@pytest.mark.parametrize("name", ["ics-falco_DL", "sheik-mewtwo_BF"])
def test_nothing_differs_in_whole_real_games(
    real_replays: Path,
    manager: PluginManager,
    made_policy: PolicyMaker,
    seen: list[Observation],
    name: str,
) -> None:
    game = read_game(next(real_replays.glob(f"games/{name}*.slp")), any_player=True)
    policy = made_policy("mlp", features=REAL[name], delay=1, hidden=(8,))
    trained, _ = trained_on(manager, policy, game, 1)
    played(Runner(policy, manager=manager), game, 1, len(trained.floats))
    assert len(seen) == len(trained.floats)
    assert_same_observations(seen, trained)


@pytest.mark.parametrize("backbone", ["mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid"])
def test_its_network_gives_what_it_gave_in_training(
    demo_games: list[Game],
    manager: PluginManager,
    made_policy: PolicyMaker,
    seen: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
    backbone: str,
) -> None:
    policy = made_policy(backbone, delay=3)
    runner, outputs = Runner(policy, manager=manager), []
    frame = policy.frame

    def kept(*arguments: Any) -> Any:
        result = frame(*arguments)
        outputs.append(result[0].clone())
        return result

    monkeypatch.setattr(policy, "frame", kept)
    game = demo_games[0]
    trained, expected = trained_on(manager, policy, game, 1)
    played(runner, game, 1, 200)
    assert_same_observations(seen, trained)
    torch.testing.assert_close(torch.cat(outputs), expected[:200], atol=2e-4, rtol=1e-4)


def test_demo_games_with_fountain_and_partners_too(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker, seen: list[Observation]
) -> None:
    """Among them are moving platforms, Randall and a partner."""
    policy = made_policy("mlp", hidden=(8,))
    for game in demo_games[:3]:
        seen.clear()
        trained, _ = trained_on(manager, policy, game, 0)
        played(Runner(policy, manager=manager), game, 0, 500)
        assert_same_observations(seen, trained)


def frames_of(games: list[Game], count: int = GAME_FRAMES) -> list[list[LiveFrame]]:
    return [[frame for _, frame in zip(range(count), replayed_frames(game), strict=False)] for game in games]


def test_a_batch_of_games_gives_each_what_it_gets_alone(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    """Games come and go, in changing company, and draw at temperature 1."""
    games = frames_of(demo_games, 120)
    policy = made_policy("lstm", features=("shadow-ball",))
    together = Runner(policy, manager=manager, games=len(games), seed=3)
    decided: dict[int, list[Any]] = {lane: [] for lane in range(len(games))}
    dice, at = np.random.default_rng(0), [0] * len(games)
    for step in range(200):
        some = (
            dice.permutation(len(games))[: dice.integers(1, len(games) + 1)]
            if step % 3
            else range(len(games))
        )
        lanes = [int(lane) for lane in some if at[lane] < 120]
        if not lanes:
            continue
        cells = together.step([games[lane][at[lane]] for lane in lanes], [lane % 2 for lane in lanes], lanes)
        for lane, row in zip(lanes, cells, strict=True):
            decided[lane].append(row)
            at[lane] += 1
    for lane, frames in enumerate(games):
        alone = Runner(policy, manager=manager, games=len(games), seed=3)
        expected = [alone.step([frame], [lane % 2], [lane])[0] for frame in frames[: at[lane]]]
        assert at[lane] > 100
        np.testing.assert_array_equal(decided[lane], expected)


def test_lanes_draw_differently_and_seeds_do(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    frames = frames_of(demo_games[:1], 40)[0]

    def drawn(lane: int, seed: int, temperature: float = 1.0) -> np.ndarray:
        runner = Runner(made_policy(), manager=manager, games=2, seed=seed, temperature=temperature)
        return np.stack([runner.step([frame], [0], [lane])[0] for frame in frames])

    assert np.array_equal(drawn(0, 1), drawn(0, 1))
    assert not np.array_equal(drawn(0, 1), drawn(1, 1))
    assert not np.array_equal(drawn(0, 1), drawn(0, 2))
    assert np.array_equal(drawn(0, 1, temperature=0), drawn(1, 2, temperature=0))
    assert not np.array_equal(drawn(0, 1, temperature=0.2), drawn(0, 1, temperature=3))
    assert valid(drawn(0, 1, temperature=3)).all()
    assert valid(drawn(0, 1, temperature=HOTTEST)).all()


def test_a_new_game_starts_anew_by_itself_or_when_told(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    first, second = frames_of(demo_games[:2], 50)
    greedy = {"manager": manager, "temperature": 0}
    policy = made_policy(features=("shadow-ball",))
    expected = [Runner(policy, **greedy).step([second[0]], [0])]
    alone = Runner(policy, **greedy)
    expected = [alone.step([frame], [0]) for frame in second]

    runner = Runner(policy, **greedy)
    for frame in first:
        runner.step([frame], [0])
    np.testing.assert_array_equal([runner.step([frame], [0]) for frame in second], expected)
    # From the middle on, numbers don't say so.
    for frame in first[:20]:
        runner.step([frame], [0])
    runner.reset()
    late = [attrs.evolve(frame, frame=frame.frame + 20) for frame in second]
    np.testing.assert_array_equal([runner.step([frame], [0]) for frame in late], expected)


def test_a_frame_that_comes_again_changes_nothing(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    frames = frames_of(demo_games[:1], 60)[0]
    straight, stalled = (Runner(made_policy(), manager=manager) for _ in range(2))
    for at, frame in enumerate(frames):
        expected = straight.step([frame], [0])
        np.testing.assert_array_equal(stalled.step([frame], [0]), expected)
        if at % 10 == 9:
            for back in (0, 1, AGAIN):
                np.testing.assert_array_equal(stalled.step([frames[at - back]], [0]), expected)


def test_memory_lasts_over_missing_frames_but_not_over_a_long_gap(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    frames = [frame for _, frame in zip(range(300), replayed_frames(demo_games[0]), strict=False)]
    policy = made_policy()

    def after(gap: int) -> torch.Tensor:
        runner = Runner(policy, manager=manager, temperature=0)
        for frame in frames[:100]:
            runner.step([frame], [0])
        runner.step([frames[99 + gap]], [0])
        return runner._states.take(np.array([0]))[0]

    def fresh(at: int) -> torch.Tensor:
        runner = Runner(policy, manager=manager, temperature=0)
        runner.step([frames[at]], [0])
        return runner._states.take(np.array([0]))[0]

    assert not torch.equal(after(LONG_GAP), fresh(99 + LONG_GAP))
    assert torch.equal(after(LONG_GAP + 1), fresh(100 + LONG_GAP))


def test_what_is_not_finite_presses_nothing_and_starts_afresh(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = frames_of(demo_games[:2], 30)
    policy = made_policy()
    runner, well = (Runner(policy, manager=manager, games=2, seed=1) for _ in range(2))
    frame = policy.frame
    broken = False

    def breaks(floats: Any, ids: Any, state: Any) -> Any:
        y, after = frame(floats, ids, state)
        if broken:
            y[1], after[0][1] = torch.nan, torch.nan
        return y, after

    monkeypatch.setattr(policy, "frame", breaks)
    for at in range(30):
        now = [games[0][at], games[1][at]]
        expected = well.step(now, [0, 0])
        broken = at == 10
        cells = runner.step(now, [0, 0])
        broken = False
        np.testing.assert_array_equal(cells[0], expected[0])
        if at == 10:
            np.testing.assert_array_equal(cells[1], NEUTRAL)
    assert runner.not_finite == 1
    assert all(torch.isfinite(part).all() for part in runner._states.take(np.array([0, 1])))


def test_what_was_pressed_instead_is_what_it_goes_on_from(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker, seen: list[Observation]
) -> None:
    frames = frames_of(demo_games[:1], 2)[0]
    runner = Runner(made_policy(), manager=manager)
    runner.step(frames[:1], [0])
    runner.override(NEUTRAL[None])
    again = runner.step(frames[:1], [0])  # a stall
    np.testing.assert_array_equal(again[0], NEUTRAL)


def test_columns_of_frames_can_be_taken_apart(demo_games: list[Game]) -> None:
    frames = [list(replayed_frames(game))[300] for game in demo_games]
    batch, order = LiveBatch.of(frames), np.array([4, 0, 3])
    some, expected = batch.taken(order), LiveBatch.of([frames[at] for at in order])
    assert len(expected.items.x) > 0 or True
    for field in attrs.fields(LiveBatch):
        if field.name != "items":
            np.testing.assert_array_equal(getattr(some, field.name), getattr(expected, field.name))
    for field in attrs.fields(type(batch.items)):
        np.testing.assert_array_equal(getattr(some.items, field.name), getattr(expected.items, field.name))


def test_bad_requests_are_refused(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker
) -> None:
    policy = made_policy()
    for odd in (-1, float("nan"), 101, float("inf")):
        with pytest.raises(UsageError, match=r"temperature: .* must be from 0"):
            Runner(policy, manager=manager, temperature=odd)
    with pytest.raises(UsageError, match="games"):
        Runner(policy, manager=manager, games=0)
    runner, frames = Runner(policy, manager=manager, games=2), frames_of(demo_games[:1], 2)[0]
    with pytest.raises(ValueError, match="twice"):
        runner.step(frames, [0, 0], [1, 1])
    with pytest.raises(ValueError, match="runner of 2 games"):
        runner.step(frames, [0, 0], [1, 2])
    with pytest.raises(ValueError, match="sides"):
        runner.step(frames, [0], [0, 1])
    with torch.no_grad():
        next(policy.parameters())[0] = torch.nan
    with pytest.raises(ExphilError, match="not finite"):
        Runner(policy, manager=manager)


def test_a_policy_file_alone_is_enough(
    demo_games: list[Game], manager: PluginManager, made_policy: PolicyMaker, tmp_path: Path
) -> None:
    path = tmp_path / "x_policy.safetensors"
    policy = made_policy("mamba", features=("teleport",), delay=7, character="mewtwo")
    save_policy(path, policy, policy.description)
    loaded, runner = Policy.load(path), Runner.load(path, temperature=0)
    assert (runner.delay, runner.character) == (7, "mewtwo")
    expected, mine = Runner(policy, manager=manager, temperature=0), Runner(loaded, temperature=0)
    for frame in frames_of(demo_games[:1], 20)[0]:
        cells = expected.step([frame], [1])
        np.testing.assert_array_equal(runner.step([frame], [1]), cells)
        np.testing.assert_array_equal(mine.step([frame], [1]), cells)


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPHIL_PLUGINS", "")


def test_a_policy_names_the_plugin_that_is_missing(
    made_policy: PolicyMaker, tmp_path: Path, without_plugins: None
) -> None:
    path = tmp_path / "x_policy.safetensors"

    def refused(plugins: dict[str, Any]) -> str:
        policy = made_policy(features=("teleport",))
        save_policy(path, policy, {**policy.description, "plugins": plugins})
        with pytest.raises(ExphilError) as caught:
            Policy.load(path)
        return str(caught.value)

    hook = "exphil_character_features"
    made = {"distribution": "exphil-char-mewtwo", "version": "0.1.0"}
    said = refused({hook: {"teleport": made}})
    assert said.startswith('x_policy.safetensors: the policy needs the character feature "teleport" of')
    assert "exphil-char-mewtwo 0.1.0, which is left out" in said
    said = refused({hook: {"teleport": {**made, "distribution": "exphil-elsewhere"}}})
    assert said.endswith("not installed here: exphil plugins install exphil-elsewhere")
    # Written before policies said so.
    assert "which no plugin has here" in refused({})


@pytest.mark.parametrize("shape", [(6,), (3, 6)])
@pytest.mark.parametrize("delay", [0, 1, 5])
def test_a_delay_queue_gives_each_controller_out_so_many_frames_later(
    shape: tuple[int, ...], delay: int
) -> None:
    queue, dice = DelayQueue(delay), np.random.default_rng(0)
    decided = [dice.integers(0, 90, shape).astype(np.uint8) for _ in range(12)]
    due = [queue.push(cells) for cells in decided]
    neutral = [np.broadcast_to(NEUTRAL, shape)] * delay
    np.testing.assert_array_equal(due, [*neutral, *decided][:12])
    queue.clear()
    np.testing.assert_array_equal(queue.push(decided[3]), decided[3] if delay == 0 else neutral[0])
