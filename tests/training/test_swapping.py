"""Buttons that do the same change places in training: for a whole stretch of a game, in what is seen and in what is
to be predicted, and nowhere else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from exphil_core.config.resolve import resolve
from exphil_core.features.schema import observation_schema
from exphil_core.melee.controller import BUTTONS, TWINS
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import BUTTON_PART, CHORDS, NEUTRAL, swap_twins
from exphil_core.replays.game import Game
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.loop import sampler_of
from exphil_core.training.sampling import FrameSampler, Step, WindowSampler, validation_steps
from exphil_core.training.swapping import swaps

NAMES = [column.name for column in observation_schema().columns]
# Where the observation says of a button that it was decided.
DECIDED = {name: NAMES.index(f"decided_{name.lower()}") for pair in TWINS for name in pair}
# And which of two was used last.
LAST = [NAMES.index(f"last_{first.lower()}_or_{second.lower()}") for first, second in TWINS]


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games[:3], [(0, 1)] * 3)


def steps(store: FrameStore, swap: float, kind: type = WindowSampler) -> list[Step]:
    rng = np.random.default_rng(5)
    if kind is WindowSampler:
        return list(WindowSampler(store=store, lanes=4, window=30, mirror=0.5, swap=swap).epoch(rng))
    return list(FrameSampler(store=store, size=300, mirror=0.5, swap=swap).epoch(rng))


def pressed(cells: np.ndarray, name: str) -> np.ndarray:
    return cells[..., BUTTON_PART] >> BUTTONS.index(name) & 1 == 1


@pytest.mark.parametrize("swapped", list(product([False, True], repeat=len(TWINS))))
def test_a_swap_is_of_these_buttons_alone_and_undoes_itself(swapped: tuple[bool, ...]) -> None:
    controllers = np.tile(NEUTRAL, (1, CHORDS, 1))
    controllers[0, :, BUTTON_PART] = np.arange(CHORDS)
    lanes = np.array([swapped])
    other = swap_twins(controllers, lanes)
    assert (swap_twins(other, lanes) == controllers).all()
    assert (other[..., BUTTON_PART + 1 :] == controllers[..., BUTTON_PART + 1 :]).all()
    places = {name: name for name in BUTTONS}
    for (first, second), swap in zip(TWINS, swapped, strict=True):
        if swap:
            places[first], places[second] = second, first
    for name in BUTTONS:
        assert (pressed(other, name) == pressed(controllers, places[name])).all()


def test_pairs_are_drawn_apart_with_the_chance_that_was_asked_for() -> None:
    drawn = swaps(0.3, 9, np.arange(20_000))
    assert drawn.mean(axis=0) == pytest.approx(0.3, abs=0.02)
    assert drawn.all(axis=1).mean() == pytest.approx(0.09, abs=0.01)
    assert (swaps(0.3, 9, np.array([7])) == drawn[7]).all()
    assert not swaps(0.0, 9, np.arange(100)).any()


@pytest.mark.parametrize("kind", [WindowSampler, FrameSampler])
def test_what_is_seen_and_what_is_predicted_change_together_and_nothing_else_does(
    store: FrameStore, kind: type
) -> None:
    others = np.delete(np.arange(len(NAMES)), [*DECIDED.values(), *LAST])
    found = habits = 0
    for plain, swapped in zip(steps(store, 0.0, kind), steps(store, 1.0, kind), strict=True):
        before, after = plain.batch, swapped.batch
        for pair in TWINS:
            for name, other in (pair, pair[::-1]):
                for cells in ("target", "decided"):
                    assert (
                        pressed(getattr(after, cells), name) == pressed(getattr(before, cells), other)
                    ).all()
                seen, expected = after.observation.floats[..., DECIDED[name]], before.observation.floats
                assert (seen == expected[..., DECIDED[other]]).all()
        assert (after.target[..., 1:] == before.target[..., 1:]).all()
        assert (after.observation.floats[..., others] == before.observation.floats[..., others]).all()
        assert (after.observation.floats[..., LAST] == -before.observation.floats[..., LAST]).all()
        assert (after.observation.ids == before.observation.ids).all()
        assert (after.counts == before.counts).all()
        found += int((after.target != before.target).sum())
        habits += int((after.observation.floats[..., LAST] != 0).sum())
    assert found
    assert habits


def test_a_segment_is_swapped_as_a_whole(store: FrameStore) -> None:
    """Or else a player's habit, which is learned from what was pressed before, would change in the middle."""
    plans = list(
        WindowSampler(store=store, lanes=4, window=30, mirror=0.0, swap=0.5).plans(np.random.default_rng(5))
    )
    seen, before = set(), np.zeros((4, len(TWINS)), bool)
    for plan in plans:
        assert (plan.windows.swapped == before[plan.kept])[~plan.fresh].all()
        before = plan.windows.swapped
        seen |= set(map(tuple, before.tolist()))
    assert seen == set(product([False, True], repeat=len(TWINS)))


def test_held_out_games_are_never_swapped(store: FrameStore) -> None:
    target, decided = (
        np.concatenate(
            [getattr(step.batch, name)[step.batch.counts] for step in validation_steps(store, 4, 200)]
        )
        for name in ("target", "decided")
    )
    for cells, own in zip((target, decided), store.targets(), strict=True):
        for name in DECIDED:
            assert pressed(cells, name).sum() == pressed(own, name).sum()


@pytest.mark.parametrize("backbone", ["gru", "mlp"])
def test_the_flag_reaches_what_is_cut_for_training(
    store: FrameStore, backbone: str, manager: PluginManager
) -> None:
    flags = {"replays": ("x",), "backbone": backbone}

    def targets(**more: str) -> np.ndarray:
        sampler = sampler_of(resolve(manager, flags={**flags, **more}).config, store)
        return next(iter(sampler.epoch(np.random.default_rng(5)))).batch.target

    lanes = np.ones((len(targets()), len(TWINS)), bool)
    assert (targets(swap_buttons="1") == swap_twins(targets(), lanes)).all()
