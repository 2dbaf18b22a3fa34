"""torch.compile, vmap, forward mode and jax.jit, as reported."""

import math

import jax
import jax.numpy as jnp
import pytest
import torch
from pytest import approx

from lossary import functional as F

INF = math.inf
LOG2, LOG3 = math.log(2), math.log(3)


def compiled(function):
    """Through AOT autograd and the decompositions that Inductor uses, without its code generator."""
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager_decomp_partition")


def test_pytorch_135546_compiled_ce_checks_target():
    """Compiled, a class that does not exist has a loss. https://github.com/pytorch/pytorch/issues/135546"""
    x, y = torch.zeros(4, 3), torch.tensor([0, 3, -1, 10**6])
    with pytest.raises(IndexError, match="target holds 3 in row 1; the classes are 0 to 2"):
        compiled(lambda x, y: F.cross_entropy(x, y, impl="fused"))(x, y)
    rows = compiled(lambda x, y: F.cross_entropy(x, y, reduction="none", impl="reference"))(x, y)
    assert rows[0].item() == approx(LOG3) and rows[1:].isnan().all()


def test_tensorflow_126005_jit_is_never_a_number_where_eager_raises():
    """Under jit NaN, which eager code raises. https://github.com/tensorflow/tensorflow/issues/126005"""
    x, y = jnp.zeros((2, 3)), jnp.asarray([0, 7])
    with pytest.raises(IndexError):
        F.nll_loss(x, y)
    assert math.isnan(jax.jit(F.nll_loss)(x, y))


@pytest.mark.parametrize("y", [torch.tensor(1), torch.tensor([1])])
def test_pytorch_155247_compiled_nll_1d(y):
    """Compiled, one row without a batch fails. https://github.com/pytorch/pytorch/issues/155247"""
    for function in (F.nll_loss, compiled(F.nll_loss)):
        x = torch.tensor([-LOG2, -LOG3], requires_grad=True)
        loss = function(x, y, reduction="none")
        assert loss.shape == () and loss.item() == approx(LOG3)
        assert torch.autograd.grad(loss, x)[0].tolist() == [0, -1]


@pytest.mark.parametrize("ignore_index", [-100, -1])
def test_pytorch_106118_vmap_negative_ignore_index(ignore_index):
    """vmap takes ignore_index for a class. https://github.com/pytorch/pytorch/pull/106118"""
    x, y = torch.full((2, 2, 2), -LOG2), torch.tensor([[0, ignore_index], [ignore_index, ignore_index]])
    rows = torch.func.vmap(lambda x, y: F.nll_loss(x, y, ignore_index=ignore_index, reduction="none"))(x, y)
    assert rows.flatten().tolist() == approx([LOG2, 0, 0, 0])
    sums = torch.func.vmap(lambda x, y: F.cross_entropy(x, y, ignore_index=ignore_index, reduction="sum"))(x, y)
    assert sums.tolist() == approx([LOG2, 0])


FORWARD = {
    "multi_margin_loss": (torch.tensor([[0.0, 0.5, -2.0]]), torch.tensor([0]), (-2.0 + 3) / 3),
    "multilabel_margin_loss": (torch.tensor([[0.0, 0.5, -2.0]]), torch.tensor([[0, -1, -1]]), (-2.0 + 3) / 3),
    "cross_entropy": (torch.zeros(1, 3), torch.tensor([0]), (2 + 3 + 10) / 3 - 2),
    "ctc_loss": (torch.full((1, 3), -LOG3), torch.tensor([1]), -3.0),
}


@pytest.mark.parametrize("loss", FORWARD)
def test_functorch_658_forward_ad_available(loss):
    """Losses have no forward mode. https://github.com/pytorch/functorch/issues/658

    Also pytorch/functorch#434.
    """
    x, y, right = FORWARD[loss]
    lengths = (torch.tensor(1), torch.tensor(1)) if loss == "ctc_loss" else ()
    _, tangent = torch.func.jvp(lambda x: getattr(F, loss)(x, y, *lengths), (x,), (torch.tensor([[2.0, 3.0, 10.0]]),))
    assert tangent.item() == approx(right)


def test_pytorch_105597_compiled_multi_margin_out_of_range():
    """Compiled, it indexes out of bounds. https://github.com/pytorch/pytorch/issues/105597"""
    y = torch.tensor([0, 3, -1])
    rows = compiled(lambda x, y: F.multi_margin_loss(x, y, reduction="none"))(torch.zeros(3, 3), y)
    assert rows[0].item() == approx(2 / 3) and rows[1:].isnan().all()


def test_liger_1338_compiled_ignored_rows_are_zero():
    """Compiled, ignored rows hold whatever memory held. https://github.com/linkedin/Liger-Kernel/pull/1338"""
    x, y = torch.tensor([[0.0, 0.0], [INF, -INF], [math.nan, 0.0]]), torch.tensor([1, -100, -100])
    rows = compiled(lambda x, y: F.cross_entropy(x, y, reduction="none"))(x, y)
    assert rows.tolist() == approx([LOG2, 0, 0])
