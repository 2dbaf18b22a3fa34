"""Cox's partial likelihood beside its definition, its formula, and itself: ties, strata, sizes, who is at risk."""

import math
from typing import Any

import numpy as np
import pytest
import torch

import lossary

TIES = ("breslow", "efron")
IMPLS = ("fused", "reference")


def drawn(rows: int, times: int, strata: int = 1, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Log-hazards in fp64, durations of so many values, events, and strata."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(0, 3, rows), rng.integers(1, times + 1, rows) / 4
    return tuple(map(torch.from_numpy, (x, t, rng.integers(0, 2, rows), rng.integers(0, strata, rows))))


def of(x: torch.Tensor, *rest: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.detach().clone().requires_grad_()
    loss = lossary.cox_loss(x, *rest, **options)
    return loss.detach(), torch.autograd.grad(loss.sum(), x)[0]


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize(("times", "strata"), [(3, 1), (200, 5), (10**6, 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_kernel_answers_what_the_formula_answers(ties, times, strata, reduction):
    x, t, died, groups = drawn(500, times, strata)
    weight = torch.arange(500) % 4 / 2  # 0 among them
    for given in ({}, {"sample_weight": weight}, {"sample_weight": weight, "strata": groups}):
        options = {"ties": ties, "reduction": reduction, **given}
        value, gradient = of(x, t, died, impl="reference", **options)
        for dtype, within in ((torch.float64, 1e-12), (torch.float32, 3e-6)):
            loss, slopes = of(x.to(dtype), t, died, impl="fused", **options)
            torch.testing.assert_close(loss.double(), value, rtol=within, atol=within)
            torch.testing.assert_close(slopes.double(), gradient, rtol=within, atol=within)


@pytest.mark.parametrize("ties", TIES)
def test_upstream_gradients_weigh_events_and_not_who_is_at_risk(ties):
    x, t, died, groups = drawn(60, 7, 2)
    upstream = torch.arange(60.0, dtype=torch.float64) % 3  # 0 among them
    found = []
    for impl in IMPLS:
        leaf = x.clone().requires_grad_()
        losses = lossary.cox_loss(leaf, t, died, ties=ties, strata=groups, reduction="none", impl=impl)
        found.append(torch.autograd.grad(losses, leaf, upstream)[0])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("ties", TIES)
def test_the_order_of_rows_does_not_matter(impl, ties):
    x, t, died, groups = drawn(100, 6, 3)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    options = {"ties": ties, "reduction": "none", "impl": impl}
    losses, slopes = of(x, t, died, strata=groups, **options)
    again, slopes_again = of(x[order], t[order], died[order], strata=groups[order], **options)
    torch.testing.assert_close(again, losses[order])
    torch.testing.assert_close(slopes_again, slopes[order])


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_that_have_left_count_nothing(impl, dtype):
    """pycox answers 83.88 here: its eps is added to hazards over the batch's largest."""
    x = torch.tensor([100.0, 0.0, 0.0], dtype=dtype)
    loss, slopes = of(x, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 1, 0]), impl=impl)
    assert loss.item() == pytest.approx(math.log(2), rel=4e-3) and slopes.tolist() == [0, -0.5, 0.5]


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("ties", TIES)
def test_a_batch_without_events_is_at_rest(impl, ties):
    x, t, died, _ = drawn(20, 5)
    loss, slopes = of(x, t, 0 * died, ties=ties, impl=impl)
    assert loss == 0 and (slopes == 0).all()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("out", [-math.inf, math.nan, math.inf])
def test_rows_of_weight_0_are_not_in_the_batch(impl, ties, out):
    x, t, died, groups = drawn(40, 6, 2)
    weight = (torch.arange(40) % 3 > 0).double()
    kept = weight > 0
    options = {"ties": ties, "impl": impl}
    alone, slopes_alone = of(x[kept], t[kept], died[kept], strata=groups[kept], **options)
    x, t, died = (v.double().masked_fill(~kept, out) for v in (x, t, died))
    loss, slopes = of(x, t, died, strata=groups, sample_weight=weight, **options)
    torch.testing.assert_close(loss, alone)
    torch.testing.assert_close(slopes[kept], slopes_alone)
    assert (slopes[~kept] == 0).all()


@pytest.mark.parametrize("impl", IMPLS)
def test_infinite_log_hazards_are_limits(impl):
    x = torch.tensor([-math.inf, 0.0, 1.0, math.inf, 2.0])
    loss, slopes = of(x, torch.arange(5.0), torch.ones(5), reduction="none", impl=impl)
    assert loss.tolist() == [math.inf, math.inf, math.inf, 0, 0]
    assert slopes.isfinite().all() and slopes[4] == 0


@pytest.mark.parametrize("impl", IMPLS)
def test_a_duration_of_nan_may_have_been_at_risk_with_its_stratum(impl):
    time, strata = torch.tensor([1.0, math.nan, 2.0, 1.0, 2.0]), torch.tensor([0, 0, 0, 1, 1])
    loss, _ = of(torch.zeros(5), time, torch.ones(5), strata=strata, reduction="none", impl=impl)
    assert loss.isnan().tolist() == [True, True, True, False, False]
    assert loss[3:].tolist() == pytest.approx([math.log(2), 0])


@pytest.mark.parametrize("impl", IMPLS)
def test_durations_are_compared_in_their_own_dtype(impl):
    x, ones = torch.zeros(2), torch.tensor([True, False])
    for time in (torch.tensor([2**53 + 1, 2**53]), torch.tensor([1 + 2.0**-50, 1.0], dtype=torch.float64)):
        assert lossary.cox_loss(x, time, ones, impl=impl).item() == 0
        assert lossary.cox_loss(x, time.flip(0), ones, impl=impl).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("impl", ("auto", "fused", "reference"))
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"event": torch.tensor([1, 2, 1])}, r"event holds 2 at \[1\]; events are 0 or 1. Coded 1 and 2\? Subtract 1"),
        ({"event": torch.tensor([0.0, 0.5, 1.0])}, r"event holds 0.5 at \[1\]; events are 0 or 1"),
        ({"duration": torch.tensor([1.0, -2.0, 3.0])}, r"duration holds -2 at \[1\]; durations lie in \[0, inf\)"),
        ({"duration": torch.tensor([1, -2, 3])}, r"duration holds -2 at \[1\]"),
        ({"ties": "exact"}, "ties is 'exact'; it must be one of 'breslow', 'efron'"),
    ],
)
def test_what_is_refused(change, said, impl):
    given = {"input": torch.zeros(3), "duration": torch.tensor([1.0, 2.0, 3.0]), "event": torch.ones(3)}
    with pytest.raises(ValueError, match=f"cox_loss: {said}"):
        lossary.cox_loss(**given | change, impl=impl)


def test_dtypes_beside_the_input_do_not_change_the_answer():
    x, t, died, _ = drawn(30, 5)
    whole = lossary.cox_loss(x.float(), t, died)
    assert whole.dtype == torch.float32
    for event in (died.bool(), died.to(torch.uint8), died.double(), died.half()):
        assert torch.equal(lossary.cox_loss(x.float(), t, event), whole)
    for time in ((4 * t).long(), (4 * t).to(torch.uint8), t.half()):
        assert torch.equal(lossary.cox_loss(x.float(), time, died), whole)


def test_many_rows_agree_with_the_formula():
    x, t, died, _ = drawn(30_000, 10**9)
    for ties in TIES:
        value, gradient = of(x, t, died, ties=ties, impl="reference")
        loss, slopes = of(x, t, died, ties=ties, impl="fused")
        torch.testing.assert_close(loss, value, rtol=1e-12, atol=0)
        torch.testing.assert_close(slopes, gradient, rtol=1e-9, atol=1e-15)
