"""InfoNCE beyond one chunk, with rows that are not in the batch, and with a temperature that is learned."""

import itertools
import math

import numpy as np
import pytest
import torch

import lossary
from lossary import nn
from lossary.kernels import operators

N, M, D = 70, 90, 9
GENERATOR = torch.Generator().manual_seed(0)
X, Y = (torch.randn(n, D, dtype=torch.float64, generator=GENERATOR) for n in (N, M))
POSITIVES = torch.randint(M, (N,), generator=GENERATOR)  # some of them twice
LABELS = torch.arange(M) % 60
WEIGHT = torch.rand(N, dtype=torch.float64, generator=GENERATOR) * (torch.arange(N) % 3 != 0)
fused = pytest.mark.skipif(operators.missing is not None, reason="there are no kernels")
OPTIONS = {
    "plain": {},
    "positives": {"positives": POSITIVES},
    "labels": {"labels": LABELS},
    "weights": {"sample_weight": WEIGHT},
    "all": {"positives": POSITIVES, "labels": LABELS, "sample_weight": WEIGHT, "normalize": False},
    "symmetric": {"symmetric": True},
    "symmetric labels": {"symmetric": True, "labels": LABELS[:N] % 50},
    "symmetric weights": {"symmetric": True, "sample_weight": WEIGHT, "labels": LABELS[:N] % 50},
}


def answer(impl: str, reduction: str = "mean", dtype: torch.dtype = torch.float64, **options):
    """The value, and its gradients with respect to rows, candidates and temperature."""
    y = Y[:N] if options.get("symmetric") else Y
    x, y, t = (v.detach().to(dtype).requires_grad_() for v in (X, y, torch.tensor(0.3)))
    loss = lossary.info_nce_loss(x, y, temperature=t, impl=impl, reduction=reduction, **options)
    upstream = torch.linspace(0, 1, N, dtype=loss.dtype) if reduction == "none" else torch.tensor(1.5, dtype=loss.dtype)
    return [loss.detach(), *torch.autograd.grad(loss, (x, y, t), upstream)]


@fused
@pytest.mark.parametrize("budget", [1, None], ids=["chunks of 16 rows", "one chunk"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_chunks_answer_what_the_formula_answers(options, reduction, budget):
    """Also where nothing comes in for a row: it stays a candidate of the others."""
    got = answer("fused", reduction, memory_budget=budget, **options)
    for a, b in zip(got, answer("reference", reduction, **options), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


@fused
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_fp32(dtype, symmetric):
    """Gradients too: one rounding at the end."""
    for a, b in zip(
        answer("fused", dtype=dtype, symmetric=symmetric),
        answer("reference", dtype=dtype, symmetric=symmetric),
        strict=True,
    ):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@fused
@pytest.mark.parametrize("symmetric", [False, True])
def test_threads_do_not_change_the_bits(symmetric):
    before, bits = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            bits.append(answer("fused", dtype=torch.float32, symmetric=symmetric, memory_budget=20_000))
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, *bits))


@fused
@pytest.mark.parametrize("wanted", [w for k in (1, 2) for w in itertools.combinations(range(3), k)])
def test_any_of_the_gradients_may_be_wanted(wanted):
    every = answer("fused")[1:]
    inputs = [v.detach().requires_grad_(i in wanted) for i, v in enumerate((X, Y, torch.tensor(0.3).double()))]
    loss = lossary.info_nce_loss(*inputs[:2], temperature=inputs[2], impl="fused")
    found = torch.autograd.grad(loss, [inputs[i] for i in wanted], torch.tensor(1.5, dtype=torch.float64))
    for i, gradient in zip(wanted, found, strict=True):
        torch.testing.assert_close(gradient, every[i], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
def test_a_row_of_weight_0_takes_its_positive_along(impl):
    """Whatever they hold, and however often the positive is named; one that names nothing takes nothing along."""
    x, y = X[:4].clone(), Y[:6].clone()
    positives, weight = torch.tensor([0, 1, -100, 1]), torch.tensor([1.0, 0.0, 0.0, 2.0])
    x[1:3] = torch.nan
    kept = lossary.info_nce_loss(x[[0, 3]], y, torch.tensor([0, 1]), reduction="none", impl=impl)
    got = lossary.info_nce_loss(x, y, positives, reduction="none", sample_weight=weight, impl=impl)
    torch.testing.assert_close(got, torch.stack([kept[0], *torch.zeros(2, dtype=kept.dtype), 2 * kept[1]]))

    positives[3], y[1] = 2, torch.nan  # now candidate 1 is nobody's
    kept = lossary.info_nce_loss(x[[0, 3]], y[[0, 2, 3, 4, 5]], torch.tensor([0, 1]), reduction="none", impl=impl)
    y.requires_grad_()
    got = lossary.info_nce_loss(x, y, positives, reduction="none", sample_weight=weight, impl=impl)
    torch.testing.assert_close(got.detach(), torch.stack([kept[0], *torch.zeros(2, dtype=kept.dtype), 2 * kept[1]]))
    got.sum().backward()
    assert (y.grad[1] == 0).all() and torch.isfinite(y.grad).all()
    with lossary.strict():
        lossary.info_nce_loss(x, y, positives, sample_weight=weight, impl=impl)


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_losses_keep_their_digits(dtype, symmetric, impl):
    """cos 1 with the positive and -1 with the other, at T = 0.05: exp(-40); at 1e-4 it is 0 and no error."""
    x = torch.tensor([[3.0, 4.0], [-3.0, -4.0]], dtype=dtype, requires_grad=True)
    loss = lossary.info_nce_loss(x, 2 * x.detach(), temperature=0.05, symmetric=symmetric, impl=impl)
    assert loss.item() == pytest.approx(math.exp(-40), rel=1e-4 if dtype == torch.float32 else 1e-12)
    assert lossary.info_nce_loss(x, x, temperature=1e-4, symmetric=symmetric, impl=impl) == 0
    worst = lossary.info_nce_loss(x, -x, temperature=1e-4, symmetric=symmetric, impl=impl)
    assert worst.item() == pytest.approx(2e4, rel=1e-6)


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_what_is_no_number_is_no_certainty_either(symmetric, impl):
    """Without rivals too: a row of NaN, or one whose similarity with its positive is -inf, costs NaN."""
    for wrong in (math.nan, -math.inf):
        x, y = torch.tensor([[wrong], [1.0]]), torch.ones(2, 1)
        options = {"normalize": False, "symmetric": symmetric, "impl": impl, "reduction": "none"}
        alone = lossary.info_nce_loss(x, y, labels=torch.zeros(2, dtype=torch.int64), **options)
        assert torch.isnan(alone[0]) and alone[1] == 0
        assert torch.isnan(lossary.info_nce_loss(x[:1], y[:1], **options))


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_an_infinite_rival_costs_infinitely_much_and_hides_no_nan(symmetric, impl):
    x, y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0], [math.inf, 1.0], [3.0, 1.0]])
    options = {"normalize": False, "symmetric": symmetric, "impl": impl, "reduction": "none"}
    got = lossary.info_nce_loss(x, y, **options)
    assert got[0] == got[2] == math.inf
    assert torch.isnan(got[1]) if symmetric else got[1] == 0  # of its own column all are infinite
    assert torch.isnan(lossary.info_nce_loss(x, y.where(y != 3, math.nan), **options)).all()


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
def test_rows_of_zeros_and_of_any_length(impl):
    x = torch.tensor([[0.0, 0.0], [1e-30, 0.0], [1e30, 1e30]], requires_grad=True)
    y = torch.tensor([[1.0, 0.0], [1e20, 0.0], [1e-20, 1e-20], [0.0, 0.0]])
    got = lossary.info_nce_loss(x, y, temperature=1.0, reduction="none", impl=impl)
    cosines = torch.tensor([[0.0, 0, 0, 0], [1, 1, 0.5**0.5, 0], [0.5**0.5, 0.5**0.5, 1, 0]])
    torch.testing.assert_close(got, torch.nn.functional.cross_entropy(cosines, torch.arange(3), reduction="none"))
    got.sum().backward()
    assert (x.grad[0] == 0).all() and not torch.isnan(x.grad).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X, Y[:5]), ["candidates holds 5 rows beside 70 rows", "at least 70 candidates", "as positives"]),
        ((X, Y, None, None, "mean"), ["90 rows beside 70", "70 candidates, one for each row", "Leave symmetric out"]),
        ((X, Y[:N], POSITIVES), ["symmetric is True and positives are given", "candidates[positives]"]),
    ],
)
def test_symmetric_and_positives_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match="info_nce_loss: ") as refusal:
        lossary.info_nce_loss(*arguments, symmetric=len(arguments) > 2)
    assert all(word in str(refusal.value) for word in words), refusal.value


@pytest.mark.parametrize("impl", ["reference", pytest.param("fused", marks=fused)])
def test_a_positive_that_is_no_candidate_is_named(impl):
    wrong = POSITIVES.clone()
    wrong[3] = M
    with pytest.raises(IndexError, match=r"info_nce_loss: positives holds 90 at \[3\]; the candidates are 0 to 89"):
        lossary.info_nce_loss(X, Y, wrong, impl=impl)


def test_copies_of_the_positive_have_a_floor_that_labels_take_away():
    x = np.eye(3)
    y = np.concatenate([x, x])
    assert lossary.info_nce_loss(x, y, temperature=0.01) == pytest.approx(math.log(2))
    assert lossary.info_nce_loss(x, y, labels=np.array([4, 5, 6, 4, 5, 6]), temperature=0.01) < 1e-40


def test_negatives_are_those_of_one_row():
    x, y, others = X[:4], Y[:4], Y[4:24].reshape(4, 5, D)
    got = lossary.info_nce_loss(x, y, negatives=others, reduction="none")
    for i in range(4):
        alone = lossary.info_nce_loss(x[i : i + 1], torch.cat([y, others[i]]), torch.tensor([i]))
        torch.testing.assert_close(got[i], alone)


@fused
def test_a_learned_temperature_does_not_leave_the_kernel():
    t = torch.tensor(0.3, requires_grad=True)
    explained = lossary.explain(lossary.info_nce_loss, X, Y, temperature=t)
    assert explained.chosen == "fused" and "temperature = temperature" in explained.recipe
    (slope,) = torch.autograd.grad(lossary.info_nce_loss(X, Y, temperature=t), t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, t)
    ahead, behind = (lossary.info_nce_loss(X, Y, temperature=0.3 + step) for step in (1e-3, -1e-3))
    middle = lossary.info_nce_loss(X, Y, temperature=0.3)
    assert slope.item() == pytest.approx(float(ahead - behind) / 2e-3, rel=1e-3)
    assert curvature.item() == pytest.approx(float(ahead - 2 * middle + behind) / 1e-6, rel=1e-3)


def test_the_module_learns_its_temperature():
    module = nn.InfoNCELoss(temperature=torch.nn.Parameter(torch.tensor(0.3)), symmetric=True)
    assert [name for name, _ in module.named_parameters()] == ["temperature"]
    loss = module(X, Y[:N], sample_weight=WEIGHT)
    loss.backward()
    expected = lossary.info_nce_loss(X, Y[:N], temperature=0.3, symmetric=True, sample_weight=WEIGHT)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0.0)
    assert module.temperature.grad.abs() > 0
