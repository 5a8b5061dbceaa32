"""Every example is seen once an epoch, in windows that never cross a game."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.replays.game import Game
from exphil_core.training.frames import FrameStore, Side, build_store
from exphil_core.training.sampling import FrameSampler, Segment, WindowSampler, _pieces, validation_steps


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games, [(0, 1)] * len(demo_games), delay=2)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(1, 5000), st.integers(1, 700), st.data())
def test_pieces_cover_a_side_without_gap_or_overlap(rows: int, length: int, data: st.DataObject) -> None:
    phase = data.draw(st.integers(0, length - 1))
    pieces = _pieces(Side(game=0, fighter=0, start=50, stop=50 + rows), length, phase)
    covered = [row for start, stop in pieces for row in range(start, stop)]
    assert covered == list(range(50, 50 + rows))
    assert all(0 < stop - start <= length for start, stop in pieces)


@settings(deadline=None, max_examples=15)
@given(lanes=st.integers(1, 40), window=st.integers(10, 200), seed=st.integers(0, 99))
def test_an_epoch_of_windows_sees_every_example_once(
    store: FrameStore, lanes: int, window: int, seed: int
) -> None:
    sampler = WindowSampler(store=store, lanes=lanes, window=window, mirror=0.0)
    seen = sum(int(step.batch.counts.sum()) for step in sampler.epoch(rng(seed)))
    assert seen == store.example_count()


def test_lanes_walk_along_a_game_and_say_when_they_begin_another(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.0)
    walks: list[tuple[list[Segment], list[int]]] = []
    original = WindowSampler._step

    def spy(
        self: WindowSampler, lanes: list[Segment], at: list[int], kept: list[int], fresh: list[bool]
    ) -> object:
        walks.append((list(lanes), list(at)))
        return original(self, lanes, at, kept, fresh)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowSampler, "_step", spy)
        steps = list(sampler.epoch(rng()))
    covered: Counter[tuple[int, int]] = Counter()
    for index, (step, (lanes, at)) in enumerate(zip(steps, walks, strict=True)):
        for lane, (segment, start) in enumerate(zip(lanes, at, strict=True)):
            covered.update((segment.fighter, row) for row in range(start, min(start + 30, segment.stop)))
            side = next(s for s in store.sides if s.fighter == segment.fighter and s.start <= start < s.stop)
            assert segment.stop <= side.stop
            if step.fresh[lane]:
                assert start == segment.start
            else:
                before_lanes, before_at = walks[index - 1]
                assert before_lanes[step.kept[lane]] is segment
                assert before_at[step.kept[lane]] + 30 == start
    assert set(covered.values()) == {1}
    assert len(covered) == sum(len(side) for side in store.sides)


def test_an_epoch_depends_on_its_seed_alone(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.5)

    def first(seed: int) -> np.ndarray:
        return next(iter(sampler.epoch(rng(seed)))).batch.observation.floats

    assert (first(1) == first(1)).all()
    assert first(1).shape != first(2).shape or (first(1) != first(2)).any()


def test_an_epoch_of_frames_sees_every_example_once(store: FrameStore) -> None:
    sampler = FrameSampler(store=store, size=500, mirror=0.0)
    steps = list(sampler.epoch(rng()))
    assert all(step.batch.counts.all() for step in steps)
    assert sum(step.batch.counts.size for step in steps) == store.example_count()
    assert len(steps) == sampler.step_count()
    targets = np.concatenate([step.batch.target[:, 0] for step in steps])
    expected, _ = store.targets()
    assert Counter(map(bytes, targets)) == Counter(map(bytes, expected))


def test_the_step_count_of_windows_is_near_the_truth(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.0)
    actual = sum(1 for _ in sampler.epoch(rng()))
    assert abs(actual - sampler.step_count()) <= 0.3 * actual + 20


def test_mirrored_lanes_are_mirrored_in_everything(store: FrameStore) -> None:
    rows, fighter = np.arange(300, 330)[None], np.array([0])
    present = np.ones((1, 30), bool)
    plain = store.batch(rows, fighter, present)
    mirrored = store.batch(rows, fighter, present, np.array([True]))
    off = store.batch(rows, fighter, present, np.array([False]))
    assert (off.observation.floats == plain.observation.floats).all()
    assert (mirrored.observation.floats[..., 0] == -plain.observation.floats[..., 0]).all()
    assert (mirrored.target[..., 1] == 116 - plain.target[..., 1]).all()
    assert (mirrored.decided[..., 1] == 116 - plain.decided[..., 1]).all()
    assert (mirrored.target[..., [0, 2, 4, 5]] == plain.target[..., [0, 2, 4, 5]]).all()


@pytest.mark.parametrize(("lanes", "window"), [(1, 50), (3, 256), (64, 10_000)])
def test_validation_walks_every_side_from_its_start_once(store: FrameStore, lanes: int, window: int) -> None:
    steps = list(validation_steps(store, lanes, window))
    assert sum(int(step.batch.counts.sum()) for step in steps) == store.example_count()
    assert sum(int(step.fresh.sum()) for step in steps) == len(store.sides)


def test_a_game_as_short_as_the_delay_has_no_side(demo_games: list[Game]) -> None:
    game = demo_games[0]
    store = build_store([game], [(0, 1)], delay=len(game) - 1)
    assert store.sides == ()


def test_a_window_is_no_longer_than_what_there_is(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=32, window=1_000_000, mirror=0.0)
    longest = max(len(side) for side in store.sides)
    assert all(step.batch.counts.shape[1] <= longest for step in sampler.epoch(rng()))
