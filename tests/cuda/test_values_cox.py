"""Kernels of Cox's partial likelihood in Triton, under its interpreter, beside those of the CPU."""

import numpy as np
import pytest
import torch

from lossary.kernels.families import order_of_time
from lossary.kernels.triton import cox
from lossary.kernels.triton.operators import IMPLEMENTATIONS

NONE, MEAN, SUM = 0, 1, 2
ROWS = 29
WEIGHT = torch.arange(ROWS) % 4 * 0.5
TAILS = (
    (None, NONE, None, torch.tensor(1.5)),
    (None, MEAN, None, None),
    (WEIGHT, MEAN, None, None),
    (WEIGHT, MEAN, torch.tensor(4.0), None),
    (WEIGHT, SUM, None, torch.tensor(-2.0)),
)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    """Several of them in a batch: what one hands on to the next counts too."""
    monkeypatch.setattr(cox, "BLOCK", 8)
    with np.errstate(all="ignore"):
        yield


def batch(times: int, dtype: torch.dtype, size: float = 3.0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(times)
    duration, event = torch.randint(times, (ROWS,), generator=g), torch.randint(2, (ROWS,), generator=g).float()
    return (size * torch.randn(ROWS, generator=g)).to(dtype), duration, event, torch.randint(3, (ROWS,), generator=g)


def compare(x, duration, event, strata, *rest):
    given = x, duration, event, strata, order_of_time(duration, strata), *rest, 1
    value, (gradient,) = torch.ops.lossary.cox(*given)
    got, (made,) = IMPLEMENTATIONS["cox"](*given)
    assert got.shape == value.shape
    torch.testing.assert_close(got, value, rtol=2**-22, atol=2**-51, equal_nan=True)
    size = gradient.double().abs().nan_to_num(0, 0).max().item()
    torch.testing.assert_close(made, gradient, rtol=torch.finfo(x.dtype).eps, atol=2**-23 * size, equal_nan=True)


@pytest.mark.parametrize("efron", [False, True])
@pytest.mark.parametrize(("times", "dtype"), [(1, torch.bfloat16), (4, torch.float32), (10**6, torch.float16)])
def test_cox(times, efron, dtype):
    x, duration, event, strata = batch(times, dtype)
    for i, tail in enumerate(TAILS):
        compare(x, duration, event, strata if i % 2 else None, tail[0], efron, *tail)


@pytest.mark.parametrize("efron", [False, True])
def test_rows_of_any_size(efron):
    """Who has left counts nothing, however large; small losses have their digits; infinities are limits."""
    x, duration, event, strata = batch(9, torch.float32, size=40.0)
    x[3], x[17], x[20] = torch.inf, -torch.inf, 1e30
    for given in (x, x.neg(), x.abs().neg() * duration):
        compare(given, duration, event, strata, None, efron, None, NONE, None, None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.uint8, torch.int32])
def test_durations_of_any_dtype(dtype):
    x, duration, event, strata = batch(5, torch.float32)
    compare(x, duration.to(dtype), event, strata, None, True, None, MEAN, None, None)


def test_what_nobody_knows_is_nan():
    x, duration, event, strata = batch(5, torch.float32)
    duration, event = duration.float(), event.clone()
    duration[4], event[9] = torch.nan, torch.nan
    compare(x, duration, event, strata, None, True, None, NONE, None, None)
    compare(x, duration, event, strata, WEIGHT, True, WEIGHT, NONE, None, None)


@pytest.mark.parametrize(("name", "wrong"), [("duration", -1.0), ("event", 2.0)])
def test_what_is_no_duration_and_no_event_is_nan(name, wrong):
    """Where the CPU raises; nobody waits for a device that could say so."""
    x, duration, event, _ = batch(5, torch.float32)
    duration, event = duration.float(), event.index_fill(0, torch.tensor(7), 0.0)
    {"duration": duration, "event": event}[name][7] = wrong
    of = IMPLEMENTATIONS["cox"]
    given = x, duration, event, None, order_of_time(duration, None)
    value, (gradient,) = of(*given, None, True, None, NONE, None, None, 1)
    assert value[7].isnan() and gradient[7].isnan()
    assert of(*given, None, True, None, MEAN, None, None, 0)[0].isnan()
    hidden = (torch.arange(ROWS) != 7).float()
    value, (gradient,) = of(*given, hidden, True, hidden, NONE, None, None, 1)
    assert value[7] == 0 and gradient[7] == 0 and value.isfinite().all() and gradient.isfinite().all()


def test_no_events_cost_nothing():
    x, duration, event, _ = batch(5, torch.float32)
    compare(x, duration, 0 * event, None, None, True, None, MEAN, None, None)
