"""Binary cross-entropy, as reported: infinite logits, the tails of probabilities, half precision, checks."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

INF = math.inf
LOG2 = math.log(2)
gradient = LIBRARIES["torch"].gradient
each_library = pytest.mark.parametrize(
    "library", [LIBRARIES[n] for n in ("numpy", "torch", "jax")], ids=lambda x: x.name
)


@each_library
def test_pytorch_49844_bcel_neg_inf_target_0(library):
    """A logit of -inf for a label of 0 is NaN. https://github.com/pytorch/pytorch/issues/49844

    Also pytorch/pytorch#163975, pyro-ppl/numpyro#2240.
    """
    x, t = (library.array(np.array([v]), "float32") for v in (-INF, 0.0))
    assert float(F.binary_cross_entropy_with_logits(x, t)) == 0
    if library.differentiates:
        assert float(library.gradient(lambda x: F.binary_cross_entropy_with_logits(x, t), x)[0]) == 0


def test_pytorch_49844_multilabel_soft_margin_inf_logits():
    """So in the multi-label soft margin. https://github.com/pytorch/pytorch/issues/49844"""
    x, t = torch.tensor([[-INF, INF, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    assert F.multilabel_soft_margin_loss(x, t).item() == approx(LOG2 / 3)
    assert gradient(lambda x: F.multilabel_soft_margin_loss(x, t), x)[0].tolist() == approx([0, 0, -0.5 / 3])
    assert F.multilabel_soft_margin_loss(-x, t).item() == INF


@each_library
def test_pytorch_102894_bcel_pos_inf_target_1(library):
    """A logit of inf for a label of 1 is NaN. https://github.com/pytorch/pytorch/issues/102894

    Also pyro-ppl/numpyro#2240.
    """
    x, t = (library.array(np.array([v]), "float32") for v in (INF, 1.0))
    assert float(F.binary_cross_entropy_with_logits(x, t)) == 0
    if library.differentiates:
        assert float(library.gradient(lambda x: F.binary_cross_entropy_with_logits(x, t), x)[0]) == 0


@each_library
def test_pytorch_135359_bcel_inf_logit_wrong_side_is_inf(library):
    """An infinite logit on the wrong side is NaN. https://github.com/pytorch/pytorch/issues/135359

    Also pyro-ppl/numpyro#2240.
    """
    logits, labels = [-INF, -INF, INF, INF], [0.9, 1.0, 0.9, 0.0]
    x, t = (library.array(np.array(v), "float32") for v in (logits, labels))
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    assert library.numpy(loss).tolist() == [INF, INF, INF, INF]
    if library.differentiates:
        slopes = library.gradient(lambda x: F.binary_cross_entropy_with_logits(x, t, reduction="sum"), x)
        assert library.numpy(slopes).tolist() == approx([0 - 0.9, 0 - 1, 1 - 0.9, 1 - 0])


def test_pytorch_51906_bcel_overflowing_inputs():
    """Logits that overflow are NaN. https://github.com/pytorch/pytorch/issues/51906"""
    x, t = torch.tensor([1e39, -1e39, 3e38, -3e38]), torch.tensor([0.5, 0.5, 0.0, 1.0])
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=torch.tensor(10.0))
    assert loss.tolist() == approx([INF, INF, 3e38, INF])


def test_pytorch_13773_pos_weight_one_is_identity():
    """pos_weight=1 makes a logit of -120 NaN. https://github.com/pytorch/pytorch/issues/13773"""
    x, t, one = torch.tensor([-120.0, -120.0, 120.0]), torch.tensor([1.0, 0.0, 1.0]), torch.ones(3)
    loss = F.binary_cross_entropy_with_logits(x, t, pos_weight=one, reduction="none")
    assert loss.tolist() == approx([120, 0, 0])
    slopes = gradient(lambda x: F.binary_cross_entropy_with_logits(x, t, pos_weight=one, reduction="sum"), x)
    assert slopes.tolist() == approx([-1, 0, 0])


def test_pytorch_2195_bcel_gradient_at_zero_and_large():
    """The gradient at 0 is 0, and 100 overflows. https://github.com/pytorch/pytorch/pull/2195

    Also pytorch/pytorch#2298, pytorch/pytorch#2221.
    """
    x, t = torch.tensor([0.0, 0.0, 100.0, -100.0]), torch.tensor([0.0, 1.0, 0.0, 0.0])
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    assert loss.tolist() == approx([LOG2, LOG2, 100, 0])
    slopes = gradient(lambda x: F.binary_cross_entropy_with_logits(x, t, reduction="sum"), x)
    assert slopes.tolist() == approx([0.5, -0.5, 1, 0])


def test_candle_2561_bcel_large_logit():
    """log(1 - sigmoid(x)) of a large x is NaN. https://github.com/huggingface/candle/issues/2561"""
    loss = F.binary_cross_entropy_with_logits(torch.tensor([40.0, 1e4]), torch.zeros(2), reduction="none")
    assert loss.tolist() == approx([40, 1e4])


@pytest.mark.parametrize("exponent", [-50, -80])
def test_pytorch_103316_bce_gradient_where_value_is_not_clamped(exponent):
    """BCE of e^-50 is 50 and its gradient -2e-10. https://github.com/pytorch/pytorch/issues/103316

    Also torch/nn#949.
    """
    p, one = torch.tensor([math.exp(exponent)]), torch.ones(1)
    assert F.binary_cross_entropy(p, one).item() == approx(-exponent)
    assert gradient(lambda p: F.binary_cross_entropy(p, one), p).item() == approx(-math.exp(-exponent))


def test_pytorch_50658_bce_log_zero_is_100():
    """Kept: the logarithm is clamped at -100. https://github.com/pytorch/pytorch/issues/50658"""
    p, t = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    assert F.binary_cross_entropy(p, t, reduction="none").tolist() == [100, 100]


def test_oneflow_7476_bce_half_gradient_at_exact_0_and_1():
    """fp16 has no 1e-12: the gradient is 0/0. https://github.com/Oneflow-Inc/oneflow/pull/7476

    Also fastino-ai/GLiNER2#155.
    """
    p, t = torch.tensor([0.0, 1.0, 0.0, 1.0]).half(), torch.tensor([0.0, 1.0, 1.0, 0.0]).half()
    assert F.binary_cross_entropy(p, t, reduction="none").tolist() == [0, 0, 100, 100]
    assert gradient(lambda p: F.binary_cross_entropy(p, t, reduction="sum"), p).tolist() == [1, -1, 0, 0]


def test_pytorch_44950_bce_gradient_wrt_target():
    """The gradient with respect to the target is missing. https://github.com/pytorch/pytorch/pull/44950

    Also pytorch/pytorch#77416.
    """
    p, t = torch.tensor([0.25, 0.0], dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
    slopes = gradient(lambda t: F.binary_cross_entropy(p, t, reduction="sum"), t)
    assert slopes.tolist() == approx([math.log(0.75) - math.log(0.25), 0 - -100])
    p, t = (torch.tensor([a, b], dtype=torch.float64, requires_grad=True) for a, b in ((0.25, 0.5), (0.75, 0.5)))
    assert torch.autograd.gradgradcheck(F.binary_cross_entropy, (p, t))


@pytest.mark.parametrize("wrong", [2.0, -1.0])
def test_pytorch_123339_bcel_target_range_checked(wrong):
    """Labels of 2 and -1 are accepted. https://github.com/pytorch/pytorch/issues/123339

    Also pytorch/pytorch#110865, pytorch/pytorch#177506.
    """
    with pytest.raises(ValueError, match=r"target holds -?\d at \[1\]"):
        F.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([1.0, wrong]))


@pytest.mark.parametrize(("p", "t"), [(0.5, 2.0), (0.5, -1.0), (1 + 2**-23, 1.0), (-1e-9, 1.0)])
def test_pytorch_87373_bce_target_and_input_range_checked(p, t):
    """Targets, and inputs next above 1, are not checked. https://github.com/pytorch/pytorch/issues/87373

    Also pytorch/pytorch#51866.
    """
    with pytest.raises(ValueError):
        F.binary_cross_entropy(torch.tensor([p]), torch.tensor([t]))


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_pytorch_1944_bce_shape_mismatch_raises(loss):
    """(64, 1) against (64,) broadcasts. https://github.com/pytorch/pytorch/pull/1944"""
    for shape, other in (((64, 1), (64,)), ((64,), (64, 1))):
        with pytest.raises(ValueError):
            getattr(F, loss)(torch.full(shape, 0.5), torch.zeros(other))


def test_pytorch_193757_compiled_bce_checks_target():
    """Compiled, a target of 1.5 gives -50: a number. https://github.com/pytorch/pytorch/issues/193757"""
    torch.compiler.reset()
    compiled = torch.compile(F.binary_cross_entropy, backend="aot_eager_decomp_partition")
    p, t = torch.tensor([0.5, 0.0]), torch.tensor([0.5, 1.5])
    try:
        loss = compiled(p, t, reduction="none")
    except (ValueError, RuntimeError):
        return
    assert loss[0].item() == approx(LOG2) and loss[1].isnan()


def test_pytorch_196204_empty_bce():
    """An internal assert fails for no elements. https://github.com/pytorch/pytorch/pull/196204"""
    nothing = torch.zeros(0)
    assert F.binary_cross_entropy(nothing, nothing, reduction="sum").item() == 0
    assert F.binary_cross_entropy(nothing, nothing, reduction="none").shape == (0,)
    assert F.binary_cross_entropy(nothing, nothing).item() == 0


@each_library
def test_sklearn_24315_float32_probability_exactly_one(library):
    """eps=1e-15 is 0 in fp32: a probability of 1 is NaN. https://github.com/scikit-learn/scikit-learn/issues/24315

    Also keras-team/keras#377.
    """
    p, t = (library.array(np.array(v), "float32") for v in ([1.0, 1 - 2**-24, 1.0], [1.0, 0.0, 0.0]))
    loss = library.numpy(F.binary_cross_entropy(p, t, reduction="none"))
    assert loss.tolist() == approx([0, 24 * LOG2, 100])


def test_keras_15249_bce_is_its_formula_without_eps():
    """An eps, applied twice, decides the value. https://github.com/keras-team/keras/issues/15249

    Also keras-team/keras#17634, scikit-learn/scikit-learn#17399, scikit-learn/scikit-learn#28851.
    """
    p = torch.tensor([math.exp(-35.7), 1e-9, 0.3], dtype=torch.float64)
    t = torch.tensor([1.0, 0.5, 1.0], dtype=torch.float64)
    half = -0.5 * (math.log(1e-9) + math.log1p(-1e-9))
    loss = F.binary_cross_entropy(p, t, reduction="none")
    assert loss.tolist() == approx([35.7, half, -math.log(0.3)], rel=1e-14)


def test_segmentation_models_852_masked_mean_divides_by_what_counts():
    """Ignored pixels stay in the denominator. https://github.com/qubvel-org/segmentation_models.pytorch/issues/852"""
    x, t, mask = torch.zeros(1, 4), torch.tensor([[1.0, 0.0, 1.0, 0.0]]), torch.tensor([[1, 1, 0, 0]])
    x[0, 2] = -50.0
    assert F.binary_cross_entropy_with_logits(x, t, sample_weight=mask).item() == approx(LOG2)
