"""Half precision, long means, strides and determinism, as reported."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

gradient = LIBRARIES["torch"].gradient


def rounded(value: float, dtype: torch.dtype) -> float:
    return torch.tensor(value, dtype=dtype).item()


@pytest.mark.parametrize("rows", [60_000, 200_000])
def test_pytorch_85791_fp16_mean_many_targets(rows):
    """inf from 60,000 rows, NaN and no gradient from 200,000. https://github.com/pytorch/pytorch/issues/85791

    Also pytorch/pytorch#166232, pytorch/pytorch#61523.
    """
    x, y = torch.zeros(rows, 7, dtype=torch.float16), torch.zeros(rows, dtype=torch.long)
    assert F.cross_entropy(x, y).item() == rounded(math.log(7), torch.float16)
    slopes = gradient(lambda x: F.cross_entropy(x, y), x)
    assert slopes[-1, :2].tolist() == [rounded(s / rows, torch.float16) for s in (1 / 7 - 1, 1 / 7)]


def test_pytorch_85791_bf16_mean_many_targets():
    """The bf16 mean of 200,000 equal rows is 2% off. https://github.com/pytorch/pytorch/issues/85791"""
    x, y = torch.zeros(200_000, 7, dtype=torch.bfloat16), torch.zeros(200_000, dtype=torch.long)
    assert F.cross_entropy(x, y).item() == rounded(math.log(7), torch.bfloat16)


def test_pytorch_85791_fp16_soft_target_mean():
    """So with probabilities as targets. https://github.com/pytorch/pytorch/issues/85791"""
    x, t = torch.zeros(60_000, 7, dtype=torch.float16), torch.eye(7, dtype=torch.float16)[torch.arange(60_000) % 7]
    assert F.cross_entropy(x, t).item() == rounded(math.log(7), torch.float16)


def test_miles_1554_a_temperature_divides_in_fp32():
    """Logits in bf16 were divided in bf16. https://github.com/radixark/miles/pull/1554"""
    x, y = torch.tensor([[12.0625, 0.0]], dtype=torch.bfloat16), torch.tensor([0])
    lead = 12.0625 / 0.7
    exact, in_bf16 = (math.log1p(math.exp(-z)) for z in (lead, rounded(lead, torch.bfloat16)))
    for temperature in (0.7, torch.tensor(0.7, requires_grad=True)):
        got = F.cross_entropy(x, y, temperature=temperature).item()
        assert got == rounded(exact, torch.bfloat16) != rounded(in_bf16, torch.bfloat16)


def test_pytorch_166232_mse_fp16_mean_does_not_overflow():
    """Errors of 300 square past 65504, their mean does not. https://github.com/pytorch/pytorch/pull/166232"""
    x, t = torch.tensor([300, 0, 0, 0], dtype=torch.float16), torch.zeros(4, dtype=torch.float16)
    assert F.mse_loss(x, t).item() == rounded(300**2 / 4, torch.float16)
    assert gradient(lambda x: F.mse_loss(x, t), x).tolist() == [2 * 300 / 4, 0, 0, 0]


def test_pytorch_29429_nll_fp16_spatial_mean():
    """The mean over 131,072 pixels is NaN or -0. https://github.com/pytorch/pytorch/issues/29429

    Also pytorch/pytorch#61523.
    """
    x, y = torch.full((2, 2, 256, 256), -1.5, dtype=torch.float16), torch.ones(2, 256, 256, dtype=torch.long)
    assert F.nll_loss(x, y).item() == 1.5
    slopes = gradient(lambda x: F.nll_loss(x, y), x)
    assert slopes[1, :, 255, 255].tolist() == [0, -rounded(1 / 131072, torch.float16)]


def test_pytorch_55657_f32_mean_of_two_million():
    """A long fp32 mean loses digits. https://github.com/pytorch/pytorch/issues/55657"""
    x, y = torch.zeros(2_000_000, 2), torch.zeros(2_000_000, dtype=torch.long)
    assert F.cross_entropy(x, y).item() == approx(math.log(2), rel=2**-23)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_optax_1020_bf16_log_normaliser_not_quantised(name):
    """The normaliser is rounded before it is subtracted. https://github.com/google-deepmind/optax/issues/1020"""
    library = LIBRARIES[name]
    x, y = library.array(np.array([[64.0, 62.0]]), "bfloat16"), library.array(np.array([0]), "int32")
    assert float(F.cross_entropy(x, y)) == approx(math.log1p(math.exp(-2)), rel=2**-8)


def test_pytorch_166952_huber_half_cpu():
    """Huber of fp16 is unstable on the CPU. https://github.com/pytorch/pytorch/pull/166952"""
    errors = [2.0**-7, 0.75, 3.0, 1000.0]
    right = [0.5 * 2**-14, 0.5 * 0.75**2, 3 - 0.5, 1000 - 0.5]
    loss = F.huber_loss(torch.tensor(errors).half(), torch.zeros(4).half(), reduction="none")
    assert loss.tolist() == [rounded(r, torch.float16) for r in right]
    many = torch.full((1000,), 1000.0).half()
    assert F.huber_loss(many, torch.zeros(1000).half()).item() == 999.5


@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_pytorch_175084_noncontiguous_4d_backward(loss):
    """The backward of transposed images fails. https://github.com/pytorch/pytorch/issues/175084"""
    y = torch.tensor([[[0, 1, 1], [1, 0, 1]]])
    slopes = gradient(lambda x: getattr(F, loss)(x.permute(0, 3, 1, 2), y), torch.zeros(1, 2, 3, 2))
    own, other = {"cross_entropy": (-0.5 / 6, 0.5 / 6), "nll_loss": (-1 / 6, 0.0)}[loss]
    expected = torch.where(y[..., None] == torch.arange(2), own, other)
    torch.testing.assert_close(slopes, expected)


def test_pytorch_67167_noncontiguous_input_and_target():
    """Strides of input and target are taken for contiguous. https://github.com/pytorch/pytorch/issues/67167

    Also NVIDIA/TransformerEngine#2734.
    """
    q = torch.tensor([[1 / 2, 1 / 4, 1 / 8], [1 / 4, 1 / 4, 1 / 8], [1 / 4, 1 / 2, 3 / 4]]).log()
    y = torch.tensor([0, 9, 1, 9, 2, 9])[::2]
    rows = F.cross_entropy(q.T, y, reduction="none")
    assert rows.tolist() == approx([math.log(2), math.log(4), math.log(4 / 3)])
    assert F.nll_loss(q.T, y, reduction="none").tolist() == approx(rows.tolist())
    slopes = gradient(lambda q: F.cross_entropy(q.T, y, reduction="sum"), q)
    torch.testing.assert_close(slopes, q.exp() - torch.eye(3))


@pytest.fixture
def deterministic_algorithms():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_pytorch_71367_segmentation_is_deterministic(deterministic_algorithms):
    """Weighted means over images differ from run to run. https://github.com/pytorch/pytorch/issues/71367

    Also pytorch/pytorch#17350, pytorch/pytorch#46024.
    """
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 64, 64, generator=draw).requires_grad_()
    y, weight = torch.randint(5, (2, 64, 64), generator=draw), torch.rand(5, generator=draw)
    losses = [F.cross_entropy(x, y, weight) for _ in range(2)]
    slopes = [torch.autograd.grad(loss, x)[0] for loss in losses]
    assert torch.equal(*losses) and torch.equal(*slopes)
