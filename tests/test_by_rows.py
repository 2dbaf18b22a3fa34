"""The formula of a linear layer's loss makes logits of some rows at a time, on NumPy and JAX."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossary
from lossary.core import arrays

ROWS, FEATURES, CLASSES = (7, 6), 5, 30
BUDGET = 17 * CLASSES * 4
"""In fp32: two parts, and eight rows left over."""
RNG = np.random.default_rng(0)
X, W, B = (RNG.normal(size=shape).astype(np.float32) for shape in ((*ROWS, FEATURES), (CLASSES, FEATURES), CLASSES))
CLASS = np.where(np.arange(42).reshape(ROWS) % 5 == 2, -100, RNG.integers(CLASSES, size=ROWS))
SOFT = RNG.dirichlet(np.ones(CLASSES), ROWS).astype(np.float32)
FEW = RNG.integers(CLASSES, size=(*ROWS, 3)), RNG.dirichlet(np.ones(4), ROWS)[..., :3].astype(np.float32)
TARGETS: dict[str, Any] = {
    "classes": CLASS,
    "probabilities": SOFT,
    "few": lossary.TopK(*FEW),
    "mixed": lossary.Mixed(CLASS, CLASS[::-1].copy(), np.float32(0.3)),
}
OPTIONS: dict[str, Any] = {
    "linear_bias": B,
    "weight": np.abs(B),
    "label_smoothing": 0.1,
    "softcap": 4.0,
    "temperature": 0.8,
    "z_loss": 0.01,
}


def in_jax(x: Any) -> Any:
    return jax.tree.map(jnp.asarray, x)


def loss(x: Any, w: Any, target: Any, memory_budget: int, **options: Any) -> Any:
    return lossary.linear_cross_entropy(x, w, target, memory_budget=memory_budget, **options)


def log_probs(x: Any, w: Any, memory_budget: int) -> Any:
    target = CLASS if isinstance(x, np.ndarray) else jnp.asarray(CLASS)
    return lossary.linear_log_prob(x, w, target, softcap=4.0, memory_budget=memory_budget)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("target", TARGETS)
def test_parts_make_what_all_rows_make(target: str, reduction: str) -> None:
    numpy_s = [loss(X, W, TARGETS[target], budget, reduction=reduction, **OPTIONS) for budget in (BUDGET, 2**28)]
    np.testing.assert_allclose(*numpy_s, rtol=2e-6)

    def value(x: Any, w: Any, bias: Any, budget: int) -> Any:
        options = OPTIONS | {"linear_bias": bias, "weight": in_jax(OPTIONS["weight"])}
        return loss(x, w, in_jax(TARGETS[target]), budget, reduction=reduction, **options)

    given = in_jax((X, W, B))
    np.testing.assert_allclose(jax.jit(partial(value, budget=BUDGET))(*given), numpy_s[0], rtol=2e-6)
    turns = jnp.linspace(1, 2, numpy_s[0].size).reshape(numpy_s[0].shape)
    slopes = [
        jax.jit(jax.grad(lambda *x, budget=budget: (turns * value(*x, budget)).sum(), argnums=(0, 1, 2)))(*given)
        for budget in (BUDGET, 2**28)
    ]
    for parts, whole in zip(*slopes, strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6 * float(jnp.abs(whole).max()))


def test_parts_of_log_probabilities() -> None:
    given = in_jax((X, W))
    for whole, *parts in zip(log_probs(X, W, 2**28), log_probs(X, W, BUDGET), log_probs(*given, BUDGET), strict=True):
        for part in parts:
            np.testing.assert_allclose(part, whole, rtol=3e-6, atol=1e-6)

    def number(x: Any, w: Any, budget: int) -> Any:
        found = log_probs(x, w, budget)
        return (found.log_prob * found.lse - 0.7 * found.entropy).sum()

    slopes = [jax.jit(jax.grad(partial(number, budget=budget), argnums=(0, 1)))(*given) for budget in (BUDGET, 2**28)]
    for part, whole in zip(*slopes, strict=True):
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)


def test_positions_between_classes_and_features() -> None:
    x, w = RNG.normal(size=(40, 5)), RNG.normal(size=(7, 3, 2, 5))
    target = RNG.integers(7, size=(40, 3, 2))
    parts, whole = (loss(x, w, target, budget, reduction="none") for budget in (16, 2**28))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_second_derivatives_and_a_row_without_a_batch() -> None:
    x, w, target = in_jax((X.reshape(-1, FEATURES), W, CLASS.reshape(-1)))

    def slope(x: Any, budget: int) -> Any:
        return jax.grad(lambda x: loss(x, w, target, budget))(x)

    curvatures = [jax.jvp(partial(slope, budget=budget), (x,), (x[::-1],))[1] for budget in (16, 2**28)]
    np.testing.assert_allclose(*curvatures, rtol=1e-4, atol=1e-6)
    assert loss(X[0, 0], W, CLASS[0, 0], 16) == loss(X[:1, 0], W, CLASS[:1, 0], 16)


def memory_of_a_step(classes: int = 20_000, rows: int = 512) -> float:
    """What a compiled step needs beside its arguments and gradients, in parts of the logits."""
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((rows, 8), (classes, 8))]
    target, logits = jnp.zeros(rows, jnp.int32), rows * classes * 4
    step = jax.jit(jax.value_and_grad(lambda x, w: loss(x, w, target, logits // 16), argnums=(0, 1)))
    needed = step.lower(*given).compile().memory_analysis()
    return needed.temp_size_in_bytes / logits


def test_compiled_steps_never_hold_the_logits() -> None:
    assert memory_of_a_step() < 0.5


def test_mutants_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:  # which keeps what each part's derivative needs
        patched.setattr(jax, "checkpoint", lambda function: function)
        with pytest.raises(AssertionError):
            test_compiled_steps_never_hold_the_logits()
    in_parts = arrays._in_parts
    monkeypatch.setattr(arrays, "_in_parts", lambda f, most, x: in_parts(f, most, [x[0][::-1], *x[1:]]))
    with pytest.raises(AssertionError):
        test_parts_make_what_all_rows_make("classes", "none")
