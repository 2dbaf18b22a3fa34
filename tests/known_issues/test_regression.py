"""Squared, absolute and Huber errors, as reported: broadcasting, dtypes, masks, thresholds."""

import math

import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

gradient = LIBRARIES["torch"].gradient
each_of = pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])


def test_pytorch_16045_mse_n1_vs_n_raises():
    """(N, 1) against (N,) trains to nonsense. https://github.com/pytorch/pytorch/issues/16045

    Also pytorch/pytorch#19699.
    """
    with pytest.raises(ValueError, match=r"target\.unsqueeze\(1\)"):
        F.mse_loss(torch.zeros(4, 1), torch.zeros(4))


@each_of
def test_pytorch_18349_broadcast_warns_mse_l1_huber(loss):
    """A target that enlarges the input: an error, not a warning. https://github.com/pytorch/pytorch/pull/18349

    Also pytorch/pytorch#18565.
    """
    with pytest.raises(ValueError, match=f"{loss}: target"):
        getattr(F, loss)(torch.zeros(4), torch.zeros(4, 1))


OTHERS = {
    "kl_div": (),
    "soft_margin_loss": (),
    "hinge_embedding_loss": (),
    "hinge_loss": (),
    "squared_hinge_loss": (),
    "poisson_nll_loss": (),
    "gaussian_nll_loss": (torch.ones(4, 1),),
    "margin_ranking_loss": (torch.ones(4, 1),),
    "binary_cross_entropy": (),
    "binary_cross_entropy_with_logits": (),
}


@pytest.mark.parametrize("loss", OTHERS)
def test_pytorch_18349_broadcast_warns_other_pointwise_losses(loss):
    """The other losses do not even warn. https://github.com/pytorch/pytorch/pull/18349"""
    with pytest.raises(ValueError, match=f"{loss}: (target|input2) is float32 of shape"):
        getattr(F, loss)(torch.ones(4, 1), torch.ones(4), *OTHERS[loss])


@each_of
def test_pytorch_26551_meant_broadcasts_do_not_warn(loss):
    """A warning that cannot be switched off. https://github.com/pytorch/pytorch/issues/26551"""
    x, t = torch.zeros(4, 1), torch.zeros(4)
    assert getattr(F, loss)(x.expand(4, 4), t).item() == 0


@pytest.mark.parametrize("transposed", [False, True])
def test_pytorch_4938_broadcast_value_is_consistent(transposed):
    """A broadcast mean depends on the layout. https://github.com/pytorch/pytorch/issues/4938"""
    x = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).T if transposed else torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert F.mse_loss(x, torch.tensor([[1.0, 2.0]])).item() == (0 + 0 + 4 + 4) / 4


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float32), (torch.float32, torch.float64)])
def test_pytorch_36553_mse_mixed_dtype_backward(dtypes):
    """fp64 against fp32 fails, in the backward only. https://github.com/pytorch/pytorch/issues/36553"""
    x, t = (torch.tensor([v], dtype=d) for v, d in zip((3.0, 1.0), dtypes, strict=True))
    slope = gradient(lambda x: F.mse_loss(x, t), x)
    assert slope.item() == 4 and slope.dtype == x.dtype


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float32), (torch.float32, torch.float64)])
def test_pytorch_76646_huber_mixed_dtype_backward(dtypes):
    """So with Huber. https://github.com/pytorch/pytorch/issues/76646

    Also pytorch/pytorch#192027.
    """
    x, t = (torch.tensor([v, 0.0], dtype=d) for v, d in zip((3.0, 1.0), dtypes, strict=True))
    slopes = gradient(lambda x: F.huber_loss(x, t, reduction="sum", delta=1.5), x)
    assert slopes.tolist() == [1.5, 0] and slopes.dtype == x.dtype


@each_of
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_pytorch_58816_integer_target_backward(loss, dtype):
    """An integer target fails in the backward only. https://github.com/pytorch/pytorch/issues/58816

    Also pytorch/pytorch#61112.
    """
    t = torch.tensor([1, 0], dtype=dtype)
    slopes = gradient(lambda x: getattr(F, loss)(x, t, reduction="sum"), torch.tensor([4.0, -0.5]))
    expected = {"mse_loss": [6, -1], "l1_loss": [1, -1], "smooth_l1_loss": [1, -0.5], "huber_loss": [1, -0.5]}
    assert slopes.tolist() == expected[loss]


@each_of
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_pytorch_192723_forward_ad_integer_target(loss, dtype):
    """Forward mode fails for an integer target. https://github.com/pytorch/pytorch/issues/192723

    Also pytorch/pytorch#192907, pytorch/pytorch#192910.
    """
    x, t, v = torch.tensor([4.0, -0.5]), torch.tensor([1, 0], dtype=dtype), torch.tensor([1.0, 10.0])
    _, tangent = torch.func.jvp(lambda x: getattr(F, loss)(x, t, reduction="sum"), (x,), (v,))
    expected = {"mse_loss": 6 - 10, "l1_loss": 1 - 10, "smooth_l1_loss": 1 - 5, "huber_loss": 1 - 5}
    assert tangent.item() == expected[loss]


@pytest.mark.parametrize("beta", [0.0, 1e-50])
def test_pytorch_96813_smooth_l1_beta_zero(beta):
    """beta=0 has a NaN gradient at 0. https://github.com/pytorch/pytorch/issues/96813

    Also pytorch/pytorch#97022, pytorch/pytorch#68558, open-mmlab/mmocr#1616.
    """
    x, t = torch.tensor([0.0, 2.0, -3.0]), torch.zeros(3)
    assert F.smooth_l1_loss(x, t, beta=beta, reduction="none").tolist() == [0, 2, 3]
    assert gradient(lambda x: F.smooth_l1_loss(x, t, beta=beta, reduction="sum"), x).tolist() == [0, 1, -1]


@each_of
def test_pytorch_76870_type_promotion(loss):
    """The answer has the dtype of whichever comes first. https://github.com/pytorch/pytorch/issues/76870"""
    single, double = torch.zeros(2), torch.zeros(2, dtype=torch.float64)
    assert getattr(F, loss)(single, double).dtype == getattr(F, loss)(double, single).dtype == torch.float64


@each_of
def test_pytorch_121416_nan_target_masked_after_the_loss(loss):
    """loss[mask] leaves NaN in the gradient; a sample_weight does not. https://github.com/pytorch/pytorch/issues/121416"""
    x, t = torch.tensor([2.0, 2.0]), torch.tensor([1.0, math.nan])
    mask = torch.tensor([True, False])
    right = {"mse_loss": (1, 2), "l1_loss": (1, 1), "smooth_l1_loss": (0.5, 1), "huber_loss": (0.5, 1)}
    value, slope = right[loss]
    assert getattr(F, loss)(x, t, sample_weight=mask).item() == value
    assert gradient(lambda x: getattr(F, loss)(x, t, sample_weight=mask), x).tolist() == [slope, 0]


def test_pytorch_48595_huber_is_delta_times_smooth_l1():
    """They differ by a factor. https://github.com/pytorch/pytorch/issues/48595"""
    x, t = torch.tensor([0.5, 3.0]), torch.zeros(2)
    assert F.huber_loss(x, t, reduction="none", delta=2.0).tolist() == approx([0.5**2 / 2, 2 * (3 - 1)])
    assert F.smooth_l1_loss(x, t, reduction="none", beta=2.0).tolist() == approx([0.5**2 / 4, 3 - 1])


@each_of
@pytest.mark.parametrize("reduction", [-1, "average", None])
def test_pytorch_117254_unknown_reduction_is_named(loss, reduction):
    """An unknown reduction fails an internal assert. https://github.com/pytorch/pytorch/issues/117254"""
    with pytest.raises(ValueError, match=f"{loss}: reduction is {reduction!r}"):
        getattr(F, loss)(torch.zeros(2), torch.zeros(2), reduction=reduction)
