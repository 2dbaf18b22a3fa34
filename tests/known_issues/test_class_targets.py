"""Class indices, as reported: ignored rows, ranges, dtypes, shapes, and what the mean divides by."""

import math

import jax
import jax.numpy as jnp
import pytest
import torch
from pytest import approx

import lossary
from lossary import functional as F
from lossary.testing import LIBRARIES

INF = math.inf
LOG2, LOG3 = math.log(2), math.log(3)
gradient = LIBRARIES["torch"].gradient
each_of = pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])


@each_of
def test_pytorch_15508_ignore_index_255_reduction_none(loss):
    """reduction="none" fails, or leaves NaN in ignored slots. https://github.com/pytorch/pytorch/issues/15508

    Also pytorch/pytorch#20406.
    """
    x, y = torch.full((1, 2, 1, 2), -LOG2), torch.tensor([[[1, 255]]])
    assert getattr(F, loss)(x, y, ignore_index=255, reduction="none").flatten().tolist() == approx([LOG2, 0])


@each_of
@pytest.mark.parametrize(("wrong", "ignore_index"), [(3, -100), (-1, -100), (-4, -1), (-100, -1)])
def test_pytorch_39769_out_of_range_target_raises(loss, wrong, ignore_index):
    """Classes that do not exist are accepted. https://github.com/pytorch/pytorch/issues/39769

    Also pytorch/pytorch#12670, pytorch/pytorch#66872, pytorch/pytorch#108148, tensorflow/tensorflow#8484,
    tensorflow/tensorflow#10268, tensorflow/tensorflow#4443.
    """
    with pytest.raises(IndexError):
        getattr(F, loss)(torch.zeros(2, 3), torch.tensor([0, wrong]), ignore_index=ignore_index)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pytorch_49882_nll2d_none_range_check(reduction, dtype):
    """Images are checked for one reduction only. https://github.com/pytorch/pytorch/issues/49882

    Also pytorch/pytorch#194802.
    """
    y = torch.tensor([[[0, 1], [2, 0]]])
    with pytest.raises(IndexError):
        F.nll_loss(torch.zeros(1, 2, 2, 2, dtype=dtype), y, reduction=reduction)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_pytorch_66076_the_message_names_the_row_and_the_classes(dtype):
    """ "device-side assert" says nothing. https://github.com/pytorch/pytorch/issues/66076

    Also pytorch/pytorch#89369.
    """
    y = torch.tensor([0, 7, 1], dtype=dtype)
    with pytest.raises(IndexError, match=r"cross_entropy: target holds 7 at \[1\]; the classes are 0 to 2"):
        F.cross_entropy(torch.zeros(3, 3), y)


def test_pytorch_174943_float_class_indices_rejected():
    """Classes such as 1.2 are accepted. https://github.com/pytorch/pytorch/issues/174943"""
    with pytest.raises(TypeError):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor([0.0, 1.2]))


def test_keras_23664_no_loss_for_a_class_out_of_range_on_jax():
    """A class out of range has a loss near 0. https://github.com/keras-team/keras/issues/23664"""
    x, y = jnp.zeros((2, 3)), jnp.asarray([0, 3])
    with pytest.raises(IndexError):
        F.cross_entropy(x, y)
    none, nothing = jax.jit(lambda x, y: F.cross_entropy(x, y, reduction="none"))(x, y)
    assert float(none) == approx(LOG3) and math.isnan(nothing)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_pytorch_45540_int32_targets_accepted(dtype):
    """Targets must be int64. https://github.com/pytorch/pytorch/issues/45540

    Also pytorch/pytorch#1842.
    """
    x, y = torch.zeros(2, 3), torch.tensor([0, 2], dtype=dtype)
    assert F.cross_entropy(x, y).item() == approx(LOG3)
    slopes = gradient(lambda x: F.cross_entropy(x, y, reduction="sum"), x)
    assert slopes.flatten().tolist() == approx([-2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, -2 / 3])


def test_pytorch_1258_integer_one_hot_is_a_clear_error_or_right():
    """One-hot rows where indices are expected. https://github.com/pytorch/pytorch/issues/1258"""
    with pytest.raises(TypeError, match=r"target\.argmax\(1\)"):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor([[1, 0, 0], [0, 1, 0]]))


def test_pytorch_76939_unbatched_probability_target():
    """One row of probabilities without a batch fails. https://github.com/pytorch/pytorch/issues/76939"""
    loss = F.cross_entropy(torch.tensor([3 / 4, 1 / 4]).log(), torch.tensor([0.25, 0.75]))
    assert loss.item() == approx(0.25 * math.log(4 / 3) + 0.75 * math.log(4))


def test_tensorflow_1234_soft_target_of_zeros_costs_nothing():
    """Rows of zeros leave samples out. https://github.com/tensorflow/tensorflow/issues/1234"""
    x, t = torch.tensor([[1.0, 5.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert F.cross_entropy(x, t, reduction="none").tolist() == approx([0, LOG2])
    assert gradient(lambda x: F.cross_entropy(x, t, reduction="sum"), x).tolist() == [[0.0, 0.0], [-0.5, 0.5]]


def test_transformers_34191_sum_over_microbatches_over_count():
    """The mean of micro-batches' means is not the mean. https://github.com/huggingface/transformers/pull/34191

    Also huggingface/transformers#37766, huggingface/trl#2175.
    """
    x = torch.tensor([[1 / 2, 1 / 2], [3 / 4, 1 / 4], [1 / 4, 3 / 4], [1 / 8, 7 / 8]]).log()
    y = torch.tensor([0, 0, 0, -100])
    mean = (math.log(2) + math.log(4 / 3) + math.log(4)) / 3
    assert F.cross_entropy(x, y).item() == approx(mean)
    parts = [F.cross_entropy(x[rows], y[rows], normalizer=3) for rows in (slice(0, 1), slice(1, 4))]
    assert sum(parts).item() == approx(mean)


def test_sklearn_6703_a_batch_of_one_class():
    """Labels of one class decide how many there are. https://github.com/scikit-learn/scikit-learn/issues/6703"""
    x = torch.tensor([[3 / 4, 1 / 4], [1 / 2, 1 / 2]]).log()
    assert F.nll_loss(x, torch.tensor([1, 1])).item() == approx((math.log(4) + math.log(2)) / 2)


def test_keras_23551_predictions_are_not_renormalised():
    """Predictions of 0 are divided by their sum of 0. https://github.com/keras-team/keras/issues/23551

    Also keras-team/tf-keras#409.
    """
    x = torch.tensor([[0.0, 0.0], [0.2, 0.2]]).log()
    assert F.nll_loss(x, torch.tensor([0, 1]), reduction="none").tolist() == approx([INF, math.log(5)])


def test_medsam_99_a_single_class_is_found():
    """One channel makes the cross-entropy 0, unnoticed. https://github.com/bowang-lab/MedSAM/issues/99"""
    x, y = torch.linspace(-1, 1, 8).reshape(2, 1, 4), torch.zeros(2, 4, dtype=torch.long)
    assert F.cross_entropy(x, y).item() == 0
    assert "LS110" in [finding.code for finding in lossary.check(F.cross_entropy, x, y)]
