"""The CPU kernel as Python sees it: loading, and calls on tensors.

Shapes: B batch, T frames, E channels, N states a channel, K taps, C checkpoints.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path

import attrs
import torch
from torch import Tensor

from exphil_core.kernels.build import BuildError, built
from exphil_core.kernels.variants import OFF, VARIABLE, chosen_variant

LAYOUT = 6
_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64


def _structure(name: str, pointers: str, numbers: str, floats: str = "") -> type[ctypes.Structure]:
    kinds = ((_POINTER, pointers), (_NUMBER, numbers), (ctypes.c_float, floats))
    fields = [(word, kind) for kind, words in kinds for word in words.split()]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


# As in native/: scan.h, convolution.h, gru.h, step.h, frame.h, gather.h and draw.h.
ScanArguments = _structure(
    "ScanArguments",
    "u step b c gate A D bias before y last checkpoints dy dlast du dstep db dc dgate dA dD dbias dbefore",
    "u_batch u_frame step_batch step_frame b_batch b_frame c_batch c_frame gate_batch gate_frame dy_batch dy_frame "
    "batch frames channels states threads",
)
ConvolutionArguments = _structure(
    "ConvolutionArguments",
    "x weight bias before y dy dx dweight dbias dbefore",
    "x_batch x_frame dy_batch dy_frame batch frames channels taps threads",
)
GruArguments = _structure(
    "GruArguments", "gates weight bias before y kept dy dgates ds dbefore", "batch frames width threads"
)
StepArguments = _structure(
    "StepArguments",
    "entering filter filter_bias projection step_weight step_bias A_log D past before y past_after after",
    "batch channels states taps rank threads",
)
LinearArguments = _structure("LinearArguments", "x weight bias y", "batch inputs outputs bends")
AttentionArguments = _structure(
    "AttentionArguments",
    "entered bias past filled y seen filled_after",
    "batch width heads window",
)
GatherArguments = _structure("GatherArguments", "into source bytes", "count stride")
PartArguments = _structure(
    "PartArguments",
    "norm_weight norm_bias weight bias copy copy_bias base odds button_weight button_bias told_value told_change",
    "cells given_x",
)
DrawArguments = _structure(
    "DrawArguments",
    "parts z last uniform possible chosen",
    "count width parts_count most_cells threads",
    "temperature norm_epsilon impossible",
)


@attrs.frozen(eq=False)
class Kernel:
    """A loaded kernel. Its functions take float32 tensors on the CPU and do no more checks than asserted."""

    variant: str
    path: Path
    library: ctypes.CDLL

    @property
    def chunk(self) -> int:
        """Frames between the states that a forward pass keeps for the backward pass."""
        return int(self.library.exphil_chunk())

    def call(self, name: str, arguments: ctypes.Structure) -> None:
        """Run a function of the library. MemoryError if it finds no memory."""
        if getattr(self.library, f"exphil_{name}")(ctypes.byref(arguments)):
            raise MemoryError(f"the kernel's {name.replace('_', ' ')} found no memory")


def fill(kind: type[ctypes.Structure], tensors: dict[str, Tensor | None], **numbers: int) -> ctypes.Structure:
    """Arguments from tensors by name; strides are filled in where the structure wants them."""
    values: dict[str, int | None] = dict(numbers)
    names = {name for name, _ in kind._fields_}  # type: ignore[misc]
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        assert tensor.dtype == torch.float32, name
        assert tensor.device.type == "cpu", name
        values[name] = tensor.data_ptr()
        if f"{name}_frame" in names:
            assert tensor.stride(-1) == 1 or tensor.shape[-1] == 1, name
            values[f"{name}_batch"], values[f"{name}_frame"] = tensor.stride(0), tensor.stride(1)
        else:
            assert tensor.is_contiguous(), name
    return kind(threads=torch.get_num_threads(), **values)


def load(path: Path, variant: str) -> Kernel:
    """The kernel in a library file. Raises BuildError if it can't be loaded or is laid out in another way."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(f"{path} can't be loaded: {error}") from error
    for name in ("layout", "chunk", "lanes"):
        getattr(library, f"exphil_{name}").restype = _NUMBER
    if library.exphil_layout() != LAYOUT:
        raise BuildError(f"{path} has another layout; delete it")
    return Kernel(variant, path, library)


@attrs.frozen
class Attempt:
    """The kernel, or why there is none."""

    kernel: Kernel | None
    why: str


@functools.cache
def attempt(wanted: str | None = None) -> Attempt:
    """Load the variant `wanted` (default: EXPHIL_KERNEL, or the best for this CPU), building it if need be.

    Once a process. Raises ExphilError only for a wish that can't be one.
    """
    variant = chosen_variant(wanted)
    if variant is None:
        return Attempt(None, f"{VARIABLE}={OFF}")
    try:
        return Attempt(load(built(variant), variant.name), "")
    except BuildError as error:
        return Attempt(None, str(error))


_forced: list[str] = []


def force_kernel(variant: str | None) -> None:
    """Use this variant (`off`, `plain`, `avx2`, `avx512`) from now on; None: choose again as at the start.

    ExphilError if it can't be had here: results would differ in the last bits.
    """
    if variant is not None:
        got = attempt(variant)
        if got.kernel is None and variant != OFF:
            raise BuildError(f"the kernel {variant} can't be had here: {got.why}")
    _forced[:] = [variant] if variant else []


@contextlib.contextmanager
def without_kernel() -> Iterator[None]:
    """Meanwhile, only what torch itself has: for who looks at a computation to write it down in another form."""
    before = list(_forced)
    _forced[:] = [OFF]
    try:
        yield
    finally:
        _forced[:] = before


def kernel() -> Kernel | None:
    """The kernel in use, or None: then the loop of `exphil_core.kernels.reference` runs."""
    return attempt(_forced[0] if _forced else None).kernel


def kernel_variant() -> str:
    """`avx512`, `avx2`, `plain`, or `off`: two runs agree to the bit only with the same."""
    found = kernel()
    return found.variant if found else OFF
