"""The policy head is an exact distribution over the controllers that exist, and starts at the repeat baseline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from exphil_core.models.backbones.base import set_dropout
from exphil_core.models.head import PART_GROUPS, PolicyHead
from exphil_core.models.prior import GROUPS, ControllerPrior, fit_prior
from exphil_core.replays.controller import CELL_COUNTS, PARTS, STICK_CELLS, valid
from exphil_core.replays.game import Game

WIDTH = 12


@pytest.fixture(scope="module")
def controllers(demo_games: list[Game]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    cells = demo_games[0].controller_TPC[200:1200, 0]
    return cells[1:], cells[:-1]


@pytest.fixture(scope="module")
def prior(controllers: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]) -> ControllerPrior:
    return fit_prior(*controllers)


def make_head(prior: ControllerPrior, *, trained: bool) -> PolicyHead:
    torch.manual_seed(0)
    head = PolicyHead(WIDTH, 16)
    head.set_prior(prior)
    if trained:
        for module in (*head.logits, *head.copies, head.each_button):
            torch.nn.init.normal_(module.weight, std=0.5)
    return head.eval()


def test_an_untrained_head_scores_exactly_as_the_repeat_baseline(
    controllers: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], prior: ControllerPrior
) -> None:
    target, last = controllers
    head = make_head(prior, trained=False)
    with torch.no_grad():
        parts = head.loss(
            torch.randn(len(target), WIDTH), torch.from_numpy(target).long(), torch.from_numpy(last).long()
        ).numpy()
    baseline = prior.repeat_loss(target, last)
    for group, name in enumerate(GROUPS):
        ours = parts[:, [p for p, g in enumerate(PART_GROUPS) if g == group]].sum(axis=1)
        assert np.allclose(ours, baseline[:, group], atol=2e-4), name


@pytest.mark.parametrize("trained", [False, True])
def test_probabilities_of_each_part_sum_to_one_and_none_is_given_to_impossible_sticks(
    prior: ControllerPrior, trained: bool
) -> None:
    head = make_head(prior, trained=trained)
    last = torch.tensor([[5, 116, 58, 58, 58, 3]])
    z = head.enter(torch.randn(1, WIDTH))
    for main_x in (0, 30, 58, 116):
        chosen = [torch.tensor([0]), torch.tensor([main_x])]
        chances = torch.softmax(head.part_logits(2, z, last, chosen), dim=1)[0].detach().numpy()
        assert chances.sum() == pytest.approx(1, abs=1e-5)
        assert (chances[~STICK_CELLS[main_x]] == 0).all()
        assert (chances[STICK_CELLS[main_x]] > 0).all()


def test_the_loss_of_a_controller_is_minus_its_log_chance_among_all(prior: ControllerPrior) -> None:
    """Brute force over one part at a time: exp(-loss) over all values of a part sums to one."""
    head = make_head(prior, trained=True)
    hidden, base = torch.randn(1, WIDTH), [3, 58, 58, 58, 58, 0]
    for part, cells in enumerate(CELL_COUNTS):
        target = torch.tensor([base] * cells)
        target[:, part] = torch.arange(cells)
        last = torch.tensor([[0, 40, 58, 58, 58, 9]] * cells)
        with torch.no_grad():
            loss = head.loss(hidden.expand(cells, -1), target, last)[:, part]
        assert torch.exp(-loss).sum().item() == pytest.approx(1, abs=1e-4), PARTS[part]


def test_each_part_depends_on_those_before_it(prior: ControllerPrior) -> None:
    head = make_head(prior, trained=True)
    target = torch.tensor([[0, 58, 58, 58, 58, 0], [1, 58, 58, 58, 58, 0]])
    with torch.no_grad():
        loss = head.loss(torch.randn(1, WIDTH).expand(2, -1), target, target[:1].expand(2, -1))
    assert (loss[0, 1:] != loss[1, 1:]).all()


def test_what_is_said_of_one_button_holds_in_every_chord(prior: ControllerPrior) -> None:
    """Bit b of a chord is its button b: the first rows are for being down, those after them for staying as it was."""
    head, last = make_head(prior, trained=True), torch.tensor([[0b101, 58, 58, 58, 58, 0]])
    z = head.enter(torch.randn(1, WIDTH))

    def chords() -> torch.Tensor:
        return head.part_logits(0, z, last, [])[0]

    with torch.no_grad():
        before = chords()
        head.each_button.bias[1] += 0.5
        down = chords() - before
        head.each_button.bias[1] -= 0.5
        head.each_button.bias[8:11] += torch.tensor([1.0, 2.0, 4.0])
        stays = chords() - before
    number = torch.arange(256)
    assert torch.allclose(down, 0.5 * (number >> 1 & 1), atol=1e-5)
    # Up to a number that all chords share: 1, 2 and 4 for each of the three that is as it was, 0b101.
    same = sum(weight * ((number >> bit & 1) == (0b101 >> bit & 1)) for bit, weight in enumerate((1, 2, 4)))
    difference = stays - same
    assert torch.allclose(difference, difference[:1], atol=1e-5)


def test_samples_are_controllers_that_exist(prior: ControllerPrior) -> None:
    head = make_head(prior, trained=True)
    generator = torch.Generator().manual_seed(1)
    last = torch.randint(0, 90, (500, 6), generator=generator)
    drawn = head.sample(torch.randn(500, WIDTH), last, temperature=2.0, generator=generator)
    assert valid(drawn.numpy().astype(np.uint8)).all()


def test_greedy_takes_the_likeliest_and_repeats_itself(prior: ControllerPrior) -> None:
    head = make_head(prior, trained=True)
    hidden, last = torch.randn(4, WIDTH), torch.tensor([[0, 58, 58, 58, 58, 0]] * 4)
    once, again = (head.sample(hidden, last, temperature=0.0) for _ in range(2))
    assert (once == again).all()
    with torch.no_grad():
        best = head.loss(hidden, once, last)[:, 0]
        other = once.clone()
        other[:, 0] = (other[:, 0] + 1) % 256
        assert (best <= head.loss(hidden, other, last)[:, 0]).all()


def test_low_temperature_samples_close_to_greedy(prior: ControllerPrior) -> None:
    head = make_head(prior, trained=True)
    hidden, last = torch.randn(64, WIDTH), torch.tensor([[0, 58, 58, 58, 58, 0]] * 64)
    generator = torch.Generator().manual_seed(0)
    cold = head.sample(hidden, last, temperature=0.01, generator=generator)
    hot = head.sample(hidden, last, temperature=3.0, generator=generator)
    greedy = head.sample(hidden, last, temperature=0.0)
    assert (cold == greedy).all(dim=1).float().mean() > 0.9
    assert (hot == greedy).all(dim=1).float().mean() < 0.5


def test_dropout_drops_of_what_the_head_knows_in_training_only(
    controllers: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], prior: ControllerPrior
) -> None:
    head = make_head(prior, trained=True)
    target, last = (torch.from_numpy(cells[:50].astype(np.int64)) for cells in controllers)
    y = torch.randn(50, WIDTH)
    plain = head.loss(y, target, last)
    assert set_dropout(head, 0.5) == 1
    assert torch.equal(head.loss(y, target, last), plain)
    head.train()
    first, second = head.loss(y, target, last), head.loss(y, target, last)
    assert ((first != plain).any(dim=0) & (first != second).any(dim=0)).all()
