"""What is special to the asymmetric loss: sure predictions, the clip, the held focus, and the answers of timm."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary.functional as F
from lossary import plots
from lossary.plots import overlay

INF = float("inf")
FAR = (0.0, 20.0, 88.0, 100.0, 1000.0, 1e30, INF)
POWERS = (0.0, 0.1, 0.5, 1.0, 4.0)
X = torch.linspace(-6, 6, 24, dtype=torch.float64)
LABELS = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(12)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_no_logit_gives_nan(target, power, clip, held):
    """Alibaba-MIIL/ASL#87: powers below 1 where the prediction is sure, in both modes of derivatives."""
    x = torch.tensor([*FAR, *(-x for x in FAR)], requires_grad=True)
    t = torch.full_like(x, target, requires_grad=True)
    options = {"gamma_pos": power, "gamma_neg": power, "clip": clip, "held": held}
    loss = F.asymmetric_loss(x, t, reduction="none", **options)
    lost = (t > 0) & (x == -INF) | (t < 1) & (x == INF) & (clip == 0)
    assert torch.equal(loss.isinf(), lost)
    by_logit, by_target = torch.autograd.grad(loss.sum(), (x, t), create_graph=True)
    assert not loss.isnan().any() and by_logit.isfinite().all() and not by_target.isnan().any()
    assert not torch.autograd.grad(by_logit.sum(), x)[0].isnan().any()
    tangent = torch.func.jvp(lambda x: F.asymmetric_loss(x, t.detach(), **options), (x.detach(),), (x.sign(),))[1]
    assert not tangent.isnan().any()
    fused = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(F.asymmetric_loss(fused, t.detach(), reduction="sum", **options), fused)
    torch.testing.assert_close(slope, by_logit)


def test_the_clip_bounds_what_a_negative_costs():
    x = torch.tensor([5.0, 50.0, INF], dtype=torch.float64, requires_grad=True)
    loss = F.asymmetric_loss(x, torch.zeros_like(x), reduction="none")
    assert (loss <= 0.95**4 * -math.log(0.05) + 1e-15).all()
    assert loss[-1].item() == pytest.approx(2.44004266014)
    assert torch.autograd.grad(loss.sum(), x)[0][-1] == 0


def test_a_negative_at_the_clip_rests():
    """p is 1/2 exactly, and so is the clip."""
    for impl in ("fused", "reference"):
        x = torch.zeros(3, requires_grad=True)
        loss = F.asymmetric_loss(x, torch.zeros(3), clip=0.5, gamma_neg=0.5, impl=impl)
        assert loss == 0 and (torch.autograd.grad(loss, x)[0] == 0).all()


def as_timm_has_it(x, t, gamma_pos, gamma_neg, clip):
    """Of labels, and without the clamp of probabilities."""
    p = torch.sigmoid(x)
    rest = (1 - p + clip).clamp(max=1)
    focus = (1 - (p * t + rest * (1 - t))) ** (gamma_pos * t + gamma_neg * (1 - t))
    return -(t * p.log() + (1 - t) * rest.log()) * focus


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("powers", [(0.0, 4.0), (1.0, 4.0), (1.5, 2.0)])
def test_it_is_timms(powers, clip):
    for impl in ("fused", "reference"):
        x = X.clone().requires_grad_()
        ours = F.asymmetric_loss(
            x, LABELS, gamma_pos=powers[0], gamma_neg=powers[1], clip=clip, reduction="none", impl=impl
        )
        theirs = as_timm_has_it(x, LABELS, *powers, clip)
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
        gradients = (torch.autograd.grad(loss.sum(), x)[0] for loss in (ours, theirs))
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_small_losses_keep_their_digits():
    """p⁵ of a negative and (1 - p)² of a positive, where 1 - p is 0 in fp32; timm's positive at -200 costs 18.4."""
    x = torch.tensor([20.0, 25.0])
    near = F.asymmetric_loss(-x, torch.zeros(2), clip=0.0, reduction="none")
    torch.testing.assert_close(near, torch.exp(-5 * x.double()).float(), rtol=1e-5, atol=0)
    sure = F.asymmetric_loss(x, torch.ones(2), gamma_pos=1.0, reduction="none")
    torch.testing.assert_close(sure, torch.exp(-2 * x.double()).float(), rtol=1e-5, atol=0)
    assert F.asymmetric_loss(torch.tensor(-200.0), torch.tensor(1.0)) == 200


@pytest.mark.parametrize("options", [{}, {"gamma_pos": 1.5, "gamma_neg": 2.5}], ids=["fourths", "any powers"])
def test_a_held_focus_is_a_weight(options):
    """In the kernel and in the formula, in second derivatives, in torch.func, and in JAX."""
    x = X.clone().requires_grad_()
    focus = F.asymmetric_loss(X, LABELS, **options, reduction="none")
    focus = focus / F.asymmetric_loss(X, LABELS, gamma_neg=0.0, reduction="none").clamp(min=1e-300)

    def weighed(x):
        return (focus * F.asymmetric_loss(x, LABELS, gamma_neg=0.0, reduction="none")).sum()

    def held(x, impl="reference"):
        return F.asymmetric_loss(x, LABELS, **options, held=True, reduction="sum", impl=impl)

    (slope,) = torch.autograd.grad(weighed(x), x)
    for impl in ("fused", "reference"):
        torch.testing.assert_close(torch.autograd.grad(held(x, impl), x)[0], slope, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(torch.func.hessian(held)(X), torch.func.hessian(weighed)(X), rtol=1e-8, atol=1e-12)
    with jax.enable_x64(True):
        labels = jnp.asarray(LABELS.numpy())
        by_jax = jax.grad(lambda x: F.asymmetric_loss(x, labels, **options, held=True, reduction="sum"))
        np.testing.assert_allclose(by_jax(jnp.asarray(X.numpy())), slope.numpy(), rtol=1e-9, atol=1e-12)


def test_a_held_term_cannot_be_drawn_by_differences(monkeypatch):
    monkeypatch.setattr(overlay, "find_spec", lambda name: name != "torch")
    with pytest.raises(ValueError, match="asymmetric_loss needs torch to be drawn: focus is held in its gradient"):
        plots.curves(["asymmetric_loss"])
