"""The kernel of divergences of logits in Triton, under its interpreter, beside that of the CPU."""

import math

import numpy as np
import pytest
import torch

from lossary.kernels.triton import divergence
from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NONE, MEAN, SUM = 0, 1, 2
WEIGHTS = torch.tensor([0.0, 2, 1, 1, 0.5, 1, 1, 1, 1, 0, 0, 0, 0])
TAILS = (
    (None, NONE, None, None, 3),
    (WEIGHTS, MEAN, torch.tensor(3.0), torch.tensor(1.5), 2),
    (WEIGHTS, SUM, None, None, 1),
)


@pytest.fixture(params=("whole", "loop"))
def form(request, monkeypatch):
    if request.param == "loop":
        monkeypatch.setattr(divergence, "LONGEST", 0)
        monkeypatch.setattr(divergence, "LANES", 32)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def logits(classes, dtype):
    """Thirteen rows: ordinary, equal, nearly equal, shifted; then what has infinities; of two nothing is left; NaN."""
    g = torch.Generator().manual_seed(0)
    x, t = (3 * torch.randn(13, classes, generator=g) for _ in range(2))
    t[1], t[2] = x[1], x[2] + 0.05 * torch.randn(classes, generator=g)
    t[3] = x[3] + 7 + 1e-3 * torch.randn(classes, generator=g)
    if classes > 2:
        x[4, 0] = t[5, 1] = x[5, 1] = -math.inf
        x[6, 2] = t[7, 0] = x[8, 1] = t[8, 1] = math.inf
        x[9], t[10], x[11, 1], t[12, 2] = -math.inf, -math.inf, math.nan, math.nan
    return x.to(dtype), t.to(dtype)


def compare(x, *rest):
    value, gradients = torch.ops.lossary.kl_rows(x, *rest)
    got, made = IMPLEMENTATIONS["kl_rows"](x, *rest)
    assert got.dtype == value.dtype and len(made) == len(gradients)
    # In half precision the CPU's exponentials are right to 6e-6, in proportion to both logarithms.
    rough = {torch.float32: 16 * 2**-23, torch.float16: 32 * 2**-23, torch.bfloat16: 1e-5}[x.dtype]
    torch.testing.assert_close(got, value, rtol=rough, atol=rough / 16, equal_nan=True)
    for g, m in zip(gradients, made, strict=True):
        eps = torch.finfo(x.dtype).eps
        torch.testing.assert_close(m, g, rtol=4 * eps, atol=64 * max(eps / 64, 2**-23), equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 3, 101])
def test_divergence(classes, dtype, form):
    x, t = logits(classes, dtype)
    for i, tail in enumerate(TAILS):
        compare(x, t, 2.5 if i % 2 else 1.0, *tail)


def test_digits_near_0(form):
    x, _ = logits(64, torch.float32)
    t = x[2:4] + 1e-4 * torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    got, _ = IMPLEMENTATIONS["kl_rows"](x[2:4], t, 1.0, None, NONE, None, None, 0)
    p, q = t.double().log_softmax(1), x[2:4].double().log_softmax(1)
    torch.testing.assert_close(got.double(), (p.exp() * (p - q)).sum(1), rtol=1e-5, atol=0)


def test_a_row_alone_and_in_a_batch(form):
    x, t = logits(20, torch.float32)
    whole, all_gradients = IMPLEMENTATIONS["kl_rows"](x, t, 1.0, None, NONE, None, None, 3)
    for r in (0, 2, 4, 6):
        one = slice(r, r + 1)
        alone, gradients = IMPLEMENTATIONS["kl_rows"](x[one], t[one], 1.0, None, NONE, None, None, 3)
        assert torch.equal(alone, whole[one])
        assert all(torch.equal(g, w[one]) for g, w in zip(gradients, all_gradients, strict=True))


def test_views_that_are_not_aligned_and_one_row():
    flat = torch.randn(1 + 4 * 24, generator=torch.Generator().manual_seed(2))
    x, t = flat[1:].view(4, 24), torch.randn(4, 24, generator=torch.Generator().manual_seed(3))
    compare(x, t, 1.0, None, MEAN, None, None, 3)
    compare(x[0], t[0], 1.0, None, MEAN, None, None, 3)
