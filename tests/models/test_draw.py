"""Controllers are drawn from the head's own chances."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exphil_core.kernels.library import attempt, force_kernel
from exphil_core.models.draw import draw_controllers
from exphil_core.models.head import AUTOREGRESSIVE, GIVEN_X, IMPOSSIBLE, INDEPENDENT, PolicyHead
from exphil_core.models.prior import fit_prior
from exphil_core.replays.controller import PARTS
from exphil_core.replays.game import Game
from exphil_core.training.frames import build_store

WIDTH, GAMES = 20, 300


@pytest.fixture(params=[AUTOREGRESSIVE, INDEPENDENT])
def head(request: pytest.FixtureRequest, demo_games: list[Game]) -> PolicyHead:
    """A head with the games' prior and weights that say something of their own."""
    torch.manual_seed(0)
    head = PolicyHead(WIDTH, 16, request.param)
    head.set_prior(fit_prior(*build_store(demo_games[:2], [(0,), (0,)]).targets()))
    for layer in (*head.logits, *head.copies, head.each_button):
        nn.init.normal_(layer.weight, std=0.5)
    return head


@pytest.fixture(params=["kernel", "numpy"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the CPU kernel and without."""
    if request.param == "kernel" and attempt().kernel is None:
        pytest.skip(attempt().why)
    force_kernel("off" if request.param == "numpy" else None)
    yield
    force_kernel(None)


@pytest.fixture
def last(demo_games: list[Game]) -> Tensor:
    """Controllers that somebody had decided."""
    targets, _ = build_store(demo_games[:1], [(0,)]).targets()
    return torch.from_numpy(targets[:: max(1, len(targets) // GAMES)][:GAMES].astype(np.int64))


def expected(head: PolicyHead, y: Tensor, last: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """The same, by the functions that score."""
    z, chosen = head.enter(y), []
    for part in range(len(PARTS)):
        logits = head.part_logits(part, z, last, chosen)
        if temperature == 0:
            value = logits.argmax(dim=1)
        else:
            sums = torch.softmax(logits.double() / temperature, dim=1).cumsum(dim=1)
            value = (sums <= uniform[:, part, None]).sum(dim=1).clamp(max=logits.shape[1] - 1)
        chosen.append(value)
        z = head.tell(part, z, value, last)
    return torch.stack(chosen, dim=1)


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 2.0])
@torch.no_grad()
def test_they_follow_the_chances_that_the_head_scores_with(
    head: PolicyHead, last: Tensor, temperature: float
) -> None:
    y = torch.randn(len(last), WIDTH)
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand(last.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    got = draw_controllers(head._weights_for_drawing(), y, last, temperature, generator)
    same = (got == expected(head, y, last, temperature, uniform)).all(dim=1)
    # A uniform number may fall between two roundings of a border.
    assert same.double().mean() > 0.98


@torch.no_grad()
def test_nothing_impossible_is_ever_drawn(head: PolicyHead, last: Tensor) -> None:
    for seed in range(5):
        y = 30 * torch.randn(len(last), WIDTH, generator=torch.Generator().manual_seed(seed))
        got = draw_controllers(head._weights_for_drawing(), y, last, 5.0, None)
        for part in GIVEN_X:
            assert head._buffer("possible")[got[:, part - 1], got[:, part]].all()
        loss = head.loss(y, got, last)
        assert loss.max() < -IMPOSSIBLE / 2


@torch.no_grad()
def test_the_last_controllers_stay_as_they_are(head: PolicyHead, last: Tensor) -> None:
    y, kept = torch.randn(len(last), WIDTH), last.clone()
    kept_y = y.clone()
    head.sample(y, last, temperature=1.0)
    assert torch.equal(last, kept)
    assert torch.equal(y, kept_y)


@torch.no_grad()
def test_weights_that_change_or_move_are_noticed(head: PolicyHead, last: Tensor) -> None:
    y = torch.randn(len(last), WIDTH)
    first = head.sample(y, last, temperature=0.0)
    nn.init.normal_(head.logits[0].weight, std=5.0)
    second = head.sample(y, last, temperature=0.0)
    assert not torch.equal(first, second)
    moved = {name: 2 * tensor for name, tensor in head.state_dict().items()}
    head.load_state_dict(moved, assign=True)
    third = head.sample(y, last, temperature=0.0)
    assert torch.equal(third, expected(head, y, last, 0.0, torch.empty(0)))
    assert not torch.equal(second, third)


def test_a_head_that_has_drawn_can_be_copied(head: PolicyHead, last: Tensor) -> None:
    y = torch.randn(len(last), WIDTH)
    first = head.sample(y, last, temperature=0.0)
    other = copy.deepcopy(head)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    assert torch.equal(other.sample(y, last, temperature=0.0), first)
