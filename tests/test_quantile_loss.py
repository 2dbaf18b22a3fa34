"""What the contract's checks do not see of `quantile_loss`: its kink, its levels, its kernel, its peer."""

import numpy as np
import pytest
import sklearn.metrics
import torch

import lossary
from lossary import nn
from lossary.testing import LIBRARIES

SEVERAL = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("name", ["torch", "jax"])
@pytest.mark.parametrize("quantiles", [0.9, SEVERAL])
def test_a_perfect_prediction_is_at_rest(name, quantiles):
    library = LIBRARIES[name]
    with library.context("float32"):
        y = library.array(np.array([2.0, -1.0]), "float32")
        x = library.array(np.array([[2.0] * 3, [-1.0] * 3]), "float32") if quantiles is SEVERAL else y
        slope = library.gradient(lambda x: lossary.quantile_loss(x, y, quantiles, "sum"), x)
        assert (library.numpy(slope) == 0).all()


@pytest.mark.parametrize("quantiles", [0.2, 0.9])
def test_it_is_scikit_learns(quantiles):
    rng = np.random.default_rng(3)
    x, y, w = rng.normal(size=50), rng.normal(size=50), rng.uniform(0.0, 2.0, 50)
    got = lossary.quantile_loss(x, y, quantiles, sample_weight=w)
    assert got == pytest.approx(sklearn.metrics.mean_pinball_loss(y, x, alpha=quantiles, sample_weight=w), rel=1e-14)


def test_several_levels_are_each_on_its_own():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2))
    got = lossary.quantile_loss(x, y, SEVERAL, "none")
    for k, q in enumerate(SEVERAL):
        assert np.array_equal(got[..., k], lossary.quantile_loss(x[..., k], y, q, "none"))


def test_a_list_will_do():
    x, y = np.ones((4, 3)), np.zeros(4)
    assert lossary.quantile_loss(x, y, list(SEVERAL)) == lossary.quantile_loss(x, y, SEVERAL)


def test_near_1_the_kernel_has_the_digits_of_1_less_q():
    x, y = torch.ones(4), torch.zeros(4)
    got = lossary.quantile_loss(x, y, 1 - 2.0**-20 - 2.0**-40, impl="fused")
    assert got.item() == np.float32(2.0**-20 + 2.0**-40)


def test_the_kernel_takes_one_level():
    x, y = torch.ones(4, 3), torch.zeros(4)
    assert lossary.explain(lossary.quantile_loss, x[:, 0], y).refusals["fused"] is None
    refusals = lossary.explain(lossary.quantile_loss, x, y, SEVERAL).refusals
    assert refusals["fused"] == "quantiles are several numbers, and it takes one"


@pytest.mark.parametrize(
    ("shape", "quantiles", "says"),
    [
        (
            (4, 2),
            SEVERAL,
            r"input is float64 of shape \(4, 2\); it must be of shape \(\.\.\., 3\), .*\(0.1, 0.5, 0.9\)$",
        ),
        ((3, 4), SEVERAL, r"Pass input.movedim\(0, -1\)$"),
        ((4,), (0.5,), r"pass quantiles=0.5$"),
        ((), SEVERAL, r"of shape \(\.\.\., 3\)"),
        ((4, 3), 90, r"quantiles is 90; it must be a number in \(0, 1\), or a tuple"),
        ((4, 3), (0.9, 0.1, 0.5), "each larger than the one before$"),
        ((4, 3), (), "each larger than the one before$"),
    ],
)
def test_messages_name_the_levels(shape, quantiles, says):
    with pytest.raises(ValueError, match=f"^quantile_loss: .*{says}"):
        lossary.quantile_loss(np.zeros(shape), np.zeros(4), quantiles)


def test_levels_are_no_array():
    with pytest.raises(TypeError, match=r"not an array. Pass quantiles.tolist\(\)$"):
        lossary.quantile_loss(np.zeros((4, 3)), np.zeros(4), np.array(SEVERAL))


def test_a_module_of_wrong_levels_is_not_taken_for_one_of_data():
    with pytest.raises(ValueError, match=r"^QuantileLoss: quantiles is \(0.9, 0.1\); .*before$"):
        nn.QuantileLoss((0.9, 0.1))
    assert repr(nn.QuantileLoss(SEVERAL)) == "QuantileLoss(quantiles=(0.1, 0.5, 0.9))"
