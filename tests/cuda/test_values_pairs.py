"""Kernels of pairs and triplets of vectors in Triton, under its interpreter, beside those of the CPU."""

import math

import numpy as np
import pytest
import torch

from lossary.kernels.triton import pairs
from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NONE, MEAN, SUM = 0, 1, 2
TAILS = (
    (None, NONE, None, None),
    (torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0]), NONE, None, torch.tensor(1.5)),
    (torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0]), MEAN, torch.tensor(3.0), None),
    (torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0]), SUM, None, None),
)


@pytest.fixture(params=("whole", "loop"))
def form(request, monkeypatch):
    if request.param == "loop":
        monkeypatch.setattr(pairs, "LONGEST", 0)
        monkeypatch.setattr(pairs, "PART", 32)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def vectors(width, dtype, count):
    """Nine rows: ordinary, equal, parallel, zero, opposite, tiny, huge, infinite, NaN."""
    g = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(9, width, generator=g) for _ in range(3))
    tiny, huge = (1e-6, 1e4) if dtype == torch.float16 else (1e-25, 1e25)
    b[1], b[2], b[4] = a[1], 2 * a[2], -a[4]
    a[3], a[5], b[6] = 0.0, a[5] * tiny, b[6] * huge
    a[7, 0], a[8, 0] = math.inf, math.nan
    return tuple(x.to(dtype) for x in (a, b, c)[:count])


def compare(*arguments, digits=8.0):
    value, gradients = torch.ops.lossary.pairs(*arguments)
    got, made = IMPLEMENTATIONS["pairs"](*arguments)
    assert got.dtype == value.dtype and len(made) == len(gradients)
    torch.testing.assert_close(got, value, rtol=digits * 2**-23, atol=4 * digits * 2**-23, equal_nan=True)
    wanted = [x for i, x in enumerate(arguments[:3]) if arguments[-1] >> i & 1]
    for x, g, m in zip(wanted, gradients, made, strict=True):
        assert m.dtype == g.dtype
        # Of parallel vectors what is left is rounding: of the size of their gradients, 1 / |x| for cosines.
        size = 2 / x.double().norm(dim=-1, keepdim=True) if arguments[2] is None else torch.ones(len(x), 1)
        eps, size = torch.finfo(x.dtype).eps, size.nan_to_num(0.0, posinf=0.0)
        g, m = g.double(), m.double()
        near = (g - m).abs() <= 2 * eps * (g.abs() + 4 * size) + torch.finfo(x.dtype).tiny
        assert (near | (g == m) | (g.isnan() & m.isnan())).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 100])
def test_cosine_embedding(width, dtype, form):
    a, b = vectors(width, dtype, 2)
    y = torch.tensor([1.0, 1, 1, 1, -1, 1, -1, -1, 1])
    for i, tail in enumerate(TAILS):
        compare(a, b, None, -y if i % 2 else y, 0.2, 0.0, False, *tail, 1 if i == 3 else 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 100])
def test_triplets(width, dtype, form):
    abc = vectors(width, dtype, 3)
    for swap, eps in ((False, 1e-6), (True, 0.0)):
        for i, tail in enumerate(TAILS):
            compare(*abc, None, 1.0, eps, swap, *tail, 5 if i == 3 else 7)


def test_a_vector_with_itself_costs_nothing():
    a = torch.randn(33, 48, generator=torch.Generator().manual_seed(1))
    value, (da, db) = IMPLEMENTATIONS["pairs"](
        a, a.clone(), None, torch.ones(33), 0.0, 0.0, False, None, NONE, None, None, 3
    )
    assert not value.any() and not da.any() and not db.any()


@pytest.mark.parametrize("triplet", [False, True])
def test_a_row_alone_and_in_a_batch(triplet, form):
    a, b, c = vectors(40, torch.float32, 3)
    y = torch.ones(9)
    given = (
        (None, 1.0, 1e-6, True, None, NONE, None, None, 7) if triplet else (1.0, 0.0, False, None, NONE, None, None, 3)
    )
    whole, all_gradients = IMPLEMENTATIONS["pairs"](a, b, *((c,) if triplet else (None, y)), *given)
    for r in (0, 5, 6):
        one = slice(r, r + 1)
        alone, gradients = IMPLEMENTATIONS["pairs"](a[one], b[one], *((c[one],) if triplet else (None, y[one])), *given)
        assert torch.equal(alone, whole[one])
        assert all(torch.equal(g, w[one]) for g, w in zip(gradients, all_gradients, strict=True))


def test_views_that_are_not_aligned():
    flat = torch.randn(1 + 5 * 24, generator=torch.Generator().manual_seed(2))
    a, b = flat[1:].view(5, 24), torch.randn(5, 24, generator=torch.Generator().manual_seed(3))
    compare(a, b, None, torch.ones(5), 0.0, 0.0, False, None, MEAN, None, None, 3)
