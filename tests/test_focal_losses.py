"""What is special to the focal losses: finite gradients for every gamma, and the answers of the usual libraries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary.functional as F
from lossary import nn

INF = float("inf")
GAMMAS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
EXTREME = (0.0, 20.0, 88.0, 100.0, 1000.0, 1e30, INF)

LOGITS = torch.linspace(-3, 4, 15).reshape(5, 3)
LABELS = torch.tensor([2, 0, 1, -100, 2])
SOFT = torch.linspace(0, 1, 15).reshape(5, 3).softmax(1)
WEIGHT = torch.tensor([1.0, 2.0, 0.5])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("target", [LABELS, SOFT], ids=["labels", "probabilities"])
def test_gamma_0_is_cross_entropy_to_the_last_bit(target, reduction):
    for weight in (None, WEIGHT):
        focal = F.focal_loss(LOGITS, target, weight, gamma=0, reduction=reduction)
        assert torch.equal(focal, F.cross_entropy(LOGITS, target, weight, reduction=reduction))


def test_a_row_without_a_batch_is_cross_entropys():
    for target in (LABELS[0], LABELS[:1]):
        assert F.focal_loss(LOGITS[0], target, gamma=0) == F.cross_entropy(LOGITS[0], target)


def test_the_weighted_mean_divides_by_the_weights_of_the_targets():
    rows = F.focal_loss(LOGITS, LABELS, WEIGHT, reduction="none")
    torch.testing.assert_close(F.focal_loss(LOGITS, LABELS, WEIGHT), rows.sum() / (0.5 + 1 + 2 + 0.5))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
def test_no_logit_gives_nan(gamma, soft):
    """kornia/kornia#918, google-deepmind/optax#1267: infinite losses included, in reverse and in forward mode."""
    target = torch.tensor([[0.25, 0.75, 0.0]]) if soft else torch.tensor([0])

    def focal(x):
        return F.focal_loss(x, target, gamma=gamma)

    for far in (*EXTREME, *(-x for x in EXTREME)):
        x = torch.tensor([[far, 0.0, 1.0]], requires_grad=True)
        loss = focal(x)
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.sum(), x)
        assert not loss.isnan() and gradient.isfinite().all() and not second.isnan().any(), far
        assert not torch.func.jvp(focal, (x.detach(),), (torch.ones(1, 3),))[1].isnan(), far


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_no_binary_logit_gives_nan(gamma, target):
    """kornia/kornia#918, kornia/kornia#2115, google-deepmind/optax#1267."""
    x = torch.tensor([*EXTREME, *(-x for x in EXTREME)], requires_grad=True)
    t = torch.full_like(x, target, requires_grad=True)
    loss = F.sigmoid_focal_loss(x, t, alpha=-1, gamma=gamma)
    assert torch.equal(loss.isinf(), x.isinf() & ((t > 0) & (x < 0) | (t < 1) & (x > 0)))
    by_logit, by_target = torch.autograd.grad(loss.sum(), (x, t), create_graph=True)
    assert not loss.isnan().any() and by_logit.isfinite().all() and not by_target.isnan().any()
    assert not torch.autograd.grad(by_logit.sum(), x)[0].isnan().any()
    tangent = torch.func.jvp(lambda x: F.sigmoid_focal_loss(x, t.detach(), gamma=gamma), (x.detach(),), (x.sign(),))[1]
    assert not tangent.isnan().any()
    by_jax = jax.grad(lambda x: F.sigmoid_focal_loss(x, jnp.full(x.shape, target), gamma=gamma, reduction="sum"))
    assert np.isfinite(by_jax(jnp.asarray(x.detach().numpy()))).all()


def test_small_losses_keep_their_digits():
    """(1 - p)² · -log p = e^-3x where p is near 1; 1 - p is 0 in fp32 from x = 17 on."""
    x = torch.tensor([20.0, 25.0])
    expected = torch.exp(-3 * x.double()).float()
    rows = torch.stack([x, torch.zeros(2)], 1)
    torch.testing.assert_close(F.focal_loss(rows, torch.tensor([0, 0]), reduction="none"), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(F.sigmoid_focal_loss(-x, torch.zeros(2), alpha=-1), expected, rtol=1e-5, atol=0)


def test_the_derivative_by_the_target_outlives_the_loss():
    """e^-12 · x at gamma = 0.1, where the loss, e^-132, and 1 - p, e^-120, are 0 in fp32."""
    x, t = torch.tensor(120.0), torch.tensor(1.0, requires_grad=True)
    (slope,) = torch.autograd.grad(F.sigmoid_focal_loss(x, t, alpha=-1, gamma=0.1), t)
    torch.testing.assert_close(slope, -120 * torch.tensor(-12.0).exp(), rtol=2e-3, atol=0)


def as_torchvision_has_it(x, t, alpha, gamma):
    p = torch.sigmoid(x)
    modulation = (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    balance = 1 if alpha < 0 else alpha * t + (1 - alpha) * (1 - t)
    return balance * modulation * torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")


@pytest.mark.parametrize("alpha", [-1, 0.0, 0.25, 1.0])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_sigmoid_focal_loss_is_torchvisions(alpha, gamma):
    x = torch.linspace(-6, 6, 24, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.0, 1.0, 0.3, 0.9], dtype=torch.float64).repeat(6)
    ours, theirs = F.sigmoid_focal_loss(x, t, alpha, gamma), as_torchvision_has_it(x, t, alpha, gamma)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    gradients = (torch.autograd.grad(loss.sum(), x)[0] for loss in (ours, theirs))
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_defaults_are_torchvisions():
    x, t = torch.tensor([0.5, -2.0]), torch.tensor([1.0, 0.0])
    torch.testing.assert_close(F.sigmoid_focal_loss(x, t), as_torchvision_has_it(x, t, 0.25, 2))
    torch.testing.assert_close(nn.SigmoidFocalLoss(reduction="mean")(x, t), F.sigmoid_focal_loss(x, t).mean())


@pytest.mark.parametrize("alpha", [-0.5, 1.5, -2])
def test_an_alpha_that_is_no_weight_is_named(alpha):
    with pytest.raises(ValueError, match=r"alpha is .*; it must be in \[0, 1\] or -1"):
        F.sigmoid_focal_loss(LOGITS, SOFT, alpha)


def test_one_class_is_an_error():
    """Project-MONAI/MONAI#2509: softmax of one channel is 1, and the loss always 0."""
    with pytest.raises(ValueError, match=r"input is float32 of shape \(5, 1\): one class.*sigmoid_focal_loss"):
        F.focal_loss(LOGITS[:, :1], torch.zeros(5, dtype=torch.long))
