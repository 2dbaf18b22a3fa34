"""linear_cross_entropy without its logits, beside full logits in fp64."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import lossary
from lossary.dispatch.remembered import REMEMBERED
from lossary.kernels import families, operators
from lossary.kernels.operators import OPERATORS
from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.status import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROWS, FEATURES, CLASSES = 41, 24, 70
SMALL = 20 * CLASSES * 8
"""A budget that makes several chunks: of 16 rows in fp64, of 32 in fp32."""


@pytest.fixture(autouse=True)
def forgotten() -> None:
    REMEMBERED.clear()


def drawn(*shape: int, seed: int) -> Tensor:
    """Numbers that bf16 holds exactly, so that all dtypes compute the same."""
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x.bfloat16().double()


INPUT, WEIGHT, BIAS = drawn(ROWS, FEATURES, seed=1), drawn(CLASSES, FEATURES, seed=2) / 4, drawn(CLASSES, seed=3)
INDEX = drawn(ROWS, CLASSES, seed=4).argmax(1)
IGNORED = torch.where(torch.arange(ROWS) % 5 == 2, -100, INDEX)
CLASS_WEIGHT, SAMPLE_WEIGHT = drawn(CLASSES, seed=5).abs(), drawn(ROWS, seed=6).abs()
OTHER, SOME = drawn(ROWS, CLASSES, seed=8).argmax(1), drawn(ROWS, CLASSES, seed=9).topk(4)
HALF = (SOME.values.softmax(1) / 2).bfloat16().double()
TOP = lossary.TopK(torch.where(IGNORED[:, None] == -100, -100, SOME.indices), HALF)
MIXED = lossary.Mixed(IGNORED, OTHER, (drawn(ROWS, seed=10) / 8 + 0.5).clamp(0, 1).bfloat16().double())
TARGETS: dict[str, Any] = {
    "top": TOP,
    "mixed": MIXED,
    "index": INDEX,
    "ignored": IGNORED,
    "soft": drawn(ROWS, CLASSES, seed=7).softmax(1).bfloat16().double(),
}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "target": tuple(TARGETS),
    "linear_bias": (None, BIAS),
    "weight": (None, CLASS_WEIGHT),
    "sample_weight": (None, SAMPLE_WEIGHT * (torch.arange(ROWS) % 7 != 3)),
    "label_smoothing": (0.0, 0.2),
    "softcap": (None, 3.0),
    "temperature": (1.0, 0.7),
    "z_loss": (0.0, 0.02),
    "reduction": ("mean", "sum", "none"),
}


def reference(input: Tensor, linear_weight: Tensor, target: Any, **options: Any) -> Tensor:
    """Written with full logits and one-hot rows, and nothing of Lossary's."""
    bias, weight, sample_weight = (options.get(name) for name in ("linear_bias", "weight", "sample_weight"))
    z = input @ linear_weight.T + (0 if bias is None else bias)
    softcap, smoothing = options.get("softcap"), options.get("label_smoothing", 0.0)
    z = (z if softcap is None else softcap * torch.tanh(z / softcap)) / options.get("temperature", 1.0)
    w = torch.ones(CLASSES, dtype=z.dtype) if weight is None else weight
    share, counts = shares(target, z.dtype)
    of_mean = counts if isinstance(target, lossary.TopK) or share is target else (share * w).sum(1)
    share = (share * (1 - smoothing) + smoothing / CLASSES) * counts[:, None]
    values = -(w * share * z.log_softmax(1)).sum(1) + options.get("z_loss", 0.0) * counts * z.logsumexp(1) ** 2
    s = torch.ones_like(values) if sample_weight is None else sample_weight
    total, divisor = s * values, (s * of_mean).sum()
    reduction = options.get("reduction", "mean")
    return total if reduction == "none" else total.sum() / (divisor if reduction == "mean" else 1)


def shares(target: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The target as a part of each class, and 1 for rows that count."""
    if isinstance(target, lossary.TopK):
        of_classes = torch.nn.functional.one_hot(target.indices.clamp(min=0), CLASSES)
        counts = (target.indices != -100).to(dtype)
        return (of_classes * (counts * target.probs)[..., None]).sum(1), counts.amax(1)
    if isinstance(target, lossary.Mixed):
        (of_a, counts_a), (of_b, counts_b) = (shares(y, dtype) for y in (target.a, target.b))
        lam = target.lam.to(dtype)
        return lam[:, None] * of_a + (1 - lam[:, None]) * of_b, torch.maximum(counts_a, counts_b)
    if target.is_floating_point():
        return target, torch.ones(len(target), dtype=dtype)
    counts = (target != -100).to(dtype)
    return torch.nn.functional.one_hot(target.clamp(min=0), CLASSES) * counts[:, None], counts


def product(every: int = 1) -> Iterator[dict[str, Any]]:
    """Every so many of all combinations of options."""
    for chosen in itertools.islice(itertools.product(*OPTIONS.values()), 0, None, every):
        yield dict(zip(OPTIONS, chosen, strict=True))


def rounded(x: Any, dtype: torch.dtype) -> Any:
    if isinstance(x, (lossary.TopK, lossary.Mixed)):  # whose probabilities are fp32 beside half precision
        wide = dtype if dtype == torch.float64 else torch.float32
        return type(x)(*(rounded(part, wide) for part in x))
    return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x


def answers(
    function: Callable[..., Tensor], options: dict[str, Any], dtype: torch.dtype, data: tuple[Tensor, ...] = ()
) -> list[Tensor]:
    """The value and the gradients of features, weights and bias."""
    held = {name: rounded(x, dtype) for name, x in options.items()}
    held["target"] = rounded(TARGETS[options["target"]], dtype)
    leaves = [rounded(x, dtype).clone().requires_grad_() for x in data or (INPUT, WEIGHT)]
    if held.get("linear_bias") is not None:
        held["linear_bias"] = held["linear_bias"].clone().requires_grad_()
        leaves.append(held["linear_bias"])
    value = function(*leaves[:2], held.pop("target"), **held)
    upstream = torch.linspace(0.5, 2, value.numel(), dtype=torch.float64).to(value.dtype).view(value.shape)
    return [value.detach(), *torch.autograd.grad(value, leaves, upstream)]


def fused(*args: Any, **options: Any) -> Tensor:
    return lossary.linear_cross_entropy(*args, **{"memory_budget": SMALL} | options, impl="fused")


def plain(input: Tensor, linear_weight: Tensor, target: Any, **options: Any) -> Tensor:
    """The head that keeps its logits, in their own dtype."""
    logits = torch.nn.functional.linear(input, linear_weight, options.pop("linear_bias"))
    return lossary.cross_entropy(logits, target, **options, impl="reference")


def error(got: Tensor, exact: Tensor) -> float:
    return float((got.double() - exact).abs().max() / exact.abs().max())


def agrees(dtype: torch.dtype, tolerance: float, every: int) -> None:
    for options in product(every):
        exact = answers(reference, options, torch.float64)
        for got, right in zip(answers(fused, options, dtype), exact, strict=True):
            assert error(got, right) <= tolerance, options


@pytest.mark.parametrize(
    ("dtype", "tolerance", "every"), [(torch.float64, 1e-13, 23), (torch.float32, 2e-6, 11)], ids=str
)
def test_every_option_beside_every_other(dtype: torch.dtype, tolerance: float, every: int) -> None:
    agrees(dtype, tolerance, every)


@pytest.fixture(params=[True, False], ids=["widened", "products in bf16"])
def widened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small weights in bf16 are widened, and here they are not too."""
    if not request.param:
        monkeypatch.setattr(families, "MAX_WIDENED_WEIGHTS", 0)


@pytest.mark.usefixtures("widened")
def test_bf16_within_twice_the_error_of_the_plain_head() -> None:
    for options in product(every=47):
        exact = answers(reference, options, torch.float64)
        got, theirs = (answers(f, options, torch.bfloat16) for f in (fused, plain))
        for ours, peers, right in zip(got, theirs, exact, strict=True):
            assert error(ours, right) <= 2 * error(peers, right), options


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_adds_up_in_fp32(dtype: torch.dtype) -> None:
    """Chunks of 16 rows, and more classes than their products take at once."""
    rows, classes = 200, 5000
    x, w = drawn(rows, 3, seed=1), drawn(classes, 3, seed=2) / 4
    y, b = drawn(rows, classes, seed=3).argmax(1), drawn(classes, seed=4)
    options = (None, None, -100, 0.0, 0.0, 1.0, 0.0, 1, False, None, REDUCTIONS["sum"], None, None, 7)
    exact = torch.ops.lossary.linear_softmax_rows(x, w, b, y, *options)[1]
    got = torch.ops.lossary.linear_softmax_rows(x.to(dtype), w.to(dtype), b.to(dtype), y, *options)[1]
    for ours, right in zip(got, exact, strict=True):
        assert ours.dtype == dtype and error(ours, right) <= 2 * torch.finfo(dtype).eps


def test_fp16_is_widened() -> None:
    for options in product(every=55):
        exact = answers(reference, options, torch.float64)
        for got, right in zip(answers(fused, options, torch.float16), exact, strict=True):
            assert got.dtype == torch.float16 and error(got, right) <= 2**-10, options


@pytest.mark.parametrize("soft", [False, True])
def test_batches_of_several_dimensions_and_positions(soft: bool) -> None:
    x, w, b = drawn(3, 7, FEATURES, seed=1), drawn(CLASSES, 2, 3, FEATURES, seed=2), drawn(CLASSES, 2, 3, seed=3)
    index, s = drawn(3, 7, 2, 3, CLASSES, seed=4).argmax(-1), drawn(3, 7, 1, seed=5).abs()
    index[0, 1], index[2, :, 1, 2] = -100, -100
    target = drawn(3, 7, CLASSES, 2, 3, seed=6).softmax(2) if soft else index
    for reduction in ("mean", "sum", "none"):
        options = {"reduction": reduction, "sample_weight": s, "memory_budget": SMALL * 6}

        def loss(x: Tensor, w: Tensor, _: Tensor, linear_bias: Tensor, impl: str, options=options) -> Tensor:
            return lossary.linear_cross_entropy(x, w, target, linear_bias=linear_bias, impl=impl, **options)

        both = (
            answers(partial(loss, impl=impl), {"target": "index", "linear_bias": b}, torch.float64, (x, w))
            for impl in ("fused", "reference")
        )
        for ours, right in zip(*both, strict=True):
            torch.testing.assert_close(ours, right)
    (one,) = {fused(x[0, 0], w[:, 0, 0], index[1, 0, 0, 0], reduction=r).item() for r in ("mean", "sum")}
    assert one == pytest.approx(float(reference(x[0, :1], w[:, 0, 0], index[1, :1, 0, 0])))


# Gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_second_backward_answers_the_same(reduction: str) -> None:
    x, w = INPUT.float().requires_grad_(), WEIGHT.float().requires_grad_()
    value = fused(x, w, IGNORED, reduction=reduction)
    upstream = torch.full_like(value, 3.0)
    first, second = (torch.autograd.grad(value, (x, w), upstream, retain_graph=True) for _ in range(2))
    torch.testing.assert_close(first, second)
    third = torch.autograd.grad(value, (x, w), 2 * upstream)
    torch.testing.assert_close(third, tuple(2 * g for g in first))


@pytest.mark.parametrize("wanted", ["100", "010", "001", "011", "101"])
def test_gradients_that_nobody_wants_are_not_made(wanted: str) -> None:
    leaves = [x.float().requires_grad_(flag == "1") for x, flag in zip((INPUT, WEIGHT, BIAS), wanted, strict=True)]
    fused(*leaves[:2], INDEX, linear_bias=leaves[2]).backward()
    (known,) = REMEMBERED.values()
    recipe = known.recipe
    value, gradients = recipe.operator.overload(*recipe.filled([*leaves, INDEX]), None, recipe.wanted)
    kept = [x.grad for x in leaves if x.requires_grad]
    assert len(gradients) == len(kept) == wanted.count("1") and value.ndim == 0
    for given, x in zip(gradients, kept, strict=True):
        assert x is not None and torch.equal(given, x)
    whole = answers(fused, {"target": "index", "linear_bias": BIAS}, torch.float32)[1:]
    upstream = 0.5
    for x, right in zip(leaves, whole, strict=True):
        assert x.grad is None or torch.equal(x.grad * upstream, right)


def test_weights_tied_to_an_embedding_take_both_gradients() -> None:
    table = WEIGHT.float().requires_grad_()
    fused(table[INDEX], table, INDEX).backward()
    both = WEIGHT.float().requires_grad_()
    reference(both[INDEX], both, INDEX).backward()
    assert table.grad is not None and both.grad is not None
    torch.testing.assert_close(table.grad, both.grad, rtol=1e-5, atol=1e-6)


def test_derivatives_of_every_kind() -> None:
    x, w, y = (
        drawn(5, 3, seed=1).requires_grad_(),
        drawn(4, 3, seed=2).requires_grad_(),
        torch.tensor([0, 3, -100, 1, 1]),
    )
    f = partial(lossary.linear_cross_entropy, target=y, label_smoothing=0.1, sample_weight=drawn(5, seed=3).abs())
    assert lossary.explain(lossary.linear_cross_entropy, x, w, y).chosen == "fused"
    assert torch.autograd.gradcheck(f, (x, w), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (x, w))
    rows = torch.vmap(lambda row, y: lossary.linear_cross_entropy(row, w, y))(x, y)
    torch.testing.assert_close(rows, lossary.linear_cross_entropy(x, w, y, reduction="none"))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_compiled_without_a_break(reduction: str) -> None:
    options = {"target": "ignored", "linear_bias": BIAS, "sample_weight": SAMPLE_WEIGHT, "reduction": reduction}
    torch.compiler.reset()
    compiled = torch.compile(lossary.linear_cross_entropy, fullgraph=True, backend="aot_eager")
    for got, right in zip(*(answers(f, options, torch.float32) for f in (compiled, fused)), strict=True):
        torch.testing.assert_close(got, right)


# Rows -----------------------------------------------------------------------------------------------------------------


def losses(count: int, dtype: torch.dtype, budget: int = SMALL, **options: Any) -> Tensor:
    """Of the first rows. Numbers are not short, whose sums would be exact in any order, and logits not small."""
    x, w = (INPUT[:count] / 3).to(dtype), (WEIGHT * 20 / 3).to(dtype)
    return fused(x, w, INDEX[:count], reduction="none", memory_budget=budget, **options)


def bits_are_kept(dtype: torch.dtype) -> None:
    whole = losses(ROWS, dtype)
    for count in (1, 2, 15, 16, 17, 33, 40):
        assert torch.equal(losses(count, dtype), whole[:count]), count
    for budget in (1, SMALL * 100):
        assert torch.equal(losses(ROWS, dtype, budget), whole), budget
    some = SAMPLE_WEIGHT.to(dtype).ne(0) & (torch.arange(ROWS) % 3 != 1)
    weighted = losses(ROWS, dtype, sample_weight=some)
    assert torch.equal(weighted, torch.where(some, whole, 0)), "rows of weight 0 leave the products"
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    mixed = fused((INPUT / 3).to(dtype)[order], (WEIGHT * 20 / 3).to(dtype), INDEX[order], reduction="none")
    assert torch.equal(mixed, whole[order])


@pytest.mark.usefixtures("widened")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_a_row_has_the_same_bits_in_any_batch_and_budget(dtype: torch.dtype) -> None:
    bits_are_kept(dtype)


def test_rows_that_count_for_nothing_may_hold_anything() -> None:
    x = INPUT.float().clone()
    x[IGNORED == -100] = torch.nan
    x[4] = torch.inf
    weight = torch.ones(ROWS)
    weight[4] = 0
    options = {"target": "ignored", "sample_weight": weight}
    got = answers(fused, options, torch.float32, (x, WEIGHT))
    for ours, right in zip(got, answers(fused, options, torch.float32), strict=True):
        assert torch.equal(ours, right)
    assert (got[1][(IGNORED == -100) | (weight == 0)] == 0).all()
    nothing = answers(fused, {"target": "ignored", "sample_weight": torch.zeros(ROWS)}, torch.float32)
    assert all((x == 0).all() for x in nothing)


def test_a_class_that_does_not_exist_is_named_in_any_chunk() -> None:
    wrong = INDEX.clone()
    wrong[39] = CLASSES
    with pytest.raises(IndexError, match=rf"linear_cross_entropy: target holds {CLASSES} at \[39\]"):
        fused(INPUT, WEIGHT, wrong)
    soft = TARGETS["soft"].clone()
    soft[39, 0] = 1.5
    with pytest.raises(ValueError, match=r"linear_cross_entropy: target holds 1.5 at \[39, 0\]"):
        fused(INPUT, WEIGHT, soft)


# Memory ---------------------------------------------------------------------------------------------------------------

PEAK = """
import resource, sys, torch, lossary
dtype, rows, features, classes = getattr(torch, sys.argv[1]), 2048, 64, 40000
torch.manual_seed(0)
x, w = torch.randn(rows, features).to(dtype).requires_grad_(), torch.randn(classes, features).to(dtype).requires_grad_()
y = torch.randint(classes, (rows,))
lossary.linear_cross_entropy(x[:64], w[:2000], y[:64] % 2000).backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
lossary.linear_cross_entropy(x, w, y, memory_budget="32MiB").backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_peak_memory_is_gradients_sums_and_budget(dtype: str) -> None:
    """Where the logits are 312 MiB, or 156 in bf16."""
    run = subprocess.run([sys.executable, "-c", PEAK, dtype], capture_output=True, text=True, check=True)
    gradients = (40000 + 2048) * 64 * (4 if dtype == "float32" else 2) / 2**20
    sums = 0 if dtype == "float32" else 40000 * 64 * 4 / 2**20
    assert float(run.stdout) <= gradients + sums + 32 + 16


@pytest.mark.parametrize(("given", "size"), [(4096, 4096), ("64kB", 64000), ("1.5 MiB", 3 * 2**19), ("2GB", 2 * 10**9)])
def test_budgets_in_bytes(given: Any, size: int) -> None:
    fused(INPUT, WEIGHT, INDEX, memory_budget=given)
    (known,) = REMEMBERED.values()
    assert size in known.recipe.arguments


@pytest.mark.parametrize("given", [0, -5, 1.5, True, "", "MB", "256", "1e3MB", "5 bananas"])
def test_budgets_that_are_none(given: Any) -> None:
    with pytest.raises(ValueError, match=r"linear_cross_entropy: memory_budget is .* number of bytes above 0"):
        fused(INPUT, WEIGHT, INDEX, memory_budget=given)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (4, 0, 3)], ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_an_operator_without_weights_raises(shape: tuple[int, ...], soft: bool) -> None:
    x, w = torch.zeros(2, shape[-1]), torch.zeros(shape)
    target = torch.zeros(2, *shape[:-1]) if soft else torch.zeros(2, *shape[1:-1], dtype=torch.int64)
    options = (None, None, -100, 0.0, 0.0, 1.0, 0.0, 1, False, None, REDUCTIONS["sum"], None, None, 7)
    with pytest.raises((ValueError, RuntimeError), match="no weights"):  # from torch 2.15 on all of C++ is the second
        torch.ops.lossary.linear_softmax_rows(x, w, None, target, *options)


# What the tests above must catch --------------------------------------------------------------------------------------


ROW_WEIGHT, REDUCTION, NORMALIZER = 13, 14, 15
"""Their places among the operator's arguments."""


def in_one_product(input: Tensor, weight: Tensor, _: None, target: Tensor, *rest: Any) -> tuple[Tensor, list[Tensor]]:
    """Of plain logits."""
    _, of_classes, ignore_index, smoothing, *_, row_weight, reduction, normalizer, upstream, _ = rest
    options = (of_classes, ignore_index, smoothing, 0.0, row_weight, reduction, normalizer, upstream, 0)
    return torch.ops.lossary.softmax_rows(torch.mm(input, weight.T), target, *options)


def of_the_last_chunk_alone(*given: Any) -> tuple[Tensor, list[Tensor]]:
    (value, gradients), row_weight = torch.ops.lossary.linear_softmax_rows(*given), given[ROW_WEIGHT]
    last = (torch.arange(ROWS) >= ROWS - 16).to(value.dtype)
    weight = last if row_weight is None else last * row_weight
    alone = torch.ops.lossary.linear_softmax_rows(*given[:ROW_WEIGHT], weight, *given[ROW_WEIGHT + 1 :])[1]
    return value, [a if a.shape == WEIGHT.shape else g for a, g in zip(alone, gradients, strict=True)]


def mean_over_rows(*given: Any) -> tuple[Tensor, list[Tensor]]:
    rows = torch.tensor(ROWS, dtype=torch.float64) if given[REDUCTION] == REDUCTIONS["mean"] else None
    return torch.ops.lossary.linear_softmax_rows(*given[:NORMALIZER], rows, *given[NORMALIZER + 1 :])


MUTANTS: dict[str, tuple[Callable[..., Any], Callable[[], None]]] = {
    "rows that are left over": (in_one_product, partial(bits_are_kept, torch.float64)),
    "the last chunk alone": (of_the_last_chunk_alone, partial(agrees, torch.float64, 1e-13, every=5)),
    "rows for a divisor": (mean_over_rows, partial(agrees, torch.float64, 1e-13, every=5)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, check = MUTANTS[mutant]

    class Broken(operators.Operator):
        overload = property(lambda self: broken)  # pyright: ignore[reportAssignmentType]

    name = "linear_softmax_rows"
    monkeypatch.setitem(OPERATORS, name, Broken(**vars(OPERATORS[name])))
    monkeypatch.setattr(operators, "native", None)  # which would call the operator by its name
    with pytest.raises(AssertionError):
        check()
