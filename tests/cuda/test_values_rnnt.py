"""Kernels of the transducer loss in Triton, under its interpreter, beside those of the CPU."""

import numpy as np
import pytest
import torch

from lossary.kernels.triton.operators import IMPLEMENTATIONS

NONE, MEAN, SUM = 0, 1, 2
N, T, S, C = 3, 4, 3, 5
FRAMES, LABELS = torch.tensor([4, 3, 1]), torch.tensor([3, 1, 2])
WEIGHT = torch.tensor([1.0, 0.0, 2.5])
TAILS = (
    (None, NONE, None, torch.tensor(1.5)),
    (None, MEAN, None, None),
    (WEIGHT, MEAN, torch.tensor(4.0), None),
    (WEIGHT, SUM, None, torch.tensor(-2.0)),
)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def batch(blank: int, dtype: torch.dtype, classes: int = C) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(N, T, S + 1, classes, generator=g)
    y = torch.randint(classes - 1, (N, S), generator=g)
    return x.to(dtype), y + (y >= blank % classes)


def compare(*given, digits=4):
    value, (gradient,) = torch.ops.lossary.rnnt(*given, 1)
    got, (made,) = IMPLEMENTATIONS["rnnt"](*given, 1)
    assert got.shape == value.shape and made.shape == gradient.shape
    torch.testing.assert_close(got, value, rtol=digits * 2**-23, atol=0, equal_nan=True)
    size = gradient.double().abs().nan_to_num(0, 0).max().item()
    eps = torch.finfo(gradient.dtype).eps
    torch.testing.assert_close(made, gradient, rtol=4 * eps, atol=digits * 2**-23 * size, equal_nan=True)


@pytest.mark.parametrize(
    ("blank", "dtype"), [(-1, torch.float32), (0, torch.float32), (2, torch.float16), (0, torch.bfloat16)]
)
def test_rnnt(blank, dtype):
    x, y = batch(blank, dtype)
    digits = 4 if dtype == torch.float32 else 64  # of half precision the CPU's exponentials are coarse
    for tail in TAILS[: None if dtype == torch.float32 else 1]:
        compare(x, y, FRAMES, LABELS, blank, False, *tail, digits=digits)


def test_a_sample_without_a_batch():
    x, y = batch(0, torch.float32)
    compare(x[0], y[0], torch.tensor(4), torch.tensor(2), 0, False, None, NONE, None, None)


def test_no_labels_and_one_frame():
    x, y = batch(0, torch.float32)
    for t, s in ((T, 0), (1, S), (1, 0)):
        lengths = torch.tensor([t, t, 1]), torch.tensor([s, s // 2, 0])
        part = x[:, :t, : s + 1].contiguous(), y[:, :s].contiguous()
        compare(*part, *lengths, 0, False, None, NONE, None, None)


def test_rows_of_many_classes():
    x, y = batch(0, torch.float32, 1500)
    compare(x[:1], y[:1], FRAMES[1:2], LABELS[1:2], 0, False, None, NONE, None, None, digits=16)


def test_near_certain_samples_keep_their_digits():
    x, y = torch.zeros(1, T, S + 1, C), torch.tensor([[1, 2, 3]])
    for u in range(S):
        x[0, u, u, y[0, u]] = x[0, u, u + 1, 0] = 25.0
    x[0, 3, S, 0] = 25.0
    at_once = torch.zeros(1, T, S + 1, C)  # labels of one frame, which a blank would lose
    at_once[0, 0, torch.arange(S + 1), torch.tensor([1, 2, 3, 0])] = 25.0
    at_once[0, 0, 1, 0] = 10.0
    for scale in (1.0, 0.6, 3.0):
        compare(scale * at_once, y, torch.tensor([1]), LABELS[:1], 0, False, None, NONE, None, None)
        compare(scale * x, y, FRAMES[:1], LABELS[:1], 0, False, None, NONE, None, None)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_limits(zero_infinity):
    """Impossible samples, those without frames, certain and unlikely ones, and places that nobody knows."""
    x, y = batch(0, torch.float32)
    tail = 0, zero_infinity, None, NONE, None, None
    compare(x, y, torch.tensor([0, 3, 1]), torch.tensor([2, 0, 0]), *tail)
    x[0, ..., 0], x[1, 0, 0, y[1, 0]], x[2, 0, 1, 4] = -torch.inf, torch.inf, -5000.0
    compare(x, y, FRAMES, LABELS, *tail)
    x[1, 1, 1], x[2, 0, 0, 3] = -torch.inf, torch.nan
    compare(x, y, FRAMES, LABELS, *tail)
    compare(x, y, FRAMES, LABELS, 0, zero_infinity, WEIGHT, NONE, None, None)
    compare(300 * batch(0, torch.float32)[0], y, FRAMES, LABELS, *tail)


def test_beyond_lengths_anything_may_stand():
    x, y = batch(0, torch.float32)
    wild, beyond = x.clone(), y.clone()
    wild[1, 3:], wild[1, :, 2:], beyond[1, 1:] = torch.nan, torch.inf, 99
    tail = FRAMES, LABELS, 0, False, None, NONE, None, None, 1
    of = IMPLEMENTATIONS["rnnt"]
    for found, expected in zip(of(wild, beyond, *tail), of(x, y, *tail), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("frames", "labels", "label"), [(5, 1, 1), (-1, 1, 1), (3, 4, 1), (3, -1, 1), (3, 1, 7), (3, 1, -1), (3, 1, 0)]
)
def test_what_is_no_length_and_no_label_is_nan(frames, labels, label):
    """Where the CPU raises; nobody waits for a device that could say so."""
    x, y = batch(0, torch.float32)
    before = y.clone()
    y[1, 0] = label
    of, tail = IMPLEMENTATIONS["rnnt"], (0, True, None, NONE, None, None, 1)
    value, (gradient,) = of(x, y, torch.tensor([4, frames, 1]), torch.tensor([3, labels, 2]), *tail)
    expected, (others,) = of(x, before, FRAMES, LABELS, *tail)
    assert value[1].isnan() and gradient[1, :3, :2].isnan().all()
    assert torch.equal(value[::2], expected[::2]) and torch.equal(gradient[::2], others[::2])


def test_a_sample_alone_and_in_a_batch():
    x, y = batch(0, torch.float32)
    tail = 0, False, None, NONE, None, None, 1
    whole, (gradients,) = IMPLEMENTATIONS["rnnt"](x, y, FRAMES, LABELS, *tail)
    alone, (gradient,) = IMPLEMENTATIONS["rnnt"](x[2:], y[2:], FRAMES[2:], LABELS[2:], *tail)
    assert torch.equal(alone, whole[2:]) and torch.equal(gradient, gradients[2:])
