"""Kernels of pairs of boxes in Triton, under its interpreter, beside those of the CPU."""

import numpy as np
import pytest
import torch

from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NONE, MEAN = 0, 1
KINDS, CORNERS = range(5), range(3)
TAILS = ((None, NONE, None, torch.tensor(1.5)), (torch.arange(600) % 3 * 1.0, MEAN, torch.tensor(7.0), None))


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def boxes(corners: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Ordinary ones, and at the beginning: equal, inside each other, touching, far apart, points, flat, thin, huge."""
    g = torch.Generator().manual_seed(0)
    a, b = (torch.rand(600, 2, 2, generator=g).cumsum(1).reshape(600, 4) for _ in range(2))
    huge = 2.0**12 if dtype == torch.float16 else 2.0**60
    special = [
        ([0, 0, 2, 2], [0, 0, 2, 2]),
        ([0, 0, 4, 4], [1, 1, 2, 3]),
        ([0, 0, 1, 1], [1, 0, 2, 1]),
        ([0, 0, 1, 1], [5, 7, 6, 8]),
        ([1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 1, 1, 1], [2, 3, 2, 3]),
        ([0, 0, 0, 2], [0, 0, 1, 2]),
        ([0, 0, 8, 2**-9], [0, 0, 2**-9, 8]),
        ([0, 0, huge, huge], [0, 0, huge, 1]),
    ]
    for i, (x, y) in enumerate(special):
        a[i], b[i] = torch.tensor(x), torch.tensor(y)
    if corners:
        a, b = (torch.cat((x[:, :2], x[:, 2:] - x[:, :2]), 1) for x in (a, b))
    return a.to(dtype), b.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("kind", KINDS)
def test_boxes(kind, corners, dtype):
    x, y = boxes(corners, dtype)
    for held, tail in zip((True, False), TAILS, strict=True):
        given = x, y, kind, corners, held, *tail, 1
        value, (gradient,) = torch.ops.lossary.boxes(*given)
        got, (made,) = IMPLEMENTATIONS["boxes"](*given)
        torch.testing.assert_close(got, value, rtol=16 * 2**-23, atol=16 * 2**-23)
        size = gradient.double().abs().quantile(0.9).item()
        torch.testing.assert_close(made, gradient, rtol=2 * torch.finfo(dtype).eps, atol=64 * 2**-23 * size)


def test_what_is_no_box_is_nan():
    """Where the CPU raises; nobody waits for a device that could say so."""
    x, y = boxes(0, torch.float32)
    x[3] = torch.tensor([1.0, 0.0, 0.0, 1.0])
    value, (gradient,) = IMPLEMENTATIONS["boxes"](x, y, 1, 0, True, None, NONE, None, None, 1)
    assert value.isnan().nonzero().tolist() == [[3]] and gradient.isnan().all(1).nonzero().tolist() == [[3]]
    hidden = (torch.arange(600) != 3).float()
    value, (gradient,) = IMPLEMENTATIONS["boxes"](x, y, 1, 0, True, hidden, NONE, None, None, 1)
    assert value[3] == 0 and not gradient[3].any() and value.isfinite().all()


def test_a_pair_alone_and_in_a_batch():
    x, y = boxes(0, torch.float32)
    given = 3, 0, False, None, NONE, None, None, 1
    whole, (gradients,) = IMPLEMENTATIONS["boxes"](x, y, *given)
    alone, (gradient,) = IMPLEMENTATIONS["boxes"](x[599:], y[599:], *given)
    assert torch.equal(alone, whole[599:]) and torch.equal(gradient, gradients[599:])
