"""Losses at any floating numbers at all, infinities included, against the oracles."""

import numpy as np
import oracles
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lossary
from lossary.testing.tolerance import assert_close

NUMBERS = st.one_of(
    st.floats(-(2.0**100), 2.0**100, width=32), st.sampled_from([np.inf, -np.inf, 0.0, -0.0, 88.8, -104.0, 1e4])
)
PROBABILITIES = st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 1.0, 2**-149, 1 - 2**-24]))
FINITE = st.floats(-(2.0**50), 2.0**50, width=32)
SHAPES = arrays.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4)


def drawn(elements, shape=SHAPES):
    return arrays.arrays(np.float32, shape, elements=elements)


def held(name: str, scale: float = 0.0, **arguments) -> None:
    """Infinities and NaN as the oracle has them; the rest to rounding, beside the largest finite input."""
    got = np.asarray(getattr(lossary, name)(**arguments, reduction="none"), dtype=np.float64)
    answer = np.asarray(getattr(oracles, name)(**arguments, reduction="none"), dtype=object)
    with np.errstate(over="ignore"):
        true = np.array([np.float64(np.float32(float(x))) for x in answer.flat]).reshape(answer.shape)
    finite = [
        np.abs(x[np.isfinite(x)]).max(initial=0.0)
        for x in arguments.values()
        if getattr(x, "dtype", None) == np.float32
    ]
    assert_close(got, true, max(1.0, scale, *finite), "float32", name, 64)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_cross_entropy_of_any_logits(data):
    logits = data.draw(drawn(NUMBERS, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5)))
    target = data.draw(arrays.arrays(np.int64, logits.shape[:1], elements=st.integers(0, logits.shape[1] - 1)))
    held("cross_entropy", input=logits, target=target)
    soft = data.draw(drawn(st.sampled_from([0.0, 0.25, 1.0]), logits.shape))
    held("cross_entropy", input=logits, target=soft)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_binary_losses_of_any_input(data):
    logits = data.draw(drawn(NUMBERS))
    target = data.draw(drawn(PROBABILITIES, logits.shape))
    held("binary_cross_entropy_with_logits", input=logits, target=target)
    held("binary_cross_entropy", input=data.draw(drawn(PROBABILITIES, logits.shape)), target=target, scale=100.0)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_regression_losses_of_any_numbers(data):
    x = data.draw(drawn(FINITE))
    y = data.draw(drawn(FINITE, x.shape))
    delta = data.draw(st.floats(2**-20, 2**20))
    held("l1_loss", input=x, target=y)
    held("huber_loss", input=x, target=y, delta=delta, scale=1e16 * delta)
    held("smooth_l1_loss", input=x, target=y, beta=delta)
    held("mse_loss", input=x, target=y, scale=1e31)


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_kl_div_of_any_log_probabilities(data):
    log_q = data.draw(drawn(st.one_of(st.floats(-(2.0**14), 0, width=32), st.just(-np.inf))))
    held("kl_div", input=log_q, target=data.draw(drawn(PROBABILITIES, log_q.shape)))
