"""The checks that every loss must pass, one property each.

A check takes a Case and raises AssertionError with the numbers. Its first line says why the property matters. To hold a
loss of your own to them, run each of CHECKS over `lossary.testing.cases(record, function, oracle)`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossary.core.contract import Choice, Flag, Range, axes
from lossary.testing import samples
from lossary.testing.case import Case
from lossary.testing.libraries import Library
from lossary.testing.properties import HOLDS, at_defaults
from lossary.testing.tolerance import LARGEST, assert_close

FLOATS = ("float64", "float32")
ALL = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Check:
    """needs: libraries by name, "derivatives", or nothing. samples: how many it should see; costly ones see few."""

    name: str
    run: Callable[[Case], None]
    needs: tuple[str, ...]
    dtypes: tuple[str, ...]
    samples: int

    @property
    def why(self) -> str:
        return (self.run.__doc__ or "").partition("\n")[0]

    def applies(self, library: Library, dtype: str) -> bool:
        able = not self.needs or library.name in self.needs or ("derivatives" in self.needs and library.differentiates)
        return able and dtype in self.dtypes and dtype in library.dtypes


CHECKS: dict[str, Check] = {}


def check(needs: tuple[str, ...] = (), dtypes: tuple[str, ...] = FLOATS, samples: int = 8) -> Callable[..., Any]:
    def add(run: Callable[[Case], None]) -> Callable[[Case], None]:
        name = run.__name__.removeprefix("check_")
        CHECKS[name] = Check(name, run, needs, dtypes, samples)
        return run

    return add


def _weights(case: Case) -> np.ndarray:
    """Sample weights with zeros among them, for the rows (or elements) of the unreduced loss."""
    weights = case.random(case.unreduced_shape)
    weights.flat[: (weights.size + 1) // 3] = 0.0
    return weights


def _wholly(case: Case, marked: np.ndarray, of: str, name: str) -> np.ndarray:
    """The elements of an argument that belong to marked losses or targets alone, in a shape that broadcasts to its own.

    of: the shape of what is marked, in the words of the contract.
    """
    shapes = of, case.sample.specs[name].shape, case.loss.rows
    rows, names, own = ([n for n, _ in axes(shape, case.sample.dims)] for shape in shapes)
    elsewhere = tuple(i for i, row in enumerate(rows) if row not in names or row not in own)
    alone = marked.all(axis=elsewhere, keepdims=True)
    return np.reshape(alone, [alone.shape[rows.index(n)] if n in rows else 1 for n in names])


def _out_of_batch(case: Case, out: np.ndarray, name: str) -> np.ndarray:
    """As `_wholly` of rows that are not in the batch, whose positives are no candidates of others."""
    if case.loss.rows_independent or case.sample.specs[name].shape.split()[0] != "M":
        return _wholly(case, out, case.loss.unreduced, name)
    return case.sample.leaving(out)[:, None]


# Values


@check(dtypes=ALL)
def check_value(case: Case) -> None:
    """Each reduction answers the mathematics, to rounding."""
    for reduction in case.loss.reductions:
        got = case.value(reduction=reduction)
        scale = case.row_scale if reduction == "none" else case.scale
        assert_close(got, case.true(reduction=reduction), scale, case.dtype, f"{case.loss.name} {reduction}")


@check(samples=1)
def check_examples(case: Case) -> None:
    """The hand-worked examples hold."""
    for example in case.loss.examples:
        arguments = {n: np.asarray(x) if isinstance(x, list) else x for n, x in example.arguments.items()}
        got = case.library.numpy(case.function(**{n: case.convert(x) for n, x in arguments.items()}))
        assert_close(got, np.asarray(example.value), 1.0, case.dtype, f"{case.loss.name}: {example.because}")


@check()
def check_extremes(case: Case) -> None:
    """Finite where the mathematics is finite, inf of the right sign where it is not, never NaN."""
    hard = case.of(samples.extreme(case.loss, case.sample.seed))
    true, got = hard.true(reduction="none"), hard.value(reduction="none")
    true = np.where(np.abs(true) > LARGEST[case.dtype], np.copysign(np.inf, true), true)  # as the dtype has it
    finite = np.isfinite(true)
    assert not np.isnan(got[finite]).any(), f"{case.loss.name}: NaN where the mathematics is finite"
    signed_infinities = np.where(np.isnan(true), np.nan, np.sign(true) * np.isinf(true))
    assert_close(np.sign(got) * np.isinf(got), signed_infinities, 1.0, "float64", f"{case.loss.name} infinities")
    assert_close(got[finite], true[finite], hard.row_scale[finite], case.dtype, f"{case.loss.name} extremes", 64)
    if case.library.differentiates:
        keep = case.library.array(finite.astype(float), case.dtype)
        for name in case.sample.differentiable:
            gradient = hard.gradient(name, reduction="sum", sample_weight=keep)
            assert not np.isnan(gradient).any(), f"{case.loss.name}: NaN gradient of {name} at {hard.rounded[name]}"


@check(dtypes=ALL)
def check_nan_in_nan_out(case: Case) -> None:
    """No loss swallows a NaN."""
    ignored = case.sample.arguments.get("ignore_index")
    if ignored is not None and (case.sample.arrays["target"] == ignored).all():
        return
    for name in case.sample.differentiable:
        whole = np.full(case.sample.arrays[name].shape, np.nan)
        single = np.array(case.sample.arrays[name])
        single.flat[case.sample.seed % single.size] = np.nan
        for x in (whole, single):
            true = case.true(**{name: x}, reduction="none")
            got = case.value(**{name: case.convert(x)}, reduction="none")
            assert np.isnan(got[np.isnan(true)]).all(), f"{case.loss.name}: NaN in {name} answers {got}"


@check(dtypes=ALL)
def check_dtype(case: Case) -> None:
    """The answer has the dtype of the floating inputs, whatever was computed in between."""
    for reduction in ("none", "mean"):
        got = str(case.call(reduction=reduction).dtype)
        assert got.endswith(case.dtype), f"{case.loss.name} {reduction}: {got} from {case.dtype}"


@check(needs=("torch", "jax"), dtypes=("float16", "bfloat16"), samples=2)
def check_long_half_precision_mean(case: Case) -> None:
    """A half-precision mean over many rows neither overflows nor stalls: torch answers inf at 60,000 rows of fp16."""
    elements = max(1, int(np.prod(case.unreduced_shape)))
    if case.unreduced_shape and case.loss.family != "sequence" and case.loss.rows_independent:
        long = case.of(case.sample.tiled(70_000 // elements))
        true = case.true(reduction="mean")
        assert_close(
            long.value(reduction="mean"), true, case.scale, case.dtype, f"{case.loss.name}: mean of 70,000", 64
        )


# Weights, ignored rows and means over nothing


@check(dtypes=ALL)
def check_sample_weight(case: Case) -> None:
    """Weighted rows sum and average as CONTRACT says, for every reduction."""
    weights = _weights(case)
    held = case.library.numpy(case.convert(weights))
    for reduction in case.loss.reductions:
        got = case.value(reduction=reduction, sample_weight=case.convert(weights))
        true = case.true(reduction=reduction, sample_weight=held)
        assert_close(got, true, 2 * case.scale, case.dtype, f"{case.loss.name} weighted {reduction}")


@check()
def check_zero_weight_hides_anything(case: Case) -> None:
    """A row of weight 0 contributes exactly 0 to value and gradient, even if it holds inf or NaN."""
    weights = _weights(case)
    s = case.convert(weights)
    for name in case.sample.differentiable:
        x = case.sample.arrays[name]
        if x.ndim != len(axes(case.sample.specs[name].shape, case.sample.dims)):
            continue
        hidden = np.broadcast_to(_out_of_batch(case, weights == 0, name), x.shape)
        poisoned = case.convert(np.where(hidden, np.nan, x))
        got = case.value(**{name: poisoned}, sample_weight=s)
        assert_close(got, case.value(sample_weight=s), 0.0, "float64", f"{case.loss.name}: NaN in a row of weight 0")
        if case.library.differentiates:
            f = case.as_function_of(name, sample_weight=s)
            gradient = case.library.numpy(case.library.gradient(f, poisoned))
            assert (gradient[hidden] == 0).all(), f"{case.loss.name}: gradient of a row of weight 0 is not 0"
            assert not np.isnan(gradient).any(), f"{case.loss.name}: NaN spreads from a row of weight 0"


@check(dtypes=ALL)
def check_rows_leave_the_batch(case: Case) -> None:
    """Where rows are coupled, those of weight 0 are not in the batch: the others cost what they cost without them."""
    weights = _weights(case)
    out = weights == 0
    if case.loss.rows_independent or out.all():
        return
    got = case.value(reduction="none", sample_weight=case.convert(weights))
    smaller = case.of(case.sample.without(out))
    alone = smaller.value(reduction="none", sample_weight=case.convert(weights[~out]))
    assert_close(got[~out], alone, case.scale, case.dtype, f"{case.loss.name}: a batch without rows of weight 0", 4)
    assert (got[out] == 0).all(), f"{case.loss.name}: rows of weight 0 cost {got[out]}"


@check()
def check_ignored_rows(case: Case) -> None:
    """An ignored row contributes exactly 0 to value, denominator and gradient, even if it holds inf or NaN."""
    if case.sample.arguments.get("ignore_index") is None or case.sample.arrays["target"].dtype.kind == "f":
        return
    target = np.array(case.sample.arguments["target"])
    if target.size < 2:
        return
    target.flat[0] = case.sample.arguments["ignore_index"]
    ignored = target == case.sample.arguments["ignore_index"]
    clean = case.of(case.sample.but(target=target))
    x = case.sample.arrays["input"]
    x = np.where(_wholly(case, ignored, case.sample.specs["target"].shape, "input"), np.nan, x)
    poisoned = clean.convert(x)
    for reduction in case.loss.reductions:
        got = clean.value(input=poisoned, reduction=reduction)
        assert_close(
            got, clean.true(reduction=reduction), case.scale, case.dtype, f"{case.loss.name} ignoring {reduction}"
        )
    if case.library.differentiates:
        gradient = case.library.numpy(case.library.gradient(clean.as_function_of("input"), poisoned))
        assert (gradient[np.isnan(x)] == 0).all(), f"{case.loss.name}: gradient of an ignored row is not 0"
        assert not np.isnan(gradient).any(), f"{case.loss.name}: NaN spreads from an ignored row"


@check()
def check_mean_over_nothing(case: Case) -> None:
    """A mean over an empty batch, or over weights that are all 0, is 0 with zero gradients."""
    nothing = case.convert(np.zeros(case.unreduced_shape))
    empty = case.of(samples.ordinary(case.loss, case.sample.seed, empty=True))
    for subject, weight in ((case, nothing), (empty, None)):
        got = subject.value(reduction="mean", sample_weight=weight)
        assert got == 0, f"{case.loss.name}: a mean over nothing is {got}"
        assert subject.value(reduction="sum", sample_weight=weight) == 0, (
            f"{case.loss.name}: a sum over nothing is not 0"
        )
        if case.library.differentiates:
            for name in subject.sample.differentiable:
                gradient = subject.gradient(name, reduction="mean", sample_weight=weight)
                assert (gradient == 0).all(), f"{case.loss.name}: the gradient of a mean over nothing is {gradient}"


@check()
def check_normalizer(case: Case) -> None:
    """Micro-batches with a common normalizer add up to the loss of the whole batch."""
    shape = case.unreduced_shape
    if not shape or shape[0] < 2:
        return
    whole = case.value(reduction="mean", normalizer=case.convert(np.asarray(3.5)))
    if case.loss.rows_independent:
        first, rest = np.zeros(shape), np.zeros(shape)
        first[:1], rest[1:] = 1.0, 1.0
        parts = [case.value(reduction="mean", normalizer=3.5, sample_weight=case.convert(s)) for s in (first, rest)]
        assert_close(
            np.asarray(parts[0] + parts[1]), whole, case.scale, case.dtype, f"{case.loss.name}: parts of a batch"
        )
    assert_close(
        whole, case.true(reduction="mean", normalizer=3.5), case.scale, case.dtype, f"{case.loss.name} normalizer"
    )


# Derivatives


@check(needs=("derivatives",))
def check_gradient(case: Case) -> None:
    """The gradient is the derivative of the value: for the data, the weights, and sample weights, 0 among them.

    Terms that the record says are held count as constants.
    """
    weights = _weights(case)
    arguments = {**case.arguments, "sample_weight": case.convert(weights)}
    held = {**case.rounded, "sample_weight": case.library.numpy(arguments["sample_weight"]), "reduction": "sum"}
    of_weights = [n for n, s in case.sample.specs.items() if s.domain.name == "weights"]
    for name in (*case.sample.differentiable, *of_weights, "sample_weight"):
        f = lambda x, name=name: case.function(**{**arguments, "reduction": "sum", name: x})  # noqa: E731
        got = case.library.numpy(case.library.gradient(f, arguments[name]))
        true = case.true_gradient(name, held)
        if name == "sample_weight" and not case.loss.rows_independent:  # at 0 the row leaves, and the value jumps
            true = np.where(weights == 0, 0.0, true)
        assert_close(got, true, case.scale, case.dtype, f"{case.loss.name}: gradient of {name}", 64)


def _numbers(case: Case) -> dict[str, float]:
    """The options that are numbers of the formula, which may be arrays with a derivative, within their ranges."""
    options = case.loss.options_beside({**case.loss.defaults, **case.sample.arguments})
    ranges = {n: a for n, a in options.items() if isinstance(a, Range) and not a.integer}
    given = {n: case.sample.arguments.get(n) for n in ranges}
    inside = {n: x for n, x in given.items() if x is not None and x not in (*ranges[n].extra_values, ranges[n].low)}
    return {
        n: float(next(x for x in (inside.get(n, 0.5), 1.5, 0.25) if a.refuse(x) is None)) for n, a in ranges.items()
    }


def _another(case: Case, name: str, x: float) -> float:
    """Another value that the option may have."""
    return x + 0.25 if case.loss.options[name].refuse(x + 0.25) is None else x / 2


@check(needs=("derivatives",), samples=4)
def check_gradient_of_options(case: Case) -> None:
    """Temperatures, margins and their kin can be learned: given as arrays they have the derivative of the value."""
    for name, x in _numbers(case).items():
        option = case.convert(np.asarray(x))
        f = case.as_function_of(name, reduction="sum")
        held = {**case.rounded, "reduction": "sum", name: case.library.numpy(option)}
        true = np.asarray(float(case.oracle(**held)))
        assert_close(case.library.numpy(f(option)), true, case.scale, case.dtype, f"{case.loss.name} of {name}", 64)
        got = case.library.numpy(case.library.gradient(f, option))
        true = case.true_gradient(name, held)
        assert_close(got, true, case.scale, case.dtype, f"{case.loss.name}: gradient of {name}", 256)


@check(needs=("torch",), dtypes=("float32",), samples=4)
def check_options_stay_on_their_device(case: Case) -> None:
    """No option that is an array is read on the host, which would make a GPU wait: a meta tensor has no value."""
    import torch

    on_meta = {n: x.to("meta") if isinstance(x, torch.Tensor) else x for n, x in case.arguments.items()}
    on_meta |= {n: torch.empty((), device="meta") for n in _numbers(case)}
    if "lengths" in [spec.domain.name for spec in case.sample.specs.values()]:  # which say what there is to compute
        return
    try:
        got = case.function(**on_meta)
    except RuntimeError as error:
        raise AssertionError(f"{case.loss.name} reads an option on the host: {error}") from error
    assert got.shape == case.call().shape, f"{case.loss.name}: {got.shape} from options on another device"


@check(needs=("derivatives",), dtypes=("float64",))
def check_second_derivative(case: Case) -> None:
    """Differentiating the gradient gives the Hessian: not zeros, not an error."""
    library = case.library
    for name in case.sample.differentiable:
        x = np.array(case.rounded[name])
        direction = case.random(x.shape, -1.0, 1.0)
        v = case.convert(direction)
        f = case.as_function_of(name, reduction="sum")
        along = library.gradient(lambda y, f=f, v=v: (library.gradient_inside(f, y) * v).sum(), case.arguments[name])
        step = 1e-5
        ahead, behind = (_slope(case, name, f, x + sign * step * direction) for sign in (1, -1))
        numeric = (ahead - behind) / (2 * step)
        error = np.abs(library.numpy(along) - numeric).max(initial=0.0)
        assert error <= 1e-6 * (1 + np.abs(numeric).max(initial=0.0)), f"{case.loss.name}: {name}, error {error:.3g}"


def _slope(case: Case, name: str, f: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """The gradient at `x`; of a loss that holds terms the oracle's, with these as they are at the case's arguments."""
    if case.loss.held:
        held = {**case.rounded, "reduction": "sum"}
        return case.true_gradient(name, {**held, name: x}, held_at=held)
    return case.library.numpy(case.library.gradient(f, case.convert(x)))


@check(needs=("derivatives",))
def check_forward_mode(case: Case) -> None:
    """A tangent pushed forward is the gradient's product with it."""
    points = {name: case.arguments[name] for name in case.sample.differentiable}
    if case.library.name == "torch":  # JAX pushes tangents and maps by the same tracing as it differentiates
        points |= {name: case.convert(np.asarray(x)) for name, x in _numbers(case).items()}
    for name, point in points.items():
        f = case.as_function_of(name, reduction="sum")
        v = case.convert(case.random(tuple(point.shape), -1.0, 1.0))
        got = case.library.numpy(case.library.jvp(f, point, v))
        products = case.library.numpy(case.library.gradient(f, point)) * case.library.numpy(v)
        assert_close(
            got, np.asarray(products.sum()), 8 * np.abs(products).sum() + case.scale, case.dtype, f"jvp of {name}"
        )


@check(needs=("derivatives",), dtypes=("float32",), samples=2)
def check_ties(case: Case) -> None:
    """At a hinge that is exactly 0, and at a perfect prediction, the derivative is 0: what costs nothing rests."""
    wanted, impls = 4, ("auto", "reference") if case.library.name == "torch" else ("auto",)
    for seed in range(64 * case.sample.seed, 64 * (case.sample.seed + 1)):
        tied = case.of(samples.on_halves(case.loss, seed))
        hinges = {n: _hinges(tied, n) for n, spec in tied.sample.specs.items() if spec.domain.name == "real numbers"}
        for name, at in hinges.items():
            for impl in impls if at.any() else ():
                gradient = tied.gradient(name, reduction="sum", impl=impl)[at]
                assert (gradient == 0).all(), (
                    f"{case.loss.name}: {name} has the gradient {gradient} at a hinge or a perfect prediction"
                )
            wanted -= at.any()
        if wanted <= 0 or not hinges:
            return


def _hinges(case: Case, name: str) -> np.ndarray:
    """The elements of an argument that cost nothing and may not change both ways at no cost, by the formula on NumPy.

    Where a loss may be negative, those that may change one way.
    """
    x, dims = case.sample.arrays[name], case.sample.dims
    rows, names = ([n for n, _ in axes(s, dims)] for s in (case.loss.unreduced, case.sample.specs[name].shape))
    within = [i for i, n in enumerate(names) if n not in rows]  # the other axes count rows, which are independent
    elsewhere = tuple(i for i, n in enumerate(rows) if n not in names)  # an element is part of several losses
    found = np.zeros(x.shape, bool)

    def is_free(x: np.ndarray) -> np.ndarray:
        losses = np.asarray(case.loss.public(**{**case.sample.arguments, name: x, "reduction": "none"}))
        return (losses == 0).all(axis=elsewhere)

    here = is_free(x)
    for place in np.ndindex(*(x.shape[i] for i in within)) if here.any() else ():
        at = tuple(place[within.index(i)] if i in within else slice(None) for i in range(x.ndim))
        step = np.zeros(x.shape)
        step[at] = 0.125
        less, more = (is_free(x + side * step) & is_free(x + 2 * side * step) for side in (-1, 1))
        found[at] = here & ((less != more) | ("nonnegative" in case.loss.properties and ~(less | more)))
    return found


# Transforms


@check(needs=("derivatives",), dtypes=("float32",))
def check_vmap(case: Case) -> None:
    """vmap answers what a loop answers."""
    data = {name: np.array(case.sample.arguments[name]) for name in case.sample.differentiable}
    pairs = {name: [x, case.sample.inside(name, np.flip(x))] for name, x in data.items()}
    if case.library.name == "torch":
        pairs |= {name: [np.asarray(x), np.asarray(_another(case, name, x))] for name, x in _numbers(case).items()}
    for name, pair in pairs.items():
        x = np.stack(pair)
        mapped = case.library.vmap(case.as_function_of(name, reduction="none"))(case.convert(x))
        loop = np.stack([case.value(**{name: case.convert(np.array(row))}, reduction="none") for row in x])
        assert_close(case.library.numpy(mapped), loop, case.scale, case.dtype, f"{case.loss.name}: vmap over {name}", 4)


@check(needs=("derivatives",), dtypes=("float32",), samples=2)
def check_compiled(case: Case) -> None:
    """Compiled code, with no graph break, answers what eager code answers, in value and gradient."""
    name = case.sample.differentiable[0]
    compiled = case.library.compiled(case.as_function_of(name))
    got = case.library.numpy(compiled(case.arguments[name]))
    assert_close(got, case.value(), case.scale, case.dtype, f"{case.loss.name} compiled", 8)
    gradient = case.library.numpy(case.library.gradient(compiled, case.arguments[name]))
    assert_close(gradient, case.gradient(name), case.scale, case.dtype, f"{case.loss.name}: compiled gradient", 8)


@check(needs=("torch",), dtypes=("float32",), samples=2)
def check_export(case: Case) -> None:
    """torch.export takes the loss as it is, and the exported program answers the same."""
    import torch

    class Program(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return case.as_function_of(name)(x)

    name = case.sample.differentiable[0]
    exported = torch.export.export(Program(), (case.arguments[name],)).module()
    got = case.library.numpy(exported(case.arguments[name]))
    assert_close(got, case.value(), case.scale, case.dtype, f"{case.loss.name} exported", 4)


# Inputs


@check(needs=("torch", "numpy"), dtypes=("float32",))
def check_strides(case: Case) -> None:
    """Any strides: transposed, reversed and expanded storage answer what contiguous storage answers."""
    whole = case.value(reduction="none")
    for name, x in case.sample.arrays.items():
        for layout in _layouts(case, x) if x.ndim else ():
            got = case.value(**{name: layout}, reduction="none")
            assert_close(got, whole, case.scale, case.dtype, f"{case.loss.name}: strided {name}", 2)
        if x.ndim:  # one slice of storage, seen many times over
            first = case.convert(x[:1])
            seen = first.expand(x.shape) if case.library.name == "torch" else np.broadcast_to(first, x.shape)
            copied = case.value(**{name: case.convert(np.repeat(x[:1], x.shape[0], 0))}, reduction="none")
            expanded = case.value(**{name: seen}, reduction="none")
            assert_close(expanded, copied, case.scale, case.dtype, f"{case.loss.name}: expanded {name}", 2)


def _layouts(case: Case, x: np.ndarray) -> list[Any]:
    spread, turned = case.convert(np.repeat(x, 2, axis=-1)), case.convert(np.ascontiguousarray(x.T))
    backward = tuple(reversed(range(x.ndim)))
    return [spread[..., ::2], turned.permute(backward) if case.library.name == "torch" else turned.transpose(backward)]


@check(dtypes=("float32",))
def check_inputs_unmodified(case: Case) -> None:
    """Nothing that the caller passed is written to, forward or backward."""
    before = {name: np.array(case.library.numpy(x)) for name, x in case.arguments.items() if name in case.sample.arrays}
    case.call()
    if case.library.differentiates:
        for name in case.sample.differentiable:
            case.gradient(name)
    for name, x in before.items():
        assert np.array_equal(case.library.numpy(case.arguments[name]), x, equal_nan=True), (
            f"{case.loss.name} wrote to {name}"
        )


@check(samples=1)
def check_invalid_input(case: Case) -> None:
    """Bad input raises the declared error, which names the function and the argument."""
    for wrong in samples.invalid(case.loss):
        arguments = {}
        for name, x in wrong.sample.arguments.items():
            complex_or_bool = isinstance(x, np.ndarray) and x.dtype.kind in "cb"
            if complex_or_bool and case.library.name != "numpy":
                break
            arguments[name] = x if complex_or_bool else case.convert(x)
        else:
            _raises(case, arguments, wrong)


def _raises(case: Case, arguments: dict[str, Any], wrong: samples.Invalid) -> None:
    shown = arguments.get(wrong.argument)
    try:
        got = case.function(**arguments)
    except wrong.error as error:
        words = str(error)
        named = words.startswith(case.loss.name) and wrong.argument in words
        assert named, f"{case.loss.name}: the error for {wrong.argument} does not name it: {words}"
    except Exception as error:
        raise AssertionError(
            f"{case.loss.name}: {wrong.argument}={shown!r} raises {error!r}, not {wrong.error}"
        ) from error
    else:
        raise AssertionError(f"{case.loss.name}: {wrong.argument}={shown!r} is accepted and answers {got}")


@check(needs=("torch", "numpy", "jax"), dtypes=("float32",))
def check_integer_dtypes(case: Case) -> None:
    """Class indices and labels may have any integer dtype, in value and backward."""
    for name, x in case.sample.arrays.items():
        if x.dtype.kind == "i" and "lengths" not in name:
            for dtype in ("int8", "int16", "int32") if (x < 0).any() else ("int8", "uint8", "int16", "int32"):
                narrow = case.convert(x)
                narrow = narrow.to(_torch_dtype(dtype)) if case.library.name == "torch" else narrow.astype(dtype)
                got = case.value(**{name: narrow})
                assert_close(got, case.value(), case.scale, case.dtype, f"{case.loss.name}: {name} of {dtype}", 1)


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)


# Properties


@check(needs=("torch", "numpy"), dtypes=("float64",))
def check_properties(case: Case) -> None:
    """What the record declares holds, of the kernels and of the formula."""
    for name in case.loss.properties:
        there = at_defaults(case, name)
        if name in HOLDS and there is not None:
            HOLDS[name](there)


@check(needs=("torch",), dtypes=ALL, samples=4)
def check_nonnegative(case: Case) -> None:
    """A loss that cannot be negative is not below 0 by a rounding either: optimizers go where it is nearly 0."""
    there = at_defaults(case, "nonnegative")
    if "nonnegative" not in case.loss.properties or there is None:
        return
    for near in (there, *_downhill(there, there.sample.differentiable[0], steps=24)):
        for impl in ("auto", "reference"):
            got = near.value(reduction="none", impl=impl)
            # Rounded log-probabilities may add up to more than 1: then so does the mathematics.
            below = (got < 0) & (near.true(reduction="none") >= 0) if (got < 0).any() else got < 0
            assert not below.any(), f"{case.loss.name} by {impl} is {got[below].min()}, below 0"


def _downhill(case: Case, name: str, steps: int) -> Iterator[Case]:
    """Ever smaller losses, by the signs of the gradient (Riedmiller and Braun, 1993): to infinity, or to a point."""
    spec, x = case.sample.specs[name], np.array(case.rounded[name])
    step, last = np.ones(x.shape), np.zeros(x.shape)
    classes = [i for i, (n, _) in enumerate(axes(spec.shape, case.sample.dims)) if n == "C"]
    here = case
    for _ in range(steps):
        sign = np.sign(here.gradient(name, reduction="sum"))
        step, last = np.where(sign * last < 0, step / 2, np.minimum(1.5 * step, 8.0)), sign
        x = case.sample.inside(name, np.clip(x - step * sign, spec.domain.low, spec.domain.high))
        if spec.domain.sums == "logarithms":
            x = x - np.log(np.exp(x).sum(axis=tuple(classes), keepdims=True))
        here = case.of(case.sample.but(**{name: x}))
        yield here


# Implementations, determinism, side effects


@check(needs=("torch",), dtypes=ALL)
def check_implementations(case: Case) -> None:
    """Every implementation that accepts a call answers what the reference answers."""
    import lossary

    for name, reason in lossary.explain(case.loss.public, **case.arguments).refusals.items():
        if reason is None:
            got, reference = (case.value(impl=impl, reduction="none") for impl in (name, "reference"))
            assert_close(got, reference, case.scale, case.dtype, f"{case.loss.name}: {name} against the reference", 2)


@check(needs=("torch",), dtypes=("float32",))
def check_determinism(case: Case) -> None:
    """The same bits run to run and for any number of threads; a row stands alone, if the record says so."""
    import torch

    before, whole = torch.get_num_threads(), case.value(reduction="none")
    alone = case.loss.family != "sequence" and case.loss.rows_independent
    many = case.of(case.sample.tiled(100_000 // max(1, whole.size))) if alone else case
    try:
        bits = []
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            bits.append((many.value(reduction="none"), many.value(reduction="mean")))
    finally:
        torch.set_num_threads(before)
    same = all(np.array_equal(a, b) for run in bits[1:] for a, b in zip(run, bits[0], strict=True))
    assert same, f"{case.loss.name}: the bits change from run to run, or with the number of threads"
    row = case.sample.first_row()
    if row is not None and case.loss.rows_independent:
        assert np.array_equal(case.of(row).value(reduction="none")[0], whole[0]), (
            f"{case.loss.name}: a row depends on others"
        )


@check(needs=("torch",), dtypes=("float32",), samples=4)
def check_remembered(case: Case) -> None:
    """A call like one before answers as if it were the first, whatever data, options and gradients went before."""
    from unittest.mock import patch

    from lossary.dispatch.remembered import REMEMBERED

    every = case.sample.differentiable
    fused = case.loss.kernel.inputs if case.loss.kernel else every
    inputs = tuple(name for name in every if name in fused)
    weighted = case.arguments | {"sample_weight": case.convert(_weights(case))}
    made = [(arguments, inputs) for arguments in (case.arguments, _other_data(case), weighted)]
    made += [(case.arguments, wanted) for wanted in ((), inputs[:1], tuple(every))]
    for name, x in _numbers(case).items():
        other = _another(case, name, x)
        given = (other, case.convert(np.asarray(other)), case.convert(np.asarray(x)))
        made += [(case.arguments | {name: option}, inputs) for option in given]
    given = {n: allowed for n, allowed in case.loss.options.items() if n in case.arguments}
    flags = [n for n, allowed in given.items() if isinstance(allowed, Flag)]
    made += [(case.arguments | {name: not case.arguments[name]}, inputs) for name in flags]
    words = [(n, word) for n, allowed in given.items() if isinstance(allowed, Choice) for word in allowed.words]
    made += [(case.arguments | {name: word}, inputs) for name, word in words]
    with patch.dict(REMEMBERED, clear=True):  # restores what other calls have left
        got = [_answers(case, *call) for call in made + made]
    for answers, call in zip(got, made + made, strict=True):
        with patch.dict(REMEMBERED, clear=True):
            expected = _answers(case, *call)
        same = [answers.keys() == expected.keys(), *map(_same_bits, answers.values(), expected.values())]
        assert all(same), f"{case.loss.name}: a call like one before answers {answers}, and the first one {expected}"


def _other_data(case: Case) -> dict[str, Any]:
    """The arguments with other data of the same shapes and domains."""
    arrays = case.sample.arrays.items()
    others = {
        n: 0.75 * x if x.dtype.kind == "f" and set(np.unique(x)) - {-1.0, 1.0} else np.flip(x).copy() for n, x in arrays
    }
    return case.arguments | {n: case.convert(x) for n, x in others.items()}


def _same_bits(a: Any, b: Any) -> bool:
    return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b


def _answers(case: Case, arguments: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    """The value, its gradients and a second derivative of them, each as one row of numbers; or the error's message."""
    import torch

    given = dict(arguments)
    for name in wanted:
        given[name] = arguments[name].detach().clone().requires_grad_()
    try:
        value = case.function(**given)
    except (ValueError, IndexError) as error:
        return {"error": str(error)}
    inputs = [given[name] for name in wanted]
    gradients, seconds = (), ()
    if inputs:
        gradients = torch.autograd.grad(value.sum(), inputs, retain_graph=True)
        slopes = torch.autograd.grad(value.sum(), inputs, create_graph=True)
        moving = [(slope * slope.detach()).sum() for slope in slopes if slope.requires_grad]
        seconds = torch.autograd.grad(torch.stack(moving).sum(), inputs, allow_unused=True) if moving else ()
    found: dict[str, Any] = {
        "value": (value,),
        "gradient": gradients,
        "second derivative": [x for x in seconds if x is not None],
    }
    rows = {
        what: [case.library.numpy(x).ravel() for x in (*answers, torch.zeros(0))] for what, answers in found.items()
    }
    return {what: np.concatenate(numbers) for what, numbers in rows.items()} | {"graph": value.requires_grad}


@check(needs=("torch",), dtypes=("float32",))
def check_no_side_effects(case: Case) -> None:
    """No call changes the grad mode, the default dtype, the random state or NumPy's error state."""
    import torch

    def state() -> tuple[Any, ...]:
        return torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state().tolist(), str(np.geterr())

    for mode in (torch.no_grad, torch.enable_grad):
        with mode():
            before = state()
            case.call()
            assert state() == before, f"{case.loss.name} changes the state of the process"


@check(needs=("torch",), dtypes=("float32",))
def check_module(case: Case) -> None:
    """The module of a loss answers what the function answers, pickles, prints itself and moves its tensors."""
    import torch

    from lossary import nn

    module_class = nn.module_of(case.loss.public)
    if "__init__" in vars(module_class):  # part of the data are its parameters: tests/test_modules.py
        return
    options = {n: x for n, x in case.arguments.items() if n in module_class.option_names}
    data = [case.arguments[n] for n in case.loss.data if n not in case.loss.defaults]
    per_call = {n: x for n, x in case.arguments.items() if n in case.loss.defaults and n not in options}
    module = module_class(**options)
    for subject in (module, pickle.loads(pickle.dumps(module))):
        got = case.library.numpy(subject(*data, **per_call))
        assert_close(got, case.value(), case.scale, case.dtype, f"{module_class.__name__}", 1)
    tensors = {n for n, x in options.items() if isinstance(x, torch.Tensor)}
    assert set(module.state_dict()) == tensors, f"{module_class.__name__}: state dict {set(module.state_dict())}"
    moved = module.to(torch.float64)
    assert all(getattr(moved, n).dtype == torch.float64 for n in tensors), (
        f"{module_class.__name__}: weights stay behind"
    )
    for name, x in options.items():
        if not isinstance(x, torch.Tensor) and x != case.loss.defaults[name]:
            assert f"{name}={x!r}" in repr(module), f"{module!r} does not show {name}={x!r}"
