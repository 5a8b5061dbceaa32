"""The CPU kernel against the same formula in float64, over ragged shapes, for every variant that runs here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.builtin.backbone_options import MambaOptions
from exphil_core.kernels import ops
from exphil_core.kernels.library import attempt, force_kernel, kernel, kernel_variant
from exphil_core.kernels.reference import looped_scan, plain_convolution
from exphil_core.models.backbones.base import Backbone
from exphil_core.models.backbones.gru import Gru
from exphil_core.models.backbones.mamba import Mamba, MambaMixer

Function = Callable[..., "Tensor | tuple[Tensor, Tensor]"]
# (B, T, E, N): single frames, frames around the kernel's chunks of 20, channels that fill no vector or several.
SHAPES = [
    (2, 60, 64, 16),
    (3, 1, 5, 16),
    (1, 2, 1, 1),
    (1, 20, 16, 16),
    (2, 21, 50, 3),
    (2, 40, 31, 8),
    (1, 41, 33, 16),
    (17, 7, 20, 7),
    (2, 130, 16, 24),
    (0, 5, 8, 4),
]


def looped(
    u: Tensor,
    step: Tensor,
    A: Tensor,
    b: Tensor,
    c: Tensor,
    D: Tensor,
    gate: Tensor,
    bias: Tensor,
    before: Tensor,
) -> tuple[Tensor, Tensor]:
    y, last = looped_scan(u, F.softplus(step + bias), A, b, c, before)
    return (y + D * u) * F.silu(gate), last


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scan_inputs(batch: int, frames: int, channels: int, states: int) -> list[Tensor]:
    wide, narrow = (batch, frames, channels), (batch, frames, states)
    return [
        normal(*wide, seed=1),
        normal(*wide, seed=2) * 2,
        -torch.exp(normal(channels, states, seed=3)),
        normal(*narrow, seed=4),
        normal(*narrow, seed=5),
        normal(channels, seed=6),
        normal(*wide, seed=7),
        normal(channels, seed=8),
        normal(batch, channels, states, seed=9),
    ]


def results(function: Function, inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Outputs, then the gradients of all inputs for a random loss on the outputs."""
    leaves = [tensor.to(dtype).requires_grad_() for tensor in inputs]
    outputs = function(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = sum((y * normal(*y.shape, seed=20 + i).to(dtype)).sum() for i, y in enumerate(outputs))
    torch.autograd.backward(loss)  # type: ignore[arg-type]
    return [y.detach() for y in outputs] + [leaf.grad for leaf in leaves if leaf.grad is not None]


def assert_close(got: list[Tensor], expected: list[Tensor], share: float = 2e-5) -> None:
    """Each tensor equal within `share` of its largest value."""
    assert len(got) == len(expected)
    for index, (a, b) in enumerate(zip(got, expected, strict=True)):
        if b.numel():
            assert (a - b).abs().max() <= share * b.abs().max(), index


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_scan_is_its_formula(kernel_in_use: str, shape: tuple[int, int, int, int]) -> None:
    inputs = scan_inputs(*shape)
    got = results(ops.kernel_scan, inputs, torch.float32)
    assert_close(got, results(looped, inputs, torch.float64))


@pytest.mark.parametrize("output", [0, 1], ids=["outputs", "last states"])
def test_a_loss_on_one_of_the_scan_s_results_has_its_gradients(kernel_in_use: str, output: int) -> None:
    def of_one(scan: Function) -> Function:
        return lambda *inputs: scan(*inputs)[output]

    inputs = scan_inputs(2, 21, 20, 3)
    leaves = [tensor.float().requires_grad_() for tensor in inputs]
    exact = [tensor.requires_grad_() for tensor in inputs]
    weights = normal(*of_one(looped)(*inputs).shape, seed=20)  # type: ignore[union-attr]
    torch.autograd.backward((of_one(ops.kernel_scan)(*leaves) * weights).sum())
    torch.autograd.backward((of_one(looped)(*exact) * weights).sum())
    for index, (got, wanted) in enumerate(zip(leaves, exact, strict=True)):
        expected = torch.zeros_like(wanted) if wanted.grad is None else wanted.grad
        assert got.grad is not None, index
        assert (got.grad - expected).abs().max() <= 2e-5 * expected.abs().max(), index


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("taps", [1, 2, 4, 5])
def test_the_convolution_is_its_formula(
    kernel_in_use: str, shape: tuple[int, int, int, int], taps: int
) -> None:
    batch, frames, channels, _ = shape
    inputs = [
        normal(batch, frames, channels, seed=1),
        normal(channels, taps, seed=2),
        normal(channels, seed=3),
        normal(batch, taps - 1, channels, seed=4),
    ]
    got = results(ops.kernel_convolution, inputs, torch.float32)
    assert_close(got, results(plain_convolution, inputs, torch.float64))


def gru_inputs(batch: int, frames: int, width: int) -> list[Tensor]:
    return [
        normal(batch, frames, 3 * width, seed=1) * 2,
        normal(3 * width, width, seed=2),
        normal(3 * width, seed=3),
        normal(batch, width, seed=4),
    ]


def torch_gru(gates: Tensor, weight: Tensor, bias: Tensor, before: Tensor) -> Tensor:
    """By torch's cell, whose input's weights are the identity: what they bring is given."""
    width, h, outputs = weight.shape[1], before, []
    identity, nothing = torch.eye(3 * width, dtype=gates.dtype), torch.zeros_like(bias)
    for gates_BG in gates.unbind(1):
        h = torch.gru_cell(gates_BG, h, identity, weight, nothing, bias)
        outputs.append(h)
    return torch.stack(outputs, dim=1)


# (B, T, H): games around a block of 6, widths that fill no vector, no panel or several.
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (2, 3, 5), (5, 4, 16), (6, 2, 33), (7, 5, 64), (13, 9, 21), (16, 3, 100), (0, 4, 8)],
    ids=str,
)
def test_a_gru_is_torch_s_in_float64(kernel_in_use: str, shape: tuple[int, int, int]) -> None:
    inputs = gru_inputs(*shape)
    got = results(ops.kernel_gru, inputs, torch.float32)
    assert_close(got, results(torch_gru, inputs, torch.float64))


@pytest.mark.parametrize(
    ("batch", "width", "options"), [(1, 16, {}), (9, 5, {"d_state": 3, "d_conv": 2}), (2, 8, {"d_conv": 1})]
)
def test_a_step_is_the_layer_in_float64(
    kernel_in_use: str, batch: int, width: int, options: dict[str, int]
) -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(width, MambaOptions(**options))
    exact = MambaMixer(width, MambaOptions(**options)).double()
    exact.load_state_dict(mixer.state_dict())
    state, exact_state = (
        mixer.initial_state(batch, "cpu"),
        tuple(p.double() for p in mixer.initial_state(batch, "cpu")),
    )
    with torch.no_grad():
        for number in range(6):
            x = normal(batch, width, seed=number)
            y, state = mixer.step(x.float(), state)
            expected, exact_state = exact(x[:, None], exact_state)
            assert torch.allclose(y.double(), expected[:, 0], atol=1e-5)
    assert all(torch.allclose(a.double(), b, atol=1e-5) for a, b in zip(state, exact_state, strict=True))


def test_extreme_inputs_neither_overflow_nor_hide_a_nan(kernel_in_use: str) -> None:
    inputs = scan_inputs(1, 40, 40, 4)
    inputs[1] *= 100
    inputs[6] *= 100
    got = results(ops.kernel_scan, inputs, torch.float32)
    assert all(tensor.isfinite().all() for tensor in got)
    assert_close(got, results(looped, inputs, torch.float64), share=1e-4)
    for index, at in ((0, (0, 3, 5)), (1, (0, 3, 5)), (2, (5, 1)), (3, (0, 3, 1)), (6, (0, 3, 5))):
        broken = [tensor.clone() for tensor in inputs]
        broken[index][at] = torch.nan
        y, _ = ops.kernel_scan(*(tensor.float() for tensor in broken))
        assert y.isnan().any(), index


def test_a_gru_neither_overflows_nor_hides_a_nan(kernel_in_use: str) -> None:
    inputs = gru_inputs(3, 4, 20)
    inputs[0] *= 100
    got = results(ops.kernel_gru, inputs, torch.float32)
    assert all(tensor.isfinite().all() for tensor in got)
    assert_close(got, results(torch_gru, inputs, torch.float64), share=1e-4)
    for index, at in ((0, (1, 2, 5)), (0, (1, 2, 45)), (1, (30, 1)), (2, (3,)), (3, (1, 7))):
        broken = [tensor.float() for tensor in inputs]
        broken[index][at] = torch.nan
        assert ops.kernel_gru(*broken).isnan().any(), (index, at)


def test_results_are_the_same_bits_on_any_number_of_threads(kernel_in_use: str) -> None:
    before = torch.get_num_threads()
    try:
        for batch in (1, 5, 20):
            scans, convolutions, recurrent = [], [], []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                inputs = scan_inputs(batch, 40, 70, 5)
                scans.append(results(ops.kernel_scan, inputs, torch.float32))
                filters = [inputs[0], normal(70, 4), normal(70), normal(batch, 3, 70)]
                convolutions.append(results(ops.kernel_convolution, filters, torch.float32))
                y, dgates, *_, dbefore = results(ops.kernel_gru, gru_inputs(batch, 7, 40), torch.float32)
                recurrent.append([y, dgates, dbefore])  # gradients of weights are products of torch's
            for runs in (scans, convolutions, recurrent):
                assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0], strict=True))
    finally:
        torch.set_num_threads(before)


def of_each_game(function: Function, inputs: list[Tensor], part: slice, games: int) -> list[Tensor]:
    """Outputs and gradients of some of the games: all but the gradients of weights."""
    own = [len(tensor) == games for tensor in inputs]
    leaves = [
        (tensor[part] if mine else tensor).float().requires_grad_()
        for tensor, mine in zip(inputs, own, strict=True)
    ]
    outputs = function(*leaves)
    y = outputs[0] if isinstance(outputs, tuple) else outputs
    y.backward(normal(games, *y.shape[1:], seed=20)[part].float())
    gradients = [leaf.grad for leaf, mine in zip(leaves, own, strict=True) if mine]
    return [y.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("channels", [576, 567])
def test_arrays_larger_than_caches_hold_what_smaller_ones_do(
    kernel_in_use: str, channels: int, threads: int
) -> None:
    """From a mebibyte on they are written past the caches, where whole cache lines are written."""
    games, frames = 8, 60
    assert games * frames * channels >= 2**18 > games * frames * channels // 2
    scan = scan_inputs(games, frames, channels, 2)
    filters = [scan[0], normal(channels, 4), normal(channels), normal(games, 3, channels)]
    recurrent = gru_inputs(games, frames, channels // 3)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for function, inputs in (
            (ops.kernel_scan, scan),
            (ops.kernel_convolution, filters),
            (ops.kernel_gru, recurrent),
        ):
            whole, first, second = (
                of_each_game(function, inputs, part, games)
                for part in (slice(0, 8), slice(0, 4), slice(4, 8))
            )
            for index, parts in enumerate(zip(first, second, strict=True)):
                assert torch.equal(whole[index], torch.cat(parts)), (function.__name__, index)
    finally:
        torch.set_num_threads(before)


def test_tensors_may_be_stretches_of_wider_ones(kernel_in_use: str) -> None:
    """As the halves of a projection are."""
    inputs = [tensor.float() for tensor in scan_inputs(2, 9, 24, 4)]
    expected = ops.kernel_scan(*inputs)
    wide = [
        torch.cat([t, t + 1], dim=-1)[..., : t.shape[-1]] if t.dim() == 3 and i != 8 else t
        for i, t in enumerate(inputs)
    ]
    assert not wide[0].is_contiguous()
    assert all(torch.equal(a, b) for a, b in zip(ops.kernel_scan(*wide), expected, strict=True))
    turned = [t.transpose(0, 2).contiguous().transpose(0, 2) if t.dim() == 3 else t for t in inputs]
    assert all(torch.equal(a, b) for a, b in zip(ops.kernel_scan(*turned), expected, strict=True))
    gates, *others = (tensor.float() for tensor in gru_inputs(3, 4, 8))
    wider = torch.cat([gates, gates], dim=-1)[..., : gates.shape[-1]]
    assert torch.equal(ops.kernel_gru(wider, *others), ops.kernel_gru(gates, *others))


@pytest.mark.filterwarnings("default")
def test_torch_finds_nothing_wrong_with_the_operators() -> None:
    """Schema, fake tensors and autograd registration, by torch's own checks."""
    if kernel() is None:
        pytest.skip(attempt().why)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    scan = [tensor.float().requires_grad_() for tensor in scan_inputs(2, 40, 10, 3)]
    torch.library.opcheck(torch.ops.exphil.selective_scan.default, (*scan, True), test_utils=checks)
    filters = [normal(2, 9, 10), normal(10, 4), normal(10), normal(2, 3, 10)]
    leaves = [tensor.float().requires_grad_() for tensor in filters]
    torch.library.opcheck(torch.ops.exphil.causal_convolution.default, tuple(leaves), test_utils=checks)
    recurrent = [tensor.float().requires_grad_() for tensor in gru_inputs(2, 9, 10)]
    torch.library.opcheck(torch.ops.exphil.gru.default, (*recurrent, True), test_utils=checks)


def test_what_is_kept_for_the_backward_pass_fits(kernel_in_use: str) -> None:
    found = kernel()
    assert found is not None
    assert found.chunk == ops.CHUNK
    assert kernel_variant() == kernel_in_use


@pytest.mark.parametrize("make", [Mamba, Gru])
def test_a_backbone_is_the_same_with_and_without_the_kernel(
    kernel_in_use: str, make: Callable[..., Backbone]
) -> None:
    torch.manual_seed(0)
    backbone = make(6, (8, 12))
    x = normal(3, 70, 6).float()
    outputs = {}
    for variant in (kernel_in_use, "off"):
        force_kernel(variant)
        nn.Module.zero_grad(backbone)
        y, after = backbone(x, backbone.initial_state(3))
        torch.autograd.backward((y * normal(*y.shape)).mean())
        gradients = [p.grad.clone() for p in backbone.parameters() if p.grad is not None]
        outputs[variant] = [y.detach(), *(part.detach() for part in after), *gradients]
    assert_close(outputs[kernel_in_use], outputs["off"], share=1e-4)


def test_a_gru_s_layers_are_the_kernel_s_where_there_is_one(
    kernel_in_use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers: list[torch.Size] = []

    def counted(gates: Tensor, *others: Tensor) -> Tensor:
        layers.append(gates.shape)
        return ops.kernel_gru(gates, *others)

    monkeypatch.setattr("exphil_core.models.backbones.gru.kernel_gru", counted)
    backbone, x = Gru(6, (8, 12)), torch.zeros(3, 5, 6)
    backbone(x, backbone.initial_state(3))
    assert layers == [(3, 5, 24), (3, 5, 36)]
    force_kernel("off")
    backbone(x, backbone.initial_state(3))
    assert len(layers) == 2
