"""What is hidden in training is drawn once for each example, is the same in every run, and touches nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from exphil_core.features.augment import GROUPS
from exphil_core.features.columns import DECIDED
from exphil_core.features.schema import observation_schema
from exphil_core.replays.game import Game
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.hiding import Hiding
from exphil_core.training.sampling import FrameSampler, WindowSampler, validation_steps

SCHEMA = observation_schema()
NAMES = [column.name for column in SCHEMA.columns]
KNOWN = NAMES.index("decided_known")
SPEEDS = NAMES.index("own_speeds_known")


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games[:3], [(0, 1)] * 3)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_chances_are_what_they_say_and_groups_are_drawn_apart() -> None:
    drawn = Hiding(mask=0.3, controller=0.6).drawn(9, np.arange(20_000))
    shares = dict(zip(GROUPS, drawn.mean(axis=0), strict=True))
    for group, share in shares.items():
        assert share == pytest.approx(0.6 if group == DECIDED else 0.3, abs=0.02), group
    assert drawn[:, 0].astype(float) @ drawn[:, 1] / 20_000 == pytest.approx(0.09, abs=0.01)
    assert not Hiding().drawn(9, np.arange(100)).any()
    assert (Hiding(mask=0.3).drawn(9, np.array([7])) == Hiding(mask=0.3).drawn(9, np.arange(8))[7:]).all()


def test_a_segment_goes_without_as_a_whole(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.0, hiding=Hiding(controller=0.5))
    hidden = np.zeros(4, bool)
    seen = set()
    for step in sampler.epoch(rng()):
        known = step.batch.observation.floats[..., KNOWN]
        lanes = known[:, 0] == 0
        assert (known == known[:, :1]).all()
        previous = hidden[step.kept]
        assert (lanes == previous)[~step.fresh].all()
        hidden = lanes
        seen |= set(lanes.tolist())
    assert seen == {True, False}


def test_single_frames_are_drawn_one_by_one(store: FrameStore) -> None:
    sampler = FrameSampler(store=store, size=500, mirror=0.0, hiding=Hiding(mask=0.25))
    step = next(sampler.epoch(rng()))
    assert (step.batch.observation.floats[:, 0, SPEEDS] == 0).mean() == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize("kind", ["windows", "frames"])
def test_hiding_changes_nothing_but_what_it_hides(store: FrameStore, kind: str) -> None:
    def steps(hiding: Hiding) -> list[object]:
        if kind == "windows":
            return list(
                WindowSampler(store=store, lanes=4, window=30, mirror=0.5, hiding=hiding).epoch(rng())
            )
        return list(FrameSampler(store=store, size=300, mirror=0.5, hiding=hiding).epoch(rng()))

    plain, again, hidden = (
        steps(h) for h in (Hiding(), Hiding(mask=0.4, controller=0.4), Hiding(mask=0.4, controller=0.4))
    )
    for a, b, c in zip(plain, again, hidden, strict=True):
        assert (b.batch.observation.floats == c.batch.observation.floats).all()
        assert (b.batch.observation.ids == c.batch.observation.ids).all()
        for name in ("decided", "target", "counts"):
            assert (getattr(a.batch, name) == getattr(b.batch, name)).all(), name
        differs = a.batch.observation.floats != b.batch.observation.floats
        assert (b.batch.observation.floats[differs] == 0).all()


def test_held_out_games_are_seen_whole(store: FrameStore) -> None:
    for step in validation_steps(store, 4, 200):
        assert (step.batch.observation.floats[..., KNOWN] == 1).all()
