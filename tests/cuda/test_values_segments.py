"""Kernels of strided classes in Triton, under its interpreter, beside those of the CPU."""

import math

import numpy as np
import pytest
import torch

from lossary.kernels.triton import segments
from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NONE, MEAN, SUM = 0, 1, 2
IGNORED = -100
NORMALIZER, UPSTREAM = torch.tensor(3.0), torch.tensor(1.5)


@pytest.fixture(params=("whole", "loop"))
def form(request, monkeypatch):
    if request.param == "loop":
        monkeypatch.setattr(segments, "MOST_CLASSES", 0)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def images(classes, dtype):
    """Logits (1, C, 40) with infinities, a NaN and nothing but -inf among them; classes, some ignored; probabilities;
    weights of classes, one of them 0, and of rows, which hide the worst."""
    g = torch.Generator().manual_seed(classes)
    x, p = (torch.randn(1, classes, 40, generator=g) for _ in range(2))
    x, p = 3 * x, p.softmax(1)
    y = torch.randint(0, classes, (1, 40), generator=g)
    weight, rows = torch.rand(classes, generator=g), torch.rand(1, 40, generator=g)
    if classes > 2:
        weight[0] = 0.0
        x[0, 0, 0] = x[0, 1, 1] = x[0, :, 4] = -math.inf
        x[0, 1, 2] = x[0, 1, 3] = x[0, 0, 7] = x[0, 1, 7] = math.inf
        x[0, 2, 5], x[0, :, 6], x[0, 0, 6] = math.nan, 0.0, 40.0
        y[0, [0, 1, 3, 6, 7]], y[0, 2] = 0, 1
        p[0, :, 1], p[0, 0, 1], p[0, :, 8] = 0.0, 1.0, 0.0
    y[0, 20:24], rows[0, 4:6], rows[0, 30] = IGNORED, 0.0, 0.0
    return x.to(dtype), y, p.to(dtype), weight, rows


def compare(name, x, *rest):
    value, gradients = getattr(torch.ops.lossary, name)(x, *rest)
    got, made = IMPLEMENTATIONS[name](x, *rest)
    assert got.dtype == value.dtype and len(made) == len(gradients)
    rough = {torch.float32: 2**-21, torch.float16: 2**-20, torch.bfloat16: 2e-5}[x.dtype]
    torch.testing.assert_close(got, value, rtol=rough, atol=rough / 8, equal_nan=True)
    for g, m in zip(gradients, made, strict=True):
        eps = torch.finfo(x.dtype).eps
        torch.testing.assert_close(m, g, rtol=4 * eps, atol=4 * max(eps / 64, 2**-23), equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 9])
def test_class_indices(classes, dtype, form):
    x, y, _, weight, rows = images(classes, dtype)
    for i, (smoothing, gamma) in enumerate(((0.0, 0.0), (0.1, 0.0), (0.0, 2.0), (0.2, 1.5))):
        w = (None, weight)[i % 2]
        compare("softmax_rows", x, y, w, IGNORED, smoothing, gamma, None, NONE, None, UPSTREAM, 1)
        compare("softmax_rows", x, y, weight, IGNORED, smoothing, gamma, rows, NONE, None, None, 1)
    compare("softmax_rows", x, y, None, IGNORED, 0.0, 0.0, rows, MEAN, NORMALIZER, UPSTREAM, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 9])
def test_probabilities(classes, dtype, form):
    x, _, p, weight, rows = images(classes, dtype)
    for w, smoothing, r in ((None, 0.0, None), (weight, 0.2, rows)):
        compare("softmax_rows", x, p, w, IGNORED, smoothing, 0.0, r, NONE, None, UPSTREAM, 1)


@pytest.mark.parametrize("soft", [False, True])
def test_reductions(soft):
    x, y, p, weight, rows = images(2, torch.float32)
    for r in (None, rows):
        for reduction, normalizer in ((MEAN, None), (MEAN, NORMALIZER), (SUM, None)):
            tail = r, reduction, normalizer, UPSTREAM, 1
            compare("softmax_rows", x, p if soft else y, weight, IGNORED, 0.0, 0.0, *tail)
            if not soft:
                compare("nll", x, y, weight, IGNORED, *tail)


def test_a_mean_over_nothing():
    x, y, _, _, _ = images(3, torch.float32)
    value, (gradient,) = IMPLEMENTATIONS["softmax_rows"](
        x, torch.full_like(y, IGNORED), None, IGNORED, 0.0, 0.0, None, MEAN, None, None, 1
    )
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_negative_log_likelihood(dtype):
    x, y, _, weight, rows = images(9, dtype)
    for w, r in ((None, None), (weight, rows)):
        compare("nll", x, y, w, IGNORED, r, NONE, None, UPSTREAM, 1)
    compare("nll", x, y, None, IGNORED, None, NONE, None, None, 0)


@pytest.mark.parametrize("name", ["softmax_rows", "nll"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_class_that_does_not_exist_is_nan_in_its_row(name, weighted, form):
    x, y, _, weight, _ = images(2, torch.float32)
    wrong = y.clone()
    wrong[0, 3], wrong[0, 9] = 2, -1
    options = (0.0, 0.0) if name == "softmax_rows" else ()
    given = (weight if weighted else None, IGNORED, *options, None, NONE, None, None, 1)
    value, (gradient,) = IMPLEMENTATIONS[name](x, wrong, *given)
    right, (expected,) = IMPLEMENTATIONS[name](x, y, *given)
    outside = wrong != y
    assert value[outside].isnan().all() and torch.equal(value[~outside], right[~outside])
    gradient, expected = gradient.movedim(1, -1), expected.movedim(1, -1)
    assert gradient[outside].isnan().all() and torch.equal(gradient[~outside], expected[~outside])


def test_what_is_no_probability_is_nan_in_its_row(form):
    x, _, p, _, rows = images(2, torch.float32)
    rows[0, 11] = 0.0
    wrong = p.clone()
    wrong[0, 1, 3], wrong[0, 0, 9], wrong[0, 0, 11] = 1.1, -0.1, 7.0
    given = (None, IGNORED, 0.0, 0.0, rows, NONE, None, None, 1)
    value, (gradient,) = IMPLEMENTATIONS["softmax_rows"](x, wrong, *given)
    assert value.isnan().nonzero()[:, 1].tolist() == [3, 9]
    assert gradient.isnan().all(1).nonzero()[:, 1].tolist() == [3, 9] and gradient.isnan().sum() == 4


def test_over_the_logits(form):
    x, y, _, weight, rows = images(9, torch.float32)
    given = (y, weight, IGNORED, 0.1, 0.0, rows, SUM, None, None)
    value, (gradient,) = IMPLEMENTATIONS["softmax_rows"](x, *given, 1)
    assert torch.equal(IMPLEMENTATIONS["softmax_rows_"](x, *given), value)
    assert torch.equal(x, gradient) or torch.equal(x.isnan(), gradient.isnan())
    torch.testing.assert_close(x, gradient, rtol=0, atol=0, equal_nan=True)


def test_a_row_alone_and_in_a_batch(form):
    x, y, _, _, _ = images(9, torch.float32)
    given = (None, IGNORED, 0.1, 0.0, None, NONE, None, None, 1)
    whole, (gradient,) = IMPLEMENTATIONS["softmax_rows"](torch.cat((x, x.flip(2))), torch.cat((y, y.flip(1))), *given)
    alone, (own,) = IMPLEMENTATIONS["softmax_rows"](x.flip(2), y.flip(1), *given)
    torch.testing.assert_close(alone[0], whole[1], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(own[0], gradient[1], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 4, 1), (2, 3, 1030)])
def test_shapes(shape):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1 + math.prod(shape), generator=g)[1:].view(shape)  # not aligned
    y = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=g)
    compare("softmax_rows", x, y, None, 1, 0.0, 0.0, None, NONE, None, None, 1)
    compare("nll", x, y, None, 1, None, MEAN, None, None, 1)
