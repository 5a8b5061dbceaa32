"""The conformance suite of backbones. Shapes: B batch, T frames, D input width, H output width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from exphil_core.models.backbones.base import State, reset_state, select_state
from exphil_core.plugin_manager import PluginManager
from exphil_core.specs import BackboneSpec
from exphil_core.testing.subject import checked_options, claim, factory_of, find, said

HOOK = "exphil_backbones"
SIZES = ((16,), (16, 16), (8, 24, 12))
INPUT_SIZE, BATCH, FRAMES = 12, 3, 24
TOLERANCE = 1e-5
# Frames of a game after those that its last output can see.
AFTER_REACH = 8
# How far inputs are changed to see who notices.
LOUD = 30.0


def check_backbone(
    backbone: BackboneSpec | str,
    *,
    options: Mapping[str, Any] | None = None,
    manager: PluginManager | None = None,
    hidden_sizes: Sequence[tuple[int, ...]] = SIZES,
    frames: int = FRAMES,
    compiled: bool = False,
) -> None:
    """Check a backbone at several `hidden_sizes`: shapes and state; no look into the future, in training mode
    either; a game at once, in chunks and step by step give the same (to 1e-5); a lane whose state is reset starts
    anew and lanes don't touch each other; every parameter learns; saved and loaded it is the same to the bit.

    `options` are settings of its own. The games are `frames` long, and longer than the backbone's `reach` if it
    tells one. With `compiled`, `torch.compile` must not change the answer either; that takes a C++ compiler and
    about a minute.
    """
    entry = find(HOOK, backbone, manager)
    spec: BackboneSpec = entry.spec
    who = f"backbone {spec.name}"
    chosen = checked_options(who, spec.options, options or {})
    factory = factory_of(who, spec.factory)
    claim(frames >= 8, "frames must be at least 8")
    with torch.random.fork_rng(devices=[]):
        for sizes in hidden_sizes:
            subject = _Subject(
                who=f"{who} with hidden_sizes {','.join(map(str, sizes))}",
                temporal=spec.temporal,
                build=partial(_built, who, factory, sizes, chosen),
                frames=frames,
            )
            reach = getattr(subject.build(0), "reach", 1)
            subject = attrs.evolve(subject, frames=max(frames, reach + AFTER_REACH))
            for check in CHECKS + ((_check_compiled,) if compiled else ()):
                check(subject)


def seed(number: int) -> None:
    """Seed the CPU's random numbers; `torch.manual_seed` takes 1.4 ms, since it asks every device."""
    torch.default_generator.manual_seed(number)


def _built(who: str, factory: Any, sizes: tuple[int, ...], options: Any, number: int) -> Any:
    seed(number)
    try:
        module = factory(INPUT_SIZE, sizes, options)
    except Exception as error:
        raise AssertionError(f"{who} can't be built with hidden_sizes {sizes}: {said(error)}") from error
    claim(isinstance(module, nn.Module), f"{who}: its factory gives a {type(module).__name__}, no nn.Module")
    for name in ("initial_state", "step"):
        claim(callable(getattr(module, name, None)), f"{who} has no {name}; build on Backbone, which has one")
    width = getattr(module, "output_size", None)
    claim(
        isinstance(width, int) and width > 0, f"{who}: output_size must be its output's width, not {width!r}"
    )
    return module.eval()


@attrs.frozen(eq=False)
class _Subject:
    """A backbone of certain sizes, and how its checks run it."""

    who: str
    temporal: bool
    build: Callable[[int], Any]
    frames: int

    def inputs(self, number: int = 0, batch: int = BATCH) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        return torch.randn(batch, self.frames, INPUT_SIZE, generator=generator)

    def run(self, module: Any, x_BTD: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Forward from `state` (default: a game's start), the same random numbers each time."""
        state = module.initial_state(len(x_BTD)) if state is None else state
        seed(0)
        try:
            y_BTH, after = module(x_BTD, state)
        except Exception as error:
            raise AssertionError(f"{self.who} raised {said(error)} in forward") from error
        return y_BTH, after

    def claim_same(self, got: Tensor, expected: Tensor, sentence: str) -> None:
        far = (got - expected).abs().max().item() if got.numel() else 0.0
        # A NaN is never close.
        claim(far <= TOLERANCE, f"{self.who}: {sentence} (they differ by {far:.2g})")


def _claim_state(subject: _Subject, state: object, batch: int, where: str) -> None:
    who = subject.who
    claim(
        isinstance(state, tuple) and all(isinstance(part, Tensor) for part in state),
        f"{who}: {where} must be a tuple of tensors, not {type(state).__name__}",
    )
    for part in state if isinstance(state, tuple) else ():
        claim(
            part.dim() > 0 and len(part) == batch,
            f"{who}: {where} has a tensor of shape {tuple(part.shape)}; the batch ({batch}) comes first",
        )


@torch.no_grad()
def _check_shapes(subject: _Subject) -> None:
    module, who = subject.build(0), subject.who
    for batch in (1, BATCH):
        start = module.initial_state(batch, "cpu")
        _claim_state(subject, start, batch, "initial_state")
        claim(
            not any(part.any() for part in start),
            f"{who}: initial_state must be zeros, since a lane is reset by writing zeros",
        )
        claim(
            bool(start) == subject.temporal,
            f"{who} is registered with temporal={subject.temporal}, but its state is "
            + ("not empty" if start else "empty"),
        )
        for count in (1, 5, subject.frames):
            y_BTH, after = subject.run(module, subject.inputs(batch=batch)[:, :count])
            expected = (batch, count, module.output_size)
            claim(tuple(y_BTH.shape) == expected, f"{who} gives {tuple(y_BTH.shape)} instead of {expected}")
            claim(torch.isfinite(y_BTH).all(), f"{who} gives values that are not finite")
            _claim_state(subject, after, batch, "the state that forward returns")
            claim(
                [(p.shape, p.dtype) for p in after] == [(p.shape, p.dtype) for p in start],
                f"{who}: the state changes its shape from {_shapes(start)} to {_shapes(after)} in {count} frames",
            )


def _shapes(state: State) -> str:
    return ", ".join(str(tuple(part.shape)) for part in state) or "nothing"


@torch.no_grad()
def _check_repeatable(subject: _Subject) -> None:
    module, x_BTD = subject.build(0), subject.inputs()
    state = subject.run(module, subject.inputs(1))[1]
    kept_x, kept_state = x_BTD.clone(), tuple(part.clone() for part in state)
    first = subject.run(module, x_BTD, state)[0].clone()
    claim(torch.equal(x_BTD, kept_x), f"{subject.who} changes its input in place")
    same = all(torch.equal(a, b) for a, b in zip(state, kept_state, strict=True))
    claim(same, f"{subject.who} changes the state that it is given in place; return a new one")
    subject.run(module, subject.inputs(2))
    again = subject.run(module, x_BTD, state)[0]
    subject.claim_same(
        again, first, "the same frames give other outputs after other frames: memory belongs into the state"
    )


def _modes(module: Any) -> Iterator[str]:
    """Evaluation and training: a batch norm leaks in the latter only."""
    for training, name in ((False, ""), (True, " in training mode")):
        module.train(training)
        yield name
    module.eval()


@torch.no_grad()
def _check_causal(subject: _Subject) -> None:
    module, x_BTD = subject.build(0), subject.inputs()
    for mode in _modes(module):
        y_BTH = subject.run(module, x_BTD)[0]
        for last in (0, subject.frames // 2, subject.frames - 2):
            other_BTD = x_BTD.clone()
            other_BTD[:, last + 1 :] += LOUD * subject.inputs(3)[:, last + 1 :]
            seen_BTH = subject.run(module, other_BTD)[0]
            subject.claim_same(
                seen_BTH[:, : last + 1],
                y_BTH[:, : last + 1],
                f"the future leaks{mode}: outputs up to frame {last} change with the frames after it",
            )


@torch.no_grad()
def _check_pieces(subject: _Subject) -> None:
    module, x_BTD = subject.build(0), subject.inputs()
    whole_BTH, last = subject.run(module, x_BTD)
    state, steps = module.initial_state(BATCH), []
    for x_BD in x_BTD.unbind(1):
        try:
            y_BH, state = module.step(x_BD, state)
        except Exception as error:
            raise AssertionError(f"{subject.who} raised {said(error)} in step") from error
        claim(
            tuple(y_BH.shape) == (BATCH, module.output_size),
            f"{subject.who}: step gives {tuple(y_BH.shape)} instead of {(BATCH, module.output_size)}",
        )
        steps.append(y_BH)
    subject.claim_same(torch.stack(steps, 1), whole_BTH, "step by step is not the whole game at once")
    for part, expected in zip(state, last, strict=True):
        subject.claim_same(part, expected, "the state after the steps is not that after the whole game")
    for size in (5, 7):
        state, chunks = module.initial_state(BATCH), []
        for chunk_BTD in torch.split(x_BTD, size, dim=1):
            y_BTH, state = subject.run(module, chunk_BTD, state)
            chunks.append(y_BTH)
        subject.claim_same(
            torch.cat(chunks, 1),
            whole_BTH,
            f"chunks of {size} frames with carried state are not the whole game",
        )


@torch.no_grad()
def _check_reset(subject: _Subject) -> None:
    module, x_BTD = subject.build(0), subject.inputs()
    carried = subject.run(module, subject.inputs(1))[1]
    reset_B = torch.tensor([True, False, True])
    y_BTH = subject.run(module, x_BTD, reset_state(carried, reset_B))[0]
    fresh_BTH, on_BTH = subject.run(module, x_BTD)[0], subject.run(module, x_BTD, carried)[0]
    subject.claim_same(
        y_BTH[reset_B], fresh_BTH[reset_B], "a lane whose state was reset still remembers the game before"
    )
    subject.claim_same(y_BTH[~reset_B], on_BTH[~reset_B], "resetting one lane's state changes another lane")


@torch.no_grad()
def _check_lanes(subject: _Subject) -> None:
    module, x_BTD = subject.build(0), subject.inputs()
    for mode in _modes(module):
        y_BTH = subject.run(module, x_BTD)[0]
        other_BTD = x_BTD.clone()
        other_BTD[0] += LOUD * subject.inputs(3)[0]
        seen_BTH = subject.run(module, other_BTD)[0]
        subject.claim_same(seen_BTH[1:], y_BTH[1:], f"games in one batch influence each other{mode}")
    state = subject.run(module, subject.inputs(1))[1]
    order = torch.tensor([2, 0])
    y_BTH = subject.run(module, x_BTD, state)[0]
    chosen_BTH = subject.run(module, x_BTD[order], select_state(state, order))[0]
    subject.claim_same(
        chosen_BTH, y_BTH[order], "some games of a batch, in another order, give other outputs"
    )


def _check_gradients(subject: _Subject) -> None:
    module = subject.build(0).train()
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    claim(parameters, f"{subject.who} has no parameters to train")
    optimiser = torch.optim.Adam(parameters.values(), lr=1e-2)
    still = set(parameters)
    # Layers that start at zero on purpose let gradients through after a step or two.
    for number in range(4):
        optimiser.zero_grad()
        y_BTH = subject.run(module, subject.inputs(number))[0]
        weights = torch.randn(y_BTH.shape, generator=torch.Generator().manual_seed(number))
        torch.autograd.backward((y_BTH * weights).sum())
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                claim(
                    torch.isfinite(parameter.grad).all(),
                    f"{subject.who}: the gradient of {name} is not finite",
                )
                if parameter.grad.any():
                    still.discard(name)
        if not still:
            return
        optimiser.step()
    raise AssertionError(f"{subject.who}: no gradient reaches {', '.join(sorted(still))}")


@torch.no_grad()
def _check_saved(subject: _Subject) -> None:
    module, other = subject.build(0), subject.build(1)
    try:
        data = save({name: tensor.contiguous() for name, tensor in module.state_dict().items()})
        other.load_state_dict(load(data))
    except Exception as error:
        raise AssertionError(f"{subject.who} can't be saved and loaded: {said(error)}") from error
    x_BTD = subject.inputs()
    claim(
        torch.equal(subject.run(other, x_BTD)[0], subject.run(module, x_BTD)[0]),
        f"{subject.who} is not the same after saving and loading: something random is not in its state_dict",
    )


def _check_compiled(subject: _Subject) -> None:
    """Outputs, state and gradients."""
    results = []
    for compiled in (False, True):
        module, x_BTD = subject.build(0).train(), subject.inputs()
        state = subject.run(module, subject.inputs(1))[1]
        run = torch.compile(module) if compiled else module
        y_BTH, after = subject.run(run, x_BTD, tuple(part.detach() for part in state))
        weights = torch.randn(y_BTH.shape, generator=torch.Generator().manual_seed(2))
        torch.autograd.backward((y_BTH * weights).mean())
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        results.append([y_BTH.detach(), *(part.detach() for part in after), *gradients])
    for got, expected in zip(*results, strict=True):
        subject.claim_same(got, expected, "torch.compile changes the answer")


CHECKS: tuple[Callable[[_Subject], None], ...] = (
    _check_shapes,
    _check_repeatable,
    _check_causal,
    _check_pieces,
    _check_lanes,
    _check_reset,
    _check_gradients,
    _check_saved,
)
