"""What is special to the losses of boxes: boxes of no size, ends in common, formats, scales, and what is no box."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import torch
from pytest import approx

import lossary.functional as F
from lossary.core.boxes import KINDS
from lossary.core.contract import BOX_FORMATS
from lossary.testing import LIBRARIES
from lossary.testing.samples import as_boxes

POINT, OTHER, LINE, FLAT, UNIT = [1, 1, 1, 1], [2, 3, 2, 3], [1, 1, 3, 1], [0, 1, 2, 1], [0, 0, 2, 2]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_library = pytest.mark.parametrize("library", [LIBRARIES["torch"], LIBRARIES["jax"]], ids=lambda x: x.name)


def drawn(format, *shape, seed=0):
    return as_boxes(np.random.default_rng(seed).normal(size=(*shape, 4)), format)


def losses(x, y, kind, **options):
    return F.box_iou_loss(np.array(x, float), np.array(y, float), kind=kind, reduction="none", **options).tolist()


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (UNIT, [1, 1, 3, 3], {"iou": 6 / 7, "giou": 6 / 7 + 2 / 9, "diou": 6 / 7 + 1 / 9, "ciou": 6 / 7 + 1 / 9}),
        (UNIT, [4, 4, 6, 6], {"iou": 1, "giou": 16 / 9, "diou": 13 / 9, "ciou": 13 / 9}),
        ([0, 0, 4, 1], UNIT, {"iou": 2 / 3, "ciou": 0.747013350017071, "eiou": 1 + 11 / 48}),
        (POINT, OTHER, {"iou": 1, "giou": 2, "diou": 2, "ciou": 2}),
        (LINE, FLAT, {"iou": 1, "giou": 2, "diou": 1 + 1 / 9, "eiou": 1 + 1 / 9}),
        (FLAT, UNIT, {"iou": 1, "giou": 1, "diou": 1, "ciou": 1.05}),
        (POINT, UNIT, {"iou": 1, "giou": 1, "diou": 1, "ciou": 1, "eiou": 3}),
    ],
)
def test_values_and_boxes_of_no_size(x, y, expected):
    assert {kind: losses(x, y, kind) for kind in expected} == approx(expected, rel=1e-12)
    assert {kind: losses(y, x, kind) for kind in expected} == approx(expected, rel=1e-12)


@each_kind
@each_library
def test_a_perfect_match_rests(kind, library):
    """Values and gradients are 0 to the last bit, in every format and at every scale."""
    boxes = np.concatenate([drawn("xyxy", 20), np.array([POINT, LINE, FLAT, UNIT])])
    boxes = np.concatenate([scale * boxes for scale in (1.0, 1e-20, 1e-5, 1e9)])
    for format in BOX_FORMATS:
        x = library.array(as_boxes(boxes, format), "float32")
        loss = lambda x, y=x, format=format: F.box_iou_loss(x, y, kind=kind, format=format, reduction="sum")  # noqa: E731
        assert float(loss(x)) == 0
        assert not library.numpy(library.gradient(loss, x)).any()


@each_kind
@pytest.mark.parametrize("format", BOX_FORMATS)
def test_the_kernel_answers_what_the_formula_answers(kind, format):
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-5), (torch.bfloat16, 1e-2)):
        x, y = (torch.tensor(drawn(format, 3, 300, seed=seed)).to(dtype) for seed in (1, 2))
        weight = torch.arange(900.0).reshape(3, 300) % 3
        for held in (True, False):
            answers = []
            for impl in ("fused", "reference"):
                leaf = x.clone().requires_grad_()
                loss = F.box_iou_loss(
                    leaf, y, kind=kind, format=format, held_alpha=held, sample_weight=weight, impl=impl
                )
                answers.append((loss, *torch.autograd.grad(loss, leaf)))
            torch.testing.assert_close(answers[0][0], answers[1][0], rtol=tolerance, atol=0)
            torch.testing.assert_close(900 * answers[0][1], 900 * answers[1][1], rtol=50 * tolerance, atol=tolerance)


@each_library
def test_two_ends_in_common_share_the_derivative(library):
    """At an end that is that of both boxes, or where boxes touch: the mean of both one-sided derivatives."""
    step, y = 2.0**-20, np.array(UNIT, float)
    with library.context("float64"):
        loss = lambda x: F.box_iou_loss(x, library.array(y, "float64"), kind="giou")  # noqa: E731
        for box in ([0, 0, 2, 1], [0, -2, 2, 0], [2, 0, 3, 1]):
            x = np.array(box, float)
            slopes = library.numpy(library.gradient(loss, library.array(x, "float64")))
            for i, direction in enumerate(step * np.eye(4)):
                ahead, behind = (float(loss(library.array(x + d, "float64"))) for d in (direction, -direction))
                assert slopes[i] == approx((ahead - behind) / (2 * step), abs=1e-5)


@each_kind
def test_any_scale_is_exact(kind):
    x, y = drawn("xyxy", 50, seed=3), drawn("xyxy", 50, seed=4)
    true = oracles.box_iou_loss(x, y, kind=kind, reduction="none").astype(float)
    for scale in (1e-30, 1e-5, 1e5, 1e30):
        for impl in ("fused", "reference"):
            given = (torch.tensor(scale * z, dtype=torch.float64) for z in (x, y))
            got = F.box_iou_loss(*given, kind=kind, reduction="none", impl=impl)
            np.testing.assert_allclose(got, true, rtol=1e-12)
    far = 1024.0 + np.round(64 * np.stack([x, y])) / 64  # exact in fp32
    true = oracles.box_iou_loss(*far, kind=kind, reduction="none").astype(float)
    got = F.box_iou_loss(*map(np.float32, far), kind=kind, reduction="none")
    np.testing.assert_allclose(got, true, rtol=2e-6)


def test_the_gradient_of_alpha_is_there_where_it_is_not_held():
    x, y = (torch.tensor(drawn("xyxy", 5, seed=seed)) for seed in (5, 6))
    for impl in ("fused", "reference"):
        leaf = x.clone().requires_grad_()
        loss = F.box_iou_loss(leaf, y, kind="ciou", held_alpha=False, reduction="sum", impl=impl)
        (slope,) = torch.autograd.grad(loss, leaf)
        step = 1e-6
        for i in np.ndindex(x.shape):
            ahead, behind = x.clone(), x.clone()
            ahead[i] += step
            behind[i] -= step
            rise = F.box_iou_loss(ahead, y, kind="ciou", reduction="sum") - F.box_iou_loss(
                behind, y, kind="ciou", reduction="sum"
            )
            assert float(slope[i]) == approx(float(rise) / (2 * step), abs=1e-6)


@pytest.mark.parametrize(
    ("format", "wrong", "said"),
    [
        ("xyxy", [2, 1, 1, 4], r"holds 1 at \[1, 2\]; boxes \(x1, y1, x2, y2\).*x1 <= x2.*format='cxcywh'"),
        ("xywh", [2, 1, -1, 4], r"holds -1 at \[1, 2\]; boxes \(x1, y1, width, height\).*no negative side"),
        ("cxcywh", [2, 1, 1, -4], r"holds -4 at \[1, 3\]; boxes \(centre x, .*no negative side"),
    ],
)
@pytest.mark.parametrize("kind", ["input", "target"])
def test_what_is_no_box_is_named(format, wrong, said, kind):
    boxes = {"input": np.array([UNIT, UNIT], float), "target": np.array([UNIT, UNIT], float)}
    boxes[kind][1] = wrong
    of_torch = {name: torch.tensor(x) for name, x in boxes.items()}
    for impl, given in (("auto", boxes), ("fused", of_torch), ("reference", of_torch)):
        with pytest.raises(ValueError, match=f"generalized_box_iou_loss: {kind} {said}"):
            F.generalized_box_iou_loss(**given, format=format, impl=impl)
        counts = F.generalized_box_iou_loss(**given, format=format, impl=impl, sample_weight=[1, 0])
        assert counts.tolist() == [0, 0]
    unread = jax.jit(lambda x, y: F.generalized_box_iou_loss(x, y, format=format))
    assert np.isnan(unread(*(jnp.asarray(x) for x in boxes.values()))).tolist() == [False, True]


def test_a_box_broadcasts_and_a_side_does_not():
    x, one = np.array([UNIT, LINE], float), np.array(UNIT, float)
    np.testing.assert_array_equal(F.distance_box_iou_loss(x, one), F.distance_box_iou_loss(x, np.stack([one, one])))
    assert float(F.distance_box_iou_loss(one, one)) == 0
    for wrong in (np.ones((2, 1)), np.ones(()), np.ones((2, 3))):
        with pytest.raises(ValueError, match=r"target is float64 of shape .*; it must be boxes of shape \(2, 4\)"):
            F.distance_box_iou_loss(x, wrong)
    with pytest.raises(
        ValueError, match=r"input is float64 of shape \(2, 5\); it must be boxes of shape \(\.\.\., 4\)"
    ):
        F.distance_box_iou_loss(np.ones((2, 5)), np.ones((2, 5)))
