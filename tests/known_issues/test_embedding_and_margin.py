"""Cosines, triplets and margins, as reported: short, long and zero vectors, labels, saturation, NaN."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

import lossary
from lossary import functional as F
from lossary.testing import LIBRARIES

INF, NAN = math.inf, math.nan
gradient = LIBRARIES["torch"].gradient
ONE = torch.ones(1)


def test_pytorch_50473_cosine_small_parallel_vectors():
    """Parallel vectors of norm 1e-8 have a loss of 0.99. https://github.com/pytorch/pytorch/issues/50473

    Also pytorch/pytorch#5447.
    """
    a = torch.tensor([[1e-8, 0.0]])
    assert F.cosine_embedding_loss(a, 3 * a, ONE).item() == 0
    assert F.cosine_embedding_loss(a, 3 * a, -ONE).item() == 1


def test_pytorch_51912_cosine_large_vectors_do_not_overflow():
    """Vectors of 1e38 have a cosine of NaN. https://github.com/pytorch/pytorch/issues/51912"""
    a, b = torch.tensor([[3e38, 0.0], [3e38, 3e38]]), torch.tensor([[0.0, 3e38], [3e38, 0.0]])
    loss = F.cosine_embedding_loss(a, b, torch.ones(2), reduction="none")
    assert loss.tolist() == approx([1, 1 - math.sqrt(0.5)])


def test_pytorch_51912_triplet_large_vectors():
    """Distances of such vectors are infinite. https://github.com/pytorch/pytorch/issues/51912"""
    a, b, c = (torch.tensor([v]) for v in ([0.0, 0.0], [3e37, 4e37], [0.0, 4e37]))
    assert F.triplet_margin_loss(a, b, c).item() == approx(5e37 - 4e37)
    slopes = gradient(lambda b: F.triplet_margin_loss(a, b, c), b)
    assert slopes[0].tolist() == approx([0.6, 0.8])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_apex_211_cosine_half_small_vectors(dtype):
    """The cosine of half precision is above 1. https://github.com/NVIDIA/apex/issues/211"""
    a = torch.tensor([[2.0**-14, 2.0**-14]], dtype=dtype)
    assert F.cosine_embedding_loss(a, a, ONE.to(dtype)).item() == 0
    assert F.cosine_embedding_loss(a, a, -ONE.to(dtype)).item() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pytorch_78064_cosine_never_exceeds_one(dtype):
    """A cosine of 1.0000001. https://github.com/pytorch/pytorch/issues/78064

    Also pytorch/pytorch#29513, NVIDIA/apex#211.
    """
    a = torch.randn(2000, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    y = torch.ones(2000, dtype=dtype)
    assert F.cosine_embedding_loss(a, 3.3 * a, -y, reduction="none").max().item() <= 1
    assert F.cosine_embedding_loss(a, 3.3 * a, y, reduction="none").min().item() >= 0


@pytest.mark.parametrize("library", [LIBRARIES[n] for n in ("numpy", "torch", "jax")], ids=lambda x: x.name)
def test_optax_946_cosine_zero_vector(library):
    """The cosine of a zero vector is NaN, or its gradient. https://github.com/google-deepmind/optax/pull/946

    Also tracel-ai/burn#5584.
    """
    a, b, y = (library.array(np.array(v), "float32") for v in ([[0.0, 0.0]], [[1e-30, 0.0]], [1.0]))
    assert float(F.cosine_embedding_loss(a, b, y)) == 1
    if library.differentiates:
        by_zero = library.gradient(lambda a: F.cosine_embedding_loss(a, b, y), a)
        by_other = library.gradient(lambda b: F.cosine_embedding_loss(a, b, y), b)
        assert library.numpy(by_zero).tolist() == library.numpy(by_other).tolist() == [[0, 0]]


@pytest.mark.parametrize("label", [0.0, 0.5, 2.0])
def test_pytorch_49917_cosine_target_not_plus_minus_one(label):
    """A label of 0.5 costs nothing, silently: strict() refuses it. https://github.com/pytorch/pytorch/issues/49917"""
    a, b, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([label])
    assert F.cosine_embedding_loss(a, b, y).item() == 0
    with lossary.strict(), pytest.raises(ValueError, match="cosine_embedding_loss: target"):
        F.cosine_embedding_loss(a, b, y)


@pytest.mark.parametrize("p", [1e-6, 0.5, 0.0, -2.0])
def test_pytorch_187178_triplet_p_below_one_rejected(p):
    """p=1e-6 is NaN. https://github.com/pytorch/pytorch/issues/187178

    Also pytorch/pytorch#187243.
    """
    with pytest.raises(ValueError, match="triplet_margin_loss: p is"):
        F.triplet_margin_loss(torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2), p=p)


@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_sentence_transformers_4033_triplet_identical_pair(eps):
    """An identical pair has a NaN gradient. https://github.com/huggingface/sentence-transformers/pull/4033"""
    a, b, c = torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0.3, 0.4]])
    slopes = gradient(lambda a: F.triplet_margin_loss(a, b, c, eps=eps), a)
    pulled = 0 if eps == 0 else math.sqrt(0.5)  # by the distance of (eps, eps)
    assert slopes[0].tolist() == approx([pulled + 0.6, pulled + 0.8], rel=1e-5)


def test_burn_5373_soft_margin_large_wrong_prediction():
    """inf where the model is most wrong, and NaN gradients. https://github.com/tracel-ai/burn/issues/5373

    Also huggingface/sentence-transformers#4019.
    """
    x, y = torch.tensor([-100.0, 1e4]), torch.tensor([1.0, -1.0])
    assert F.soft_margin_loss(x, y, reduction="none").tolist() == [100, 1e4]
    assert gradient(lambda x: F.soft_margin_loss(x, y, reduction="sum"), x).tolist() == [-1, 1]


def test_pytorch_77529_soft_margin_log1p():
    """log(1 + e^-x) rounds to 0. https://github.com/pytorch/pytorch/issues/77529"""
    assert F.soft_margin_loss(torch.tensor([20.0]), ONE).item() == approx(math.log1p(math.exp(-20)), abs=0, rel=1e-6)


def test_pytorch_1516_multilabel_soft_margin_saturated():
    """Saturated wrong logits have no gradient. https://github.com/pytorch/pytorch/issues/1516

    Also pytorch/pytorch#9141.
    """
    x, t = torch.tensor([[-200.0, 200.0]]), torch.tensor([[1.0, 0.0]])
    assert F.multilabel_soft_margin_loss(x, t).item() == 200
    assert gradient(lambda x: F.multilabel_soft_margin_loss(x, t), x)[0].tolist() == [-0.5, 0.5]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    ("loss", "target"),
    [("multi_margin_loss", [wrong]) for wrong in (3, -1, 10**6)]
    + [("multilabel_margin_loss", [row]) for row in ([3, -1, -1], [0, -2, -1], [0, -1, 10**6])],
)
def test_pytorch_88648_margin_losses_target_range(loss, target, reduction):
    """Classes that do not exist read, and write, out of bounds. https://github.com/pytorch/pytorch/issues/88648

    Also pytorch/pytorch#19229, pytorch/pytorch#89408, pytorch/pytorch#99410, pytorch/pytorch#191567,
    pytorch/pytorch#77952.
    """
    with pytest.raises(IndexError, match=f"{loss}: target holds"):
        getattr(F, loss)(torch.zeros(1, 3), torch.tensor(target), reduction=reduction)


def test_pytorch_193102_target_overwritten_before_the_backward():
    """The backward reads an overwritten target out of bounds. https://github.com/pytorch/pytorch/issues/193102"""
    x, y = torch.zeros(1, 3, requires_grad=True), torch.tensor([0])
    loss = F.multi_margin_loss(x, y)
    y[0] = 10**6
    assert torch.autograd.grad(loss, x)[0].flatten().tolist() == approx([-2 / 3, 1 / 3, 1 / 3])


def test_pytorch_22965_hinge_of_a_negative_distance_is_negative():
    """Kept: the input is a distance. https://github.com/pytorch/pytorch/issues/22965"""
    assert F.hinge_embedding_loss(torch.tensor([-0.5]), ONE).item() == -0.5


LOSSES_OF_SIGNS = [
    "hinge_embedding_loss",
    "hinge_loss",
    "squared_hinge_loss",
    "soft_margin_loss",
    "margin_ranking_loss",
]


@pytest.mark.parametrize("loss", LOSSES_OF_SIGNS)
def test_pytorch_78057_hinge_and_ranking_labels_0_1_rejected(loss):
    """Labels of 0 and 1 are taken for -1 and 1: strict() refuses them. https://github.com/pytorch/pytorch/issues/78057

    Also seathiefwang/RankPose#4.
    """
    scores = (torch.ones(2),) * (2 if loss == "margin_ranking_loss" else 1)
    with lossary.strict(), pytest.raises(ValueError, match=f"{loss}: target holds 0"):
        getattr(F, loss)(*scores, torch.tensor([0.0, 1.0]))


def test_keras_8083_categorical_hinge_of_scores_below_0():
    """Rivals below 0 count as 0: a lead of 2 costs 4. https://github.com/keras-team/keras/issues/8083"""
    assert F.categorical_hinge_loss(torch.tensor([[-3.0, -5.0]]), torch.tensor([0])).item() == 0


def test_pytorch_7999_margin_losses_propagate_nan():
    """max(0, NaN) is 0. https://github.com/pytorch/pytorch/issues/7999"""
    x, y = torch.tensor([[0.0, NAN, 0.0], [0.0, 0.0, 1.0]]), torch.tensor([0, 0])
    labels = torch.tensor([[0, -1, -1], [0, -1, -1]])
    signs = torch.ones(2, 3)
    for loss in (
        F.multi_margin_loss(x, y, reduction="none"),
        F.multilabel_margin_loss(x, labels, reduction="none"),
        F.categorical_hinge_loss(x, y, reduction="none"),
        F.hinge_loss(x, signs, reduction="none").sum(1),
        F.squared_hinge_loss(x, signs, reduction="none").sum(1),
        F.hinge_embedding_loss(x, -signs, reduction="none").sum(1),
        F.margin_ranking_loss(x, x + 1, signs, reduction="none").sum(1),
        F.triplet_margin_loss(x, signs, signs, reduction="none"),
    ):
        assert loss.isnan().tolist() == [True, False]
