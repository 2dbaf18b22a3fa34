"""lossary.information against mpmath, scipy and torch, on every array library."""

import contextlib

import array_api_strict
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossary.information import (
    Logits,
    cross_entropy,
    decompose,
    entropy,
    jensen_shannon,
    relative_entropy,
    self_information,
)

LIBRARIES = {"numpy": np, "torch": torch, "jax": jnp, "array_api_strict": array_api_strict}
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
P = np.array([[0.5, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0], [1e-30, 0.25, 0.25, 0.5], [0.1, 0.2, 0.3, 0.4]])
Q = np.array([[0.25, 0.25, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0], [0.25, 1e-20, 0.25, 0.5], [0.1, 0.2, 0.3, 0.4]])
Z = np.array([[0.0, 1.0, -2.0, 3.0], [1e4, 1e4 + 0.5, -1e4, -np.inf], [7.0, 7.0, 7.0, 7.0], [0.0, -60.0, 80.0, 2.5]])


@contextlib.contextmanager
def arrays(library, dtype):
    """How to make an array of `library` and `dtype` out of a NumPy one."""
    xp = LIBRARIES[library]
    with jax.enable_x64(True) if library == "jax" and dtype == "float64" else contextlib.nullcontext():
        yield lambda x: xp.asarray(np.ascontiguousarray(x), dtype=getattr(xp, dtype))


def number(x):
    return np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype=np.float64)


def probabilities_of(x, is_logits):
    """A row as (p, log p) in 60 digits."""
    if not is_logits:
        p = [mpmath.mpf(float(v)) for v in x]
        return p, [mpmath.log(v) if v else -mpmath.inf for v in p]
    total = mpmath.fsum(mpmath.exp(float(v)) for v in x)
    p = [mpmath.exp(float(v)) / total for v in x]
    p = [v if v > 1e-300 else mpmath.mpf(0) for v in p]  # a probability that underflows is 0
    return p, [mpmath.mpf(float(v)) - mpmath.log(total) for v in x]


def oracle(name, p, q):
    """Value and magnitude of the terms (rounding errors are relative to it) of one row, each given as (p, log p)."""
    (p, log_p), (q, log_q) = p, q
    logs = {
        "entropy": [[(a, la)] for a, la in zip(p, log_p, strict=True)],
        "cross_entropy": [[(a, lb)] for a, lb in zip(p, log_q, strict=True)],
        "relative_entropy": [[(-a, la), (a, lb)] for a, la, lb in zip(p, log_p, log_q, strict=True)],
    }
    if name == "jensen_shannon":
        m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        mixture = (m, [mpmath.log(v) if v else -mpmath.inf for v in m])
        halves = [oracle("relative_entropy", x, mixture) for x in ((p, log_p), (q, log_q))]
        return sum(h[0] for h in halves) / 2, sum(h[1] for h in halves) / 2
    terms = [-weight * value for term in logs[name] for weight, value in term if weight]
    return mpmath.fsum(terms), mpmath.fsum(abs(t) for t in terms if mpmath.isfinite(t))


FUNCTIONS = {
    "entropy": lambda p, q, **options: entropy(p, **options),
    "cross_entropy": cross_entropy,
    "relative_entropy": relative_entropy,
    "jensen_shannon": jensen_shannon,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("forms", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_against_mpmath(name, forms, library, dtype):
    first, second = (Z if forms[0] else P), (Z[::-1] if forms[1] else Q)
    with arrays(library, dtype) as array, mpmath.workdps(60):
        x, y = array(first), array(second)
        got = FUNCTIONS[name](Logits(x) if forms[0] else x, Logits(y) if forms[1] else y)
        assert str(got.dtype).endswith(dtype)
        for row, value in enumerate(number(got)):
            p, q = (probabilities_of(number(v)[row], f) for v, f in zip((x, y), forms, strict=True))
            exact, magnitude = oracle(name, p, q)
            if mpmath.isinf(exact):
                assert value == float(exact)
            else:
                assert abs(value - exact) <= 8 * EPS[dtype] * (magnitude + forms[0] + forms[1])


@pytest.mark.parametrize("library", LIBRARIES)
def test_self_information(library):
    with arrays(library, "float32") as array:
        got = self_information(array(np.array([1.0, 0.5, 1e-30, 0.0])), base="bits")
        assert number(got) == pytest.approx([0, 1, 30 * np.log2(10), np.inf], rel=1e-6)
        rows = self_information(Logits(array(Z.T.copy())), axis=0)
        assert number(rows) == pytest.approx(-scipy.special.log_softmax(Z.T, axis=0), rel=1e-6, abs=1e-6)


def test_certainty_has_positive_zero_entropy():
    assert not np.signbit(entropy([1.0, 0.0])) and entropy([1.0, 0.0]) == 0
    assert not np.signbit(self_information([1.0])).any()


distributions = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda p: sum(p) > 1e-3)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(distributions, distributions)
def test_against_scipy_and_inequalities(p, q):
    p, q = np.array(p) / sum(p), np.array(q) / sum(q)
    h, d, js = entropy(p), relative_entropy(p, q), jensen_shannon(p, q)
    assert h == pytest.approx(scipy.stats.entropy(p), abs=1e-14)
    # scipy overflows to inf where p/q does; the divergence itself is finite there.
    log_q = np.log(q, out=np.full(3, -np.inf), where=q > 0)
    assert d == pytest.approx(sum(a * (np.log(a) - b) for a, b in zip(p, log_q, strict=True) if a), abs=1e-12)
    # Not scipy's jensenshannon: it answers a root, NaN where rounding goes below 0 and inf where the mean underflows.
    mean = np.maximum((p + q) / 2, 5e-324)
    apart = scipy.special.rel_entr(p, mean) + scipy.special.rel_entr(q, mean)
    assert js == pytest.approx(apart.sum() / 2, abs=1e-13)
    assert jensen_shannon(q, p) == pytest.approx(js, abs=1e-15)
    assert -1e-15 <= h <= np.log(3) + 1e-15
    assert 0 <= js <= np.log(2) + 1e-15
    assert d >= 0
    assert cross_entropy(p, q) == pytest.approx(h + d, abs=1e-12)
    assert relative_entropy(p, p) == 0 == jensen_shannon(p, p)


@pytest.mark.parametrize("function", [relative_entropy, jensen_shannon])
def test_what_nearly_agrees_diverges_a_little_and_never_by_less_than_0(function):
    x = torch.randn(8, 2000, generator=torch.Generator().manual_seed(0))
    for apart in (1e-2, 1e-4, 1e-6):
        y = x + apart * x.flip(0)
        got = function(Logits(x), Logits(y))
        assert (got >= 0).all()
        if apart > 1e-3:
            torch.testing.assert_close(
                got.double(), function(Logits(x.double()), Logits(y.double())), rtol=1e-3, atol=0
            )


def test_jensen_shannon_of_the_smallest_subnormal_is_finite():
    tiny = np.nextafter(0, 1)
    assert jensen_shannon([tiny, 1 - tiny, 0], [0, 0, 1]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("base, nats", [("nats", 1), ("bits", np.log(2)), ("hartleys", np.log(10))])
def test_units(base, nats):
    for name, function in FUNCTIONS.items():
        assert function(P[3], Q[0:1, :], base=base) * nats == pytest.approx(function(P[3], Q[0:1, :])), name
    assert entropy(np.full(8, 1 / 8), base="bits") == 3


@pytest.mark.parametrize("library", LIBRARIES)
def test_axis_and_broadcast(library):
    with arrays(library, "float64") as array:
        rows, prior = array(np.moveaxis(P.reshape(2, 2, 4), -1, 1)), array(Q[0])
        assert tuple(rows.shape) == (2, 4, 2)
        expected = [[relative_entropy(P[2 * i + j], Q[0]) for j in (0, 1)] for i in (0, 1)]
        moved = array(np.moveaxis(P.reshape(2, 2, 4), -1, 1).swapaxes(1, 2))
        assert number(relative_entropy(moved, prior)) == pytest.approx(np.array(expected))
        assert number(entropy(rows, axis=1)) == pytest.approx(entropy(P).reshape(2, 2))
        assert entropy(array(np.zeros((0, 3)))).shape == (0,)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_fp32_and_rounded_once(dtype):
    p, q = (torch.tensor(x, dtype=getattr(torch, dtype)) for x in ([[0.5, 0.375, 0.125]], [[0.25, 0.0625, 0.6875]]))
    for name, function in FUNCTIONS.items():
        got = function(p, q)
        wide = function(p.float(), q.float())
        assert got.dtype == p.dtype and torch.equal(got, wide.to(p.dtype)), name
    parts = decompose(Z[[0, 2]].astype(np.float16), np.array([3, 0]))
    assert parts.cross_entropy.dtype == parts.gradient.dtype == np.float16


@pytest.mark.parametrize("forms", [(False, False), (True, True)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_first_and_second_order(name, forms):
    def f(x, y):
        return FUNCTIONS[name](Logits(x) if forms[0] else x, Logits(y) if forms[1] else y)

    x, y = (
        torch.tensor(v[[3, 0]], requires_grad=True)
        for v in ((Z, Z[::-1]) if forms[0] else (P * 0.9 + 0.025, Q * 0.8 + 0.05))
    )
    inputs = (x, y)
    assert torch.autograd.gradcheck(f, inputs, atol=1e-6)
    assert torch.autograd.gradgradcheck(f, inputs, atol=1e-5)
    with jax.enable_x64(True):
        expected = torch.autograd.grad(f(x, y).sum(), inputs, allow_unused=True)
        got = jax.grad(lambda a, b: jnp.sum(f(a, b)), argnums=(0, 1))(
            *(jnp.asarray(v.detach().numpy()) for v in inputs)
        )
        for e, g in zip(expected, got, strict=True):
            assert number(g) == pytest.approx(0 * number(g) if e is None else e.numpy(), abs=1e-12)


@pytest.mark.parametrize("forms", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_finite_where_a_probability_is_0(name, forms):
    rows = P[[0, 1, 3]]
    with np.errstate(divide="ignore"):
        x, y = (torch.tensor(np.log(rows) if f else rows, requires_grad=True) for f in forms)
    value = FUNCTIONS[name](Logits(x) if forms[0] else x, Logits(y) if forms[1] else y)
    first = torch.autograd.grad(value.sum(), (x, y), create_graph=True, allow_unused=True, materialize_grads=True)
    second = torch.autograd.grad(sum(g.sum() for g in first), (x, y), allow_unused=True, materialize_grads=True)
    assert all(torch.isfinite(g).all() for g in (*first, *second))
    as_jax = [jnp.asarray(v.detach().numpy()) for v in (x, y)]
    wrapped = [Logits if f else lambda v: v for f in forms]
    got = jax.grad(lambda a, b: jnp.sum(FUNCTIONS[name](wrapped[0](a), wrapped[1](b))), argnums=(0, 1))(*as_jax)
    assert all(jnp.isfinite(g).all() for g in got)


def test_the_gradient_of_a_cross_entropy_at_a_zero_target_is_the_information():
    p = torch.tensor([0.0, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(cross_entropy(p, torch.tensor([0.25, 0.75])), p)
    assert gradient.tolist() == pytest.approx([np.log(4), np.log(4 / 3)])


def test_compiled_code_and_transforms():
    p, q, z = (torch.tensor(x, dtype=torch.float32) for x in (P, Q, Z))
    compiled = torch.compile(lambda p, z: jensen_shannon(p, Logits(z)), fullgraph=True, backend="eager")
    assert torch.equal(compiled(p, z), jensen_shannon(p, Logits(z)))
    assert torch.equal(torch.vmap(relative_entropy)(p, q), relative_entropy(p, q))
    jitted = jax.jit(lambda p, z: cross_entropy(p, Logits(z)))
    assert jitted(jnp.asarray(P), jnp.asarray(Z)) == pytest.approx(
        cross_entropy(P.astype(np.float32), Logits(Z)), rel=1e-6
    )
    p_constant = jnp.asarray(P)
    assert jax.jit(lambda z: cross_entropy(p_constant, Logits(z)))(jnp.asarray(Z)).shape == (4,)
    index_constant = jnp.asarray([0, 1, 2, 3])
    assert jax.jit(lambda z: decompose(z, index_constant).entropy)(jnp.asarray(Z)).tolist() == [0.0] * 4
    split = torch.compile(decompose, fullgraph=True, backend="eager")(z, torch.tensor([0, 1, 2, 3]))
    assert torch.equal(split.cross_entropy, decompose(z, torch.tensor([0, 1, 2, 3])).cross_entropy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("soft", [False, True])
def test_decompose_adds_up_and_has_the_gradient_of_both_parts(soft, library, dtype):
    xp = LIBRARIES[library]
    target = Q[[1, 0, 2, 3]] if soft else np.array([3, 1, 0, 2])
    rows = np.where(np.isinf(Z), -1e4, Z)
    with arrays(library, dtype) as array:
        parts = decompose(array(rows), array(target) if soft else xp.asarray(target.tolist()))
        t = torch.tensor(target).double()[:] if soft else torch.nn.functional.one_hot(torch.tensor(target), 4).double()
        z = torch.tensor(number(array(rows)), requires_grad=True)
        expected = torch.nn.functional.cross_entropy(z, t, reduction="none")
        assert number(parts.cross_entropy) == pytest.approx(expected.detach().numpy(), rel=16 * EPS[dtype])
        summed = number(parts.entropy) + number(parts.relative_entropy)
        assert summed == pytest.approx(number(parts.cross_entropy), rel=8 * EPS[dtype])
        assert number(parts.entropy) == pytest.approx(scipy.stats.entropy(t.numpy(), axis=1), rel=1e-6)
        (gradient,) = torch.autograd.grad(expected.sum(), z)
        assert number(parts.gradient) == pytest.approx(gradient.numpy(), abs=8 * EPS[dtype])
        if library == "torch":
            z = array(rows).requires_grad_()
            parts = decompose(z, array(target) if soft else torch.tensor(target))
            for part in (parts.cross_entropy, parts.relative_entropy):
                (gradient,) = torch.autograd.grad(part.sum(), z, retain_graph=True)
                assert number(gradient) == pytest.approx(number(parts.gradient), abs=8 * EPS[dtype])
            assert not parts.entropy.requires_grad


def test_a_logit_of_inf_is_the_certain_class():
    assert entropy(Logits(np.array([np.inf, 0.0, 1.0]))) == 0
    assert cross_entropy([1.0, 0.0], Logits(np.array([np.inf, 0.0]))) == 0


def test_decompose_over_another_axis():
    logits = np.moveaxis(Z[[0, 3]].reshape(1, 2, 4), -1, 1)
    parts = decompose(logits, np.array([[2, 0]]), axis=1)
    assert parts.cross_entropy == pytest.approx(decompose(Z[[0, 3]], np.array([2, 0])).cross_entropy.reshape(1, 2))
    assert np.moveaxis(parts.gradient, 1, -1)[0] == pytest.approx(decompose(Z[[0, 3]], np.array([2, 0])).gradient)


def test_inputs_are_not_written():
    p, z = P.copy(), Z.copy()
    p.flags.writeable = z.flags.writeable = False
    for function in FUNCTIONS.values():
        function(p, Logits(z))
    decompose(z, p)
    t = torch.tensor(P)
    before = t.clone()
    jensen_shannon(t, torch.tensor(Q))
    assert torch.equal(t, before)


def test_nan_gives_nan_in_its_row_only():
    p = P.copy()
    p[1, 2] = np.nan
    for name, function in FUNCTIONS.items():
        assert np.isnan(function(p, Q)).tolist() == [False, True, False, False], name


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: entropy([0.5, -0.5, 1.0]), ValueError, ["entropy", "p holds -0.5 at [1]", "Logits(p)"]),
        (lambda: entropy([[0.5, 0.5], [0.5, 0.6]]), ValueError, ["entropy: row [1] of p adds up to 1.1", "2 classes"]),
        (lambda: entropy([2.0, 1.0]), ValueError, ["p holds 2 at [0]"]),
        (lambda: entropy(np.zeros((2, 0))), ValueError, ["adds up to 0"]),
        (lambda: entropy(0.5), ValueError, ["shape ()", "axis -1"]),
        (lambda: entropy(P, axis=2), ValueError, ["(4, 4)", "axis 2"]),
        (lambda: entropy(np.array([True, False])), TypeError, ["bool"]),
        (lambda: entropy(P, base="bit"), ValueError, ["entropy: base is 'bit'", "nats, bits, hartleys"]),
        (lambda: entropy(Logits(np.full(2, -np.inf))), ValueError, ["nothing but -inf"]),
        (lambda: self_information([0.5, 1.5]), ValueError, ["self_information", "1.5 at [1]"]),
        (lambda: cross_entropy(P, Q[:, :2] * 0 + 0.5), ValueError, ["p has (4, 4) and q has (4, 2)"]),
        (lambda: cross_entropy(P[:2], Q[:3]), ValueError, ["(2, 4)", "(3, 4)", "broadcast"]),
        (lambda: cross_entropy(P, Q[:, None]), ValueError, ["broadcast"]),
        (lambda: cross_entropy(P, torch.tensor(Q)), TypeError, ["q is a torch array", "one library"]),
        (lambda: decompose(Z, np.array([0, 1, 4, 0])), IndexError, ["target holds 4 at [2]", "0 to 3"]),
        (lambda: decompose(Z, np.array([0, 1])), ValueError, ["shape"]),
        (lambda: decompose(Z, P[:, :3]), ValueError, ["(4, 3)", "(4, 4)"]),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_rows_that_rounding_made_are_accepted():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        p = torch.softmax(torch.linspace(-3, 3, 1000), -1).to(dtype)
        assert float(entropy(p)) == pytest.approx(float(scipy.stats.entropy(p.double().numpy())), rel=0.02)
    assert entropy(np.float64(np.float32([1 / 3, 1 / 3, 1 / 3]))) == pytest.approx(np.log(3))
