"""Drawing controllers on the CPU, for play.

In one call of the CPU kernel where there is one. Without it torch would take a millisecond: a small operation costs
it 1.5 to 7 µs and finding a module's weight 3, and a controller in six parts needs 280 of these. So torch does the
large operations of each part, numpy the rest on the same memory, and the weights are looked up once.

Shapes: n games, H backbone width, Z head width, V cells of a part.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.kernels.library import DrawArguments, PartArguments, kernel
from exphil_core.kernels.scan import kernel_takes
from exphil_core.models.frame.basics import Floats, gelu_
from exphil_core.replays.controller import CHORD_BITS

Cells = npt.NDArray[np.int64]
TINY = np.float32(1e-30)


@attrs.frozen(eq=False)
class PartWeights:
    """A part's layers as tensors, and the memory of its other weights and tables as arrays.

    `given_x`: scored given the part before it, with tables that have a row for each of its values. `each_button`: the
    part is a chord, to which each button adds.
    """

    norm: tuple[Sequence[int], Tensor, Tensor, float]
    logits: tuple[Tensor, Tensor]
    copy_Z: Floats
    copy_bias: Floats
    base: Floats
    odds: Floats
    each_button: tuple[Tensor, Tensor] | None
    given_x: bool
    told_value: Floats | None
    told_change: Floats | None

    def as_arguments(self) -> ctypes.Structure:
        """Where all that lies."""
        tensors = {
            "norm_weight": self.norm[1],
            "norm_bias": self.norm[2],
            "weight": self.logits[0],
            "bias": self.logits[1],
        }
        if self.each_button is not None:
            tensors["button_weight"], tensors["button_bias"] = self.each_button
        arrays = {
            "copy": self.copy_Z,
            "copy_bias": self.copy_bias,
            "base": self.base,
            "odds": self.odds,
            "told_value": self.told_value,
            "told_change": self.told_change,
        }
        return PartArguments(
            cells=len(self.logits[1]),
            given_x=self.given_x,
            **{name: tensor.data_ptr() for name, tensor in tensors.items()},
            **{name: None if array is None else array.ctypes.data for name, array in arrays.items()},
        )


# Without slots: what it makes of itself for the kernel is kept beside.
@attrs.frozen(eq=False, slots=False)
class HeadWeights:
    """A head's weights where they lie: what changes them in place changes them here."""

    enter: tuple[Tensor, Tensor]
    parts: tuple[PartWeights, ...]
    possible_VV: npt.NDArray[np.bool_]
    impossible: float

    @functools.cached_property
    def as_arguments(self) -> tuple[ctypes.Array[ctypes.Structure], int]:
        """The parts as native/draw.h wants them, and the most cells of a part."""
        made = (PartArguments * len(self.parts))(*(part.as_arguments() for part in self.parts))
        return made, max(len(part.logits[1]) for part in self.parts)


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
    head: HeadWeights,
    y_nH: Tensor,
    last_n6: Tensor,
    temperature: float,
    generator: torch.Generator | None,
    uniform_n6: Tensor | None = None,
) -> Tensor:
    """What `PolicyHead.sample` gives: controllers (n, 6), drawn at a temperature, or the likeliest parts at 0."""
    z_nZ = F.linear(y_nH.float(), *head.enter)
    if uniform_n6 is None:
        uniform_n6 = torch.rand(last_n6.shape, generator=generator, dtype=torch.float64)
    if kernel_takes(z_nZ):
        return _by_kernel(head, z_nZ, last_n6, temperature, uniform_n6.contiguous())
    shared_nZ: Floats = z_nZ.numpy()
    last: Cells = last_n6.numpy()
    uniform = uniform_n6.numpy()
    chosen: Cells = np.empty_like(last)
    lanes = np.arange(len(last))
    for index, part in enumerate(head.parts):
        logits_nV = _logits(head, index, z_nZ, last, chosen, lanes)
        value_n = chosen[:, index] = _drawn(logits_nV, temperature, uniform[:, index])
        if part.told_value is not None and part.told_change is not None:
            changed_n = (value_n != last[:, index]).astype(np.int64)
            shared_nZ += part.told_value[value_n] + part.told_change[changed_n]
    return torch.from_numpy(chosen)


def _by_kernel(
    head: HeadWeights, z_nZ: Tensor, last_n6: Tensor, temperature: float, uniform: Tensor
) -> Tensor:
    """The same in one call."""
    parts, most_cells = head.as_arguments
    last_n6 = last_n6.contiguous()
    chosen = torch.empty_like(last_n6)
    arguments = DrawArguments(
        parts=ctypes.addressof(parts),
        z=z_nZ.data_ptr(),
        last=last_n6.data_ptr(),
        uniform=uniform.data_ptr(),
        possible=head.possible_VV.ctypes.data,
        chosen=chosen.data_ptr(),
        count=len(z_nZ),
        width=z_nZ.shape[1],
        parts_count=len(head.parts),
        most_cells=most_cells,
        threads=torch.get_num_threads(),
        temperature=temperature,
        norm_epsilon=head.parts[0].norm[3],
        impossible=head.impossible,
    )
    found = kernel()
    assert found is not None
    found.call("draw", arguments)
    return chosen


def _logits(head: HeadWeights, index: int, z_nZ: Tensor, last: Cells, chosen: Cells, lanes: Cells) -> Floats:
    """As `PolicyHead.part_logits`."""
    part = head.parts[index]
    seen_nZ = gelu_(F.layer_norm(z_nZ, *part.norm))
    sum_nV: Floats = F.linear(seen_nZ, *part.logits).numpy()
    copy_n = seen_nZ.numpy() @ part.copy_Z + part.copy_bias
    last_n = last[:, index]
    if part.each_button is not None:
        of_buttons_n16: Floats = F.linear(seen_nZ, *part.each_button).numpy()
        down_n8, stays_n8 = np.split(of_buttons_n16, 2, axis=1)
        sum_nV += (down_n8 + (2 * CHORD_BITS[last_n] - 1) * stays_n8) @ CHORD_BITS.T
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
