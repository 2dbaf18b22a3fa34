"""The check of a call: arguments by their contract, brought to one library and one dtype."""

import functools
import math
import operator
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossary.core import candidates, dtensors
from lossary.core.arrays import (
    Array,
    as_array,
    cast,
    cast_index,
    compute_dtype,
    detach,
    is_array,
    is_compiling,
    is_concrete,
    is_traced,
    kind,
    library,
    may_be_differentiated,
    namespace,
    plain,
    result_dtype,
    size_fits,
    under_autocast,
)
from lossary.core.contract import (
    BESIDE,
    OUTCOMES,
    Bytes,
    Choice,
    Dims,
    Levels,
    Range,
    Spec,
    as_plain,
    axes,
    check_array,
    check_device,
    check_levels,
    check_sums,
    check_values,
    describe,
    shown,
)
from lossary.core.record import HANDLED, Loss
from lossary.core.strict import is_strict

Steps = tuple[tuple[Any, ...], ...]
"""Methods of a tensor with their arguments, in the order in which they are applied."""
BESIDE_DATA = ("sample_weight", "normalizer")
"""Arrays of a call that its formula does not see."""


@dataclass
class Checked:
    """A call after its check.

    values: the arguments as they were given. first: the first of them. dtype: what the formula is computed in.
    answer_dtype: what the caller gets back. specs, dims: the contract's words for them, and the sizes these name.
    given: the caller's own arrays among them, with the methods of a tensor that the check applied to each; what else is
    an array here was made of numbers, or by the loss's variant.
    """

    loss: Loss
    values: dict[str, Any]
    specs: dict[str, Spec]
    first: Array
    dtype: Any
    answer_dtype: Any
    dims: Dims
    reduction: str
    sample_weight: Array | None
    normalizer: Array | None
    impl: str
    given: dict[str, Steps]

    def arrays(self) -> dict[str, Array]:
        """Every array of the call, by the name of its argument."""
        among = {name: self.values[name] for name in self.specs} | {n: getattr(self, n) for n in BESIDE_DATA}
        among |= {name: self.values[name] for name in self.loss.options if is_array(self.values[name])}
        return {name: x for name, x in among.items() if x is not None}

    def empty(self) -> "Checked":
        """The same call without its arrays."""
        return self.holding(dict.fromkeys(self.arrays()))

    def holding(self, arrays: Mapping[str, Array | None]) -> "Checked":
        """The same call with other arrays of the same shapes and dtypes."""
        values = {name: arrays.get(name, x) for name, x in self.values.items()}
        beside = {name: arrays[name] for name in BESIDE_DATA if name in arrays}
        return replace(self, values=values, first=values[next(iter(self.loss.data))], **beside)


def check(loss: Loss, arguments: dict[str, Any]) -> Checked:
    """What can be checked without reading data."""
    of_caller = arguments
    if loss.variant is not None:
        loss, arguments = loss.variant(loss, arguments)
    values = {name: value for name, value in arguments.items() if name not in HANDLED}
    given: dict[str, Steps] = {n: () for n in (*loss.data, *BESIDE_DATA) if arguments.get(n) is of_caller.get(n)}
    for name, shape in loss.adapt(values).items() if loss.adapt is not None else ():
        values[name] = namespace(values[name]).reshape(values[name], shape)
        _then(given, name, "reshape", shape)
    reduction = check_reduction(loss, arguments) if "reduction" in arguments else "none"
    check_options(loss, values)
    specs, dims = _check_data(loss, values, given)
    first = values[next(iter(loss.data))]
    apart = (*BESIDE, *OUTCOMES)
    arrays = {n: values[n] for n, s in specs.items() if s.domain.name not in apart and not _is_number(arguments[n])}
    for name in loss.options:
        if is_array(values[name]) and library(values[name]) != library(first):
            raise TypeError(
                f"{loss.name}: {name} is a {library(values[name])} array, {describe(values[name])}; beside "
                f"{library(first)} arrays it must be a number or a {library(first)} array. Pass {name}.item()"
            )
    floats = [x for x in arrays.values() if kind(x) == "float"]
    if not floats:
        name = next(iter(loss.data))
        fix = f"Convert {name} to a floating dtype (torch: {name}.float())"
        raise TypeError(f"{loss.name}: {name} is {describe(first)}; it must have a floating dtype. {fix}")
    answer_dtype = under_autocast(first, result_dtype(floats))
    dtype = compute_dtype(first, answer_dtype)
    checked = Checked(
        loss=loss,
        values=values,
        specs=specs,
        first=first,
        dtype=dtype,
        answer_dtype=answer_dtype,
        dims=dims,
        reduction=reduction,
        sample_weight=_sample_weight(loss, arguments.get("sample_weight"), dims, first, dtype, given),
        normalizer=_normalizer(loss, arguments.get("normalizer"), reduction, first, dtype, given),
        impl=arguments.get("impl", "auto"),
        given=given,
    )
    if loss.check is not None:
        loss.check(checked)
    return checked


def prepare(call: Checked) -> dict[str, Any]:
    """The values as the formula takes them: cast to one dtype, rows of weight 0 masked, domains checked."""
    loss, specs, values = call.loss, call.specs, dict(call.values)
    if loss.check_data is not None:
        loss.check_data(call)
    for name in loss.options:
        if is_array(values[name]):
            values[name] = _inside(cast(values[name], call.dtype), loss.options[name])
    for name, spec in specs.items():
        if spec.domain.dtype == "integer":
            values[name] = cast_index(values[name], call.first)
        elif not spec.domain.ordered:
            values[name] = cast(values[name], call.dtype)
    hiding, positives = _hiding(call), values.get("positives")
    for name, spec in specs.items():
        for weight, shape in () if spec.domain.name == "positives" else hiding:  # whose places stay
            values[name] = _silence(values[name], spec, weight, shape, positives, call)
    counted = _counted(call, values, hiding) if is_strict() else []
    domains = {name: spec.domain for name, spec in specs.items()} | loss.domains(values)
    for name, spec in specs.items():
        seen, hidden, domain = values[name], counted, domains[name]
        if spec.domain.name == "positives":
            hidden = [(detach(weight), shape) for weight, shape in hiding]
        elif domain.enforced and domain.dtype == "float":
            hidden = hidden or _kept(call, values)
        for weight, shape in hidden:
            seen = _silence(seen, spec, weight, shape, positives, call)
        held = check_values(loss.name, name, seen, domain, call.dims, values.get("ignore_index"))
        if not counted and not (hiding and spec.domain.name == "positives"):
            values[name] = held
        if is_strict() and spec.domain.sums:
            eps = float(namespace(call.first).finfo(call.answer_dtype).eps)
            rows = functools.reduce(operator.and_, [weight != 0 for weight, _ in counted]) if counted else None
            check_sums(loss.name, name, seen, spec, call.dims, rows, eps)
    if not loss.rows_independent:
        values["sample_weight"] = call.sample_weight
    return values


def _inside(option: Array, allowed: Range) -> Array:
    """An option whose value is not read; NaN where it is not allowed."""
    xp = namespace(option)
    return xp.where(allowed.excludes(option), xp.nan, option)


class _Given(threading.local):
    """The warnings that this thread's last call has given."""

    def __init__(self) -> None:
        self.warnings: list[tuple[str, type[Warning]]] = []


GIVEN = _Given()


def warn(message: str, category: type[Warning] = UserWarning, *, repeated: bool = True) -> None:
    """Warn the caller of a loss; compiled code, which cannot, says it when it is first run without.

    repeated: also at later calls that are remembered.
    """
    if is_compiling():
        return
    if repeated:
        GIVEN.warnings.append((message, category))
    frame, depth = sys._getframe(), 1
    # torch.nn: a module's own call, and torch's functions under `lossary.patch_torch`.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("lossary.", "torch.nn.")):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)


def check_reduction(loss: Loss, arguments: Mapping[str, Any]) -> str:
    """The reduction that is asked for, in torch's deprecated ways too."""
    known = ", ".join(repr(r) for r in loss.reductions)
    if not isinstance(arguments["reduction"], str):
        raise ValueError(f"{loss.name}: reduction is {shown(arguments['reduction'])}; it must be one of {known}")
    reduction = legacy_reduction(
        loss.name, arguments["reduction"], arguments.get("size_average"), arguments.get("reduce")
    )
    if reduction not in loss.reductions:
        raise ValueError(f"{loss.name}: reduction is {reduction!r}; it must be one of {known}")
    return reduction


def legacy_reduction(name: str, reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that torch's deprecated `size_average`, `reduce` and "elementwise_mean" ask for."""
    if size_average is None and reduce is None and reduction != "elementwise_mean":
        return reduction
    for argument, value in (("size_average", size_average), ("reduce", reduce)):
        if not (value is None or isinstance(value, bool)):
            raise TypeError(
                f"{name}: {argument} is {shown(value)}; it must be True, False or None; write reduction= instead"
            )
    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    said = (
        "reduction='elementwise_mean' is" if size_average is None and reduce is None else "size_average and reduce are"
    )
    warn(f"{name}: {said} deprecated; write reduction={meant!r}", DeprecationWarning)
    return meant


def check_options(loss: Loss, values: dict[str, Any]) -> None:
    """Raise where an option is not what it may be; others become the plain numbers that formulas take."""
    for name, allowed in loss.options.items():
        if values[name] is None and isinstance(allowed, Range):
            values[name] = allowed.none_means
        if isinstance(values[name], np.generic):
            values[name] = values[name].item()
        if is_array(values[name]):
            values[name] = _array_option(loss, name, values[name], allowed)
            if is_array(values[name]):
                continue
        must = allowed.refuse(values[name])
        if must is not None:
            fix = as_plain(name, values[name])
            raise ValueError(f"{loss.name}: {name} is {shown(values[name])}; it must be {must}{fix}")
        if isinstance(allowed, Range) and type(values[name]) not in (int, float):  # a Fraction, or NumPy's
            values[name] = int(values[name]) if allowed.integer else float(values[name])
        if isinstance(allowed, Range) and allowed.integer:
            values[name] = int(values[name])
        if isinstance(allowed, (Bytes, Levels)):
            values[name] = allowed.parse(values[name])
    for name, allowed in loss.options.items():
        if isinstance(allowed, Choice):
            _check_beside_word(loss, name, allowed, values)


def _check_beside_word(loss: Loss, name: str, choice: Choice, values: dict[str, Any]) -> None:
    """Raise where an option belongs to other words than the one that is chosen, or is not in its range beside it."""
    for option, ranges in choice.ranges.items():
        value, allowed = values[option], ranges.get(values[name])
        if allowed is not None:
            must = None if is_array(value) else allowed.refuse(value)
        else:
            at_default = not is_array(value) and value == loss.defaults[option]
            must = None if at_default else f"left out: it belongs to {name}={' or '.join(map(repr, ranges))}"
        if must is not None:
            raise ValueError(
                f"{loss.name}: {option} is {shown(value)}, and {name} is {values[name]!r}; {option} must be {must}"
            )


def _array_option(loss: Loss, name: str, value: Array, allowed: Any) -> Array | float:
    """A number of the formula that is given as a 0-d array: itself where it has a derivative or cannot be read."""
    if not isinstance(allowed, Range) or allowed.integer:
        fix = f". Pass int({name})" if isinstance(allowed, Range) else ""
        fix = f". Pass {name}.tolist()" if isinstance(allowed, Levels) else fix
        raise TypeError(
            f"{loss.name}: {name} is {describe(value)}; it must be {allowed.refuse(value)}, not an array{fix}"
        )
    if kind(value) not in ("float", "integer") or value.ndim != 0:
        wanted = f"a number in {allowed}, or a 0-d array{as_plain(name, value)}"
        raise ValueError(f"{loss.name}: {name} is {describe(value)}; it must be {wanted}")
    if not is_concrete(value):
        return value
    number = float(detach(value))
    must = allowed.refuse(number)
    if must is not None:
        raise ValueError(f"{loss.name}: {name} is {number!r}; it must be {must}")
    return value if may_be_differentiated(value) else number


def _check_data(loss: Loss, values: dict[str, Any], given: dict[str, Steps]) -> tuple[dict[str, Spec], Dims]:
    """The alternative of each argument's contract that it fits; an optional argument that is None has none."""
    dims: Dims = {}
    specs: dict[str, Spec] = {}
    first_name = next(iter(loss.data))
    first = plain(loss.name, first_name, values[first_name])
    for option, allowed in loss.options.items():
        if isinstance(allowed, Levels):
            check_levels(loss.name, first_name, first, option, values[option])
            dims |= allowed.dims(values[option])
    for name, spec in loss.data.items():
        if values[name] is None and name in loss.defaults and loss.defaults[name] is None:
            continue
        values[name] = plain(loss.name, name, values[name])
        beside = spec.domain.name in BESIDE or (spec.domain.number and _is_number(values[name]))
        if beside and is_array(first):
            values[name] = _as_array(name, values[name], first, given)
        specs[name] = check_array(loss.name, name, values[name], spec, dims, (first_name, first))
        if specs[name].by_row and 0 < values[name].ndim < first.ndim:
            values[name] = namespace(first).expand_dims(values[name], axis=-1)
            _then(given, name, "unsqueeze", -1)
    return specs, dims


def _as_array(name: str, x: Any, like: Array, given: dict[str, Steps]) -> Any:
    """`x`, made an array like the first if it is none: then it is no longer the caller's."""
    array = as_array(x, like=like)
    if array is not x:
        given.pop(name, None)
    return array


def _then(given: dict[str, Steps], name: str, method: str, argument: Any) -> None:
    """Write down what was done to an array, if it is the caller's."""
    if name in given:
        given[name] += ((method, argument),)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and not is_array(x)


def _sample_weight(
    loss: Loss, weight: Any, dims: Dims, first: Array, dtype: Any, given: dict[str, Steps]
) -> Array | None:
    """The sample weight with as many dimensions as the unreduced loss."""
    if weight is None:
        return None
    weight = _as_array("sample_weight", plain(loss.name, "sample_weight", weight), first, given)
    unreduced = tuple(n for _, n in axes(loss.unreduced, dims))
    ours = is_array(weight) and library(weight) == library(first)
    if not ours or kind(weight) not in ("float", "integer", "bool"):
        raise TypeError(
            f"{loss.name}: sample_weight is {describe(weight)}; it must be a {library(first)} array of a real dtype"
            f"{as_plain('sample_weight', weight)}"
        )
    check_device(loss.name, "sample_weight", weight, (next(iter(loss.data)), first))
    shape = tuple(weight.shape)
    if len(shape) > len(unreduced) or not size_fits(shape, unreduced[: len(shape)]):
        raise ValueError(
            f"{loss.name}: sample_weight is {describe(weight)}; from the left it must broadcast to the unreduced "
            f"loss, of shape {unreduced}: one weight for each of its first dimensions"
        )
    if weight.dtype != dtype:
        weight = cast(weight, dtype)
        _then(given, "sample_weight", "to", dtype)
    if len(shape) < len(unreduced):
        shape += (1,) * (len(unreduced) - len(shape))
        weight = namespace(first).reshape(weight, shape)
        _then(given, "sample_weight", "reshape", shape)
    return weight


def _normalizer(
    loss: Loss, normalizer: Any, reduction: str, first: Array, dtype: Any, given: dict[str, Steps]
) -> Array | None:
    if normalizer is None:
        return None
    if reduction not in ("mean", "batchmean"):
        raise ValueError(
            f"{loss.name}: normalizer is the denominator of a mean, and reduction is {reduction!r}; "
            "leave it out, or pass reduction='mean'"
        )
    array = _as_array("normalizer", normalizer, first, given)
    if not is_array(array) or array.ndim != 0 or kind(array) not in ("float", "integer"):
        raise ValueError(
            f"{loss.name}: normalizer is {describe(normalizer)}; it must be a number or a 0-d array"
            f"{as_plain('normalizer', normalizer)}"
        )
    check_device(loss.name, "normalizer", array, (next(iter(loss.data)), first))
    if isinstance(normalizer, (int, float)) and not 0 <= normalizer < math.inf:
        raise ValueError(
            f"{loss.name}: normalizer is {normalizer!r}; it must be in [0, inf), a count or a sum of weights"
        )
    if array.dtype != dtype:
        _then(given, "normalizer", "to", dtype)
    return cast(array, dtype)


Hiding = list[tuple[Array, str]]
"""Weights, with their shapes in the words of the contract: where one is 0, other arguments may hold anything."""


def _hiding(call: Checked) -> Hiding:
    of_pixels = [(cast(call.values[name], call.dtype), spec.shape) for name, spec in call.specs.items() if spec.hides]
    return of_pixels if call.sample_weight is None else [(call.sample_weight, call.loss.unreduced), *of_pixels]


def _counted(call: Checked, values: dict[str, Any], hiding: Hiding) -> Hiding:
    """What is not 0 for what is neither ignored nor of weight 0; strict checking looks at these alone."""
    dtensors.refuse(call.loss.name, values, "strict() reads values")
    for name in call.specs:
        if is_traced(values[name]):
            raise ValueError(
                f"{call.loss.name}: strict() reads values, and {name} has none inside torch.compile, torch.func, vmap "
                "or JAX's transformations. Call the loss once outside of them, or leave strict()"
            )
    return [(detach(weight), shape) for weight, shape in (*hiding, *_kept(call, values))]


def _kept(call: Checked, values: dict[str, Any]) -> Hiding:
    """1 where a class is not ignored."""
    ignored = call.values.get("ignore_index")
    target = next((n for n, s in call.specs.items() if s.domain.name == "class indices" and "K" not in s.shape), None)
    if target is None or ignored is None:
        return []
    return [(cast(values[target] != ignored, call.dtype), call.specs[target].shape)]


def _silence(x: Array, spec: Spec, weight: Array, shape: str, positives: Array | None, call: Checked) -> Array:
    """`x` with zeros, or ignored, where a weight of that shape is 0: nothing there reaches a value or a gradient."""
    if spec.domain.name in (*BESIDE, "label sequences"):
        return x
    xp = namespace(x)
    rows, names, own = ([n for n, _ in axes(s, call.dims)] for s in (shape, spec.shape, call.loss.rows))
    if rows and not set(rows) & set(names):  # shared by all rows, as a matrix of weights is
        if spec.domain.name != "candidates":
            return x
        in_batch = xp.broadcast_to(weight != 0, (call.dims["N"],))
        remaining = candidates.remaining(in_batch, positives, x.shape[0])
        return xp.where(xp.expand_dims(remaining, axis=-1), x, 0)
    alone = set(names) & set(own)
    counts, elsewhere = weight != 0, tuple(i for i, name in enumerate(rows) if name not in alone)
    if elsewhere:  # part of several losses: kept for any one that counts
        counts = xp.any(counts, axis=elsewhere, keepdims=True)
    sizes = dict(zip(rows, counts.shape, strict=True))
    keep = xp.reshape(counts, tuple(sizes.get(name, 1) for name in names))
    # What all rows share may be infinite: a row whose class is ignored takes no derivative from there either.
    nothing = call.values.get("ignore_index", 0) if spec.domain.name == "class indices" else 0
    # The derivative with respect to a weight of 0 needs the row: then only what is not finite is taken out.
    return xp.where(keep | xp.isfinite(x), x, 0) if may_be_differentiated(weight) else xp.where(keep, x, nothing)
