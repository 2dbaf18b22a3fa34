"""Kullback-Leibler divergence, as reported: zeros, signs, means, argument order, checks."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

import lossary
from lossary import functional as F
from lossary import information
from lossary.testing import LIBRARIES

INF = math.inf
LOG2 = math.log(2)
gradient = LIBRARIES["torch"].gradient
each_library = pytest.mark.parametrize(
    "library", [LIBRARIES[n] for n in ("numpy", "torch", "jax")], ids=lambda x: x.name
)
HALVES = torch.tensor([[-LOG2, -LOG2]])


@each_library
def test_optax_1786_kl_zero_target_at_neg_inf_input(library):
    """0 · -inf is NaN. https://github.com/google-deepmind/optax/pull/1786"""
    x, t = (library.array(np.array([row]), "float32") for row in ([-LOG2, -INF], [1.0, 0.0]))
    assert float(F.kl_div(x, t, reduction="sum")) == approx(LOG2)
    if library.differentiates:
        by_input = library.numpy(library.gradient(lambda x: F.kl_div(x, t, reduction="sum"), x))
        by_target = library.numpy(library.gradient(lambda t: F.kl_div(x, t, reduction="sum"), t))
        assert by_input[0].tolist() == [-1, 0]
        assert by_target[0].tolist() == approx([math.log(1) + 1 + LOG2, 0])


@each_library
def test_optax_1786_kl_log_target_neg_inf(library):
    """A log-target of -inf is NaN. https://github.com/google-deepmind/optax/pull/1786"""
    x, t = (library.array(np.array([row]), "float32") for row in ([-LOG2, -LOG2, -INF], [0.0, -INF, -INF]))
    assert float(F.kl_div(x, t, reduction="sum", log_target=True)) == approx(LOG2)
    if library.differentiates:
        by_input = library.gradient(lambda x: F.kl_div(x, t, reduction="sum", log_target=True), x)
        by_target = library.gradient(lambda t: F.kl_div(x, t, reduction="sum", log_target=True), t)
        assert library.numpy(by_input)[0].tolist() == [-1, 0, 0]
        assert library.numpy(by_target)[0].tolist() == approx([1 + LOG2, 0, 0])


def test_torchmetrics_1030_zero_probability():
    """The KL divergence of a distribution with a 0 is NaN. https://github.com/Lightning-AI/torchmetrics/pull/1030"""
    p = torch.tensor([[1.0, 0.0]])
    assert F.kl_div(HALVES, p, reduction="batchmean").item() == approx(LOG2)
    assert information.relative_entropy(p, torch.tensor([[0.5, 0.5]])).tolist() == approx([LOG2])


def test_pytorch_89558_kl_gradient_wrt_zero_target_not_nan():
    """The gradient with respect to a target of 0 is NaN. https://github.com/pytorch/pytorch/issues/89558"""
    t = torch.tensor([[0.0, 0.25]])
    slopes = gradient(lambda t: F.kl_div(HALVES, t, reduction="sum"), t)
    slope_of_t_log_t = [0, math.log(0.25) + 1]
    assert slopes[0].tolist() == approx([s + LOG2 for s in slope_of_t_log_t])


def test_pytorch_69230_kl_negative_target_not_silent():
    """A negative target counts as 0. https://github.com/pytorch/pytorch/issues/69230

    Also pytorch/pytorch#65469.
    """
    with pytest.raises(ValueError, match=r"kl_div: target holds -0\.5 at \[0, 0\]"):
        F.kl_div(HALVES, torch.tensor([[-0.5, 1.0]]), reduction="sum")


def test_pytorch_80488_kl_of_equal_distributions_not_negative():
    """Equal distributions have a divergence of -3e-8: only rounding. https://github.com/pytorch/pytorch/issues/80488

    Also pytorch/pytorch#32520.
    """
    logits = torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    rows = F.kl_div(logits.log_softmax(1), logits.softmax(1), reduction="none").sum(1)
    assert rows.min().item() >= -4 * 2**-23  # of numbers up to 1 that are rounded themselves
    exact = F.kl_div(logits.log_softmax(1), logits.log_softmax(1), reduction="none", log_target=True)
    assert torch.equal(exact, torch.zeros(1000, 10))


def test_pytorch_51716_kl_log_target_equal_is_exactly_zero():
    """kl_div(p, p) is not 0: the input is log-probabilities. https://github.com/pytorch/pytorch/issues/51716"""
    x = torch.tensor([[0.1, 0.2, 0.7]]).log()
    assert F.kl_div(x, x, reduction="batchmean", log_target=True).item() == 0


def test_pytorch_19659_kl_positive_input_rejected():
    """Probabilities, taken for log-probabilities, give a number. https://github.com/pytorch/pytorch/pull/19659

    Also pytorch/pytorch#51716.
    """
    p = torch.tensor([[0.5, 0.5]])
    assert F.kl_div(p, p, reduction="sum").item() == approx(math.log(0.5) - 0.5)
    with lossary.strict(), pytest.raises(ValueError, match=r"kl_div: input holds 0\.5"):
        F.kl_div(p, p, reduction="sum")


def test_pytorch_14457_kl_mean_warns():
    """The mean over elements is not the divergence. https://github.com/pytorch/pytorch/pull/14457

    Also pytorch/pytorch#2259.
    """
    t = torch.tensor([[1.0, 0.0]])
    with pytest.warns(UserWarning, match="batchmean"):
        assert F.kl_div(HALVES, t).item() == approx(LOG2 / 2)


def test_deit_61_batchmean_divides_by_rows():
    """Distillation divided by elements is too weak. https://github.com/facebookresearch/deit/issues/61

    Also HikariTJU/LD#74.
    """
    x, t = torch.full((3, 17), -math.log(17)), torch.eye(17)[:3]
    assert F.kl_div(x, t, reduction="batchmean").item() == approx(math.log(17))


def test_pytorch_57459_kl_is_of_the_target_from_the_input():
    """Which of the two is the reference? https://github.com/pytorch/pytorch/issues/57459"""
    p, q = torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]])
    right = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert F.kl_div(q.log(), p, reduction="sum").item() == approx(right)


@pytest.mark.parametrize("log_target", [False, True])
def test_pytorch_115588_kl_second_derivatives(log_target):
    """gradgradcheck fails. https://github.com/pytorch/pytorch/issues/115588"""
    q, p = (torch.tensor([row], dtype=torch.float64) for row in ([0.2, 0.3, 0.5], [0.6, 0.3, 0.1]))
    x, t = q.log().requires_grad_(), (p.log() if log_target else p).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, t: F.kl_div(x, t, reduction="sum", log_target=log_target), (x, t))


def test_pytorch_51910_kl_mismatched_shapes_not_silent():
    """Shapes that do not fit broadcast to a larger loss. https://github.com/pytorch/pytorch/issues/51910"""
    with pytest.raises(ValueError, match="kl_div: target"):
        F.kl_div(torch.zeros(3, 1), torch.full((3,), 1.0), reduction="batchmean")


def test_pytorch_15288_divergence_of_saturated_logits():
    """The divergence of a certain Bernoulli has NaN gradients. https://github.com/pytorch/pytorch/issues/15288"""
    logits, fair = torch.tensor([[0.0, 200.0], [0.0, 1.0]]), torch.tensor([0.5, 0.5])
    certain, ordinary = gradient(lambda x: information.relative_entropy(information.Logits(x), fair).sum(), logits)
    slope = math.exp(-1) / (1 + math.exp(-1)) ** 2  # σ'(x) · x at x = 1
    assert certain.tolist() == approx([0, 0]) and ordinary.tolist() == approx([-slope, slope])
