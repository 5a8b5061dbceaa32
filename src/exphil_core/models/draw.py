"""Drawing controllers on the CPU, for play.

A small operation takes torch 1.5 to 7 µs, and finding a module's weight 3; a controller in six parts needs two
hundred operations and eighty weights. Here torch does the three large operations of each part, numpy the rest on the
same memory, and the weights are looked up once.

Shapes: n games, H backbone width, Z head width, V cells of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Floats = npt.NDArray[np.float32]
Cells = npt.NDArray[np.int64]
TINY = np.float32(1e-30)


@attrs.frozen(eq=False)
class PartWeights:
    """A part's layers as tensors, and the memory of its other weights and tables as arrays.

    `given_x`: scored given the part before it, with tables that have a row for each of its values.
    """

    norm: tuple[Sequence[int], Tensor, Tensor, float]
    logits: tuple[Tensor, Tensor]
    copy_Z: Floats
    copy_bias: Floats
    base: Floats
    odds: Floats
    given_x: bool
    told_value: Floats | None
    told_change: Floats | None


@attrs.frozen(eq=False)
class HeadWeights:
    """A head's weights where they lie: what changes them in place changes them here."""

    enter: tuple[Tensor, Tensor]
    parts: tuple[PartWeights, ...]
    possible_VV: npt.NDArray[np.bool_]
    impossible: float


def memory(tensor: Tensor | Any) -> npt.NDArray[Any]:
    """The tensor's own memory as an array."""
    array: npt.NDArray[Any] = tensor.detach().numpy()
    return array


def linear_weights(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer."""
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach(), layer.bias.detach()


@torch.no_grad()
def draw_controllers(
    head: HeadWeights, y_nH: Tensor, last_n6: Tensor, temperature: float, generator: torch.Generator | None
) -> Tensor:
    """What `PolicyHead.sample` gives: controllers (n, 6), drawn at a temperature, or the likeliest parts at 0."""
    z_nZ = F.linear(y_nH.float(), *head.enter)
    shared_nZ: Floats = z_nZ.numpy()
    last: Cells = last_n6.numpy()
    uniform = torch.rand(last.shape, generator=generator, dtype=torch.float64).numpy()
    chosen: Cells = np.empty_like(last)
    lanes = np.arange(len(last))
    for index, part in enumerate(head.parts):
        logits_nV = _logits(head, index, z_nZ, last, chosen, lanes)
        value_n = chosen[:, index] = _drawn(logits_nV, temperature, uniform[:, index])
        if part.told_value is not None and part.told_change is not None:
            changed_n = (value_n != last[:, index]).astype(np.int64)
            shared_nZ += part.told_value[value_n] + part.told_change[changed_n]
    return torch.from_numpy(chosen)


def _logits(head: HeadWeights, index: int, z_nZ: Tensor, last: Cells, chosen: Cells, lanes: Cells) -> Floats:
    """As `PolicyHead._part_logits`."""
    part = head.parts[index]
    seen_nZ = _gelu(F.layer_norm(z_nZ, *part.norm))
    sum_nV: Floats = F.linear(seen_nZ, *part.logits).numpy()
    copy_n = seen_nZ.numpy() @ part.copy_Z + part.copy_bias
    last_n = last[:, index]
    if not part.given_x:
        sum_nV += part.base
        at_last_n = part.base[last_n]
        lift_n = np.logaddexp(at_last_n, np.log(part.odds + TINY)) - at_last_n
        sum_nV[lanes, last_n] += lift_n + copy_n
        return sum_nV
    x_n = chosen[:, index - 1]
    sum_nV += part.base[x_n]
    at_last_n = part.base[x_n, last_n]
    odds_n = part.odds[x_n] * (x_n == last[:, index - 1])
    lift_n = np.logaddexp(at_last_n, np.log(odds_n + TINY)) - at_last_n
    lift_n[at_last_n <= head.impossible / 2] = 0.0
    sum_nV[lanes, last_n] += lift_n + copy_n
    sum_nV[~head.possible_VV[x_n]] = head.impossible
    return sum_nV


def _gelu(x: Tensor) -> Tensor:
    # torch's own goes through oneDNN, which takes 16 µs for a single row; this takes 5.
    values: Floats = x.numpy()
    reached: Floats = torch.erf(x * 0.5**0.5).numpy()
    reached += 1
    values *= reached
    values *= np.float32(0.5)
    return x


def _drawn(logits_nV: Floats, temperature: float, uniform_n: npt.NDArray[np.float64]) -> Cells:
    """The value whose stretch of the summed chances holds the uniform number; never one without a chance."""
    if temperature == 0:
        likeliest: Cells = logits_nV.argmax(axis=1)
        return likeliest
    logits_nV -= logits_nV.max(axis=1, keepdims=True)
    if temperature != 1:
        logits_nV /= np.float32(temperature)
    sums_nV = np.exp(logits_nV).cumsum(axis=1, dtype=np.float64)
    whole_n = sums_nV[:, -1]
    at_n = np.minimum(uniform_n * whole_n, np.nextafter(whole_n, 0.0))
    counted: Cells = np.add.reduce(sums_nV <= at_n[:, None], axis=1, dtype=np.int64)
    return counted
