"""Statistics of rows, in shards of the classes, beside the whole row in mpmath; each check fails on its mutants."""

import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from mpmath import exp, log, log1p, mpf, workdps

from lossary.core import rows
from lossary.core.arrays import detach, namespace
from lossary.core.elementary import softplus
from lossary.core.rows import RowStatistics, combine, local

N, C, K = 4, 11, 3
TINY = 1e-300  # below which fp64 has no digits
FORMS = ("index", "index and weights", "weights", "sparse weights", "both weights")


def drawn(form: str, seed: int, scale: float = 3.0) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits (N, C), some of them -inf, and what `local` takes of the whole row beside them."""
    rng = np.random.default_rng(seed)
    x = scale * rng.standard_normal((N, C))
    x[0, rng.integers(C, size=2)] = -np.inf
    index, t = rng.integers(C, size=N), rng.random((N, C))
    t[np.isinf(x)] = 0.0
    t[1, :4] = 0.0
    classes = np.argsort(rng.random((N, C)), axis=1)[:, :K]
    given: dict[str, Any] = {}
    if form.startswith("index"):
        x[np.arange(N), index] = scale * rng.standard_normal(N)
        given["index"] = index
    if form.endswith("weights") and not form.startswith("sparse"):
        given["weights"] = t
    if form in ("sparse weights", "both weights"):
        given["sparse_weights"] = classes, np.take_along_axis(t, classes, 1)
    return x, given


def in_shards(x: Any, given: dict[str, Any], bounds: tuple[int, ...]) -> RowStatistics:
    def shard(begin: int, end: int) -> RowStatistics:
        mine = given | ({"weights": given["weights"][:, begin:end]} if "weights" in given else {})
        return local(x[:, begin:end], 1, **mine, first_class=begin, entropy=True, top=True)

    return reduce(combine, (shard(a, b) for a, b in pairwise(bounds)))


def split(seed: int) -> tuple[int, ...]:
    """Bounds of shards, among them empty ones."""
    cuts = sorted(np.random.default_rng(seed).integers(C + 1, size=4).tolist())
    return 0, *cuts, cuts[-1], C


def finished(row: RowStatistics) -> dict[str, Any]:
    answers = {"lse": row.lse(), "entropy": row.entropy()}
    if row.target_logit is not None:
        answers["nll"] = softplus(row.log_odds_against())
    if row.weight_sum is not None:
        answers["weighted nll"] = row.weighted_nll()
    return answers


@workdps(60)
def oracle(x: np.ndarray, given: dict[str, Any]) -> dict[str, list[Any]]:
    """Each answer of each row, and its gradient, as (value, [derivative for each class])."""
    found: dict[str, list[Any]] = {}
    for n in range(len(x)):
        logits = [mpf(v) for v in x[n]]
        total = sum(exp(v) for v in logits)
        p = [exp(v) / total for v in logits]
        minus_log_p = [log(total) - v for v in logits]
        entropy = sum(q * v for q, v in zip(p, minus_log_p, strict=True) if q)
        of_entropy = [q * (v - entropy) if q else mpf(0) for q, v in zip(p, minus_log_p, strict=True)]
        answers = {"lse": (log(total), p), "entropy": (entropy, of_entropy)}
        t, own = [mpf(0)] * len(logits), None
        if "index" in given:
            own = given["index"][n]
            rest = sum(exp(v - logits[own]) for c, v in enumerate(logits) if c != own)
            answers["nll"] = log1p(rest), [q - (c == own) for c, q in enumerate(p)]
        if "weights" in given:
            t = [mpf(v) if c != own else mpf(0) for c, v in enumerate(given["weights"][n])]
        for c, v in zip(*(a[n] for a in given.get("sparse_weights", ([[]] * N,) * 2)), strict=True):
            t[c] += mpf(v)
        if len(given) > ("index" in given):
            value = sum(a * b for a, b in zip(t, minus_log_p, strict=True) if a)
            answers["weighted nll"] = value, [sum(t) * q - a for q, a in zip(p, t, strict=True)]
        for name, answer in answers.items():
            found.setdefault(name, []).append(answer)
    return found


def check_values(form: str, seed: int, scale: float = 3.0) -> None:
    x, given = drawn(form, seed, scale)
    row = in_shards(x, given, split(seed))
    right = oracle(x, given)
    got = finished(row)
    assert got.keys() == right.keys()
    for name, values in got.items():
        for n, value in enumerate(values):
            exact = right[name][n][0]
            assert abs(mpf(float(value)) - exact) <= 1e-14 * abs(exact) + TINY, (name, n, value, exact)
    np.testing.assert_array_equal(row.top_class, np.argmax(x, axis=1))
    assert row.classes == C


def check_gradients(form: str, seed: int) -> None:
    x, given = drawn(form, seed)
    leaf = torch.tensor(x, requires_grad=True)
    of_torch = {
        n: tuple(map(torch.as_tensor, v)) if isinstance(v, tuple) else torch.as_tensor(v) for n, v in given.items()
    }
    for name, values in finished(in_shards(leaf, of_torch, split(seed))).items():
        (gradient,) = torch.autograd.grad(values.sum(), leaf, retain_graph=True)
        right = np.array([[float(g) for g in row[1]] for row in oracle(x, given)[name]])
        np.testing.assert_allclose(gradient.numpy(), right, rtol=1e-13, atol=1e-14, err_msg=name)


def check_order(form: str, seed: int) -> None:
    """Four shards with ties between them, joined in three orders."""
    x, given = drawn(form, seed)
    x[2, [1, 5, 9]] = 9.0
    a, b, c, d = (in_shards(x, given, bounds) for bounds in ((0, 3), (3, 3), (3, 7), (7, C)))
    one = combine(combine(a, b), combine(c, d))
    for other in (combine(a, combine(b, combine(c, d))), reduce(combine, (d, b, c, a))):
        for field, right, got in zip(RowStatistics._fields, one, other, strict=True):
            if right is not None:
                np.testing.assert_allclose(got, right, rtol=1e-14, err_msg=field)


NOTHING, FAR = -np.inf, 1e4
EXTREMES = [  # logits, class, log-odds against it, lse, entropy
    ([FAR, -FAR, 0.0], 0, -FAR, FAR, 0.0),
    ([FAR, -FAR, 0.0], 1, 2 * FAR, FAR, 0.0),
    ([-FAR, -FAR, NOTHING], 0, 0.0, math.log(2) - FAR, math.log(2)),
    ([NOTHING, 5.0, NOTHING], 1, NOTHING, 5.0, 0.0),
    ([NOTHING, 5.0, NOTHING], 0, np.inf, 5.0, 0.0),
    ([np.inf, 5.0, NOTHING], 0, NOTHING, np.inf, 0.0),
    ([np.inf, 5.0, NOTHING], 1, np.inf, np.inf, 0.0),
    ([NOTHING, NOTHING, NOTHING], 2, np.nan, NOTHING, np.nan),
    ([np.nan, 0.0, 1.0], 1, np.nan, np.nan, np.nan),
    ([0.0, 1.0, np.nan], 2, np.nan, np.nan, np.nan),
]


@np.errstate(all="ignore")
def check_extremes(bounds: tuple[int, ...]) -> None:
    for logits, own, log_odds, lse, entropy in EXTREMES:
        x = np.array([logits])
        row = in_shards(x, {"index": np.array([own])}, bounds)
        got = [float(answer[0]) for answer in (row.log_odds_against(), row.lse(), row.entropy())]
        np.testing.assert_allclose(got, [log_odds, lse, entropy], rtol=1e-15, atol=1e-15, err_msg=f"{logits}, {own}")
        assert int(row.top_class[0]) == np.argmax(x), logits
        whole = in_shards(x, {"weights": np.where(np.isfinite(x), 1.0, 0.0)}, bounds)
        cost = sum(lse - v for v in logits if math.isfinite(v)) if not math.isnan(entropy) else math.nan
        np.testing.assert_allclose(float(whole.weighted_nll()[0]), cost, rtol=1e-12, err_msg=str(logits))


ORDINARY = [(form, seed) for form in FORMS for seed in range(4)]


@pytest.mark.parametrize(("form", "seed"), ORDINARY)
def test_shards_have_the_values_of_the_whole_row(form: str, seed: int) -> None:
    check_values(form, seed)


@pytest.mark.parametrize("form", FORMS)
def test_far_logits_keep_their_digits(form: str) -> None:
    check_values(form, 5, scale=1e4)


@pytest.mark.parametrize(("form", "seed"), ORDINARY)
def test_shards_have_the_gradients_of_the_whole_row(form: str, seed: int) -> None:
    check_gradients(form, seed)


@pytest.mark.parametrize("form", FORMS)
def test_shards_join_in_any_order(form: str) -> None:
    check_order(form, 0)


@pytest.mark.parametrize("bounds", [(0, 3), (0, 1, 3), (0, 2, 2, 3), (0, 0, 1, 2, 3)], ids=str)
def test_extreme_logits(bounds: tuple[int, ...]) -> None:
    check_extremes(bounds)


def test_a_whole_row_needs_no_first_class() -> None:
    for form in FORMS:
        x, given = drawn(form, 7)
        for one, other in zip(local(x, 1, **given), in_shards(x, given, (0, C)), strict=True):
            if one is not None:
                np.testing.assert_array_equal(one, other)


def test_an_even_weight_is_one_for_each_class() -> None:
    x, given = drawn("index", 8)
    for of_rows in (given, {}):
        one, each = (local(x, 1, **of_rows, weights=w) for w in (0.25, np.full((1, C), 0.25)))
        np.testing.assert_allclose(one.weight_sum, each.weight_sum, rtol=1e-15)
        np.testing.assert_allclose(one.weighted_gap, each.weighted_gap, rtol=1e-15)


def test_other_libraries_and_other_axes() -> None:
    jnp = pytest.importorskip("jax.numpy")
    x, given = drawn("index and weights", 9)
    right = finished(in_shards(x, given, (0, 4, C)))
    for to in (jnp.asarray, torch.as_tensor):
        of_library = {name: to(value) for name, value in given.items()}
        for name, value in finished(in_shards(to(x.astype(np.float32)), of_library, (0, 4, C))).items():
            np.testing.assert_allclose(value, right[name], rtol=1e-5, err_msg=name)
    first = [local(x.T[a:b], 0, given["index"], first_class=a) for a, b in ((0, 4), (4, C))]
    np.testing.assert_allclose(softplus(combine(*first).log_odds_against()), right["nll"], rtol=1e-14)


def unscaled(against: Callable[..., RowStatistics]) -> Callable[..., RowStatistics]:
    """Sums of shards are added whatever maximum they are against."""
    return lambda row, maximum: row._replace(maximum=maximum)


def gaps_unmoved(against: Callable[..., RowStatistics]) -> Callable[..., RowStatistics]:
    return lambda row, maximum: against(row, maximum)._replace(weighted_gap=row.weighted_gap)


def one_sided(add: Callable[..., Any]) -> Callable[..., Any]:
    """The other shard is a constant."""
    return lambda a, b: add(a, detach(b) if isinstance(b, torch.Tensor) else b)


def latest_of_ties(first: Callable[..., Any]) -> Callable[..., Any]:
    """The shard that was named last has it."""
    return lambda x, x_class, y, y_class: {"top_class": namespace(x).where(y >= x, y_class, x_class), "top_logit": x}


def unguarded(below: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, maximum: x - maximum


MUTANTS: list[tuple[str, Callable[..., Any], Callable[[], None], str]] = [
    ("_against", unscaled, lambda: check_values("index", 0), "lse"),
    ("_against", gaps_unmoved, lambda: check_values("weights", 0), "weighted nll"),
    ("_add", one_sided, lambda: check_gradients("index", 0), "lse"),
    ("_first_top", latest_of_ties, lambda: check_order("index", 0), "top_class"),
    ("below", unguarded, lambda: check_extremes((0, 1, 3)), "inf"),
]


@pytest.mark.parametrize(("name", "mutant", "check", "says"), MUTANTS, ids=[m[1].__name__ for m in MUTANTS])
def test_each_check_fails_on_its_mutant(
    monkeypatch: pytest.MonkeyPatch, name: str, mutant: Callable[..., Any], check: Callable[[], None], says: str
) -> None:
    check()
    monkeypatch.setattr(rows, name, mutant(getattr(rows, name)))
    with pytest.raises(AssertionError, match=says):
        check()
