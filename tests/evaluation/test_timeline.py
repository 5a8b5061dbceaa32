"""A timeline is what the model thinks of each frame: its sum is the game's loss, its chances are the model's own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from exphil_core.errors import ExphilError
from exphil_core.evaluation.per_game import per_game_losses
from exphil_core.evaluation.timeline import Timeline, timeline
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import GROUPS, fit_prior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import AXIS_CELLS, CHORD_BITS, STICK_CELLS
from exphil_core.replays.game import Game
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import build_store
from exphil_core.training.samples import Windows

CPU = torch.device("cpu")
DELAY = 2


@pytest.fixture(scope="module", params=["mlp", "gru"])
def policy(request: pytest.FixtureRequest, manager: PluginManager, demo_games: list[Game]) -> Policy:
    torch.manual_seed(1)
    policy = build_policy(manager, policy_shape(request.param, (8,), {}, observation_schema()))
    policy.head.set_prior(fit_prior(*build_store(demo_games[4:], [(0, 1)] * 2).targets()))
    for module in policy.head.logits:
        torch.nn.init.normal_(module.weight, std=0.3)
    return policy.train()


@pytest.fixture(scope="module")
def line(policy: Policy, demo_games: list[Game]) -> Timeline:
    return timeline(policy, demo_games[0], 1, delay=DELAY)


def test_it_sums_to_the_games_loss(policy: Policy, line: Timeline, demo_games: list[Game]) -> None:
    (alone,) = per_game_losses(policy, build_store([demo_games[0]], [(1,)], delay=DELAY), CPU)
    assert line.example_T.sum() == alone.frames
    assert line.loss == pytest.approx(alone.loss, abs=1e-6)
    parts = line.loss_TG[line.example_T].mean(axis=0)
    for group, nats in zip(GROUPS, parts, strict=True):
        assert nats == pytest.approx(alone.parts[group], abs=1e-6)
    changes = line.example_T & line.changed
    assert changes.sum() == alone.change_frames
    assert line.loss_TG[changes].sum(axis=1).mean() == pytest.approx(alone.loss_change, abs=1e-6)


def test_nothing_is_predicted_of_the_first_frames(line: Timeline) -> None:
    assert np.isnan(line.loss_TG[: 1 + DELAY]).all()
    assert np.isfinite(line.loss_TG[1 + DELAY :]).all()
    assert not line.example_T[: 1 + DELAY].any()
    assert (line.main.chance_TK[: 1 + DELAY] == 0).all()


def test_its_chances_are_those_of_the_controllers_that_the_model_draws(
    policy: Policy, line: Timeline, demo_games: list[Game]
) -> None:
    """Drawn freely at one frame, as in play: buttons as often as predicted, sticks among the cells shown."""
    frame = _busiest(line)
    drawn = _drawn(policy, demo_games[0], frame - 1 - DELAY, 20_000)
    pressed = CHORD_BITS[drawn[:, 0]].mean(axis=0)
    np.testing.assert_allclose(line.press_TB[frame], pressed, atol=0.02)
    # A stick's chances are given the player's buttons.
    alike = drawn[drawn[:, 0] == line.controllers[frame, 0]]
    assert len(alike) > 1000
    for k in range(line.main.x_TK.shape[1]):
        cell = (line.main.x_TK[frame, k], line.main.y_TK[frame, k])
        share = (alike[:, 1:3] == cell).all(axis=1).mean()
        assert line.main.chance_TK[frame, k] == pytest.approx(share, abs=0.03)


def _busiest(line: Timeline) -> int:
    """Of the frames in which something is pressed and the likeliest stick isn't certain, the one whose buttons the
    model expects most."""
    unsure = np.flatnonzero((line.main.chance_TK[:, 0] < 0.9) & (line.controllers[:, 0] > 0))
    return int(unsure[np.nanargmin(line.loss_TG[unsure, 0])])


def _drawn(policy: Policy, game: Game, row: int, count: int) -> npt.NDArray[np.int64]:
    policy.eval()
    batch = build_store([game], [(1,)], delay=DELAY).batch(Windows.single(0, 1, 0, row + 1))
    tensors = to_tensors(batch, CPU)
    with torch.no_grad():
        y_BTH, _ = policy.backbone(policy.embedding(tensors.floats, tensors.ids), policy.initial_state(1))
    last = tensors.decided[0, -1:].expand(count, -1)
    drawn = policy.head.sample(
        y_BTH[0, -1:].expand(count, -1).contiguous(), last, generator=torch.Generator().manual_seed(1)
    )
    policy.train()
    return drawn.numpy()


def test_a_cells_chance_is_what_its_loss_says(line: Timeline) -> None:
    """Where the player's own stick is among the cells shown, its chance is exp(-nats)."""
    for group, stick, parts in ((1, line.main, (1, 2)), (2, line.c, (3, 4))):
        own = line.controllers[:, parts]
        same = (stick.x_TK == own[:, :1]) & (stick.y_TK == own[:, 1:])
        frame, k = np.nonzero(same & line.example_T[:, None])
        assert len(frame) > 0.5 * line.example_T.sum()
        np.testing.assert_allclose(stick.chance_TK[frame, k], np.exp(-line.loss_TG[frame, group]), atol=1e-5)


def test_cells_are_possible_and_the_likeliest_comes_first(line: Timeline) -> None:
    for stick in (line.main, line.c):
        assert STICK_CELLS[stick.x_TK, stick.y_TK].all()
        assert (np.diff(stick.chance_TK, axis=1) <= 0).all()
        assert (stick.chance_TK.sum(axis=1) <= 1 + 1e-5).all()
        place = stick.x_TK[line.example_T].astype(int) * AXIS_CELLS + stick.y_TK[line.example_T]
        assert all(len(set(row)) == len(row) for row in place[::50])


def test_the_policy_is_left_in_training(policy: Policy, line: Timeline) -> None:
    assert policy.training


def test_a_game_too_short_is_named(policy: Policy, demo_games: list[Game]) -> None:
    with pytest.raises(ExphilError, match="too few for a timeline"):
        timeline(policy, demo_games[0], 1, delay=len(demo_games[0]))
