"""Every example is seen once an epoch, in windows that never cross a game."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exphil_core.replays.game import Game
from exphil_core.replays.idle import target_rows
from exphil_core.training import sampling
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.hiding import Hiding
from exphil_core.training.prefetch import ahead
from exphil_core.training.samples import Windows
from exphil_core.training.sampling import (
    FrameSampler,
    Step,
    WindowSampler,
    validation_plans,
    validation_steps,
)
from exphil_core.training.segments import Cutting
from exphil_core.training.shuffle import shuffled
from exphil_core.training.table import Runs, Sides
from exphil_core.training.team import Part

EMPTY = build_store([], [])


@attrs.frozen(kw_only=True, eq=False)
class ValidationSampler:
    """Validation's steps as an epoch."""

    store: FrameStore
    lanes: int
    part: Part = Part()

    def epoch(self, rng: np.random.Generator) -> Iterator[Step]:
        return (plan.step(self.store) for plan in validation_plans(self.store, self.lanes, 200, self.part))


def content(step: Step) -> Counter[tuple[bytes, ...]]:
    """The lanes of a step as they are shown to a model, in no order."""
    seen = step.batch.observation
    return Counter(
        (seen.floats[lane].tobytes(), seen.ids[lane].tobytes(), step.batch.target[lane].tobytes())
        for lane in range(len(step))
    )


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games, [(0, 1)] * len(demo_games), delay=2)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=8), st.integers(1, 300), st.integers(0, 99))
def test_pieces_cover_all_runs_without_gap_or_overlap(lengths: list[int], length: int, key: int) -> None:
    sides = Sides(
        game=np.arange(len(lengths)), fighter=np.zeros(len(lengths), np.int8), rows=np.array(lengths)
    )
    starts = np.arange(len(lengths)) * 7
    runs = Runs(side=np.arange(len(lengths)), start=starts, stop=starts + lengths)
    cutting = Cutting(attrs.evolve(EMPTY, sides=sides), runs, length, 0.5, key)
    seen: Counter[tuple[int, int]] = Counter()
    for chunk in cutting.chunks(7):
        for game, start, stop in zip(chunk.game, chunk.start, chunk.stop, strict=True):
            assert 0 < stop - start <= length
            seen.update((int(game), row) for row in range(start, stop))
    assert seen == Counter({(g, s + row): 1 for g, s in enumerate(starts) for row in range(lengths[g])})


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**62))
def test_a_shuffle_by_index_is_a_shuffle(size: int, key: int) -> None:
    order = shuffled(key, size, np.arange(size))
    assert sorted(order) == list(range(size))
    # Any part of it can be had alone.
    assert (shuffled(key, size, np.arange(size // 2, size)) == order[size // 2 :]).all()


def test_a_shuffle_mixes() -> None:
    order = shuffled(5, 10_000, np.arange(10_000))
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
    assert (shuffled(6, 10_000, np.arange(10_000)) != order).mean() > 0.99
    assert np.abs(np.diff(order)).mean() == pytest.approx(10_000 / 3, rel=0.05)


@settings(deadline=None, max_examples=15)
@given(lanes=st.integers(1, 40), window=st.integers(10, 200), seed=st.integers(0, 99))
def test_an_epoch_of_windows_sees_every_example_once(
    store: FrameStore, lanes: int, window: int, seed: int
) -> None:
    sampler = WindowSampler(store=store, lanes=lanes, window=window, mirror=0.0)
    seen = sum(int(step.batch.counts.sum()) for step in sampler.epoch(rng(seed)))
    assert seen == store.example_count()


def test_lanes_walk_along_a_game_and_say_when_they_begin_another(store: FrameStore) -> None:
    plans = list(WindowSampler(store=store, lanes=4, window=30, mirror=0.0).plans(rng()))
    covered: Counter[tuple[int, int, int]] = Counter()
    rows = {
        (g, f): r for g, f, r in zip(store.sides.game, store.sides.fighter, store.sides.rows, strict=True)
    }
    before = None
    for plan in plans:
        now = plan.windows
        for lane in range(len(now)):
            who = int(now.game[lane]), int(now.fighter[lane])
            assert now.stop[lane] <= rows[who]
            covered.update(
                (*who, row) for row in range(now.start[lane], min(now.start[lane] + 30, now.stop[lane]))
            )
            if not plan.fresh[lane]:
                assert before is not None
                last = plan.kept[lane]
                assert (before.game[last], before.fighter[last]) == who
                assert before.start[last] + 30 == now.start[lane] < before.stop[last] == now.stop[lane]
        before = now
    assert set(covered.values()) == {1}
    assert len(covered) == store.sides.rows.sum()


@pytest.mark.parametrize("kind", ["windows", "frames"])
def test_an_epoch_can_be_entered_at_any_step(store: FrameStore, kind: str) -> None:
    sampler = {
        "windows": WindowSampler(store=store, lanes=5, window=40, mirror=0.5),
        "frames": FrameSampler(store=store, size=300, mirror=0.5),
    }[kind]
    whole = list(sampler.epoch(rng(3)))
    for start in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        rest = list(sampler.epoch(rng(3), start))
        assert len(rest) == len(whole) - start
        for step, expected in zip(rest, whole[start:], strict=True):
            assert_same(step, expected)


@pytest.mark.parametrize("count", [2, 3])
def test_the_parts_of_a_step_are_the_step(store: FrameStore, count: int) -> None:
    samplers = {
        "windows": WindowSampler(store=store, lanes=5, window=40, mirror=0.5, hiding=Hiding(mask=0.3)),
        "frames": FrameSampler(store=store, size=300, mirror=0.5, hiding=Hiding(mask=0.3)),
        "validation": ValidationSampler(store=store, lanes=2),
    }
    for kind, sampler in samplers.items():
        all_lanes = attrs.evolve(sampler, lanes=2 * count) if kind == "validation" else sampler
        whole = list(all_lanes.epoch(rng(3)))
        parts = [
            list(attrs.evolve(sampler, part=Part(index=i, count=count)).epoch(rng(3))) for i in range(count)
        ]
        assert {len(steps) for steps in parts} == {len(whole)}
        for step, *shares in zip(whole, *parts, strict=True):
            assert content(step) == sum((content(share) for share in shares), Counter())
            if kind != "frames":
                assert sorted(step.lane) == sorted(lane for share in shares for lane in share.lane)


@pytest.mark.parametrize("count", [2, 3])
def test_a_lane_stays_with_its_part_and_knows_where_it_was(store: FrameStore, count: int) -> None:
    for index in range(count):
        sampler = WindowSampler(
            store=store, lanes=7, window=40, mirror=0.0, part=Part(index=index, count=count)
        )
        for start in (0, 9):
            before = None
            for plan in sampler.plans(rng(), start):
                assert set(plan.lane % count) <= {index}
                if before is not None and not plan.fresh.all():
                    assert (before.lane[plan.kept] == plan.lane).all()
                before = plan


def test_passing_over_steps_reads_no_frame(store: FrameStore) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("a frame was read")

    blind = attrs.evolve(store, source=Untouchable())
    for sampler in (
        WindowSampler(store=blind, lanes=5, window=40, mirror=0.5),
        FrameSampler(store=blind, size=300, mirror=0.5),
    ):
        assert list(sampler.plans(rng()))


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_steps_made_ahead_are_the_same_in_the_same_order(store: FrameStore, threads: int) -> None:
    sampler = FrameSampler(store=store, size=200, mirror=0.5)
    steps = list(ahead(sampler.plans(rng()), store, threads=threads, depth=3))
    for step, expected in zip(steps, sampler.epoch(rng()), strict=True):
        assert_same(step, expected)


def test_an_error_ahead_comes_in_its_turn_and_threads_end_with_the_loop(store: FrameStore) -> None:
    class Broken:
        def step(self, store: FrameStore) -> Step:
            raise ValueError("this one")

    good = list(WindowSampler(store=store, lanes=2, window=30, mirror=0.0).plans(rng()))[:6]
    steps = ahead([*good[:4], Broken(), *good[4:]], store, threads=2, depth=8)
    assert len(list(itertools.islice(steps, 4))) == 4
    with pytest.raises(ValueError, match="this one"):
        next(steps)
    steps = ahead(good, store, threads=2, depth=2)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("exphil-batches")]


def assert_same(step: Step, expected: Step) -> None:
    assert (step.kept == expected.kept).all()
    assert (step.fresh == expected.fresh).all()
    for name in ("floats", "ids"):
        assert (getattr(step.batch.observation, name) == getattr(expected.batch.observation, name)).all()
    for name in ("decided", "target", "counts"):
        assert (getattr(step.batch, name) == getattr(expected.batch, name)).all()


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
    assert len(steps) == sampler.step_count(rng())
    targets = np.concatenate([step.batch.target[:, 0] for step in steps])
    expected, _ = store.targets()
    assert Counter(map(bytes, targets)) == Counter(map(bytes, expected))


@pytest.mark.parametrize("part", [Part(), Part(index=1, count=2)])
def test_the_steps_of_an_epoch_of_windows_are_counted(store: FrameStore, part: Part) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.0, part=part)
    actual = {seed: sum(1 for _ in sampler.plans(rng(seed))) for seed in range(20)}
    assert {seed: sampler.step_count(rng(seed)) for seed in actual} == actual
    assert len(set(actual.values())) > 1


def test_the_steps_of_a_long_epoch_are_estimated(store: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = WindowSampler(store=store, lanes=4, window=30, mirror=0.0)
    actual = sampler.step_count(rng())
    monkeypatch.setattr(sampling, "COUNTED", 0)
    monkeypatch.setattr(WindowSampler, "_walk", None)
    assert abs(actual - sampler.step_count(rng())) <= 0.3 * actual + 20


def test_mirrored_lanes_are_mirrored_in_everything(store: FrameStore) -> None:
    plain, mirrored, off = (
        store.batch(Windows.single(0, 0, 300, 330, mirrored=flipped)) for flipped in (False, True, False)
    )
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
    assert len(store.sides) == 0


def test_a_window_is_no_longer_than_what_there_is(store: FrameStore) -> None:
    sampler = WindowSampler(store=store, lanes=32, window=1_000_000, mirror=0.0)
    longest = max(store.sides.rows)
    assert all(step.batch.counts.shape[1] <= longest for step in sampler.epoch(rng()))


def test_pools_deal_every_example_once_however_small_they_are(
    store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "POOL_FRAMES", 1024)
    sampler = FrameSampler(store=store, size=300, mirror=0.0)
    steps = list(sampler.epoch(rng()))
    assert [step.batch.counts.size for step in steps[:-1]] == [300] * (sampler.step_count(rng()) - 1)
    seen = Counter(
        step.batch.observation.floats[i, 0].tobytes() for step in steps for i in range(len(step.fresh))
    )
    whole = next(attrs.evolve(sampler, size=10**6).epoch(rng())).batch
    assert seen == Counter(row.tobytes() for row in whole.observation.floats[:, 0])


@pytest.mark.parametrize("drop_idle", [False, True])
@pytest.mark.parametrize("delay", [0, 18])
def test_examples_are_the_rows_that_the_filters_say(
    demo_games: list[Game], delay: int, drop_idle: bool
) -> None:
    """Counted from stretches, cut window by window, and by the definition: three ways to the same rows."""
    controller = demo_games[0].controller_TPC.copy()
    controller[150:900, 0] = controller[150, 0]
    controller[1000:, 1] = controller[1000, 1]
    idle = attrs.evolve(demo_games[0], controller_TPC=controller)
    games = [idle, demo_games[1]]
    store = build_store(games, [(0, 1), (1,)], delay=delay, drop_idle=drop_idle)
    total = 0
    for game, fighter, rows in zip(store.sides.game, store.sides.fighter, store.sides.rows, strict=True):
        expected = target_rows(games[game], fighter, drop_idle)[1 + delay :]
        counts = np.concatenate(
            [
                store.cut(Windows.single(game, fighter, at, min(at + 77, rows))).counts[0]
                for at in range(0, rows, 77)
            ]
        )
        assert (counts == expected).all()
        total += int(expected.sum())
    assert store.example_count() == total
    assert len(store.targets()[0]) == total
    assert (
        sum(step.batch.counts.size for step in FrameSampler(store=store, size=99, mirror=0).epoch(rng()))
        == total
    )
