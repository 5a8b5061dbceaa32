"""The CPU kernel as torch operators, so that autograd and `torch.compile` know them.

Shapes: B batch, T frames, E channels, N states a channel, K taps, H width of a GRU. Everything is float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from exphil_core.kernels.library import (
    ConvolutionArguments,
    GruArguments,
    Kernel,
    ScanArguments,
    fill,
    kernel,
)

# The kernel's CHUNK; a test compares them.
CHUNK = 20


def _kernel() -> Kernel:
    found = kernel()
    assert found is not None, "callers look first"
    return found


def _dense_rows(x: Tensor) -> Tensor:
    """The tensor with its last dimension dense, as the kernel reads it."""
    return x if x.stride(-1) == 1 else x.contiguous()


def scan_forward(
    u: Tensor, step: Tensor, A: Tensor, b: Tensor, c: Tensor, D: Tensor, gate: Tensor, bias: Tensor,
    before: Tensor, save: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Outputs (B, T, E), last states (B, E, N), and the states that the backward pass wants (empty unless `save`)."""
    batch, frames, channels = u.shape
    states = A.shape[1]
    u, step, b, c, gate = map(_dense_rows, (u, step, b, c, gate))
    y, last = u.new_empty(batch, frames, channels), u.new_empty(batch, channels, states)
    kept = (frames + CHUNK - 1) // CHUNK - 1 if frames else 0
    checkpoints = u.new_empty(batch, kept, states, channels) if save else None
    tensors: dict[str, Tensor | None] = {
        "u": u, "step": step, "b": b, "c": c, "gate": gate, "A": A.contiguous(), "D": D.contiguous(),
        "bias": bias.contiguous(), "before": before.contiguous(), "y": y, "last": last, "checkpoints": checkpoints,
    }  # fmt: skip
    sizes = {"batch": batch, "frames": frames, "channels": channels, "states": states}
    _kernel().call("scan_forward", fill(ScanArguments, tensors, **sizes))
    return y, last, u.new_empty(0) if checkpoints is None else checkpoints


SCAN = (
    "(Tensor u, Tensor step, Tensor A, Tensor b, Tensor c, Tensor D, Tensor gate, Tensor bias, Tensor before"
)
_scan = torch.library.custom_op(
    "exphil::selective_scan",
    scan_forward,
    mutates_args=(),
    schema=f"{SCAN}, bool save) -> (Tensor, Tensor, Tensor)",
)


@_scan.register_fake
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    u, A, save = arguments[0], arguments[2], arguments[9]
    (batch, frames, channels), states = u.shape, A.shape[1]
    y, last = u.new_empty(batch, frames, channels), u.new_empty(batch, channels, states)
    if not save:
        return y, last, u.new_empty(0)
    kept = (frames + CHUNK - 1) // CHUNK - 1
    return y, last, u.new_empty(batch, kept, states, channels)


def scan_backward(
    u: Tensor, step: Tensor, A: Tensor, b: Tensor, c: Tensor, D: Tensor, gate: Tensor, bias: Tensor,
    before: Tensor, checkpoints: Tensor, dy: Tensor, dlast: Tensor | None,
) -> list[Tensor]:  # fmt: skip
    """Gradients of the nine inputs, in their order. Without `dlast` nothing depends on the last states."""
    batch, frames, channels = u.shape
    states = A.shape[1]
    u, step, b, c, gate, dy = map(_dense_rows, (u, step, b, c, gate, dy))
    inputs: dict[str, Tensor | None] = {
        "u": u, "step": step, "b": b, "c": c, "gate": gate, "A": A.contiguous(), "D": D.contiguous(),
        "bias": bias.contiguous(), "before": before.contiguous(), "checkpoints": checkpoints, "dy": dy,
        "dlast": None if dlast is None else dlast.contiguous(),
    }  # fmt: skip
    wide, narrow = (batch, frames, channels), (batch, frames, states)
    shapes = {
        "du": wide, "dstep": wide, "dA": (channels, states), "db": narrow, "dc": narrow, "dD": (channels,),
        "dgate": wide, "dbias": (channels,), "dbefore": (batch, channels, states),
    }  # fmt: skip
    outputs: dict[str, Tensor | None] = {name: u.new_empty(shape) for name, shape in shapes.items()}
    sizes = {"batch": batch, "frames": frames, "channels": channels, "states": states}
    _kernel().call("scan_backward", fill(ScanArguments, {**inputs, **outputs}, **sizes))
    return [tensor for tensor in outputs.values() if tensor is not None]


_scan_back = torch.library.custom_op(
    "exphil::selective_scan_backward",
    scan_backward,
    mutates_args=(),
    schema=f"{SCAN}, Tensor checkpoints, Tensor dy, Tensor? dlast) -> Tensor[]",
)


def _dense_like(inputs: Iterable[Tensor]) -> list[Tensor]:
    return [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in inputs]


@_scan_back.register_fake
def _(*arguments: Any) -> list[Tensor]:
    return _dense_like(arguments[:9])


def _remember_scan(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    assert inputs[9], "a forward pass without `save` has no backward pass"
    ctx.save_for_backward(*inputs[:9], *output[2:])
    ctx.set_materialize_grads(False)  # zeros as large as all that was saved


def _differentiate_scan(ctx: Any, dy: Tensor | None, dlast: Tensor | None, *unused: None) -> tuple[Any, ...]:
    if dy is None:
        dy = torch.zeros_like(ctx.saved_tensors[0], memory_format=torch.contiguous_format)
    return *_scan_back(*ctx.saved_tensors, dy, dlast), None


_scan.register_autograd(_differentiate_scan, setup_context=_remember_scan)


def kernel_scan(
    u_BTE: Tensor, step_BTE: Tensor, A_EN: Tensor, b_BTN: Tensor, c_BTN: Tensor, D_E: Tensor, gate_BTE: Tensor,
    bias_E: Tensor, before_BEN: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The scan of `exphil_core.kernels.scan.selective_scan` through the kernel."""
    inputs = (u_BTE, step_BTE, A_EN, b_BTN, c_BTN, D_E, gate_BTE, bias_E, before_BEN)
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    y_BTE, last_BEN, *_ = _scan(*inputs, save)
    return y_BTE, last_BEN


def convolution_forward(x: Tensor, weight: Tensor, bias: Tensor, before: Tensor) -> Tensor:
    """silu of each channel's causal filter: (B, T, E)."""
    batch, frames, channels = x.shape
    x = _dense_rows(x)
    y = x.new_empty(batch, frames, channels)
    tensors: dict[str, Tensor | None] = {
        "x": x, "weight": weight.contiguous(), "bias": bias.contiguous(), "before": before.contiguous(), "y": y
    }  # fmt: skip
    sizes = {"batch": batch, "frames": frames, "channels": channels, "taps": weight.shape[1]}
    _kernel().call("convolution_forward", fill(ConvolutionArguments, tensors, **sizes))
    return y


CONVOLUTION = "(Tensor x, Tensor weight, Tensor bias, Tensor before"
_convolution = torch.library.custom_op(
    "exphil::causal_convolution", convolution_forward, mutates_args=(), schema=f"{CONVOLUTION}) -> Tensor"
)


@_convolution.register_fake
def _(x: Tensor, weight: Any, bias: Any, before: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def convolution_backward(x: Tensor, weight: Tensor, bias: Tensor, before: Tensor, dy: Tensor) -> list[Tensor]:
    """Gradients of the four inputs, in their order."""
    batch, frames, channels = x.shape
    x, dy = _dense_rows(x), _dense_rows(dy)
    weight, bias, before = weight.contiguous(), bias.contiguous(), before.contiguous()
    inputs: dict[str, Tensor | None] = {"x": x, "weight": weight, "bias": bias, "before": before, "dy": dy}
    shape = (batch, frames, channels)
    outputs = {
        "dx": x.new_empty(shape), "dweight": torch.empty_like(weight), "dbias": torch.empty_like(bias),
        "dbefore": torch.empty_like(before),
    }  # fmt: skip
    sizes = {"batch": batch, "frames": frames, "channels": channels, "taps": weight.shape[1]}
    _kernel().call("convolution_backward", fill(ConvolutionArguments, {**inputs, **outputs}, **sizes))
    return list(outputs.values())


_convolution_back = torch.library.custom_op(
    "exphil::causal_convolution_backward",
    convolution_backward,
    mutates_args=(),
    schema=f"{CONVOLUTION}, Tensor dy) -> Tensor[]",
)


@_convolution_back.register_fake
def _(*arguments: Any) -> list[Tensor]:
    return _dense_like(arguments[:4])


def _remember_convolution(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate_convolution(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    return tuple(_convolution_back(*ctx.saved_tensors, dy))


_convolution.register_autograd(_differentiate_convolution, setup_context=_remember_convolution)


def kernel_convolution(x_BTE: Tensor, weight_EK: Tensor, bias_E: Tensor, before_BKE: Tensor) -> Tensor:
    """The convolution of `exphil_core.kernels.reference.plain_convolution` through the kernel."""
    y_BTE: Tensor = _convolution(x_BTE, weight_EK, bias_E, before_BKE)
    return y_BTE


def gru_forward(
    gates: Tensor, weight: Tensor, bias: Tensor, before: Tensor, save: bool
) -> tuple[Tensor, Tensor]:
    """States (B, T, H), and what the backward pass wants (empty unless `save`)."""
    batch, frames, width = *gates.shape[:2], weight.shape[1]
    gates, weight, bias, before = (tensor.contiguous() for tensor in (gates, weight, bias, before))
    y, kept = gates.new_empty(batch, frames, width), gates.new_empty(batch, frames, 4 * width if save else 0)
    tensors: dict[str, Tensor | None] = {
        "gates": gates, "weight": weight, "bias": bias, "before": before, "y": y, "kept": kept if save else None
    }  # fmt: skip
    _kernel().call("gru_forward", fill(GruArguments, tensors, batch=batch, frames=frames, width=width))
    return y, kept


GRU = "(Tensor gates, Tensor weight, Tensor bias, Tensor before"
_gru = torch.library.custom_op(
    "exphil::gru", gru_forward, mutates_args=(), schema=f"{GRU}, bool save) -> (Tensor, Tensor)"
)


@_gru.register_fake
def _(gates: Tensor, weight: Tensor, bias: Tensor, before: Tensor, save: bool) -> tuple[Tensor, Tensor]:
    batch, frames, width = *gates.shape[:2], weight.shape[1]
    return gates.new_empty(batch, frames, width), gates.new_empty(batch, frames, 4 * width if save else 0)


def gru_backward(weight: Tensor, before: Tensor, y: Tensor, kept: Tensor, dy: Tensor) -> list[Tensor]:
    """Gradients of `gru_forward`'s four tensors, in their order."""
    batch, frames, width = y.shape
    weight, before, dy = weight.contiguous(), before.contiguous(), dy.contiguous()
    dgates, ds = y.new_empty(batch, frames, 3 * width), torch.empty_like(y)
    dbefore = torch.empty_like(before)
    tensors: dict[str, Tensor | None] = {
        "weight": weight, "before": before, "y": y, "kept": kept, "dy": dy, "dgates": dgates, "ds": ds,
        "dbefore": dbefore,
    }  # fmt: skip
    _kernel().call("gru_backward", fill(GruArguments, tensors, batch=batch, frames=frames, width=width))
    # One product of whole sequences for each gradient of a weight, instead of a small one every frame.
    earlier_nH = torch.cat([before[:, None], y], dim=1)[:, :frames].reshape(-1, width)
    of_r_and_z, of_n = dgates[..., : 2 * width].flatten(0, 1), ds.flatten(0, 1)
    dweight, dbias = torch.empty_like(weight), y.new_empty(3 * width)
    for part, gradient in ((slice(0, 2 * width), of_r_and_z), (slice(2 * width, None), of_n)):
        torch.mm(gradient.t(), earlier_nH, out=dweight[part])
        torch.sum(gradient, dim=0, out=dbias[part])
    return [dgates, dweight, dbias, dbefore]


_gru_back = torch.library.custom_op(
    "exphil::gru_backward",
    gru_backward,
    mutates_args=(),
    schema="(Tensor weight, Tensor before, Tensor y, Tensor kept, Tensor dy) -> Tensor[]",
)


@_gru_back.register_fake
def _(weight: Tensor, before: Tensor, y: Tensor, kept: Tensor, dy: Tensor) -> list[Tensor]:
    batch, frames, width = y.shape
    return [
        y.new_empty(batch, frames, 3 * width),
        *_dense_like([weight]),
        y.new_empty(3 * width),
        *_dense_like([before]),
    ]


def _remember_gru(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    assert inputs[4], "a forward pass without `save` has no backward pass"
    ctx.save_for_backward(inputs[1], inputs[3], *output)
    ctx.set_materialize_grads(False)  # nothing depends on what is kept


def _differentiate_gru(ctx: Any, dy: Tensor, unused: None) -> tuple[Any, ...]:
    return *_gru_back(*ctx.saved_tensors, dy), None


_gru.register_autograd(_differentiate_gru, setup_context=_remember_gru)


def kernel_gru(gates_BTG: Tensor, weight_GH: Tensor, bias_G: Tensor, before_BH: Tensor) -> Tensor:
    """States (B, T, H) of a GRU whose input brings `gates` (its bias included), G = 3 H in the order r, z, n."""
    inputs = (gates_BTG, weight_GH, bias_G, before_BH)
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    states: tuple[Tensor, Tensor] = _gru(*inputs, save)
    return states[0]
