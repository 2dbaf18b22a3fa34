"""Logits that reach a softcap: their gradient is small, and not 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary
from lossary.core.elementary import transformed
from lossary.kernels.status import missing

X, CAP, CLASS = np.array([[30.0, 0.5, -45.0, 0.0]]), 3.0, 1
IMPLS = ("reference", pytest.param("fused", marks=pytest.mark.skipif(missing() is not None, reason=str(missing()))))


def exact() -> np.ndarray:
    """(p - y) / cosh² of the logits over the cap."""
    z = CAP * np.tanh(X / CAP)
    p = np.exp(z) / np.exp(z).sum()
    return (p - np.eye(4)[CLASS]) / np.cosh(X / CAP) ** 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("impl", IMPLS)
def test_torch_keeps_the_digits_of_the_slope(impl: str, dtype: torch.dtype) -> None:
    x = torch.tensor(X, dtype=dtype, requires_grad=True)
    lossary.cross_entropy(x, torch.tensor([CLASS]), softcap=CAP, impl=impl).backward()
    np.testing.assert_allclose(x.grad, exact(), rtol=2e-6 if dtype == torch.float32 else 1e-13)


def test_jax_keeps_the_digits_of_the_slope() -> None:
    def loss(x: jax.Array) -> jax.Array:
        return lossary.cross_entropy(x, jnp.array([CLASS]), softcap=CAP)

    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(X, jnp.float32)), exact(), rtol=2e-6)


def test_infinite_logits_and_second_derivatives() -> None:
    x = torch.tensor([-torch.inf, -1e30, 0.0, torch.inf], dtype=torch.float64, requires_grad=True)
    capped = transformed(x, CAP, 1.0)
    (slope,) = torch.autograd.grad(capped.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert capped.tolist() == [-CAP, -CAP, 0.0, CAP] and slope.tolist() == [0, 0, 1, 0]
    assert curvature.tolist() == [0, 0, 0, 0]
    some = torch.linspace(-9, 9, 13, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: transformed(x, CAP, 0.7), some)
    np.testing.assert_allclose(transformed(X, CAP, 0.7), CAP * np.tanh(X / CAP) / 0.7, rtol=4e-16)
