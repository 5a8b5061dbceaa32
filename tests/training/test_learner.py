"""What a step does: accumulation, smoothing, weights of parts, moving average, precision."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exphil_core.config.schema import TrainConfig
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.models.prior import ControllerPrior, fit_prior
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.game import Game
from exphil_core.training.batches import to_tensors
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.learner import Learner, NotFiniteError
from exphil_core.training.sampling import FrameSampler, Step, WindowSampler
from exphil_core.training.validation import validate

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(demo_games: list[Game]) -> FrameStore:
    return build_store(demo_games[:2], [(0, 1)] * 2)


@pytest.fixture(scope="module")
def prior(store: FrameStore) -> ControllerPrior:
    return fit_prior(*store.targets())


@pytest.fixture
def make(manager: PluginManager, prior: ControllerPrior) -> Any:
    def learner(backbone: str = "mlp", head: str = "autoregressive", **settings: Any) -> Learner:
        torch.manual_seed(0)
        shape = policy_shape(backbone, (16,), {}, observation_schema(), head)
        policy = build_policy(manager, shape)
        policy.head.set_prior(prior)
        config = TrainConfig(backbone=backbone, warmup_steps=0, schedule="constant", **settings)
        return Learner(config, policy, total_steps=100)

    return learner


def frames(store: FrameStore, sizes: Sequence[int]) -> list[Step]:
    sampler = FrameSampler(store=store, size=max(sizes), mirror=0.0)
    steps = sampler.epoch(np.random.default_rng(0))
    return [cut(next(steps), size) for size in sizes]


def cut(step: Step, size: int) -> Step:
    """The first `size` lanes."""
    batch = step.batch
    return attrs.evolve(
        step,
        batch=attrs.evolve(
            batch,
            observation=attrs.evolve(
                batch.observation, floats=batch.observation.floats[:size], ids=batch.observation.ids[:size]
            ),
            decided=batch.decided[:size],
            target=batch.target[:size],
            counts=batch.counts[:size],
            weight=batch.weight[:size],
        ),
        kept=step.kept[:size],
        fresh=step.fresh[:size],
    )


def joined(steps: Sequence[Step]) -> Step:
    def all_of(pick: Any) -> Any:
        return np.concatenate([pick(step) for step in steps])

    batch = steps[0].batch
    return attrs.evolve(
        steps[0],
        batch=attrs.evolve(
            batch,
            observation=attrs.evolve(
                batch.observation,
                floats=all_of(lambda s: s.batch.observation.floats),
                ids=all_of(lambda s: s.batch.observation.ids),
            ),
            decided=all_of(lambda s: s.batch.decided),
            target=all_of(lambda s: s.batch.target),
            counts=all_of(lambda s: s.batch.counts),
            weight=all_of(lambda s: s.batch.weight),
        ),
        kept=np.arange(sum(len(step.kept) for step in steps)),
        fresh=all_of(lambda s: s.fresh),
    )


def weights(policy: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in policy.state_dict().items()}


def test_batches_that_are_accumulated_make_the_step_of_one_large_batch(make: Any, store: FrameStore) -> None:
    # Of unequal sizes: an example counts the same in whichever batch it stands.
    steps = frames(store, [64, 17, 40])
    apart, together = make(), make()
    loss, count = apart.update(steps)
    assert together.update([joined(steps)]) == (pytest.approx(loss, rel=1e-6), count)
    assert apart.steps == together.steps == 1
    for name, tensor in weights(apart.policy).items():
        torch.testing.assert_close(tensor, weights(together.policy)[name], rtol=0, atol=2e-5)


def test_smoothing_spreads_over_what_is_possible_and_stays_out_of_the_likelihood(
    make: Any, store: FrameStore, prior: ControllerPrior
) -> None:
    learner = make()
    tensors = to_tensors(frames(store, [256])[0].batch, CPU)
    arguments = (tensors.floats, tensors.ids, tensors.decided, tensors.target, ())
    exact, _ = learner.policy.loss(*arguments)
    smoothed, _ = learner.policy.loss(*arguments, smoothing=0.1)
    assert (smoothed != exact).any()
    # Stick values outside the circle would cost a billion nats each.
    assert smoothed.max() < 1000
    assert torch.isfinite(smoothed).all()
    plain, smoothing = make(), make(label_smoothing=0.1)
    assert smoothing.update(frames(store, [256]))[0] > plain.update(frames(store, [256]))[0]
    untrained = [validate(make(**s).policy, store, prior, CPU) for s in ({}, {"label_smoothing": 0.1})]
    assert untrained[0] == untrained[1]


def test_the_button_weight_scales_the_buttons_part_alone(make: Any, store: FrameStore) -> None:
    steps = frames(store, [256])
    tensors = to_tensors(steps[0].batch, CPU)
    with torch.no_grad():
        parts, _ = make().policy.loss(tensors.floats, tensors.ids, tensors.decided, tensors.target, ())
    expected = (parts.sum(-1) + 2 * parts[..., 0])[tensors.counts].mean().item()
    assert make(button_weight=3.0).update(steps)[0] == pytest.approx(expected, rel=1e-5)


def test_all_weights_are_updated_in_one_operation(make: Any, store: FrameStore) -> None:
    learner = make()
    with torch.profiler.profile() as profile:
        learner.update(frames(store, [8]))
    called = {event.key: event.count for event in profile.key_averages()}
    assert called["aten::_fused_adamw_"] == len(learner.optimiser.param_groups)


def test_the_average_follows_the_weights_and_is_what_is_shown(make: Any, store: FrameStore) -> None:
    learner = make(ema=0.5)
    expected = weights(learner.policy)
    for number, step in enumerate(frames(store, [64] * 6), start=1):
        learner.update([step])
        decay = min(0.5, (1 + number) / (10 + number))
        for name, parameter in learner.policy.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()
    own = weights(learner.policy)
    with learner.shown() as policy:
        for name, _ in policy.named_parameters():
            torch.testing.assert_close(weights(policy)[name], expected[name])
    after = weights(learner.policy)
    assert all((after[name] == own[name]).all() for name in own)
    assert any((expected[name] != own[name]).any() for name in own)


@pytest.mark.parametrize("backbone", ["mlp", "gru", "mamba"])
def test_bf16_runs_the_layers_in_bf16_and_stays_near_fp32(
    make: Any, store: FrameStore, backbone: str
) -> None:
    seen = []
    full, half = make(backbone), make(backbone, precision="bf16")
    half.policy.embedding.project.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    sampler = WindowSampler(store=store, lanes=4, window=20, mirror=0.0)
    for step in itertools.islice(sampler.epoch(np.random.default_rng(0)), 3):
        loss = full.update([step])[0]
        assert half.update([step])[0] == pytest.approx(loss, rel=0.02)
        assert all(part.dtype == torch.float32 for part in half.carried)
    assert set(seen) == {torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in half.policy.parameters())


def test_an_independent_head_doesn_t_know_the_parts_before(make: Any, store: FrameStore) -> None:
    tensors = to_tensors(frames(store, [64])[0].batch, CPU)

    def with_other_buttons(policy: Policy) -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)
        for parameter in policy.head.parameters():
            nn.init.normal_(parameter, std=0.3)
        other = tensors.target.clone()
        other[..., 0] = (other[..., 0] + 1) % 8
        losses = [
            policy.loss(tensors.floats, tensors.ids, tensors.decided, target, ())[0][..., 1:]
            for target in (tensors.target, other)
        ]
        return losses[0], losses[1]

    same = with_other_buttons(make(head="independent").policy)
    torch.testing.assert_close(*same, rtol=0, atol=0)
    told = with_other_buttons(make().policy)
    assert (told[0] != told[1]).any()


def test_a_loss_that_is_no_number_leaves_weights_and_state_as_they_were(make: Any, store: FrameStore) -> None:
    learner = make("gru")
    sampler = WindowSampler(store=store, lanes=2, window=20, mirror=0.0)
    good, bad = itertools.islice(sampler.epoch(np.random.default_rng(0)), 2)
    learner.update([good])
    before, carried, steps = weights(learner.policy), learner.carried, learner.steps
    bad.batch.observation.floats[0, 0, 0] = np.inf
    with pytest.raises(NotFiniteError, match="the loss is nan at step 2: try a smaller --lr"):
        learner.update([bad])
    after = weights(learner.policy)
    assert all((after[name] == before[name]).all() for name in before)
    assert learner.carried is carried
    assert learner.steps == steps


def test_a_side_s_weight_scales_the_loss_of_its_examples_alone(make: Any, demo_games: list[Game]) -> None:
    def first_step(weights: list[list[float]] | None) -> tuple[float, Step]:
        weighted = build_store(demo_games[:2], [(0, 1)] * 2, weights=weights)
        step = next(iter(FrameSampler(store=weighted, size=256, mirror=0.0).epoch(np.random.default_rng(0))))
        return make().update([step])[0], step

    even, step = first_step(None)
    assert first_step([[1.0, 1.0], [1.0, 1.0]])[0] == even
    assert first_step([[2.5, 2.5], [2.5, 2.5]])[0] == pytest.approx(2.5 * even, rel=1e-5)
    mixed, lanes = first_step([[3.0, 1.0], [1.0, 1.0]])
    heavy = lanes.batch.weight == 3.0
    assert 0 < heavy.mean() < 1
    # The same examples in the same order: the heavy side's loss comes twice more.
    np.testing.assert_array_equal(step.batch.target, lanes.batch.target)
    only, _ = make().update(
        [attrs.evolve(step, batch=_lanes(step.batch, heavy), kept=step.kept[heavy], fresh=step.fresh[heavy])]
    )
    assert mixed == pytest.approx(even + 2 * only * heavy.mean(), rel=1e-4)


def test_a_side_that_weighs_nothing_is_no_example(demo_games: list[Game]) -> None:
    whole, without = (
        build_store(demo_games[:2], [(0, 1)] * 2, weights=weights)
        for weights in ([[1.0, 1.0]] * 2, [[0.0, 1.0], [1.0, 0.0]])
    )
    assert len(without.sides) == 2
    assert list(zip(without.sides.game, without.sides.fighter, strict=True)) == [(0, 1), (1, 0)]
    assert 0 < without.example_count() < whole.example_count()


def _lanes(batch: Any, chosen: Any) -> Any:
    observation = attrs.evolve(
        batch.observation, floats=batch.observation.floats[chosen], ids=batch.observation.ids[chosen]
    )
    rest = {name: getattr(batch, name)[chosen] for name in ("decided", "target", "counts", "weight")}
    return attrs.evolve(batch, observation=observation, **rest)
