"""`check_backbone`: every registered backbone passes; each way to break the contract is caught and named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn

from exphil_core import BackboneSpec, option
from exphil_core.models.backbones.base import Backbone, State
from exphil_core.options import at_least
from exphil_core.plugin_manager import load_plugins
from exphil_core.testing import check_backbone

THOROUGH = bool(os.environ.get("EXPHIL_THOROUGH"))


@pytest.mark.parametrize("name", load_plugins().names("exphil_backbones"))
def test_every_registered_backbone_passes(name: str) -> None:
    check_backbone(name)


class Good(Backbone):
    """A leaky average; each class below breaks one thing about it."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: Any = None) -> None:
        super().__init__()
        self.enter = nn.Linear(input_size, hidden_sizes[-1])
        self.output_size = hidden_sizes[-1]

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return (torch.zeros(batch, self.output_size, device=device),)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        (memory_BH,) = state
        outputs = []
        for u_BH in self.enter(x_BTD).unbind(1):
            memory_BH = 0.9 * memory_BH + u_BH
            outputs.append(memory_BH)
        return torch.stack(outputs, 1), (memory_BH,)


class Leaks(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return y_BTH + 1e-3 * y_BTH.mean(1, keepdim=True), after


class LeaksInTraining(Good):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.norm = nn.BatchNorm1d(self.output_size)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return self.norm(y_BTH.flatten(0, 1)).view_as(y_BTH), after


class MixesLanes(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return y_BTH + 0.01 * y_BTH.mean(0, keepdim=True), after


class OtherSteps(Good):
    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BH, after = super().step(x_BD, state)
        return y_BH + 1e-3, after


class ForgetsBetweenChunks(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        if x_BTD.shape[1] == 1:  # steps are right, chunks aren't
            return super().forward(x_BTD, state)
        return super().forward(x_BTD, self.initial_state(len(x_BTD)))


class StartsAtOne(Good):
    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return (torch.ones(batch, self.output_size, device=device),)


class RemembersByItself(Good):
    """Memory in the module, not in the state: the next game begins with it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen = 0.0

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        self.seen += 1.0
        return y_BTH + self.seen, after


class ChangesItsState(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        state[0].copy_(after[0])
        return y_BTH, after


class ListState(Good):
    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return list(super().initial_state(batch, device))  # type: ignore[return-value]


class BatchSecond(Good):
    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return (torch.zeros(1, batch, self.output_size, device=device),)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, (after_BH,) = super().forward(x_BTD, (state[0][0],))
        return y_BTH, (after_BH[None],)


class GrowingState(Good):
    """A cache of all frames: the state has no fixed shape."""

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        return (torch.zeros(batch, 0, self.output_size, device=device),)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        seen = torch.cat([state[0], self.enter(x_BTD)], 1)
        return seen.cumsum(1)[:, -x_BTD.shape[1] :], (seen,)


class ForgetsFarFrames(Good):
    """Right as long as nobody looks back further than it says."""

    reach = 40

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        y_BTH[:, self.reach :] += x_BTD.shape[1]
        return y_BTH, after


class DiffersWhenCompiled(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return (y_BTH + 1 if torch.compiler.is_compiling() else y_BTH), after


class IdleLayer(Good):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.forgotten = nn.Linear(3, 3)


class HiddenRandomness(Good):
    """Part of it is neither a parameter nor a buffer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.offset = torch.randn(self.output_size)

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return y_BTH + self.offset, after


class TiedWeights(Good):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.again = nn.Linear(self.enter.in_features, self.enter.out_features)
        self.again.weight = self.enter.weight

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return y_BTH + self.again(x_BTD), after


class OtherWidth(Good):
    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        y_BTH, after = super().forward(x_BTD, state)
        return torch.cat([y_BTH, y_BTH], -1), after


class EqualWidthsOnly(Good):
    def __init__(self, input_size: int, hidden_sizes: Sequence[int], options: Any = None) -> None:
        if len(set(hidden_sizes)) > 1:
            raise ValueError("all widths must be equal")
        super().__init__(input_size, hidden_sizes, options)


class NoModule:
    def __init__(self, *args: Any) -> None:
        pass


@attrs.frozen(kw_only=True)
class Options:
    fade: float = option(0.5, rule=at_least(0), help="How fast.")


@attrs.frozen(kw_only=True)
class BadDefault:
    fade: float = option(-1.0, rule=at_least(0), help="How fast.")


@attrs.frozen(kw_only=True)
class PlainField:
    fade: float = 0.5


def spec_of(cls: type, *, temporal: bool = True, options: type | None = None) -> BackboneSpec:
    return BackboneSpec(
        name="tried", factory=f"{__name__}:{cls.__name__}", temporal=temporal, options=options
    )


def test_a_good_one_passes() -> None:
    check_backbone(spec_of(Good))
    check_backbone(spec_of(Good, options=Options), options={"fade": 0.1})


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Leaks, "the future leaks: outputs up to frame"),
        (LeaksInTraining, "the future leaks in training mode"),
        (MixesLanes, "games in one batch influence each other"),
        (OtherSteps, "step by step is not the whole game"),
        (ForgetsBetweenChunks, "chunks of 5 frames with carried state"),
        (StartsAtOne, "initial_state must be zeros"),
        (RemembersByItself, "memory belongs into the state"),
        (ChangesItsState, "changes the state that it is given in place"),
        (ListState, "initial_state must be a tuple of tensors, not list"),
        (BatchSecond, r"shape \(1, 3, 16\); the batch \(3\) comes first"),
        (GrowingState, "the state changes its shape"),
        (ForgetsFarFrames, "chunks of 5 frames|step by step is not"),
        (IdleLayer, "no gradient reaches forgotten.bias, forgotten.weight"),
        (HiddenRandomness, "something random is not in its state_dict"),
        (TiedWeights, "can't be saved and loaded"),
        (OtherWidth, r"gives \(1, 1, 32\) instead of \(1, 1, 16\)"),
        (EqualWidthsOnly, "can't be built with hidden_sizes .*all widths must be equal"),
        (NoModule, "gives a NoModule, no nn.Module"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_violation_is_caught(cls: type, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_backbone(spec_of(cls))
    assert "\n" not in str(caught.value)


@pytest.mark.all_only
@pytest.mark.filterwarnings("default")  # torch's compiler warns about itself
# The compiler takes most of a minute for each: EXPHIL_THOROUGH=1 asks for all.
@pytest.mark.parametrize("name", load_plugins().names("exphil_backbones") if THOROUGH else ["mlp", "mamba"])
def test_torch_compile_changes_no_registered_backbone(name: str) -> None:
    check_backbone(name, hidden_sizes=[(8, 12)], frames=8, compiled=True)


@pytest.mark.all_only
@pytest.mark.filterwarnings("default")
def test_a_backbone_that_compiles_to_something_else_is_caught() -> None:
    check_backbone(spec_of(DiffersWhenCompiled), hidden_sizes=[(8,)])
    with pytest.raises(AssertionError, match=r"torch\.compile changes the answer"):
        check_backbone(spec_of(DiffersWhenCompiled), hidden_sizes=[(8,)], compiled=True)


def test_temporal_must_be_true_of_it() -> None:
    with pytest.raises(AssertionError, match="registered with temporal=False, but its state is not empty"):
        check_backbone(spec_of(Good, temporal=False))


def test_options_are_checked() -> None:
    with pytest.raises(AssertionError, match=r"option fade: -1.0 must be at least 0"):
        check_backbone(spec_of(Good, options=Options), options={"fade": -1.0})
    with pytest.raises(AssertionError, match=r"the default of option fade: -1.0 must be at least 0"):
        check_backbone(spec_of(Good, options=BadDefault))
    with pytest.raises(AssertionError, match=r"option fade must be made with exphil_core.option"):
        check_backbone(spec_of(Good, options=PlainField))
    with pytest.raises(AssertionError, match="has no options, so fade can't be set"):
        check_backbone(spec_of(Good), options={"fade": 1})


def test_an_unknown_name_and_a_missing_factory_are_sentences_too() -> None:
    with pytest.raises(AssertionError, match=r'unknown backbone "gur".*did you mean "gru"'):
        check_backbone("gur")
    missing = BackboneSpec(name="tried", factory="nowhere.at_all:Thing", temporal=True)
    with pytest.raises(AssertionError, match=r"nowhere.at_all:Thing can't be imported"):
        check_backbone(missing)


def test_it_leaves_torchs_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_backbone(spec_of(Good), hidden_sizes=[(8,)])
    assert torch.equal(torch.rand(3), expected)
