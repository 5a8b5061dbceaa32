"""A frame of play gives what the modules give, by the kernel and without, for one game and for many."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from exphil_core.features.schema import observation_schema
from exphil_core.kernels.library import attempt, force_kernel
from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.lstm import Lstm
from exphil_core.models.frame.play import BACKBONES, frame_of_play
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager, load_plugins

SCHEMA = observation_schema()
NAMES = ("mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid")
FRAMES = 12


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return load_plugins()


@pytest.fixture(params=["kernel", "numpy"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the CPU kernel and without."""
    if request.param == "kernel" and attempt().kernel is None:
        pytest.skip(attempt().why)
    force_kernel("off" if request.param == "numpy" else None)
    yield
    force_kernel(None)


def policy_of(manager: PluginManager, name: str, hidden: tuple[int, ...], **options: Any) -> Policy:
    """With weights everywhere, so that nothing is equal by being zero."""
    torch.manual_seed(0)
    policy = build_policy(manager, policy_shape(name, hidden, options, SCHEMA)).eval()
    with torch.no_grad():
        for weight in policy.backbone.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return policy


def observations(batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(FRAMES):
        ids = [torch.randint(column.size, (batch,), generator=generator) for column in SCHEMA.ids]
        yield torch.randn(batch, SCHEMA.float_count, generator=generator), torch.stack(ids, dim=1)


def assert_close(got: tuple[Tensor, State], expected: tuple[Tensor, State]) -> None:
    for one, other in zip((got[0], *got[1]), (expected[0], *expected[1]), strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("batch", [1, 7, 128])
@pytest.mark.parametrize("hidden", [(64, 64), (48, 21, 33)], ids=str)
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_it_equals_the_modules_while_the_state_is_carried(
    manager: PluginManager, name: str, hidden: tuple[int, ...], batch: int
) -> None:
    # A window that is shorter than the game, so that frames also leave it.
    options = {"window_size": 9} if name in ("sliding_window", "hybrid") else {}
    policy = policy_of(manager, name, hidden, **options)
    state = expected = policy.initial_state(batch)
    for floats, ids in observations(batch):
        kept = [part.clone() for part in state]
        got, after = policy.frame(floats, ids, state)
        y, expected = policy.backbone.step(policy.embedding(floats, ids), expected)
        assert_close((got, after), (y, expected))
        # Whoever kept the state before can go back to it.
        assert all(torch.equal(one, other) for one, other in zip(kept, state, strict=True))
        state = after
    assert policy._play is not None
    assert policy._play.step != policy.backbone.step


def test_all_of_ours_are_known(manager: PluginManager) -> None:
    assert {type(policy_of(manager, name, (16,)).backbone) for name in NAMES} == set(BACKBONES)


class OtherStep(Lstm):
    """Another's backbone, made from ours."""

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        return x_BD + 1, state


@torch.no_grad()
def test_another_backbone_runs_its_own_step(manager: PluginManager) -> None:
    policy = policy_of(manager, "lstm", (16,))
    policy.backbone = OtherStep(16, (16,))
    floats, ids = next(observations(3))
    got, _ = policy.frame(floats, ids, policy.initial_state(3))
    torch.testing.assert_close(got, policy.embedding(floats, ids) + 1, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_weights_that_change_or_move_are_followed(manager: PluginManager, name: str) -> None:
    policy, other = policy_of(manager, name, (16, 16)), policy_of(manager, name, (16, 16))
    for weight in other.parameters():
        weight += 0.1
    floats, ids = next(observations(2))

    def check() -> None:
        state = policy.initial_state(2)
        expected = policy.backbone.step(policy.embedding(floats, ids), state)
        assert_close(policy.frame(floats, ids, state), expected)

    check()
    before = policy._play
    policy.load_state_dict(other.state_dict())  # in place
    check()
    assert policy._play is before
    policy.load_state_dict(policy_of(manager, name, (16, 16)).state_dict(), assign=True)
    check()
    assert policy._play is not before
    assert copy.deepcopy(policy)._play is None


@torch.no_grad()
def test_training_and_double_precision_go_through_the_modules(manager: PluginManager) -> None:
    policy = policy_of(manager, "gru", (16,))
    floats, ids = next(observations(2))
    policy.train().frame(floats, ids, policy.initial_state(2))
    assert policy._play is None
    policy.eval().double()
    made = frame_of_play(policy.embedding, policy.backbone)
    assert made.embed is policy.embedding
    assert made(floats.double(), ids, (torch.zeros(2, 16, dtype=torch.float64),))[0].dtype == torch.float64
