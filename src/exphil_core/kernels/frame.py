"""Parts of a frame of play through the CPU kernel. Never under autograd or `torch.compile`.

Shapes: B batch, D width, h heads, W window.
"""

from __future__ import annotations

import torch
from torch import Tensor

from exphil_core.kernels.library import AttentionArguments, LinearArguments, kernel

# Above so many vectors at once torch's matrix product wins.
FEW = 8


def takes_few(x: Tensor) -> bool:
    """Whether the kernel is there and x (B, D) so small that it is the faster."""
    return len(x) <= FEW and kernel() is not None


def kernel_linear(x: Tensor, weight: Tensor, bias: Tensor | None, bends: bool = False) -> Tensor:
    """x (B, inputs) times the transposed weight (outputs, inputs), plus the bias; then gelu if it `bends`."""
    outputs, inputs = weight.shape
    batch, x = len(x), x.contiguous()
    y = torch.empty(batch, outputs)
    _call(
        "linear",
        LinearArguments(
            x.data_ptr(),
            weight.data_ptr(),
            None if bias is None else bias.data_ptr(),
            y.data_ptr(),
            batch,
            inputs,
            outputs,
            bends,
        ),
    )
    return y


def kernel_attention(
    entered: Tensor, bias: Tensor, past: Tensor, filled: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What a frame finds (B, D), and keys and values (B, W, 2 D) and filled slots (B, W) with the frame at the end.

    `entered` (B, 3 D) are its query, key and value, `bias` (h, W) by distance, `past` (B, W - 1, 2 D) and `filled`
    (B, W - 1) the frames before.
    """
    heads, window = bias.shape
    batch, width = len(entered), entered.shape[1] // 3
    past, filled = past.contiguous(), filled.contiguous()
    y, seen = torch.empty(batch, width), torch.empty(batch, window, 2 * width)
    filled_after = torch.empty(batch, window)
    tensors = (entered, bias, past, filled, y, seen, filled_after)
    pointers = (tensor.data_ptr() for tensor in tensors)
    _call("attention_step", AttentionArguments(*pointers, batch, width, heads, window))
    return y, (seen, filled_after)


def _call(name: str, arguments: object) -> None:
    found = kernel()
    assert found is not None, "callers look first"
    found.call(name, arguments)  # type: ignore[arg-type]
