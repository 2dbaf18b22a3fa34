"""Cross-entropy and negative log-likelihood, as reported: infinities, empty means, weights, smoothing."""

import math

import jax
import numpy as np
import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

INF, NAN = math.inf, math.nan
LOG2, LOG3 = math.log(2), math.log(3)
gradient = LIBRARIES["torch"].gradient
each_library = pytest.mark.parametrize(
    "library", [LIBRARIES[n] for n in ("numpy", "torch", "jax")], ids=lambda x: x.name
)
each_of = pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])


@each_library
def test_optax_896_soft_target_zero_at_neg_inf_logit(library):
    """A -inf logit whose soft label is 0 makes the loss NaN. https://github.com/google-deepmind/optax/issues/896

    Also google-deepmind/optax#898, OpenBMB/ModelCenter#14.
    """
    p = math.e / (math.e + 1)
    x = library.array(np.array([[1.0, 0.0, -INF]]), "float32")
    t = library.array(np.array([[0.25, 0.75, 0.0]]), "float32")
    assert float(F.cross_entropy(x, t)) == approx(-0.25 * math.log(p) - 0.75 * math.log(1 - p))
    if library.differentiates:
        slopes = library.numpy(library.gradient(lambda x: F.cross_entropy(x, t), x))
        assert slopes[0].tolist() == approx([p - 0.25, 0.25 - p, 0.0])


@pytest.mark.parametrize(("library", "jvp"), [(LIBRARIES["torch"], torch.func.jvp), (LIBRARIES["jax"], jax.jvp)])
def test_optax_1762_soft_target_neg_inf_forward_mode(library, jvp):
    """Its value or tangent is NaN in forward mode. https://github.com/google-deepmind/optax/pull/1762"""
    x, t, v = (library.array(np.array([a]), "float32") for a in ([0.0, 0.0, -INF], [1.0, 0.0, 0.0], [1.0, 3.0, 5.0]))
    value, tangent = jvp(lambda x: F.cross_entropy(x, t), (x,), (v,))
    assert float(value) == approx(LOG2)
    assert float(tangent) == approx((0.5 - 1) * 1 + 0.5 * 3)


@each_of
def test_pytorch_11551_ignored_row_has_zero_grad(loss):
    """An ignored row of inf or NaN poisons the gradient. https://github.com/pytorch/pytorch/issues/11551"""
    x = torch.tensor([[-LOG2, -LOG2], [INF, NAN], [-INF, -INF]])
    y = torch.tensor([0, -100, -100])
    function = getattr(F, loss)
    assert function(x, y).item() == approx(LOG2)
    counted = [-0.5, 0.5] if loss == "cross_entropy" else [-1.0, 0.0]
    assert gradient(lambda x: function(x, y), x).flatten().tolist() == approx([*counted, 0, 0, 0, 0])


def test_mindact_1633_label_smoothing_zero_with_neg_inf():
    """Smoothing of 0 is still computed, and is NaN. https://github.com/candle-org/MindAct/pull/1633"""
    assert F.cross_entropy(torch.tensor([[0.0, 0.0, -INF]]), torch.tensor([0]), label_smoothing=0.0).item() == approx(
        LOG2
    )


def test_pytext_1698_label_smoothing_neg_inf_not_nan():
    """Smoothing over a masked class: inf is right, NaN is not. https://github.com/facebookresearch/pytext/pull/1698

    Also harvardnlp/annotated-transformer#109.
    """
    x, y = torch.tensor([[0.0, 0.0, -INF]]), torch.tensor([0])
    assert F.cross_entropy(x, y, label_smoothing=0.3).item() == INF
    slopes = gradient(lambda x: F.cross_entropy(x, y, label_smoothing=0.3), x)
    assert slopes[0].tolist() == approx([0.5 - 0.8, 0.5 - 0.1, 0.0 - 0.1])


def test_pytorch_xla_2553_hard_target_beside_a_masked_class():
    """Hard targets misbehave beside -inf logits. https://github.com/pytorch/xla/issues/2553"""
    x, y = torch.tensor([[0.0, -INF, 0.0]]), torch.tensor([2])
    assert F.cross_entropy(x, y).item() == approx(LOG2)
    assert gradient(lambda x: F.cross_entropy(x, y), x)[0].tolist() == approx([0.5, 0.0, -0.5])


@each_of
def test_pytorch_116349_all_ignored_mean_grad_is_zero(loss):
    """Training continues over a batch of padding. https://github.com/pytorch/pytorch/issues/116349"""
    y = torch.full((3,), -100)
    assert torch.equal(gradient(lambda x: getattr(F, loss)(x, y), torch.ones(3, 2)), torch.zeros(3, 2))


@each_of
@pytest.mark.parametrize("ignore_index", [-100, -1, 1])
def test_pytorch_70348_all_ignored_mean_value_is_zero(loss, ignore_index):
    """The mean over targets that are all ignored is NaN. https://github.com/pytorch/pytorch/issues/70348

    Also pytorch/pytorch#116349, pytorch/pytorch#75181, pytorch/xla#3144, keras-team/tf-keras#734.
    """
    y = torch.full((3,), ignore_index)
    assert getattr(F, loss)(torch.ones(3, 2), y, ignore_index=ignore_index).item() == 0


@each_of
def test_pytorch_70348_zero_weight_sum_mean_grad_not_nan(loss):
    """Class weights that add up to 0 make value and gradient NaN. https://github.com/pytorch/pytorch/issues/70348"""
    y, weight = torch.tensor([0, 0]), torch.tensor([0.0, 1.0])
    assert getattr(F, loss)(torch.ones(2, 2), y, weight).item() == 0
    assert torch.equal(gradient(lambda x: getattr(F, loss)(x, y, weight), torch.ones(2, 2)), torch.zeros(2, 2))


def test_pytorch_64572_negative_class_weights_gradient():
    """Negative class weights have a wrong gradient. https://github.com/pytorch/pytorch/pull/64572"""
    x, y, weight = torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([-1.0, 2.0])
    assert F.cross_entropy(x, y, weight).item() == approx((-1 + 2) * LOG2 / (-1 + 2))
    assert gradient(lambda x: F.cross_entropy(x, y, weight), x).tolist() == [[0.5, -0.5], [1.0, -1.0]]
    assert gradient(lambda x: F.nll_loss(x, y, weight), x).tolist() == [[1.0, 0.0], [0.0, -2.0]]


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"]
)
def test_pytorch_50224_empty_batch_mean_is_zero(loss):
    """The mean over an empty batch is NaN. https://github.com/pytorch/pytorch/issues/50224

    Also pytorch/pytorch#51906.
    """
    y = torch.zeros(0, dtype=torch.long) if loss in ("cross_entropy", "nll_loss") else torch.zeros(0, 3)
    assert getattr(F, loss)(torch.zeros(0, 3), y).item() == 0


@each_of
def test_pytorch_15870_empty_batch_sum_none(loss):
    """An empty batch is refused. https://github.com/pytorch/pytorch/issues/15870

    Also pytorch/pytorch#51910.
    """
    x, y = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    function = getattr(F, loss)
    assert function(x, y, reduction="sum").item() == 0
    assert function(x, y, reduction="none").shape == (0,)
    assert gradient(lambda x: function(x, y, reduction="sum"), x).shape == (0, 3)


def test_pytorch_73165_zero_classes_no_crash():
    """Logits of no classes kill the process. https://github.com/pytorch/pytorch/issues/73165"""
    with pytest.raises(IndexError, match="there are no classes"):
        F.cross_entropy(torch.zeros(5, 0), torch.zeros(5, dtype=torch.long))
    assert F.cross_entropy(torch.zeros(5, 0), torch.zeros(5, 0)).item() == 0


@pytest.mark.parametrize("ignore_index", [-100, -1])
def test_pytorch_69339_weight_smoothing_ignore_index_together(ignore_index):
    """All three at once index out of bounds. https://github.com/pytorch/pytorch/issues/69339

    Also pytorch/pytorch#91383, pytorch/pytorch#72056.
    """
    x = torch.tensor([[1 / 2, 1 / 4, 1 / 4], [1 / 3, 1 / 3, 1 / 3], [1 / 8, 1 / 8, 3 / 4]]).log()
    weight = torch.tensor([1.0, 2.0, 3.0])
    first = 0.7 * 1 * math.log(2) + 0.1 * (1 * math.log(2) + 2 * math.log(4) + 3 * math.log(4))
    third = 0.7 * 3 * math.log(4 / 3) + 0.1 * (1 * math.log(8) + 2 * math.log(8) + 3 * math.log(4 / 3))
    loss = F.cross_entropy(
        x, torch.tensor([0, ignore_index, 2]), weight, ignore_index=ignore_index, label_smoothing=0.3
    )
    assert loss.item() == approx((first + third) / (1 + 3))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_pytorch_73205_smoothing_skips_ignored_rows(reduction):
    """Label smoothing counts ignored rows. https://github.com/pytorch/pytorch/issues/73205"""
    x = torch.tensor([[-math.log(2), -math.log(4), -math.log(4)], [50.0, 0.0, -50.0]])
    loss = F.cross_entropy(x, torch.tensor([0, -100]), reduction=reduction, label_smoothing=0.3)
    assert loss.item() == approx(0.7 * math.log(2) + 0.1 * (math.log(2) + 2 * math.log(4)))


def test_pytorch_104776_class_weight_does_not_skew_smoothing():
    """Class weights weigh every class of a smoothed target, as torch has it. https://github.com/pytorch/pytorch/issues/104776"""
    x, weight = torch.tensor([[3 / 4, 1 / 4]]).log(), torch.tensor([1.0, 3.0])
    smoothed = 0.9 * 1 * math.log(4 / 3) + 0.1 * 3 * math.log(4)
    assert F.cross_entropy(x, torch.tensor([0]), weight, label_smoothing=0.2).item() == approx(smoothed)


def test_pytorch_61044_weighted_mean_same_for_index_and_one_hot():
    """Kept: a mean divides by weights for indices, by N for rows. https://github.com/pytorch/pytorch/pull/61044"""
    x, weight = torch.tensor([[3 / 4, 1 / 4], [1 / 2, 1 / 2]]).log(), torch.tensor([1.0, 3.0])
    total = 1 * math.log(4 / 3) + 3 * math.log(2)
    assert F.cross_entropy(x, torch.tensor([0, 1]), weight).item() == approx(total / (1 + 3))
    assert F.cross_entropy(x, torch.eye(2), weight).item() == approx(total / 2)


def test_pytorch_152437_negative_soft_targets_rejected():
    """Negative probabilities are accepted. https://github.com/pytorch/pytorch/issues/152437"""
    with pytest.raises(ValueError, match=r"cross_entropy: target holds -0\.5 at \[0, 1\]"):
        F.cross_entropy(torch.zeros(1, 2), torch.tensor([[1.0, -0.5]]))


@pytest.mark.parametrize("label_smoothing", [-3.0, 3.0])
def test_pytorch_134767_negative_label_smoothing_rejected(label_smoothing):
    """label_smoothing=-3 is ignored where 3 raises. https://github.com/pytorch/pytorch/issues/134767"""
    with pytest.raises(ValueError, match="label_smoothing"):
        F.cross_entropy(torch.zeros(1, 2), torch.tensor([0]), label_smoothing=label_smoothing)


def test_pytorch_63004_ignored_class_stays_in_the_softmax():
    """Kept: ignore_index drops rows, not a class. https://github.com/pytorch/pytorch/issues/63004"""
    x, y = torch.zeros(2, 3), torch.tensor([0, 2])
    assert F.cross_entropy(x, y, ignore_index=2).item() == approx(LOG3)
    x[:, 2] = -INF  # which does drop it
    assert F.cross_entropy(x, y, ignore_index=2).item() == approx(LOG2)


def test_pytorch_30984_mean_over_rows_that_count():
    """Over which rows is the mean? https://github.com/pytorch/pytorch/issues/30984"""
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3 / 4, 1 / 4]])
    x[2] = x[2].log()
    assert F.cross_entropy(x, torch.tensor([0, -100, 0])).item() == approx((LOG2 + math.log(4 / 3)) / 2)


def test_pytorch_6864_a_single_positive_infinity_is_the_limit():
    """The softmax of one +inf is NaN. https://github.com/pytorch/pytorch/issues/6864"""
    x = torch.tensor([[INF, 0.0], [INF, 0.0]])
    assert F.cross_entropy(x, torch.tensor([0, 1]), reduction="none").tolist() == [0, INF]


def test_pytorch_11752_huge_equal_logits():
    """Logits of 1e8 lose log 2. https://github.com/pytorch/pytorch/issues/11752"""
    assert F.cross_entropy(torch.full((1, 2), 1e8), torch.tensor([0])).item() == approx(LOG2)


def test_tensorflow_32231_smoothing_counts_classes():
    """Smoothing takes another axis for the classes. https://github.com/tensorflow/tensorflow/issues/32231"""
    x = torch.tensor([[[3 / 4] * 5, [1 / 4] * 5]]).log()
    loss = F.cross_entropy(x, torch.zeros(1, 5, dtype=torch.long), label_smoothing=0.2)
    assert loss.item() == approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))
