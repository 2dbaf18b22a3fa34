"""Kernels of InfoNCE in Triton, under its interpreter, beside those of the CPU."""

import numpy as np
import pytest
import torch

from lossary.kernels.triton.operators import IMPLEMENTATIONS

NONE, MEAN, SUM = 0, 1, 2
N, M, D = 18, 21, 5
GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(N, D, generator=GENERATOR), torch.randn(M, D, generator=GENERATOR)
POSITIVES, LABELS = torch.randint(M, (N,), generator=GENERATOR), torch.arange(M) % 15
WEIGHT = torch.rand(N, generator=GENERATOR) * (torch.arange(N) % 3 != 0)
PLAIN, BY_PLACES, SYMMETRIC = (None, None, None), (POSITIVES, LABELS, WEIGHT), (None, LABELS[:N] % 11, WEIGHT)
CASES = {
    "plain": (PLAIN, False, True, (None, NONE, None, torch.tensor(1.5))),
    "mean": (PLAIN, False, True, (None, MEAN, None, None)),
    "all": (BY_PLACES, False, True, (WEIGHT, MEAN, None, torch.tensor(-2.0))),
    "products": (BY_PLACES, False, False, (WEIGHT, SUM, None, None)),
    "normalizer": (PLAIN, False, True, (None, MEAN, torch.tensor(4.0), None)),
    "symmetric": (SYMMETRIC, True, True, (WEIGHT, MEAN, None, None)),
    "symmetric rows": (PLAIN, True, True, (None, NONE, None, None)),
}


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def compare(*given, eps=2**-23, digits=8):
    value, gradients = torch.ops.lossary.similarities(*given)
    got, made = IMPLEMENTATIONS["similarities"](*given)
    assert got.shape == value.shape and len(made) == len(gradients)
    torch.testing.assert_close(got, value, rtol=digits * 2**-23, atol=0, equal_nan=True)
    for g, m in zip(gradients, made, strict=True):
        assert m.dtype == g.dtype and m.shape == g.shape
        size = g.double().abs().nan_to_num(0, 0).max().item()
        torch.testing.assert_close(m, g, rtol=2 * eps, atol=32 * 2**-23 * size, equal_nan=True)


@pytest.mark.parametrize("budget", [1, 2**20], ids=["chunks of 16 rows", "one chunk"])
@pytest.mark.parametrize(("places", "symmetric", "normalize", "tail"), CASES.values(), ids=CASES)
def test_similarities(places, symmetric, normalize, tail, budget):
    temperature = torch.tensor(0.3)
    compare(X, Y[:N] if symmetric else Y, temperature, *places, 1.0, symmetric, normalize, budget, *tail, 7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_a_fixed_temperature(dtype):
    given = X.to(dtype), Y.to(dtype), None, *BY_PLACES, 0.2, False, True, 2**20, WEIGHT, MEAN, None, None
    compare(*given, 3, eps=torch.finfo(dtype).eps)


def test_limits():
    """Lengths of any size, a row of zeros, a nearly perfect row, unknown rows; one candidate costs nothing."""
    x, y = X.clone(), Y.clone()
    x[0], x[1], x[2], x[3] = 0.0, 1e30 * x[1], 1e-30 * x[2], y[3]
    tail = 0.05, False, True, 2**20, None, NONE, None, None
    compare(x, y, None, None, None, None, *tail, 3, digits=32)  # of similarities up to 20
    x[4, 2], y[20, 1] = torch.inf, 0.0
    compare(x, y, None, None, None, None, *tail, 1, digits=32)
    compare(X[:1], Y[:1], None, None, None, None, *tail, 3)


def test_rows_outside_of_the_batch_may_hold_anything():
    hidden = (WEIGHT == 0)[:, None]
    x, y = X.masked_fill(hidden, torch.nan), Y[:N].masked_fill(hidden, torch.inf)
    rest = None, None, None, WEIGHT, 0.3, True, True, 2**20, WEIGHT, MEAN, None, None, 3
    of = IMPLEMENTATIONS["similarities"]
    (value, gradients), (expected, others) = of(x, y, *rest), of(X, Y[:N], *rest)
    assert torch.equal(value, expected) and all(map(torch.equal, gradients, others))


@pytest.mark.parametrize("place", [-1, M])
def test_what_is_no_candidate_is_nan(place):
    """Where the CPU raises; nobody waits for a device that could say so."""
    positives = POSITIVES.clone()
    positives[2] = place
    tail = None, 1.0, False, True, 2**20, None, NONE, None, None, 1
    value, (gradient,) = IMPLEMENTATIONS["similarities"](X, Y, None, positives, None, *tail)
    assert value.isnan().nonzero().tolist() == [[2]] and gradient.isnan().all(1).nonzero().tolist() == [[2]]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test_what_is_no_temperature_is_nan(temperature):
    tail = None, None, None, 1.0, False, True, 2**20, None, MEAN, None, None, 4
    value, (gradient,) = IMPLEMENTATIONS["similarities"](X, Y, torch.tensor(temperature), *tail)
    assert value.isnan() and gradient.isnan()
