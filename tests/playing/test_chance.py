"""Chance plays as often as its frequencies say, and a model's head gives back those that it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior, group_values
from exphil_core.playing.chance import Chance, cells_of
from exphil_core.playing.games import Games
from exphil_core.playing.matches import Match
from exphil_core.playing.model import frequencies
from exphil_core.playing.scripted import Scripted
from exphil_core.replays.controller import CELL_COUNTS, Cells, valid
from exphil_core.serving.sandbox_source import to_cells, to_pads

Plan = Callable[..., list[Match]]
PolicyFile = Callable[..., Path]


def test_a_models_frequencies_are_those_of_its_training(
    policy_file: PolicyFile, prior: ControllerPrior
) -> None:
    path: Path = policy_file()
    found = frequencies(Policy.load(path))
    for group in range(len(GROUPS)):
        np.testing.assert_allclose(found.marginals[group], prior.marginals[group], rtol=1e-4, atol=1e-12)
        assert found.repeats[group] == pytest.approx(prior.repeats[group], rel=1e-4)


def test_numbers_of_groups_are_cells_again() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, CELL_COUNTS, (500, 6)).astype(np.uint8)
    np.testing.assert_array_equal(cells_of(group_values(cells)), cells)


def pressed(matches: Plan, player: Chance) -> Cells:
    """Of several games, one after the other."""
    pads = []
    games = Games(
        matches(12, minutes=0.2),
        player,
        Scripted(),
        batch=12,
        watch=lambda match, state, both: pads.append(both[match.seat]),
    )
    assert len([result for result in games if result is not None]) == 12
    cells = to_cells(pads).reshape(-1, 12, 6).swapaxes(0, 1)
    return cells[:, 1:]  # but for the first frame, which nobody decides


@pytest.mark.parametrize("repeats", [False, True])
def test_it_plays_as_often_as_its_frequencies_say(
    matches: Plan, prior: ControllerPrior, repeats: bool
) -> None:
    cells = pressed(matches, Chance("chance", prior, 3, repeats=repeats))
    assert valid(cells).all()
    values = group_values(cells)
    for group, marginal in enumerate(prior.marginals[:3]):
        same = (values[:, 1:, group] == values[:, :-1, group]).mean()
        again = float((marginal**2).sum())  # the same value drawn anew
        kept = prior.repeats[group] if repeats else 0.0
        assert same == pytest.approx(kept + (1 - kept) * again, abs=0.02)
        most = int(marginal.argmax())
        assert (values[..., group] == most).mean() == pytest.approx(marginal[most], abs=0.1)


def test_seeds_and_games_draw_differently(matches: Plan, prior: ControllerPrior) -> None:
    first, same, other = (
        pressed(matches, Chance("random", prior, seed, repeats=False)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any(axis=-1).mean() > 0.5
    assert (first[0] != first[1]).any(axis=-1).mean() > 0.5


def test_what_it_draws_can_be_pressed(matches: Plan, prior: ControllerPrior) -> None:
    cells = pressed(matches, Chance("random", prior, 1, repeats=False)).reshape(-1, 6)
    np.testing.assert_array_equal(to_cells(to_pads(cells)), cells)
