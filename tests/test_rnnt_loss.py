"""The transducer loss beside its definition, its formula, and itself: many classes, certainty, padding, threads."""

import math
from typing import Any

import numpy as np
import oracles
import pytest
import torch

import lossary

BLANK = 0


def drawn(samples: int, frames: int, labels: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Logits in fp64, targets, and lengths of every kind."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(0, 2, (samples, frames, labels + 1, classes)))
    targets = torch.from_numpy(rng.integers(1, classes, (samples, labels)))
    heard, said = rng.integers(1, frames + 1, samples), rng.integers(0, labels + 1, samples)
    return x, targets, torch.from_numpy(heard), torch.from_numpy(said)


def of(x: torch.Tensor, targets: Any, heard: Any, said: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The unreduced loss, and the gradient of its sum."""
    x = x.detach().clone().requires_grad_()
    losses = lossary.rnnt_loss(x, targets, heard, said, BLANK, reduction="none", **options)
    return losses.detach(), torch.autograd.grad(losses.sum(), x)[0]


def certain(frames: int, labels: int, classes: int, by: float) -> tuple[torch.Tensor, ...]:
    """Logits that are sure, by so much, to say all labels in the first frame."""
    x, targets, _, _ = drawn(1, frames, labels, classes)
    for u in range(labels):
        x[0, 0, u, targets[0, u]] += by
    x[0, 0, labels, BLANK] += by
    x[0, 1:, :, BLANK] += by
    return x, targets, torch.tensor([frames]), torch.tensor([labels])


@pytest.mark.parametrize("shape", [(4, 9, 5, 3), (3, 30, 17, 40), (2, 4, 3, 2500)], ids=str)
def test_the_kernel_answers_what_the_formula_answers(shape):
    x, *sequences = drawn(*shape)
    value, gradient = of(x, *sequences, impl="reference")
    for dtype, within in ((torch.float64, 1e-13), (torch.float32, 2e-6)):
        losses, slopes = of(x.to(dtype), *sequences, impl="fused")
        torch.testing.assert_close(losses.double(), value, rtol=within, atol=0)
        torch.testing.assert_close(slopes.double(), gradient, rtol=0, atol=within)


@pytest.mark.parametrize("by", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("impl", ["fused", "reference"])
def test_a_small_loss_has_all_its_digits(impl, by):
    x, *sequences = certain(3, 2, 6, by)
    for dtype, within in ((torch.float64, 1e-13), (torch.float32, 4e-6)):
        given = x.to(dtype)
        true = float(oracles.rnnt_loss(given.double().numpy(), *(s.numpy() for s in sequences), BLANK))
        losses, _ = of(given, *sequences, impl=impl)
        assert losses.item() == pytest.approx(true, rel=within)


def test_so_has_its_gradient():
    x, *sequences = certain(3, 2, 6, 30.0)
    _, true = of(x, *sequences, impl="reference")
    for dtype, within in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        _, slopes = of(x.to(dtype), *sequences, impl="fused")
        assert (slopes.double() - true).abs().max() < within * true.abs().max()


def test_long_paths_leave_the_range_of_doubles():
    x, *_ = drawn(1, 400, 60, 4)
    x[..., BLANK] += 40.0  # every label costs some 40 nats
    targets, lengths = torch.ones(1, 60, dtype=torch.long), (torch.tensor([400]), torch.tensor([60]))
    value, gradient = of(x, targets, *lengths, impl="reference")
    losses, slopes = of(x, targets, *lengths, impl="fused")
    assert value.item() > 1500
    torch.testing.assert_close(losses, value, rtol=1e-13, atol=0)
    torch.testing.assert_close(slopes, gradient, rtol=0, atol=1e-9)


@pytest.mark.parametrize("impl", ["fused", "reference"])
def test_padding_may_hold_anything(impl):
    x, targets, frames, labels = drawn(4, 6, 3, 5)
    padding = torch.arange(6)[:, None] >= frames[:, None, None]
    padding = padding | (torch.arange(4) > labels[:, None, None])
    clean, _ = of(x, targets, frames, labels, impl=impl)
    poisoned = x.masked_fill(padding[..., None], torch.nan)
    unread = targets.masked_fill(torch.arange(3) >= labels[:, None], -9)
    losses, slopes = of(poisoned, unread, frames, labels, impl=impl)
    assert torch.equal(losses, clean)
    assert (slopes[padding] == 0).all() and slopes.isfinite().all()


@pytest.mark.parametrize("impl", ["fused", "reference"])
def test_what_is_impossible_is_infinite_and_at_rest(impl):
    x, targets, _, _ = drawn(2, 3, 2, 4)
    x[1, :, :, BLANK] = -torch.inf
    lengths = torch.tensor([0, 3]), torch.tensor([1, 2])
    for options, value in (({}, math.inf), ({"zero_infinity": True}, 0.0)):
        losses, slopes = of(x, targets, *lengths, impl=impl, **options)
        assert losses.tolist() == [value, value] and (slopes == 0).all()


def test_a_blank_of_minus_one_is_the_last_class():
    x, targets, heard, said = drawn(2, 4, 2, 5)
    last = lossary.rnnt_loss(x, targets - 1, heard, said)
    torch.testing.assert_close(lossary.rnnt_loss(x, targets - 1, heard, said, blank=4), last, rtol=0, atol=0)
    first = lossary.rnnt_loss(x.roll(1, -1), targets, heard, said, blank=0)
    torch.testing.assert_close(first, last)


def test_one_thread_or_two_make_the_same_bits():
    x, *sequences = drawn(6, 20, 8, 200)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(of(x.float(), *sequences, impl="fused"))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("said", "change"),
    {
        r"targets holds 5 at \[0\]": lambda a: a[1][0].fill_(5),
        r"targets holds 0 at \[0\], which is the blank": lambda a: a[1][0].fill_(0),
        r"logit_lengths holds 4 at \[1\]": lambda a: a[2][1].fill_(4),
        r"target_lengths holds -1 at \[1\]": lambda a: a[3][1].fill_(-1),
    }.items(),
)
def test_the_operator_checks_what_reaches_memory(said, change):
    given = [*drawn(2, 3, 2, 5)[:2], torch.tensor([3, 3]), torch.tensor([2, 2])]
    change(given)
    with pytest.raises((ValueError, IndexError, RuntimeError), match=said):
        torch.ops.lossary.rnnt(*given, BLANK, False, None, 0, None, None, 1)
