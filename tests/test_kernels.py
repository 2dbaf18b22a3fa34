"""The operators of the kernels, against torch in fp64 and the formulas."""

import pytest
import torch
import torch.nn.functional as F

ops = pytest.importorskip("lossary.ops")
pytestmark = pytest.mark.skipif(ops.missing is not None, reason=str(ops.missing))

DTYPES = {torch.float64: 1e-12, torch.float32: 8e-6, torch.bfloat16: 2**-7, torch.float16: 2**-9}
SHAPES = ((7, 5), (5, 3000), (3, 1024), (4, 2500, 3), (2, 21, 40, 30), (3, 5, 1), (5,))
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


def wide(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(torch.float64 if dtype == torch.float64 else torch.float32)


@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_softmax_rows(dtype: torch.dtype, shape: tuple[int, ...], smoothing: float, weighted: bool, soft: bool) -> None:
    axis = min(len(shape) - 1, 1)
    x = (4 * drawn(*shape)).to(dtype)
    target = drawn(*shape, seed=1).softmax(axis).to(dtype) if soft else drawn(*shape, seed=1).argmax(axis)
    if not soft and target.ndim:
        target.view(-1)[1] = -100
    weight = drawn(shape[axis], seed=2).exp() if weighted else None
    for reduction, name in ((ops.NONE, "none"), (ops.MEAN, "mean"), (ops.SUM, "sum")):
        leaf = x.double().clone().requires_grad_()
        exact = target.double() if soft else target
        expected = F.cross_entropy(leaf, exact, weight, reduction=name, label_smoothing=smoothing)
        upstream = drawn(*expected.shape, seed=3)
        (gradient,) = torch.autograd.grad(expected, leaf, upstream)
        given = x.clone().requires_grad_()
        called = (None if weight is None else wide(weight, dtype), -100, smoothing, 0.0, None, reduction, None)
        got = ops.Fused.apply(ops.SOFTMAX_ROWS, 1, None, given, target, *called)
        close(got, expected.detach(), 1e-12 if dtype == torch.float64 else 4e-6)
        (answer,) = torch.autograd.grad(got, given, wide(upstream, dtype))
        close(answer, gradient, DTYPES[dtype])


FUNCTIONS = {
    "L1": (lambda x, t: F.l1_loss(x, t, reduction="none"), ()),
    "MSE": (lambda x, t: F.mse_loss(x, t, reduction="none"), ()),
    "SmoothL1": (lambda x, t: F.smooth_l1_loss(x, t, beta=0.7, reduction="none"), (0.7,)),
    "Huber": (lambda x, t: F.huber_loss(x, t, delta=0.7, reduction="none"), (0.7,)),
    "BinaryCrossEntropyWithLogits": (lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), ()),
    "PoissonOfLogRates": (lambda x, t: F.poisson_nll_loss(x, t, reduction="none"), ()),
    "SoftMargin": (lambda x, t: F.softplus(-x * t), ()),
    "KLDiv": (lambda x, t: F.kl_div(x, t, reduction="none"), ()),
    "KLDivOfLogTargets": (lambda x, t: F.kl_div(x, t, log_target=True, reduction="none"), ()),
}


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementwise(name: str, dtype: torch.dtype) -> None:
    definition, options = FUNCTIONS[name]
    x, t = (2 * drawn(3, 1700)).to(dtype), drawn(3, 1700, seed=1).sigmoid().to(dtype)
    weight = drawn(3, seed=2).exp()
    a, b = (*options, 0.0, 0.0)[:2]
    for reduction in (ops.NONE, ops.SUM):
        leaf = x.double().clone().requires_grad_()
        values = definition(leaf, t.double()) * weight[:, None]
        expected = values if reduction == ops.NONE else values.sum()
        upstream = drawn(*expected.shape, seed=3)
        (gradient,) = torch.autograd.grad(expected, leaf, upstream)
        given = x.clone().requires_grad_()
        called = (t, None, False, None, a, b, wide(weight, dtype), reduction, None)
        got = ops.Fused.apply(ops.ELEMENTWISE, 1, None, name, given, *called)
        close(got, expected.detach(), 1e-12 if dtype == torch.float64 else 4e-6)
        (answer,) = torch.autograd.grad(got, given, wide(upstream, dtype))
        close(answer, gradient, DTYPES[dtype])


@each_dtype
def test_pairs(dtype: torch.dtype) -> None:
    x = [drawn(50, 37, seed=seed).to(dtype) for seed in range(3)]
    signs = drawn(50, seed=3).sign()
    for triplet in (False, True):
        leaves = [y.double().clone().requires_grad_() for y in x[: 3 if triplet else 2]]
        given = [y.clone().requires_grad_() for y in x[: len(leaves)]]
        if triplet:
            expected = F.triplet_margin_loss(*leaves, margin=1.5, swap=True)
            called = (*given, None, 1.5, 1e-6, True)
        else:
            expected = F.cosine_embedding_loss(*leaves, signs, margin=-0.1)
            called = (*given, None, wide(signs, dtype), -0.1, 0.0, False)
        gradients = torch.autograd.grad(expected, leaves)
        got = ops.Fused.apply(ops.PAIRS, 7 if triplet else 3, None, *called, None, ops.MEAN, None)
        close(got, expected.detach(), 1e-12 if dtype == torch.float64 else 4e-6)
        for answer, gradient in zip(torch.autograd.grad(got, given), gradients, strict=True):
            close(answer, gradient, 2 * DTYPES[dtype])


@pytest.mark.parametrize("threads", [1, 4])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    x, target = drawn(700, 300).float(), drawn(700, 300, seed=1).argmax(1)
    before, called = torch.get_num_threads(), (None, -100, 0.0, 0.0, None, ops.MEAN, None, None, 1)
    expected = ops.SOFTMAX_ROWS(x, target, *called)
    try:
        torch.set_num_threads(threads)
        got = ops.SOFTMAX_ROWS(x, target, *called)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(got[0], expected[0]) and torch.equal(got[1][0], expected[1][0])


def test_a_class_that_does_not_exist_raises() -> None:
    x = drawn(3, 4)
    with pytest.raises(IndexError, match="target holds 4 in row 1; the classes are 0 to 3"):
        ops.SOFTMAX_ROWS(x, torch.tensor([0, 4, 1]), None, -100, 0.0, 0.0, None, ops.MEAN, None, None, 0)
