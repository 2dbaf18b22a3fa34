"""Triplets by a distance of the caller's own: modules, images, and what is no distance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary.functional as F
from lossary import nn

ANCHOR, POSITIVE, NEGATIVE = torch.linspace(-2, 3, 36).sin().reshape(3, 3, 4)
IMAGES = torch.linspace(-2, 3, 3 * 2 * 4 * 5 * 5).sin().reshape(3, 2, 4, 5, 5)


def one_minus_cosine(x, y):
    return 1 - torch.nn.functional.cosine_similarity(x, y)


def of_images(x, y):
    return (x - y).flatten(1).square().mean(1)


def triplets(anchor=ANCHOR, positive=POSITIVE, negative=NEGATIVE, **options):
    return F.triplet_margin_with_distance_loss(anchor, positive, negative, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "distance",
    [None, one_minus_cosine, torch.nn.PairwiseDistance(p=1), torch.nn.PairwiseDistance(keepdim=True)],
    ids=["none", "cosine", "module", "keepdim"],
)
def test_it_is_torchs(distance, swap, reduction):
    options = {"distance_function": distance, "swap": swap, "reduction": reduction, "margin": 0.7}
    for ours, torchs in (
        (F.triplet_margin_with_distance_loss, torch.nn.functional.triplet_margin_with_distance_loss),
        (nn.TripletMarginWithDistanceLoss, torch.nn.TripletMarginWithDistanceLoss),
    ):
        if isinstance(ours, type):
            mine, theirs = (module(**options)(ANCHOR, POSITIVE, NEGATIVE) for module in (ours, torchs))
        else:
            mine, theirs = (function(ANCHOR, POSITIVE, NEGATIVE, **options) for function in (ours, torchs))
        torch.testing.assert_close(mine, theirs)


def test_a_distance_may_take_more_than_one_dimension():
    options = {"distance_function": of_images, "swap": True}
    images = torch.unbind(torch.stack([IMAGES, IMAGES.flip(0), IMAGES.roll(1, 1)]))
    rows = F.triplet_margin_with_distance_loss(*images, reduction="none", **options)
    theirs = torch.nn.functional.triplet_margin_with_distance_loss(*images, reduction="none", **options)
    torch.testing.assert_close(rows, theirs)
    weight = torch.tensor([1.0, 0.0, 2.0])
    mean = F.triplet_margin_with_distance_loss(*images, sample_weight=weight, **options)
    torch.testing.assert_close(mean, (rows[0] + 2 * rows[2]) / 3)
    with pytest.raises(ValueError, match=r"sample_weight has the dimensions \(3, 2, 1, 1\).*shape \(3,\)"):
        F.triplet_margin_with_distance_loss(*images, sample_weight=torch.ones(3, 2), **options)


def test_a_learnt_distance_is_part_of_the_module():
    learnt = torch.nn.PairwiseDistance()
    learnt.scale = torch.nn.Parameter(torch.ones(()))
    learnt.forward = lambda x, y: learnt.scale * (x - y).norm(dim=-1)
    module = nn.TripletMarginWithDistanceLoss(distance_function=learnt, margin=2.0)
    module(ANCHOR, POSITIVE, NEGATIVE).backward()
    assert list(module.state_dict()) == ["distance_function.scale"]
    assert learnt.scale.grad != 0
    assert repr(module).count("PairwiseDistance") == 1 and "margin=2.0" in repr(module)


def test_positives_broadcast_to_the_anchors():
    one = POSITIVE[:1]
    for distance in (None, one_minus_cosine):
        expanded = triplets(positive=one.expand(3, 4), distance_function=distance, swap=True)
        torch.testing.assert_close(triplets(positive=one, distance_function=distance, swap=True), expanded)


def test_a_distance_of_jax_is_traced():
    arrays = [jnp.asarray(x.numpy()) for x in (ANCHOR, POSITIVE, NEGATIVE)]
    slope = jax.jit(
        jax.grad(lambda a: F.triplet_margin_with_distance_loss(a, *arrays[1:], distance_function=squared, margin=99.0))
    )
    np.testing.assert_allclose(slope(arrays[0]), 2 * (NEGATIVE - POSITIVE) / 3, rtol=1e-5, atol=1e-6)


def squared(x, y):
    return ((x - y) ** 2).sum(-1)


NO_DISTANCES = {
    "one number for the batch": (lambda x, y: (x - y).square().mean(), ValueError, r"shape \(\) .* as \(3,\)"),
    "each row against each": (torch.cdist, ValueError, r"shape \(3, 3\) .* no row against another's"),
    "not summed": (lambda x, y: (x - y).abs(), ValueError, r"shape \(3, 4\)"),
    "the wrong dimension summed": (lambda x, y: (x - y).abs().sum(0), ValueError, r"shape \(4,\)"),
    "no array": (lambda x, y: 1.0, TypeError, "float 1.0; it must answer a floating torch array"),
    "another library's": (lambda x, y: np.ones(3), TypeError, "float64 of shape"),
    "whole numbers": (lambda x, y: (x - y).sum(-1).long(), TypeError, "int64 of shape"),
}


@pytest.mark.parametrize("name", NO_DISTANCES)
def test_what_is_no_distance_is_named(name):
    function, error, words = NO_DISTANCES[name]
    with pytest.raises(error, match=f"^triplet_margin_with_distance_loss: distance_function answers .*{words}"):
        triplets(distance_function=function)


def test_a_name_is_no_function():
    with pytest.raises(ValueError, match="distance_function is 'cosine'; it must be a function, or None"):
        triplets(distance_function="cosine")
