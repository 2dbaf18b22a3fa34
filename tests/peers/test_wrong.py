"""Where a peer is wrong: its answer, and the right one, which is Lossary's.

A test that fails here says that the peer was mended: then it goes into conversions.py, and `elsewhere` says less.
"""

import math

import numpy as np
import pytest
from peers import peer
from pytest import approx

import lossary

pytestmark = pytest.mark.filterwarnings("ignore")  # the peers' own affair


def of_keras(name: str, target: list, prediction: list, **options: float) -> float:
    return float(peer(f"keras.losses.{name}")(**options)(np.array(target), np.array(prediction)))


def of_jax(*numbers: float) -> object:
    import jax.numpy as jnp

    return jnp.array(numbers)


def test_keras_8083_a_rival_below_0_counts_as_0():
    """A lead of 2 costs 2. https://github.com/keras-team/keras/issues/8083"""
    assert of_keras("CategoricalHinge", [[1.0, 0.0]], [[-1.0, -3.0]]) == 2
    assert lossary.categorical_hinge_loss(np.array([[-1.0, -3.0]]), np.array([0])) == 0


@pytest.mark.parametrize("name", ["keras", "optax"])
def test_keras_8524_log_cosh_of_small_errors_is_0(name):
    """softplus - log 2 loses them, and their gradient is noise. https://github.com/keras-team/keras/pull/8524"""
    wrong = {
        "keras": lambda: of_keras("LogCosh", [0.0], [1e-4]),
        "optax": lambda: peer("optax.log_cosh")(of_jax(1e-4)),
    }[name]
    assert float(np.sum(wrong())) == 0
    error, none = np.array([1e-4], np.float32), np.zeros(1, np.float32)
    assert float(lossary.log_cosh_loss(error, none)) == approx(5e-9, rel=1e-6)


@pytest.mark.parametrize(("p", "wrong"), [(1, 6.0), (3, math.nan)])
def test_optax_1120_triplets_by_other_norms(p, wrong):
    """Differences keep their sign: distances of -2 and -7. https://github.com/google-deepmind/optax/pull/1120"""
    anchor, positive, negative = ((0.0, 0.0), (1.0, 1.0), (3.0, 4.0))
    theirs = peer("optax.losses.triplet_margin_loss")(
        *(of_jax(*x) for x in (anchor, positive, negative)), norm_degree=p
    )
    assert float(theirs) == approx(wrong, nan_ok=True)
    rows = (np.array([x]) for x in (anchor, positive, negative))
    assert float(lossary.triplet_margin_loss(*rows, p=p)) == 0


def test_optax_896_ctc_of_a_class_that_is_masked_out():
    """NaN where the label is certain to be spelt. https://github.com/google-deepmind/optax/issues/896"""
    import jax.numpy as jnp

    half, masked = math.log(0.5), -math.inf
    frames = [[half, masked, half], [math.log(0.25), math.log(0.75), masked]]
    theirs = peer("optax.ctc_loss")(jnp.array([frames]), jnp.zeros((1, 2)), jnp.array([[1]]), jnp.zeros((1, 1)))
    assert math.isnan(float(theirs[0]))
    assert float(lossary.ctc_loss(np.array(frames), np.array([1]), 2, 1)) == approx(-math.log(0.5 * 0.75))


def test_optax_1771_ctc_of_a_sure_alignment_is_negative():
    """A certain alignment costs -2e-8. https://github.com/google-deepmind/optax/issues/1771"""
    import jax.numpy as jnp

    logits = 20.0 * np.eye(5, dtype=np.float32)[[1, 1, 0, 2, 2, 3, 0, 0]]
    theirs = peer("optax.ctc_loss")(
        jnp.array(logits[None]), jnp.zeros((1, 8)), jnp.array([[1, 2, 3]]), jnp.zeros((1, 3))
    )
    assert float(theirs[0]) < 0
    assert lossary.ctc_loss_with_logits(logits, np.array([1, 2, 3]), 8, 3) >= 0


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("torchvision.ops.sigmoid_focal_loss", {}),
        ("segmentation_models_pytorch.losses.FocalLoss", {"mode": "binary"}),
    ],
)
def test_kornia_918_focal_gradients_of_gamma_below_1(name, given):
    """NaN where a prediction is sure: kornia's is mended. https://github.com/kornia/kornia/issues/918"""
    import torch

    label, slopes = torch.ones(1), []
    theirs = peer(name)(**given, gamma=0.5) if given else lambda x, y: peer(name)(x, y, gamma=0.5)
    for loss in (theirs, lambda x, y: lossary.sigmoid_focal_loss(x, y, gamma=0.5)):
        sure = torch.tensor([40.0], requires_grad=True)
        slopes += torch.autograd.grad(loss(sure, label).sum(), sure)
    assert slopes[0].isnan()
    assert -1e-15 < slopes[1] <= 0


def test_vision_7746_boxes_of_no_size():
    """1 for a perfect prediction, and 0.999 for one of a side of 1e-5. https://github.com/pytorch/vision/issues/7746"""
    import torch

    for side, wrong in ((0.0, 1.0), (1e-5, 0.999)):
        box = torch.tensor([[0.0, 0.0, side, side]])
        theirs = peer("torchvision.ops.generalized_box_iou_loss")(box, box)
        assert float(theirs) == approx(wrong, abs=1e-4)
        assert float(lossary.generalized_box_iou_loss(box, box, reduction="sum")) == 0


def test_diou_19_the_aspect_of_a_flat_box():
    """Its gradient is NaN. https://github.com/Zzh-tju/DIoU-pytorch-detectron/issues/19"""
    import torch

    true, slopes = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), []
    for loss in (peer("torchvision.ops.complete_box_iou_loss"), lossary.functional.complete_box_iou_loss):
        flat = torch.tensor([[0.0, 0.0, 1.0, 0.0]], requires_grad=True)
        slopes += torch.autograd.grad(loss(flat, true, reduction="sum"), flat)
    assert slopes[0].isnan().all()
    assert slopes[1].isfinite().all()


def test_keras_23333_tversky_weighs_the_errors_the_wrong_way_round():
    """alpha weighs false negatives: up to 3.15.1. https://github.com/keras-team/keras/pull/23333"""
    prediction, target, given = [[[1.0, 1.0, 0.5]]], [[[1.0, 0.0, 1.0]]], {"alpha": 0.9, "beta": 0.1}
    errors = {"right": 0.9 * 1.0 + 0.1 * 0.5, "wrong": 0.1 * 1.0 + 0.9 * 0.5}
    costs = {name: error / (1.5 + error) for name, error in errors.items()}
    assert of_keras("Tversky", target, prediction, **given) == approx(costs["wrong"], rel=1e-5)
    x, y = np.array(prediction), np.array(target)
    ours = lossary.tversky_loss(x, y, **given, smooth=0.0, activation="none")
    assert float(ours) == approx(costs["right"])


def test_asl_87_a_sure_positive():
    """NaN gradients of a power below 1; and a clamp at 1e-8 hides a miss. https://github.com/Alibaba-MIIL/ASL/issues/87"""
    import torch

    theirs, one = peer("timm.loss.AsymmetricLossMultiLabel"), torch.ones(1, 1)
    for logit, power, cost, slope in ((200.0, 0.5, 0.0, 0.0), (-200.0, 1.0, 200.0, -1.0)):
        x = torch.full((1, 1), logit, requires_grad=True)
        (wrong,) = torch.autograd.grad(theirs(gamma_pos=power)(x, one), x)
        loss = lossary.asymmetric_loss(x, one, gamma_pos=power)
        assert wrong.isnan() if logit > 0 else wrong == 0
        assert loss == cost and torch.autograd.grad(loss, x)[0] == slope
    assert float(theirs()(x, one)) == approx(18.42, abs=0.01)
