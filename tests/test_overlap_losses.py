"""What the contract's checks do not see of the losses of overlap: sums over the batch, empty masks, digits."""

import numpy as np
import pytest
import torch

import lossary
from lossary import nn
from lossary.testing import LIBRARIES

generator = torch.Generator().manual_seed(0)
X, Y = torch.randn(3, 4, 5, 7, generator=generator), torch.randint(4, (3, 5, 7), generator=generator)
SOFT, PIXELS = torch.rand(3, 4, 5, 7, generator=generator), torch.rand(3, 5, 7, generator=generator)
ONE_IMAGE = X.movedim(0, 1).reshape(1, 4, -1)
LOSSES = [lossary.dice_loss, lossary.jaccard_loss, lossary.tversky_loss]
IMPLS = ["fused", "reference"]


def value_and_gradient(loss, x, *args, **options):
    x = x.clone().requires_grad_()
    value = loss(x, *args, **options)
    return value, torch.autograd.grad(value.sum(), x)[0]


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("options", [{}, {"activation": "sigmoid", "classes": "present"}, {"reduction": "none"}])
@pytest.mark.parametrize("soft", [False, True])
def test_over_the_batch_is_over_one_image(loss, options, soft, impl):
    target = SOFT if soft else Y
    joined = SOFT.movedim(0, 1).reshape(1, 4, -1) if soft else Y.reshape(1, -1)
    got = value_and_gradient(loss, X, target, pixel_weight=PIXELS, batch=True, impl=impl, **options)
    true = value_and_gradient(loss, ONE_IMAGE, joined, pixel_weight=PIXELS.reshape(1, -1), impl=impl, **options)
    assert got[0].shape == ((4,) if "reduction" in options else ())
    torch.testing.assert_close(got[0], true[0].reshape(got[0].shape))
    torch.testing.assert_close(got[1], true[1].reshape(4, 3, 5, 7).movedim(1, 0))


@pytest.mark.parametrize("impl", IMPLS)
def test_over_the_batch_a_weight_is_that_of_the_pixels(impl):
    weight = torch.tensor([2.0, 0.0, 0.5])
    of_pixels = PIXELS * weight[:, None, None]
    poisoned = torch.where(weight[:, None, None, None] == 0, torch.nan, X)
    got = value_and_gradient(
        lossary.dice_loss, poisoned, Y, batch=True, sample_weight=weight, pixel_weight=PIXELS, impl=impl
    )
    true = value_and_gradient(lossary.dice_loss, X, Y, batch=True, pixel_weight=of_pixels, impl=impl)
    torch.testing.assert_close(got, true)
    assert (got[1][1] == 0).all()
    learned = weight.clone().requires_grad_()
    slope = torch.autograd.grad(lossary.dice_loss(X, Y, batch=True, sample_weight=learned), learned)[0]
    assert slope.isfinite().all() and (slope != 0).all()


@pytest.mark.parametrize("name", ["numpy", "jax", "array_api_strict"])
def test_over_the_batch_on_every_library(name):
    library = LIBRARIES[name]
    with library.context("float32"):
        x, y = library.array(X.numpy(), "float32"), library.array(Y.numpy(), "float32")
        weight = library.array(np.array([1.0, 0.0, 2.0]), "float32")
        got = library.numpy(lossary.dice_loss(x, y, batch=True, sample_weight=weight, reduction="none"))
    true = lossary.dice_loss(X, Y, batch=True, sample_weight=torch.tensor([1.0, 0.0, 2.0]), reduction="none")
    assert got == pytest.approx(true.numpy(), rel=1e-5)


def test_the_module_takes_weights_of_pixels():
    module = nn.TverskyLoss(activation="sigmoid", alpha=0.3, beta=0.7, batch=True)
    options = {"activation": "sigmoid", "alpha": 0.3, "beta": 0.7, "batch": True}
    assert module(X, Y, pixel_weight=PIXELS) == lossary.tversky_loss(X, Y, pixel_weight=PIXELS, **options)
    assert "pixel_weight" not in module.option_names


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize(
    ("p", "smooth", "value", "slope"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.25, 0.0, 1.0, 0.0),
        (0.0, 1.0, 0.0, 0.5),
        (0.0, 1e-5, 0.0, 5e4),
        (0.5, 1.0, 1 / 3, 2 / 9),
    ],
)
def test_an_empty_mask(p, smooth, value, slope, impl):
    """Nothing of nothing is agreement; without smoothing something of nothing is wrong whatever it is."""
    x = torch.full((1, 1, 2), p, dtype=torch.float64)
    got = value_and_gradient(lossary.dice_loss, x, 0 * x, activation="none", smooth=smooth, impl=impl)
    assert got[0].item() == pytest.approx(value, rel=1e-12)
    assert got[1].flatten().tolist() == pytest.approx([slope] * 2, rel=1e-12)
    gamma = value_and_gradient(lossary.tversky_loss, x, 0 * x, activation="none", smooth=smooth, gamma=0.5, impl=impl)
    assert gamma[1].isfinite().all() and (p > 0 or (gamma[1] == 0).all())


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("masks", [False, True])
def test_a_small_loss_keeps_its_digits(activation, masks, impl):
    x = torch.full((1, 3, 6), -20.0)
    y = torch.arange(6).reshape(1, 6) % 3
    x.scatter_(1, y[:, None], 20.0)
    target = torch.nn.functional.one_hot(y, 3).movedim(-1, 1).float() if masks else y
    got = lossary.dice_loss(x, target, activation=activation, smooth=0.0, impl=impl).item()
    true = lossary.dice_loss(x.double(), target, activation=activation, smooth=0.0).item()
    assert 0 < true < 1e-8 and got == pytest.approx(true, rel=1e-5)


@pytest.mark.parametrize("impl", IMPLS)
def test_between_equals_the_derivative_is_shared(impl):
    p = torch.tensor([[[0.5, 0.25, 0.75]]])
    _, slope = value_and_gradient(lossary.dice_loss, p, p.clone(), activation="none", impl=impl)
    assert (slope == 0).all()


@pytest.mark.parametrize("impl", IMPLS)
def test_what_does_not_count_may_hold_anything_under_strict_checking_too(impl):
    target, weight = Y.clone(), torch.tensor([1.0, 0.0, 1.0])
    target[0, 0, 0] = -100
    pixels = (torch.arange(7) > 1).float().expand(3, 5, 7)
    x = torch.where(
        (target == -100)[:, None] | (pixels == 0)[:, None] | (weight == 0)[:, None, None, None], torch.nan, X
    )
    with lossary.strict():
        got, slope = value_and_gradient(
            lossary.dice_loss, x, target, sample_weight=weight, pixel_weight=pixels, impl=impl
        )
        with pytest.raises(ValueError, match="input holds nan"):
            lossary.dice_loss(x, target, impl=impl)
    assert got.isfinite() and (slope[x.isnan()] == 0).all() and slope.isfinite().all()
    torch.testing.assert_close(
        got, lossary.dice_loss(X, target, sample_weight=weight, pixel_weight=pixels, impl="reference")
    )


def test_the_bits_are_those_of_any_number_of_threads():
    x, y = torch.randn(3, 4, 80, 80, generator=generator), torch.randint(4, (3, 80, 80), generator=generator)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(value_and_gradient(lossary.dice_loss, x, y, classes="present", impl="fused"))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        ((X[:, :1], SOFT[:, :1]), {}, ValueError, "one class, whose softmax is always 1. Pass activation='sigmoid'"),
        ((X[:, :1], Y), {"activation": "sigmoid"}, ValueError, "Pass a mask .*unsqueeze"),
        ((X, Y), {"activation": "none"}, ValueError, "class probabilities lie in .*Pass activation='softmax'"),
        ((X, 255 * SOFT.round()), {}, ValueError, "A mask of 0 and 255"),
        ((X, torch.where(Y == 0, 255, Y)), {}, IndexError, "pass ignore_index=255"),
        ((X, SOFT), {"ignore_index": 0}, ValueError, "Leave pixels out with pixel_weight=0"),
        ((X, Y), {"activation": "relu"}, ValueError, "activation is 'relu'; .*'softmax', 'sigmoid', 'none'"),
        ((X, Y), {"batch": True, "sample_weight": torch.ones(3, 4)}, ValueError, r"sample_weight .* \(3,\)"),
        ((X, Y), {"batch": True, "sample_weight": "text"}, TypeError, "sample_weight is"),
        ((X, Y), {"pixel_weight": torch.ones(3, 4)}, ValueError, "pixel_weight is"),
        ((X, torch.nn.functional.one_hot(Y, 4).movedim(-1, 1)), {}, TypeError, r"target.float\(\)"),
    ],
)
def test_messages(arguments, options, error, says):
    with pytest.raises(error, match=f"^dice_loss: .*{says}"):
        lossary.dice_loss(*arguments, **options)
