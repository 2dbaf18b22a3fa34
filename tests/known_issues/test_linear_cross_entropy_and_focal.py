"""Projection with cross-entropy, and focal losses, as reported of fused kernels and of other libraries."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

INF, NAN = math.inf, math.nan
LOG2 = math.log(2)
gradient = LIBRARIES["torch"].gradient
# Rows of the identity pick columns of the weight: these logits are the logarithms of probabilities.
TOKENS = torch.eye(3, dtype=torch.float64)
Q = torch.tensor([[1 / 2, 1 / 4, 1 / 4], [1 / 8, 1 / 8, 3 / 4], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
CLASSES = Q.log().T.contiguous()
Y = torch.tensor([0, 1, -100])
ROWS = [math.log(2), math.log(8), 0.0]
LOGIT_SLOPES = torch.stack([Q[0] - TOKENS[0], Q[1] - TOKENS[1], 0 * Q[2]])


@pytest.mark.parametrize("y", [Y, Y[[2, 1, 0]]], ids=["first counts", "first ignored"])
def test_liger_1298_fused_linear_ce_none_reduction_gradient(y):
    """Every token has the gradient scale of the first. https://github.com/linkedin/Liger-Kernel/pull/1298

    Also linkedin/Liger-Kernel#968, linkedin/Liger-Kernel#678.
    """
    upstream = torch.tensor([3.0, -0.5, 7.0], dtype=torch.float64)
    slopes = torch.where(y[:, None] == -100, 0.0, Q - torch.nn.functional.one_hot(y.clamp(0), 3))
    right = (upstream[:, None] * slopes).T
    got = gradient(lambda w: (upstream * F.linear_cross_entropy(TOKENS, w, y, reduction="none")).sum(), CLASSES)
    torch.testing.assert_close(got, right)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_liger_512_fused_linear_ce_bf16_weight_grad(dtype):
    """The weight's gradient, summed in half precision, drifts. https://github.com/linkedin/Liger-Kernel/issues/512

    Also linkedin/Liger-Kernel#1391, apple/ml-cross-entropy#14.
    """
    tokens = 8192
    x, w = torch.ones(tokens, 1, dtype=dtype), torch.zeros(4, 1, dtype=dtype)
    y = torch.zeros(tokens, dtype=torch.long)
    slopes = gradient(lambda w: F.linear_cross_entropy(x, w, y, reduction="sum"), w)
    assert slopes.flatten().tolist() == [-0.75 * tokens, 0.25 * tokens, 0.25 * tokens, 0.25 * tokens]
    assert F.linear_cross_entropy(x, w, y).item() == approx(
        math.log(4), rel=2**-8 if dtype == torch.bfloat16 else 2**-11
    )


def test_liger_420_fused_linear_ce_class_weights():
    """Class weights are missing. https://github.com/linkedin/Liger-Kernel/pull/420"""
    weight = torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64)
    loss = F.linear_cross_entropy(TOKENS, CLASSES, Y, weight=weight)
    assert loss.item() == approx((1 * math.log(2) + 3 * math.log(8)) / (1 + 3))


def test_ml_cross_entropy_52_fused_linear_ce_bias():
    """With a bias, losses are too low, even negative. https://github.com/apple/ml-cross-entropy/issues/52"""
    bias = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    loss = F.linear_cross_entropy(TOKENS, CLASSES - bias[:, None], Y, linear_bias=bias, reduction="none")
    assert loss.tolist() == approx(ROWS)
    slopes = gradient(
        lambda b: F.linear_cross_entropy(TOKENS, CLASSES - bias[:, None], Y, linear_bias=b, reduction="sum"), bias
    )
    torch.testing.assert_close(slopes, LOGIT_SLOPES.sum(0))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_quack_209_fused_linear_ce_backward_twice(reduction):
    """A second backward fails, or overwrites the first's gradient. https://github.com/Dao-AILab/quack/pull/209

    Also pytorch/pytorch#181574.
    """
    x, w = TOKENS.clone().requires_grad_(), CLASSES.clone().requires_grad_()
    loss = F.linear_cross_entropy(x, w, Y, reduction=reduction)
    right = LOGIT_SLOPES if reduction == "sum" else LOGIT_SLOPES / 2
    first = torch.autograd.grad(loss, (x, w), retain_graph=True)
    again = torch.autograd.grad(3 * loss, (x, w))
    torch.testing.assert_close(first, (right @ CLASSES, right.T))
    torch.testing.assert_close(again, (3 * right @ CLASSES, 3 * right.T))


def test_pytorch_187053_fused_linear_ce_fp16_denominator():
    """In fp16 the softmax's denominator underflows, and the loss with it. https://github.com/pytorch/pytorch/pull/187053"""
    w = torch.tensor([[0.0], [-40.0], [-41.0]]).half()
    x, y = torch.ones(2, 1).half(), torch.tensor([1, 0])
    loss = F.linear_cross_entropy(x, w, y, reduction="none")
    assert loss.tolist() == [40, 0]
    slopes = gradient(lambda w: F.linear_cross_entropy(x, w, y, reduction="sum"), w)
    assert slopes.flatten().tolist() == [1, -1, 0]


@pytest.mark.parametrize(("name", "gamma"), [("torch", 0.25), ("torch", 0.5), ("torch", 2.0), ("jax", 0.5)])
def test_kornia_918_focal_gamma_below_one_gradient(name, gamma):
    """gamma below 1 has a NaN gradient where p is 1. https://github.com/kornia/kornia/issues/918

    Also google-deepmind/optax#1346.
    """
    library = LIBRARIES[name]
    x, t = (library.array(np.array(v), "float32") for v in ([200.0, -200.0, 0.0], [1.0, 0.0, 1.0]))
    slopes = library.gradient(lambda x: F.sigmoid_focal_loss(x, t, alpha=-1, gamma=gamma, reduction="sum"), x)
    # d/dx of (1 - σ)^γ softplus(-x) at 0: -γ (1 - σ)^γ σ softplus(0) - (1 - σ)^(γ + 1)
    middle = -gamma * 0.5**gamma * 0.5 * LOG2 - 0.5 ** (gamma + 1)
    assert library.numpy(slopes).tolist() == approx([0, 0, middle])
    x, y = library.array(np.array([[200.0, 0.0]]), "float32"), library.array(np.array([0]), "int32")
    assert library.numpy(library.gradient(lambda x: F.focal_loss(x, y, gamma=gamma), x)).tolist() == [[0, 0]]


def test_kornia_2115_focal_large_logit():
    """A logit of 100 for a label of 1 is NaN. https://github.com/kornia/kornia/issues/2115"""
    x, t = torch.tensor([100.0, INF, -100.0]), torch.tensor([1.0, 1.0, 1.0])
    assert F.sigmoid_focal_loss(x, t, alpha=0.25, gamma=2.0).tolist() == approx([0, 0, 0.25 * 100])


def test_kornia_839_focal_ignores_255():
    """Pixels of 255 read out of bounds. https://github.com/kornia/kornia/issues/839"""
    x, y = torch.zeros(1, 2, 1, 2), torch.tensor([[[1, 255]]])
    assert F.focal_loss(x, y, ignore_index=255, gamma=2.0).item() == approx(0.5**2 * LOG2)
    with pytest.raises(IndexError):
        F.focal_loss(x, y)


def test_monai_2509_focal_of_one_class_is_refused():
    """The softmax of one channel makes every loss 0. https://github.com/Project-MONAI/MONAI/issues/2509"""
    with pytest.raises(ValueError, match="sigmoid_focal_loss"):
        F.focal_loss(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long))
