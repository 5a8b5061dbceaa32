"""What is hidden in training is drawn once for each example, is the same in every run, and touches nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from exphil_core.config.resolve import resolve
from exphil_core.features.augment import GROUPS
from exphil_core.features.columns import DECIDED, IDENTITY
from exphil_core.features.schema import observation_schema
from exphil_core.melee.characters import UNKNOWN_INTERNAL as UNKNOWN_CHARACTER
from exphil_core.melee.stages import UNKNOWN_INTERNAL as UNKNOWN_STAGE
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import Game
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.hiding import Hiding
from exphil_core.training.loop import sampler_of
from exphil_core.training.sampling import FrameSampler, Step, WindowSampler, validation_steps

SCHEMA = observation_schema()
NAMES = [column.name for column in SCHEMA.columns]
KNOWN = NAMES.index("decided_known")
SPEEDS = NAMES.index("own_speeds_known")
IDS = [column.name for column in SCHEMA.ids]
WHO_AND_WHERE = [IDS.index(name) for name in ("own_character", "opponent_character", "stage")]
UNKNOWN = (UNKNOWN_CHARACTER, UNKNOWN_CHARACTER, UNKNOWN_STAGE)


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games[:3], [(0, 1)] * 3)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_chances_are_what_they_say_and_groups_are_drawn_apart() -> None:
    drawn = Hiding(mask=0.3, controller=0.6, identity=0.45).drawn(9, np.arange(20_000))
    shares = dict(zip(GROUPS, drawn.mean(axis=0), strict=True))
    for group, share in shares.items():
        assert share == pytest.approx({DECIDED: 0.6, IDENTITY: 0.45}.get(group, 0.3), abs=0.02), group
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


def test_who_plays_where_is_hidden_from_a_segment_as_a_whole_and_from_nobody_else(store: FrameStore) -> None:
    def steps(hiding: Hiding) -> list[Step]:
        return list(WindowSampler(store=store, lanes=4, window=30, mirror=0.5, hiding=hiding).epoch(rng()))

    hidden, share = np.zeros(4, bool), []
    for plain, step in zip(steps(Hiding()), steps(Hiding(identity=0.5)), strict=True):
        ids, seen = step.batch.observation.ids, plain.batch.observation.ids
        lanes = (ids[..., WHO_AND_WHERE] == UNKNOWN).all(axis=(1, 2))
        assert (lanes == hidden[step.kept])[~step.fresh].all()
        assert (ids[~lanes] == seen[~lanes]).all()
        assert not (seen[..., WHO_AND_WHERE] == UNKNOWN).any()
        others = np.delete(np.arange(len(IDS)), WHO_AND_WHERE)
        assert (ids[..., others] == seen[..., others]).all()
        assert (step.batch.observation.floats == plain.batch.observation.floats).all()
        assert (step.batch.target == plain.batch.target).all()
        hidden = lanes
        share.append(lanes.mean())
    assert 0.2 < np.mean(share) < 0.8


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
        assert not (step.batch.observation.ids[..., WHO_AND_WHERE] == UNKNOWN).any()


@pytest.mark.parametrize("kind", [WindowSampler, FrameSampler])
def test_the_flag_reaches_what_is_cut_for_training(
    store: FrameStore, kind: type, manager: PluginManager
) -> None:
    temporal = kind is WindowSampler
    flags = {"replays": ("x",), "backbone": "gru" if temporal else "mlp", "identity_dropout": "1"}
    sampler = sampler_of(resolve(manager, flags=flags).config, store)
    assert isinstance(sampler, kind)
    for step in sampler.epoch(rng()):
        assert (step.batch.observation.ids[..., WHO_AND_WHERE] == UNKNOWN).all()
