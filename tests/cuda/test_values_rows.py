"""Kernels of rows of logits in Triton, under its interpreter, beside those of the CPU."""

import math
import warnings

import numpy as np
import pytest
import torch

from lossary.kernels.triton import sizes
from lossary.kernels.triton.operators import IMPLEMENTATIONS

DTYPES = (torch.float32, torch.bfloat16)
NONE, MEAN, SUM = 0, 1, 2
IGNORED = -100
FORMS = {
    "whole": None,
    "loop": lambda logits, heavy: sizes.in_loop(
        logits.shape[-1], sizes.group_of(logits), 1, 16 // logits.element_size()
    ),
}


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    if FORMS[request.param]:
        monkeypatch.setattr(sizes, "of_rows", FORMS[request.param])
    return request.param


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the interpreter's maximum of nothing but NaN
        yield


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def on_cpu(name, *arguments):
    return getattr(torch.ops.lossary, name)(*arguments)


def in_triton(name, *arguments):
    return IMPLEMENTATIONS[name](*arguments)


def flat(answer):
    return [x for part in answer for x in flat(part)] if isinstance(answer, list | tuple) else [answer]


def assert_close(got, expected, dtype, ulp=16):
    """In ulp of the dtype for each element of at least a thousandth of the largest."""
    for a, b in zip(flat(got), flat(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = a.double(), b.double()
        same = (a == b) | (a.isnan() & b.isnan())
        finite = b[b.isfinite()].abs()
        size = b.abs() + (0.001 * finite.max() if finite.numel() else 0)
        error = ((a - b).abs() / size / torch.finfo(dtype).eps).nan_to_num(math.inf, posinf=math.inf)
        assert error[~same].max().item() <= ulp if not same.all() else True, (a[~same], b[~same])


def rows_of(classes, dtype, rows=5, seed=0):
    """Among them a confident row, a masked class and an ignored row."""
    x = 4 * torch.randn(rows, classes, generator=seeded(seed))
    target = torch.randint(classes, (rows,), generator=seeded(seed + 1))
    target[1] = classes // 2
    x[1, classes // 2] = 30
    if classes > 3:
        target[2] = 1
        x[2, 0] = -math.inf
    target[3] = IGNORED
    return x.to(dtype), target


ROW_WEIGHT = torch.tensor([1.0, 2.0, 0.5, 3.0, 0.0])
UPSTREAM = torch.tensor(1.5)
OPTIONS = ((False, 0.0, 0.0), (True, 0.0, 2.0), (True, 0.1, 0.0), (False, 0.1, 2.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 101, 264])
def test_cross_entropy(form, classes, dtype):
    x, target = rows_of(classes, dtype)
    weight = 0.5 + torch.rand(classes, generator=seeded())
    weight[0] = 0.0
    for (weighted, smoothing, gamma), reduction in zip(OPTIONS, (NONE, MEAN, SUM, MEAN), strict=True):
        row_weight = None if reduction == SUM else ROW_WEIGHT
        tail = (row_weight, reduction, None, UPSTREAM, 1)
        arguments = (x, target, weight if weighted else None, IGNORED, smoothing, gamma, *tail)
        assert_close(in_triton("softmax_rows", *arguments), on_cpu("softmax_rows", *arguments), dtype, 64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [3, 101])
def test_probabilities(form, classes, dtype):
    x, _ = rows_of(classes, dtype)
    target = torch.softmax(torch.randn(5, classes, generator=seeded()), 1).to(dtype)
    weight = 0.5 + torch.rand(classes, generator=seeded())
    for smoothing, w in ((0.0, None), (0.1, weight)):
        arguments = (x, target, w, IGNORED, smoothing, 0.0, ROW_WEIGHT, MEAN, None, UPSTREAM, 1)
        assert_close(in_triton("softmax_rows", *arguments), on_cpu("softmax_rows", *arguments), dtype, 64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", [(0.0, 2.0, 0.1), (5.0, 1.0, 0.0), (5.0, 0.5, 0.1)])
def test_shaped_rows(form, transform, dtype):
    classes = 101
    x, target = rows_of(classes, dtype)
    several = torch.randint(classes, (5, 3), generator=seeded())
    several[0] = several[0, 0]
    several[3, 1] = IGNORED
    shares = torch.softmax(torch.randn(5, 3, generator=seeded()), 1)
    soft = torch.softmax(torch.randn(5, classes, generator=seeded()), 1).to(dtype)
    weight = 0.5 + torch.rand(classes, generator=seeded())
    tail = (ROW_WEIGHT, NONE, None, UPSTREAM, 1)
    for y, s, w, smoothing in ((target, None, None, 0.0), (several, shares, weight, 0.1), (soft, None, None, 0.1)):
        arguments = (x, y, s, w, IGNORED, smoothing, *transform, *tail)
        assert_close(in_triton("shaped_rows", *arguments), on_cpu("shaped_rows", *arguments), dtype, 1024)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("softcap", "temperature"), [(0.0, 1.0), (5.0, 0.5)])
def test_log_prob(form, softcap, temperature, dtype):
    x, target = rows_of(101, dtype)
    x[4] = x[4, 0]  # all are the best class
    arguments = (x, target, IGNORED, softcap, temperature)
    assert_close(in_triton("log_prob", *arguments), on_cpu("log_prob", *arguments), dtype, 32)
    incoming = torch.randn(3, 5, generator=seeded())
    for given in (incoming, (incoming[0], None, None), (None, incoming[1], incoming[2])):
        got, expected = (f("log_prob_backward", *arguments, *given) for f in (in_triton, on_cpu))
        assert_close(got, expected, dtype, 1024)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 10, 101, 5000])
def test_nll(classes, dtype):
    x, target = rows_of(classes, dtype)
    weight = torch.rand(classes, generator=seeded())
    for reduction, w, s in ((NONE, None, None), (MEAN, weight, ROW_WEIGHT), (SUM, weight, None)):
        arguments = (x, target, w, IGNORED, s, reduction, None, UPSTREAM, 1)
        assert_close(in_triton("nll", *arguments), on_cpu("nll", *arguments), dtype, 4)


def test_fp16(form):
    x, target = rows_of(101, torch.float16)
    arguments = (x, target, None, IGNORED, 0.1, 0.0, ROW_WEIGHT, MEAN, None, UPSTREAM, 1)
    assert_close(in_triton("softmax_rows", *arguments), on_cpu("softmax_rows", *arguments), torch.float16, 64)
    arguments = (x, target, IGNORED, 5.0, 2.0)
    assert_close(in_triton("log_prob", *arguments), on_cpu("log_prob", *arguments), torch.float16, 32)


def test_gradients_over_the_logits(form):
    for name, options in (("softmax_rows_", (0.1, 0.0)), ("shaped_rows_", (0.1, 5.0, 2.0, 0.1))):
        shares = (None,) if name == "shaped_rows_" else ()
        x, target = rows_of(101, torch.float32)
        rest = (target, *shares, None, IGNORED, *options, ROW_WEIGHT, MEAN, None, UPSTREAM)
        over, beside = x.clone(), in_triton(name.rstrip("_"), x, *rest, 1)
        value = in_triton(name, over, *rest)
        assert torch.equal(value, beside[0]) and torch.equal(over, beside[1][0])


def test_a_row_without_a_batch():
    x, target = torch.randn(7, generator=seeded()), torch.tensor(2)
    for name in ("softmax_rows", "nll"):
        options = (0.0, 0.0) if name == "softmax_rows" else ()
        for reduction in (NONE, MEAN):
            arguments = (x, target, None, IGNORED, *options, None, reduction, None, None, 1)
            assert_close(in_triton(name, *arguments), on_cpu(name, *arguments), torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bits_do_not_depend_on_the_batch(form, dtype):
    """Nor on where in memory a row lies, confident and infinite ones among others included."""
    x, target = rows_of(101, dtype, rows=9)
    x[5, 3], x[6, 4], target[5] = math.inf, math.nan, 3
    options = (None, IGNORED, 0.1, 0.0, None, NONE, None, None, 1)
    value, [gradient] = in_triton("softmax_rows", x, target, *options)
    for row in (0, 1, 7, 8):
        alone, [of_alone] = in_triton("softmax_rows", x[row : row + 1].clone(), target[row : row + 1], *options)
        assert torch.equal(alone[0], value[row]) and torch.equal(of_alone[0], gradient[row])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_infinities_and_nan(form, dtype):
    x, target = rows_of(40, dtype, rows=8)
    x[0, target[0]] = math.inf
    x[1, :2] = math.inf
    x[2] = -math.inf
    x[4, 5] = math.nan
    x[5, target[5]] = -math.inf
    x[6] = 1e30
    x[7, 1:] = -math.inf
    target[7] = 0
    for smoothing in (0.0, 0.1):
        arguments = (x, target, None, IGNORED, smoothing, 0.0, None, NONE, None, None, 1)
        (value, [gradient]), (of_cpu, [gradient_of_cpu]) = (f("softmax_rows", *arguments) for f in (in_triton, on_cpu))
        assert_close(value, of_cpu, dtype)
        some = of_cpu.isfinite()
        assert_close(gradient[some], gradient_of_cpu[some], dtype, 64)
        assert gradient[[2, 4]].isnan().all()
    assert_close(
        in_triton("log_prob", x, target, IGNORED, 0.0, 1.0), on_cpu("log_prob", x, target, IGNORED, 0.0, 1.0), dtype
    )


def test_confident_rows_keep_their_digits(form):
    """Beside the CPU's kernel in fp64: the losses are far below the last digit of the logits."""
    x = torch.randn(6, 101, generator=seeded())
    target = torch.arange(6) * 13
    x[torch.arange(6), target] += torch.tensor([12.0, 20.0, 40.0, 60.0, 80.0, 5.0])
    arguments = (target, None, IGNORED, 0.0, 0.0, None, NONE, None, None, 1)
    got, [of_x] = in_triton("softmax_rows", x, *arguments)
    expected, [of_x_in_64] = on_cpu("softmax_rows", x.double(), *arguments)
    assert ((got - expected).abs() / expected).max() < 2e-6
    own = torch.arange(6), target
    assert ((of_x[own] - of_x_in_64[own]) / of_x_in_64[own]).abs().max() < 2e-6


def test_ignored_rows_and_those_of_weight_0_are_not_read(form):
    x, target = rows_of(40, torch.float32)
    x[2, 0] = 0.0
    x[3], x[4] = math.nan, math.inf
    target[4] = 7
    arguments = (x, target, None, IGNORED, 0.1, 2.0, ROW_WEIGHT, MEAN, None, None, 1)
    value, [gradient] = in_triton("softmax_rows", *arguments)
    assert value.isfinite() and not gradient[3:].any() and gradient[:3].isfinite().all()


@pytest.mark.parametrize("wrong", [-1, 40, 2**40])
def test_what_the_cpu_raises_on_is_nan(form, wrong):
    """In the value and in the row's whole gradient; other rows are as they were."""
    x, target = rows_of(40, torch.float32)
    weight = torch.rand(40, generator=seeded())
    for name, options in (("softmax_rows", (0.1, 2.0)), ("nll", ())):
        tail = (None, NONE, None, None, 1)
        bad = target.clone()
        bad[1] = wrong
        value, [gradient] = in_triton(name, x, bad, weight, IGNORED, *options, *tail)
        expected, [of_right] = in_triton(name, x, target, weight, IGNORED, *options, *tail)
        assert value[1].isnan() and gradient[1].isnan().all()
        others = [0, 2, 3, 4]
        assert torch.equal(value[others], expected[others]) and torch.equal(gradient[others], of_right[others])
    answers = in_triton("log_prob", x, bad, IGNORED, 0.0, 1.0)
    assert all(a[1].isnan() for a in answers[:3])
    assert in_triton("log_prob_backward", x, bad, IGNORED, 0.0, 1.0, torch.ones(5), None, None)[1].isnan().all()
    soft = torch.softmax(torch.randn(5, 40, generator=seeded()), 1)
    soft[2, 3] = 1.5
    value, [gradient] = in_triton("softmax_rows", x, soft, None, IGNORED, 0.0, 0.0, None, NONE, None, None, 1)
    assert value[2].isnan() and gradient[2].isnan().all() and value[[0, 1, 3, 4]].isfinite().all()


def test_a_mean_over_nothing_is_0():
    x, target = torch.randn(3, 5, generator=seeded()), torch.full((3,), IGNORED)
    value, [gradient] = in_triton("softmax_rows", x, target, None, IGNORED, 0.0, 0.0, None, MEAN, None, None, 1)
    assert value == 0 and not gradient.any()


def test_more_rows_than_one_part_counts():
    """Denominators are counted in parts, of some 1000 rows each."""
    x, target = torch.randn(3000, 2, generator=seeded()), torch.randint(2, (3000,), generator=seeded())
    target[::7] = IGNORED
    arguments = (x, target, torch.tensor([0.3, 0.9]), IGNORED, 0.0, 0.0, torch.rand(3000, generator=seeded()), MEAN)
    arguments = (*arguments, None, None, 1)
    assert_close(in_triton("softmax_rows", *arguments), on_cpu("softmax_rows", *arguments), torch.float32)


def test_the_callers_normalizer():
    x, target = rows_of(40, torch.float32)
    for normalizer in (torch.tensor(7.0), torch.tensor(0.0)):
        arguments = (x, target, None, IGNORED, 0.0, 0.0, None, MEAN, normalizer, None, 1)
        assert_close(in_triton("softmax_rows", *arguments), on_cpu("softmax_rows", *arguments), torch.float32)


def test_views_that_are_not_aligned(form):
    room = torch.randn(5 * 101 + 3, generator=seeded())
    x, target = room[3:].view(5, 101), torch.arange(5)
    arguments = (target, None, IGNORED, 0.1, 0.0, None, MEAN, None, None, 1)
    got, expected = in_triton("softmax_rows", x, *arguments), on_cpu("softmax_rows", x.clone(), *arguments)
    assert_close(got, expected, torch.float32, 64)
