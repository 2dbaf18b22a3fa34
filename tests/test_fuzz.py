"""Any call at all: a valid one answers what the mathematics answers, a broken one is refused in words.

A few calls of each loss as a rule, 10,000 with `make fuzz`.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import broken, calls, reductions

import lossary
from lossary.core.record import CATALOGUE
from lossary.testing.accuracy import LARGEST, conditioning
from lossary.testing.tolerance import assert_close

LONG = settings.get_current_profile_name() == "fuzz"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def fuzzing(examples: int) -> settings:
    """So many calls, always the same, or as many others as the nightly profile says."""
    few = settings(max_examples=examples, derandomize=True, deadline=None)
    return settings(settings.get_profile("fuzz") if LONG else few, suppress_health_check=SLOW)


each = pytest.mark.parametrize("name", [loss.name for loss in lossary.catalogue()])
quiet = pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")


def representable(x: np.ndarray, dtype: str) -> np.ndarray:
    """`x`, with what lies beyond the range of the dtype as infinities."""
    return np.where(np.abs(x) >= LARGEST[dtype], np.copysign(np.inf, x), x)


@quiet
@each
@fuzzing(30)
@given(data=st.data())
def test_a_valid_call_answers_what_the_mathematics_answers(name: str, data: st.DataObject):
    call = data.draw(calls(CATALOGUE[name]))
    case, compute = call.case, "float32" if call.dtype.endswith("float16") else call.dtype
    true, got = case.true(reduction="none"), call.library.numpy(call.answer(reduction="none"))
    scale = np.maximum(conditioning(case), case.row_scale)
    with np.errstate(over="ignore"):
        assert_close(got, representable(true, call.dtype), scale, call.dtype, repr(call), 64)

    how, meant = data.draw(reductions(call))
    reduced, got = case.true(**meant), call.library.numpy(call.answer(**how))
    parts = case.true(**{**meant, "reduction": "none", "normalizer": None})
    overflows = any(np.isinf(representable(x[~np.isnan(x)], compute)).any() for x in (true, parts))
    wrong = np.isnan(got) & ~np.isnan(reduced) & ~overflows
    wrong |= np.isinf(got) & np.isfinite(representable(reduced, call.dtype)) & ~overflows
    assert not wrong.any(), f"{call!r} with {how} answers {got}, and it should be {reduced}"

    if call.library.differentiates and np.isfinite(true).any():
        finite = call.library.array(np.isfinite(representable(true, compute)).astype(float), call.dtype)
        for argument in case.sample.differentiable:
            if call.meant[argument].dtype.kind == "f":
                f = lambda x, argument=argument: call.answer(**{argument: x}, reduction="sum", sample_weight=finite)  # noqa: E731
                gradient = call.library.numpy(call.library.gradient(f, call.given[argument]))
                assert not np.isnan(gradient).any(), f"{call!r}: the gradient of {argument} is {gradient}"


@quiet
@each
@fuzzing(10)
@given(data=st.data())
def test_a_broken_call_is_refused_in_words(name: str, data: st.DataObject):
    call = data.draw(calls(CATALOGUE[name]))
    # Where such a weight is 0, nothing of the others is wrong.
    seen = {n: 0 * call.given[n] + 1 for n, spec in call.specs.items() if spec.hides}
    for argument, wrong in broken(call).items():
        for x in wrong:
            with pytest.raises((ValueError, TypeError, IndexError)) as refusal:
                answer = call.answer(**{**seen, argument: x})
                raise AssertionError(f"{call!r} with {argument}={x!r} answers {answer}")
            words = str(refusal.value)
            assert words.startswith(f"{name}: ") and argument in words, f"{call!r} with {argument}={x!r}: {words}"


# Found so


def test_the_cosine_is_of_the_vector_that_a_shorter_one_broadcasts_to():
    x = np.array([[1.0, 2.0, 2.0], [3.0, 0.0, 4.0]])
    for shape in ((), (1,), (2, 1)):
        y = np.full(shape, 5.0)
        whole = lossary.cosine_embedding_loss(x, np.broadcast_to(y, x.shape).copy(), np.ones(2), reduction="none")
        np.testing.assert_allclose(lossary.cosine_embedding_loss(x, y, np.ones(2), reduction="none"), whole)
        np.testing.assert_allclose(whole, 1 - x.sum(1) / np.sqrt(3 * (x**2).sum(1)))


def test_half_a_square_overflows_only_where_the_loss_does():
    x, y, var = np.float32([[0.0], [2.0**64], [1.0]])
    assert lossary.gaussian_nll_loss(x, y, var) == np.float32(2.0**127)


def test_an_infinite_rate_outweighs_any_count():
    assert lossary.poisson_nll_loss(np.array([1e306]), np.array([1e3])) == np.inf
