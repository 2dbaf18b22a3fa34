"""Kernels of single elements in Triton, under its interpreter, beside those of the CPU."""

import math

import numpy as np
import pytest
import torch
import triton

from lossary.kernels.schemas import FUNCTIONS, REDUCTIONS
from lossary.kernels.triton import elementwise
from lossary.kernels.triton.operators import IMPLEMENTATIONS
from lossary.kernels.triton.rescale import rescale_

SHAPE = (3, 700)
PARAMETERS = {
    "SmoothL1": (0.7,),
    "Huber": (0.7,),
    "PoissonOfRates": (1e-8,),
    "Gaussian": (1e-6, 0.9),
    "HingeEmbedding": (1.0,),
    "MarginRanking": (0.3,),
    "SigmoidFocal": (0.25, 1.7),
    "SigmoidFocalOfSquares": (0.25, 2.0),
    "Quantile": (0.3, 0.7),
    "Hinge": (1.0,),
    "SquaredHinge": (1.0,),
    "Asymmetric": (1.0, 3.5, 0.05, 1.0),
    "AsymmetricOfFourths": (1.0, 4.0, 0.05, 1.0),
}
OF_PROBABILITIES = ("BinaryCrossEntropyWithLogits", "SigmoidFocal", "SigmoidFocalOfSquares", "KLDiv")
OF_SIGNS = ("SoftMargin", "HingeEmbedding", "MarginRanking", "Hinge", "SquaredHinge")
DIGITS = {torch.float32: 2e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}
TAILS = (
    (None, REDUCTIONS["none"], None, None),
    (None, REDUCTIONS["mean"], None, torch.tensor(1.5)),
    (torch.tensor([1.0, 0.0, 2.0]), REDUCTIONS["batchmean"], None, None),
    (torch.tensor([1.0, 0.0, 2.0]), REDUCTIONS["sum"], None, None),
    (torch.tensor([1.0, 0.0, 2.0]), REDUCTIONS["mean"], torch.tensor(0.0), None),
)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def data(name, dtype):
    """Input, target and a third array, of each function's domain."""
    g = torch.Generator().manual_seed(0)
    x, y, third = 3 * torch.randn(SHAPE, generator=g), torch.randn(SHAPE, generator=g), None
    x[0, :9] = torch.tensor([0.0, 1e-30, -1e-6, 40, -40, 100, -100, 0.5, math.inf])
    if name == "BinaryCrossEntropy":
        x, y = torch.rand(SHAPE, generator=g), torch.rand(SHAPE, generator=g)
        x[0, :6] = torch.tensor([0.0, 1.0, 1e-30, 1 - 1e-7, 0.5, 1e-10])
    if name in OF_PROBABILITIES or name.startswith("Asymmetric"):
        y = torch.rand(SHAPE, generator=g)
        y[0, :5] = torch.tensor([0.0, 1, 0, 1, 0.5])
    if name.startswith("Asymmetric"):
        y = y.round()
    if name in OF_SIGNS:
        y = torch.where(y > 0, 1.0, -1.0)
    if name.startswith("Poisson"):
        x, y = x.clamp(max=20.0), y.abs()
    if name == "PoissonOfRates":
        x = x.abs() + 0.1
    if name == "KLDivOfLogTargets":
        y = -y.abs()
    if name in ("Gaussian", "MarginRanking"):
        third = torch.rand(SHAPE, generator=g) + 0.1
    return x.to(dtype), y.to(dtype), None if third is None else third.to(dtype)


def compare(dtype, ours, theirs):
    (value, gradients), (expected, expected_gradients) = ours, theirs
    digits = DIGITS[dtype]
    torch.testing.assert_close(value, expected, rtol=digits, atol=digits * 1e-2, equal_nan=True)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert gradient.dtype == dtype
        scale = wanted[wanted.isfinite()].abs().max().item()
        torch.testing.assert_close(gradient, wanted, rtol=digits, atol=digits * 1e-2 * scale, equal_nan=True)


def test_every_function_is_in_triton():
    missing = [
        name for name in FUNCTIONS if not isinstance(getattr(elementwise, name, None), triton.runtime.KernelInterface)
    ]
    assert not missing, f"add {missing[0]} of functions.inc to kernels/triton/elementwise.py" if missing else ""


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function(name, dtype):
    x, y, third = data(name, dtype)
    given = FUNCTIONS[name], x, y, third, False, None, list(PARAMETERS.get(name, ()))
    for tail in TAILS if name in ("MSE", "Gaussian") else TAILS[:3]:
        rest = *tail, 3 if third is not None else 1
        expected = torch.ops.lossary.elementwise.parameters(*given, *rest)
        compare(dtype, IMPLEMENTATIONS["elementwise.parameters"](*given, *rest), expected)


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
def test_weights_in_cycles(dtype):
    x, y, _ = data("BinaryCrossEntropyWithLogits", dtype)
    g = torch.Generator().manual_seed(0)
    third, weight = torch.rand(700, generator=g), torch.rand(700, generator=g)
    given = FUNCTIONS["BinaryCrossEntropyWithLogits"], x, y, third, True, weight, [], *TAILS[3], 1
    compare(dtype, IMPLEMENTATIONS["elementwise.parameters"](*given), torch.ops.lossary.elementwise.parameters(*given))


def test_the_older_overload():
    x, y, _ = data("Huber", torch.float32)
    given = FUNCTIONS["Huber"], x, y, None, False, None, 0.7, 0.0, *TAILS[1], 1
    compare(torch.float32, IMPLEMENTATIONS["elementwise"](*given), torch.ops.lossary.elementwise.default(*given))


@pytest.mark.parametrize("target", [-0.5, 1.5, math.nan])
def test_what_is_no_probability_is_nan(target):
    """The CPU's kernel raises; here the host cannot know."""
    x, y = torch.zeros(1500), torch.full((1500,), 0.5)
    y[1400] = target
    given = FUNCTIONS["BinaryCrossEntropyWithLogits"], x, y, None, False, None, []
    values, _ = IMPLEMENTATIONS["elementwise.parameters"](*given, *TAILS[0], 0)
    assert values.isnan().nonzero().flatten().tolist() == [1400]
    total, (gradient,) = IMPLEMENTATIONS["elementwise.parameters"](*given, *TAILS[1], 1)
    assert total.isnan() and gradient.isnan().nonzero().flatten().tolist() == [1400]


@pytest.mark.parametrize("elements", [0, 1, 1024, 1025])
def test_sizes(elements):
    x, y = torch.arange(elements, dtype=torch.float32), torch.ones(elements)
    given = FUNCTIONS["MSE"], x, y, None, False, None, [], *TAILS[1], 1
    found, expected = IMPLEMENTATIONS["elementwise.parameters"](*given), (x - y).square().mean()
    assert found[1][0].shape == x.shape
    torch.testing.assert_close(found[0], expected if elements else torch.tensor(0.0))


def test_gradients_are_rescaled():
    gradients = [torch.ones(5000, dtype=torch.bfloat16), torch.ones(3)]
    rescale_(gradients, torch.tensor(2.5))
    assert all((gradient == 2.5).all() for gradient in gradients)
    rescale_(gradients, torch.tensor(1.0))
    assert all((gradient == 2.5).all() for gradient in gradients)
