"""The scans in plain torch, against the formula in numpy and each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exphil_core.kernels.cuda import with_state_in_front
from exphil_core.kernels.library import without_kernel
from exphil_core.kernels.reference import chunked_scan, looped_scan
from exphil_core.kernels.scan import selective_scan
from tests.kernels.test_kernel import assert_close, results, scan_inputs

B, T, E, N = 2, 17, 5, 3


def test_the_loop_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    u, step = rng.normal(size=(B, T, E)), rng.uniform(0.01, 0.2, size=(B, T, E))
    A, b, c = -rng.uniform(0.1, 9, size=(E, N)), rng.normal(size=(B, T, N)), rng.normal(size=(B, T, N))
    h, expected = rng.normal(size=(B, E, N)), []
    before = h
    for t in range(T):
        h = np.exp(step[:, t, :, None] * A) * h + (step[:, t] * u[:, t])[..., None] * b[:, t, None]
        expected.append((h * c[:, t, None]).sum(-1))
    y, last = looped_scan(*(torch.from_numpy(v) for v in (u, step, A, b, c, before)))
    assert np.allclose(y.numpy(), np.stack(expected, axis=1), atol=1e-12)
    assert np.allclose(last.numpy(), h, atol=1e-12)


def inputs(frames: int, speed: float = 1.0) -> list[torch.Tensor]:
    u, step, A, b, c, _, _, _, before = scan_inputs(B, frames, E, N)
    return [u, step.abs() * speed, A, b, c, before]


@pytest.mark.parametrize("frames", [1, 7, 8, 60])
@pytest.mark.parametrize("chunk", [1, 4, 8, 100])
def test_chunks_give_what_the_loop_gives(frames: int, chunk: int) -> None:
    got = results(lambda *x: chunked_scan(*x, chunk), inputs(frames), torch.float64)
    assert_close(got, results(looped_scan, inputs(frames), torch.float64), share=1e-10)


def test_chunks_survive_states_that_fade_at_once() -> None:
    """A quotient of decays would be 0 / 0 here."""
    fast = inputs(60, speed=500.0)
    got = results(lambda *x: chunked_scan(*x, 8), fast, torch.float32)
    assert all(tensor.isfinite().all() for tensor in got)
    assert_close(got, results(looped_scan, fast, torch.float64), share=1e-4)


def test_half_precision_is_computed_in_float32_by_the_loop_too() -> None:
    """Autocasting takes every product of matrices in half precision, those of the scan as well if it is let."""
    given = [tensor.float() for tensor in scan_inputs(B, 40, E, N)]
    with without_kernel():
        expected = selective_scan(*given)
        with torch.autocast("cpu", torch.bfloat16):
            got = selective_scan(*given)
            assert (given[3][0] @ given[4][0].T).dtype == torch.bfloat16
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_virtual_frames_write_a_state_in() -> None:
    """For kernels that start from nothing."""

    def from_nothing(*x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        u, step, b, c = with_state_in_front(*x)
        y, last = looped_scan(u, step, x[2], b, c, torch.zeros_like(x[5]))
        return y[:, N:], last

    got = results(from_nothing, inputs(20), torch.float64)
    assert_close(got, results(looped_scan, inputs(20), torch.float64), share=1e-3)
    y, last = from_nothing(*(tensor.float() for tensor in inputs(20)))
    expected, expected_last = looped_scan(*inputs(20))
    assert_close([y, last], [expected, expected_last], share=1e-5)
