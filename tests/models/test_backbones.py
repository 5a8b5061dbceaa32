"""Every registered backbone keeps the contract: causal, the same in pieces as whole, resettable."""

from __future__ import annotations

import pytest
import torch

from exphil_core import BackboneSpec, hookimpl
from exphil_core.builtin.backbone_options import MambaOptions, SlidingWindowOptions
from exphil_core.errors import ExphilError
from exphil_core.features.schema import observation_schema
from exphil_core.models.backbones.base import Backbone, reset_state, select_state, set_dropout
from exphil_core.models.backbones.hybrid import layer_kinds
from exphil_core.models.backbones.mamba import MambaMixer
from exphil_core.models.backbones.sliding_window import SlidingWindow
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager, Provenance, load_plugins

B, T, D = 3, 17, 10
NAMES = load_plugins().names("exphil_backbones")


def build(manager: PluginManager, name: str, hidden: tuple[int, ...] = (12, 8)) -> Backbone:
    entry = manager.get("exphil_backbones", name)
    torch.manual_seed(0)
    options = entry.spec.options() if entry.spec.options else None
    built = manager.load(entry.spec.factory, entry.origin)(D, hidden, options)
    assert isinstance(built, Backbone)
    return built.eval()


@pytest.fixture(params=NAMES)
def backbone(request: pytest.FixtureRequest, manager: PluginManager) -> Backbone:
    return build(manager, request.param)


@pytest.mark.parametrize("hidden", [(8,), (8, 8), (16, 4, 8)])
@pytest.mark.parametrize("name", NAMES)
def test_shapes(manager: PluginManager, name: str, hidden: tuple[int, ...]) -> None:
    backbone = build(manager, name, hidden)
    y, state = backbone(torch.randn(B, T, D), backbone.initial_state(B))
    assert y.shape == (B, T, backbone.output_size) == (B, T, hidden[-1])
    assert all(part.shape[0] == B for part in state)
    assert bool(state) == manager.get("exphil_backbones", name).spec.temporal


def test_the_future_never_leaks(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    other = x.clone()
    other[:, 9:] += 1
    before, after = (backbone(v, backbone.initial_state(B))[0] for v in (x, other))
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9], after[:, 9])


def test_chunks_with_carried_state_equal_the_whole(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    whole, _ = backbone(x, backbone.initial_state(B))
    state, pieces = backbone.initial_state(B), []
    for piece in x.split([1, 2, 7, 4, 3], dim=1):
        y, state = backbone(piece, state)
        pieces.append(y)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)


def test_step_by_step_equals_the_whole(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    whole, _ = backbone(x, backbone.initial_state(B))
    state = backbone.initial_state(B)
    for t in range(T):
        y, state = backbone.step(x[:, t], state)
        assert torch.allclose(y, whole[:, t], atol=1e-5)


def test_a_reset_lane_starts_a_new_game_and_others_go_on(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    _, state = backbone(torch.randn(B, 5, D), backbone.initial_state(B))
    carried, _ = backbone(x, state)
    fresh, _ = backbone(x, backbone.initial_state(B))
    mixed, _ = backbone(x, reset_state(state, torch.tensor([True, False, True])))
    assert torch.allclose(mixed[[0, 2]], fresh[[0, 2]], atol=1e-6)
    assert torch.allclose(mixed[1], carried[1], atol=1e-6)


def test_lanes_don_t_touch_each_other(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    _, state = backbone(torch.randn(B, 5, D), backbone.initial_state(B))
    whole, _ = backbone(x, state)
    alone, _ = backbone(x[1:2], select_state(state, torch.tensor([1])))
    assert torch.allclose(alone[0], whole[1], atol=1e-5)


def test_every_parameter_learns(backbone: Backbone) -> None:
    backbone.train()
    y, _ = backbone(torch.randn(B, T, D), backbone.initial_state(B))
    (y * torch.randn_like(y)).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_window_sees_its_frames_and_none_before() -> None:
    torch.manual_seed(0)
    backbone = SlidingWindow(D, (8,), SlidingWindowOptions(window_size=5)).eval()
    x = torch.randn(B, T, D)
    other = x.clone()
    other[:, 4] += 1
    before, after = (backbone(v, backbone.initial_state(B))[0] for v in (x, other))
    changed = (before != after).any(dim=2).any(dim=0)
    assert changed.tolist() == [4 <= t < 9 for t in range(T)]


def test_empty_slots_are_not_looked_at() -> None:
    """Zeros that a game has not filled yet would otherwise take a share of the attention."""
    torch.manual_seed(0)
    backbone = SlidingWindow(D, (8,), SlidingWindowOptions(window_size=5)).eval()
    x = torch.randn(B, 1, D)
    expected = backbone(x, backbone.initial_state(B))[0]
    wide = SlidingWindow(D, (8,), SlidingWindowOptions(window_size=9)).eval()
    state = {k: v for k, v in backbone.state_dict().items() if "distance" not in k}
    wide.load_state_dict(state, strict=False)
    assert torch.allclose(wide(x, wide.initial_state(B))[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "kinds"),
    [
        (1, ["mamba+attention"]),
        (2, ["mamba", "attention"]),
        (3, ["mamba", "mamba", "attention"]),
        (4, ["mamba", "mamba", "attention", "mamba"]),
        (6, ["mamba", "mamba", "attention"] * 2),
    ],
)
def test_every_third_layer_of_a_hybrid_is_attention(layers: int, kinds: list[str]) -> None:
    assert ["+".join(kind) for kind in layer_kinds(layers)] == kinds


def test_half_precision_is_nearly_the_same_and_keeps_the_state_whole(backbone: Backbone) -> None:
    x = torch.randn(B, T, D)
    y, state = backbone(x, backbone.initial_state(B))
    with torch.autocast("cpu", torch.bfloat16):
        first, halfway = backbone(x[:, :7], backbone.initial_state(B))
        rest, after = backbone(x[:, 7:], halfway)
    rough = torch.cat([first, rest], dim=1)
    torch.autograd.backward(rough.float().sum())
    assert (rough.float() - y).abs().max() < 0.2
    assert [part.dtype for part in after] == [part.dtype for part in state]


@pytest.mark.parametrize("name", NAMES)
def test_dropout_drops_in_training_only(manager: PluginManager, name: str) -> None:
    backbone = build(manager, name)
    x = torch.randn(B, T, D)
    plain, _ = backbone(x, backbone.initial_state(B))
    assert set_dropout(backbone, 0.5) >= 2
    assert torch.equal(backbone(x, backbone.initial_state(B))[0], plain)
    backbone.train()
    first, second = (backbone(x, backbone.initial_state(B))[0] for _ in range(2))
    assert not torch.equal(first, second)
    set_dropout(backbone, 0.0)
    assert torch.equal(backbone(x, backbone.initial_state(B))[0], plain)


def test_mamba_has_the_parameters_of_mamba_ssm() -> None:
    shapes = {name: tuple(p.shape) for name, p in MambaMixer(64, MambaOptions()).named_parameters()}
    # As in mamba_ssm.Mamba(64, d_state=16, d_conv=4, expand=2).
    assert shapes == {
        "A_log": (128, 16),
        "D": (128,),
        "in_proj.weight": (256, 64),
        "conv1d.weight": (128, 1, 4),
        "conv1d.bias": (128,),
        "x_proj.weight": (36, 128),
        "dt_proj.weight": (128, 4),
        "dt_proj.bias": (128,),
        "out_proj.weight": (64, 128),
    }


def test_mamba_steps_start_between_a_thousandth_and_a_tenth() -> None:
    steps = torch.nn.functional.softplus(MambaMixer(64, MambaOptions()).dt_proj.bias)
    assert steps.min() >= 0.99e-3
    assert steps.max() <= 0.101


def test_a_backbone_s_options_change_it(manager: PluginManager) -> None:
    schema = observation_schema()
    sizes = [
        sum(
            p.numel()
            for p in build_policy(manager, policy_shape("mamba", (8,), options, schema)).parameters()
        )
        for options in ({}, {"d_state": 4}, {"expand": 1}, {"d_conv": 2})
    ]
    assert len(set(sizes)) == 4


class Halves:
    """Registers what is no backbone: no module at all, and one that doesn't say how wide its outputs are."""

    @hookimpl
    def exphil_backbones(self) -> list[BackboneSpec]:
        factories = {
            "no-module": "builtins:slice",
            "no-width": "torch.nn:Identity",
            "no-call": "math:pi",
        }
        return [BackboneSpec(name=name, factory=path, temporal=False) for name, path in factories.items()]


@pytest.mark.parametrize("name", ["no-module", "no-width", "no-call"])
def test_what_is_no_backbone_is_refused_naming_its_plugin(name: str) -> None:
    manager = load_plugins()
    manager.add(Halves(), Provenance("exphil-halves", "1", "halves"))
    with pytest.raises(ExphilError, match=rf"^plugin exphil-halves: backbone {name} (is no|can't be) .*"):
        build_policy(manager, policy_shape(name, (8,), {}, observation_schema()))
