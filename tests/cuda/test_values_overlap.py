"""Kernels of the overlap of masks in Triton, under its interpreter, beside those of the CPU."""

from itertools import product

import numpy as np
import pytest
import torch

from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NONE, MEAN, SUM = 0, 1, 2
SOFTMAX, SIGMOID, PROBABILITIES = range(3)
N, C, M = 3, 5, 70


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def masks(activation: int, dtype: torch.dtype, by_index: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Ordinary, confident and infinite scores; targets of which some are ignored and a class is absent."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(N, C, M, generator=g) * torch.tensor([1.0, 5.0, 30.0])[:, None, None]
    if activation == SOFTMAX:
        x[0, 2, :9] = -torch.inf
    if activation == PROBABILITIES:
        x = x.sigmoid()
    y = torch.randint(C - 1, (N, M), generator=g)
    if not by_index:
        t = torch.nn.functional.one_hot(y, C).movedim(-1, 1).float()
        t[1] = torch.rand(C, M, generator=g)
        t[2, 0, :5] = x[2, 0, :5] if activation == PROBABILITIES else 0.0
        return x.to(dtype), t.to(dtype)
    y[0, ::7] = -100
    return x.to(dtype), y


def compare(*given, digits=16.0):
    value, gradients = torch.ops.lossary.overlap(*given)
    got, made = IMPLEMENTATIONS["overlap"](*given)
    assert got.shape == value.shape and len(made) == len(gradients)
    torch.testing.assert_close(got, value, rtol=digits * 2**-23, atol=digits * 2**-23)
    for g, m in zip(gradients, made, strict=True):
        size = g.double().abs().max().item()
        torch.testing.assert_close(
            m, g, rtol=4 * torch.finfo(g.dtype).eps + digits * 2**-23, atol=digits * 2**-23 * size
        )


TAILS = (
    (None, NONE, None, torch.tensor(1.5)),
    (None, MEAN, None, None),
    (torch.tensor([1.0, 0.0, 2.0])[:, None].expand(N, C).contiguous(), MEAN, None, None),
    (None, MEAN, torch.tensor(4.0), None),
    (None, SUM, None, None),
)
FORMS = list(product((SOFTMAX, SIGMOID, PROBABILITIES), (True, False), (False, True), (0, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "by_index", "squared", "overlap"), FORMS)
def test_overlap(activation, by_index, squared, overlap, dtype):
    x, y = masks(activation, dtype, by_index)
    pixels = torch.rand(N, M, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    weight = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0])
    for i, tail in enumerate(TAILS):
        classes, batch = i % 2, i == 1
        beside = pixels if i % 2 else None, weight if i > 1 else None, -100
        options = activation, overlap, squared, batch, classes, 1.0 if i else 0.0, 0.3, 0.7, 1.0 if i < 3 else 0.75
        compare(x, y, *beside, *options, *tail, 1)


def test_a_vector_of_classes():
    x, y = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([1.0, 0.0, 1.0])
    compare(x, y, None, None, -100, SIGMOID, 1, False, False, 0, 1.0, 0.5, 0.5, 1.0, None, NONE, None, None, 1)


def test_a_class_that_does_not_exist_is_nan():
    """Where the CPU raises; nobody waits for a device that could say so."""
    x, y = masks(SOFTMAX, torch.float32, True)
    y[1, 3] = C
    options = None, None, -100, SOFTMAX, 1, False, False, 0, 1.0, 0.5, 0.5, 1.0
    value, (gradient,) = IMPLEMENTATIONS["overlap"](x, y, *options, None, NONE, None, None, 1)
    assert value.isnan().all(1).tolist() == [False, True, False] and gradient[1].isnan().all()
    hidden = torch.tensor([1.0, 0.0, 1.0])[:, None].expand(N, C).contiguous()
    value, (gradient,) = IMPLEMENTATIONS["overlap"](x, y, *options, hidden, NONE, None, None, 1)
    assert not value[1].any() and not gradient[1].any() and value.isfinite().all()


def test_a_sample_alone_and_in_a_batch():
    x, y = masks(SOFTMAX, torch.float32, True)
    options = None, None, -100, SOFTMAX, 1, False, False, 0, 1.0, 0.5, 0.5, 1.0, None, NONE, None, None, 1
    whole, (gradients,) = IMPLEMENTATIONS["overlap"](x, y, *options)
    alone, (gradient,) = IMPLEMENTATIONS["overlap"](x[2:], y[2:], *options)
    assert torch.equal(alone, whole[2:]) and torch.equal(gradient, gradients[2:])
