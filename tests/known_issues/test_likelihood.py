"""Poisson and Gaussian likelihoods, as reported: rates of 0 and below, Stirling's term, variances of 0, transforms."""

import math

import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

INF = math.inf
gradient = LIBRARIES["torch"].gradient


def test_pytorch_184030_poisson_negative_rate_rejected():
    """A negative rate is NaN. https://github.com/pytorch/pytorch/issues/184030

    Also pytorch/pytorch#184033, pytorch/pytorch#184060, pytorch/pytorch#187251.
    """
    with pytest.raises(ValueError, match=r"poisson_nll_loss: input holds -0\.5 at \[1\]"):
        F.poisson_nll_loss(torch.tensor([1.0, -0.5]), torch.ones(2), log_input=False)


def test_pytorch_3336_poisson_zero_rate_finite():
    """A rate of 0 is NaN. https://github.com/pytorch/pytorch/pull/3336"""
    rate, count = torch.tensor([0.0, 0.0]), torch.tensor([0.0, 2.0])
    loss = F.poisson_nll_loss(rate, count, log_input=False, reduction="none")
    assert loss.tolist() == approx([0, -2 * math.log(1e-8)])
    slopes = gradient(lambda x: F.poisson_nll_loss(x, count, log_input=False, reduction="sum"), rate)
    assert slopes.tolist() == approx([1, 1 - 2 / 1e-8])


def test_pytorch_28575_poisson_full_stirling_value():
    """full=True differs from what is written. https://github.com/pytorch/pytorch/issues/28575"""
    count = torch.tensor([0.0, 1.0, 4.0])
    loss = F.poisson_nll_loss(torch.zeros(3), count, full=True, reduction="none")
    assert loss.tolist() == approx([1, 1, 1 + 4 * math.log(4) - 4 + 0.5 * math.log(2 * math.pi * 4)])


def test_torchmetrics_846_poisson_full_gradient_at_zero_target():
    """The logarithm of a count of 0 is NaN. https://github.com/Lightning-AI/torchmetrics/issues/846"""
    x = torch.tensor([0.5, 0.5])
    slopes = gradient(lambda t: F.poisson_nll_loss(x, t, full=True, reduction="sum"), torch.tensor([0.0, 4.0]))
    assert slopes.tolist() == approx([-0.5, -0.5 + math.log(4) + 0.5 / 4])


def test_pytorch_190058_gaussian_eps_is_a_floor():
    """eps is said to be added, and is a floor. https://github.com/pytorch/pytorch/pull/190058"""
    x, t = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])
    loss = F.gaussian_nll_loss(x, t, torch.tensor([0.01, 4.0]), eps=0.25, reduction="none")
    assert loss.tolist() == approx([0.5 * (math.log(0.25) + 1 / 0.25), 0.5 * (math.log(4) + 1 / 4)])


def test_pytorch_49807_gaussian_negative_var_rejected_and_not_mutated():
    """A negative variance, and a variance that is overwritten. https://github.com/pytorch/pytorch/pull/49807"""
    with pytest.raises(ValueError, match=r"var holds -1 at \[1\]"):
        F.gaussian_nll_loss(torch.zeros(2), torch.zeros(2), torch.tensor([1.0, -1.0]))
    var = torch.tensor([0.0, 1.0])
    F.gaussian_nll_loss(torch.zeros(2), torch.zeros(2), var)
    assert var.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pytorch_49807_gaussian_half_zero_var_not_nan(dtype):
    """fp16 has no 1e-6: a variance of 0 is 0/0. https://github.com/pytorch/pytorch/pull/49807"""
    x, t, var = (torch.tensor([v], dtype=dtype) for v in (1.0, 1.0, 0.0))
    assert F.gaussian_nll_loss(x, t, var).item() == approx(0.5 * math.log(1e-6), rel=2**-8)
    assert gradient(lambda x: F.gaussian_nll_loss(x, t, var), x).item() == 0


def test_pytorch_53964_gaussian_none_keeps_shape():
    """reduction="none" sums over features. https://github.com/pytorch/pytorch/issues/53964"""
    x, t = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.zeros(2, 2)
    loss = F.gaussian_nll_loss(x, t, torch.ones(2, 1), reduction="none")
    assert loss.tolist() == [[0.5 * 1, 0.5 * 4], [0.5 * 9, 0.5 * 16]]


def test_pytorch_194503_gaussian_fullgraph():
    """Its check of the variance breaks the graph. https://github.com/pytorch/pytorch/issues/194503

    Also pytorch/pytorch#194533.
    """
    torch.compiler.reset()
    compiled = torch.compile(F.gaussian_nll_loss, fullgraph=True, backend="aot_eager")
    loss = compiled(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([2.0]))
    assert loss.item() == approx(0.5 * (math.log(2) + 4 / 2))


def test_pytorch_194503_gaussian_vmap():
    """And vmap. https://github.com/pytorch/pytorch/issues/194503"""
    x, t, var = torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [3.0]]), torch.tensor([[2.0], [1.0]])
    losses = torch.func.vmap(F.gaussian_nll_loss)(x, t, var)
    assert losses.tolist() == approx([0.5 * (math.log(2) + 4 / 2), 0.5 * 9])
