"""Calls of any loss, drawn by hypothesis from its contract: all that it allows, and what breaks it in one place."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import oracles
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lossary.core.contract import (
    BESIDE,
    Choice,
    Dims,
    Flag,
    Function,
    Levels,
    Range,
    Spec,
    axes,
    broadcasts,
    label_sequences,
    lengths,
    shape_of,
)
from lossary.core.record import Loss
from lossary.testing import LIBRARIES, Case, Library, Sample
from lossary.testing.samples import EXTREMES, as_boxes, drawn_options, in_domain, manhattan, wrong_levels

WIDTH: dict[str, Any] = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 32}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
EDGES = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 88.9, -104.0, 1e4, -1e4, 2.0**-24, 2.0**-149, 2.0**-1074, 1e30, -1e30)
NO_SUBNORMALS = ("weight", "pos_weight", "target", "input1", "input2")
"""Products of two subnormal numbers are 0, and the gradient of a subnormal vector's cosine is beyond every range."""
LIBRARY = st.sampled_from([LIBRARIES["numpy"], LIBRARIES["torch"]])


@dataclass(frozen=True)
class Call:
    """given: what the loss is called with. meant: the same for the oracle, arrays of float64 and of full shapes."""

    loss: Loss
    library: Library
    dtype: str
    dims: Dims
    specs: dict[str, Spec]
    given: dict[str, Any]
    meant: dict[str, Any]

    @property
    def case(self) -> Case:
        """The call as it is meant, in float64."""
        oracle = getattr(oracles, self.loss.name)
        sample = Sample(self.meant, self.specs, self.dims)
        return Case(self.loss, self.loss.public, oracle, sample, LIBRARIES["torch"], "float64")

    def answer(self, **changes: Any) -> Any:
        return self.loss.public(**{**self.given, **changes})

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={x!r}" for name, x in self.given.items())
        return f"{self.loss.name}({arguments})  # {self.library.name}, {self.dtype}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # as hypothesis shows it


@cache
def numbers(low: float, high: float, dtype: str, subnormal: bool = True) -> st.SearchStrategy[float]:
    finfo = np.finfo(f"f{WIDTH[dtype] // 8}")
    with np.errstate(over="ignore"):
        edges = [float(finfo.dtype.type(x)) for x in EDGES]
    bounds = [None if np.isinf(x) else float(finfo.dtype.type(np.clip(x, finfo.min, finfo.max))) for x in (low, high)]
    ordinary = st.floats(max(low, -8.0), min(high, 8.0), width=16, allow_subnormal=False)
    anything = st.floats(*bounds, width=WIDTH[dtype], allow_nan=False, allow_subnormal=subnormal)
    allowed = [x for x in edges if low <= x <= high and (subnormal or x == 0 or abs(x) >= finfo.smallest_normal)]
    return st.sampled_from(allowed) | ordinary | anything


@st.composite
def sizes(draw: st.DrawFn, loss: Loss) -> Dims:
    """A size for each name in the shapes of `loss`; 0 and missing ones among them."""
    tokens = {t.partition("+")[0] for spec in loss.data.values() for s in spec for t in s.shape.split()}
    named = {t for t in tokens if not t.isdecimal()}
    dims: Dims = {}
    few = st.integers(0, 3)
    for token in sorted(named - {"L"}):  # "*d" sorts before "?N"; without a batch there are no further dimensions
        name = token.lstrip("?*")
        if token[0] == "*":
            dims[name] = draw(st.lists(few, max_size=3 if name == "s" else 2).map(tuple))
        else:
            missing = token[0] == "?" and sum((n for n in dims.values() if isinstance(n, tuple)), ()) == ()
            dims[name] = draw(st.none() | few if missing else few)
    return dims


@st.composite
def calls(draw: st.DrawFn, loss: Loss) -> Call:
    """A valid call: any shape, dtype, layout, option and value that the contract allows."""
    library = draw(LIBRARY)
    dtype = draw(st.sampled_from(library.dtypes))
    dims = draw(sizes(loss))
    optional = [n for n in loss.data if loss.signature.parameters[n].default is None]
    specs = {
        n: draw(st.sampled_from(list(s))) for n, s in loss.data.items() if n not in optional or draw(st.booleans())
    }
    domains = {s.domain.name for s in specs.values()}
    if domains & {"class indices", "label sequences"}:
        dims["C"] = max(dims["C"], 1)
    if dims.get("C") == 1 and (loss.name == "focal_loss" or "activation" in loss.options):
        dims["C"] = 2  # the softmax of one class is always 1, which they refuse
    if "lengths" in domains:
        specs = _sequence_specs(specs, dims)
    options = {n: draw(_option(n, allowed, dims, loss)) for n, allowed in drawn_options(loss).items()}
    for name, allowed in loss.options_beside(options).items():
        if name in options and allowed is not loss.options[name]:
            options[name] = draw(_option(name, allowed, dims, loss).filter(lambda x, a=allowed: a.refuse(x) is None))
    options = {n: x for n, x in options.items() if n in loss.options_beside(options)}
    specs = {n: in_domain(loss, n, s, options) for n, s in specs.items()}
    for name, allowed in loss.options.items():
        dims |= allowed.dims(options[name]) if isinstance(allowed, Levels) else {}
    if "ignore_index" in options and "class indices" not in domains:
        options["ignore_index"] = loss.defaults["ignore_index"]
    if "M" in dims:
        if options.get("symmetric"):
            specs.pop("positives", None)
        fewest = dims["N"] if "positives" not in specs else 1
        dims["M"] = dims["N"] if options.get("symmetric") else max(dims["M"], fewest)
    given, meant = dict(options), dict(options)
    for name, spec in sorted(specs.items(), key=lambda item: item[1].domain.name != "lengths"):
        if spec.shape == "L":
            dims["L"] = int(meant["target_lengths"].sum())
        shape = shape_of(spec, dims)
        passed = draw(st.sampled_from(_shapes(spec, shape, dims)))
        x = draw(_values(name, spec, passed, dtype, dims, options, meant))
        held_by = library if spec.domain.name not in BESIDE else draw(st.sampled_from([library, LIBRARIES["numpy"]]))
        x, given[name] = draw(_laid_out(held_by, x, dtype if held_by is library else "float64"))
        held = held_by.numpy(given[name]) if x.dtype.kind == "f" else x
        held = held[..., None] if spec.by_row and 0 < held.ndim < len(shape) else held
        meant[name] = np.array(np.broadcast_to(held, shape))
    ordered = [n for n in loss.signature.parameters if n in given]
    return Call(loss, library, dtype, dims, specs, {n: given[n] for n in ordered}, {n: meant[n] for n in ordered})


def _sequence_specs(specs: dict[str, Spec], dims: Dims) -> dict[str, Spec]:
    """Concatenated targets belong to a batch, and a length of shape (1,) to none."""
    wrong = ("1", "L" if not dims["N"] else "") if dims["N"] is not None else ("L",)
    return {n: s if s.shape not in wrong else SEQUENCES[s.domain.name, s.along] for n, s in specs.items()}


SEQUENCES = {("label sequences", ""): label_sequences("?N S")} | {
    ("lengths", axis): lengths("?N", along=axis) for axis in ("T", "S")
}


def _option(name: str, allowed: Any, dims: Dims, loss: Loss) -> st.SearchStrategy[Any]:
    default = st.just(loss.defaults[name])
    if isinstance(allowed, Flag):
        return st.booleans()
    if isinstance(allowed, Choice):
        return st.sampled_from(allowed.words)
    if isinstance(allowed, Levels):
        level = numbers(allowed.low, allowed.high, "float32", subnormal=False)
        level = level.filter(lambda x: allowed.refuse(x) is None)
        return default | level | st.lists(level, min_size=1, max_size=3, unique=True).map(lambda x: tuple(sorted(x)))
    if not isinstance(allowed, Range):
        return default | st.just(manhattan) if isinstance(allowed, Function) else default
    if name == "ignore_index":
        return default | st.sampled_from([*range(dims["C"]), -1, 255, -(2**63), 2**62])
    if allowed.integer:
        return st.integers(int(allowed.low), int(min(allowed.high, max(dims["C"] - 1, allowed.low))))
    open_ends = [x for x, is_open in ((allowed.low, allowed.low_open), (allowed.high, allowed.high_open)) if is_open]
    if name == "eps":  # which is no eps where it is large
        return default | st.sampled_from([0.0, 1e-12, 0.5])
    default = default | st.sampled_from([allowed.low, allowed.high, *allowed.extra_values])
    within = numbers(max(allowed.low, -(2.0**20)), min(allowed.high, 2.0**20), "float32", subnormal=False)
    return (default | within).filter(lambda x: x not in open_ends)


def _shapes(spec: Spec, shape: tuple[int, ...], dims: Dims) -> list[tuple[int, ...]]:
    """The shapes that an array of `shape` may be passed as."""
    if not spec.broadcasts:
        return [shape]
    ones = [(*shape[:i], 1, *shape[i + 1 :]) for i in range(len(shape))]
    fewer = ((), shape[:-1] if spec.by_row else shape[1:])
    return [shape, *(passed for passed in (*ones, *fewer) if broadcasts(passed, spec, dims))]


def _bounds(name: str, spec: Spec, options: dict[str, Any]) -> tuple[float, float]:
    """The domain; the meaning of some arguments follows an option."""
    if name == "target" and "log_target" in options:
        return (-np.inf, 0.0) if options["log_target"] else (0.0, 1.0)
    ends = EXTREMES.get(spec.domain.name, (np.inf,))
    if np.isinf(ends).any():
        return spec.domain.low, spec.domain.high
    lowest = 0.0 if min(ends) == 0 else -max(ends)  # where infinities mean nothing, as weights
    return max(spec.domain.low, lowest), min(spec.domain.high, max(ends))


@st.composite
def _values(
    draw: st.DrawFn,
    name: str,
    spec: Spec,
    shape: tuple[int, ...],
    dtype: str,
    dims: Dims,
    options: dict[str, Any],
    drawn: dict[str, Any],
) -> np.ndarray:
    def array(elements: st.SearchStrategy[Any], of: type = np.int64) -> np.ndarray:
        return draw(arrays.arrays(of, shape, elements=elements))

    domain, classes = spec.domain.name, range(dims.get("C", 0))
    if domain == "events":
        return array(st.sampled_from([0.0, 1.0]), np.float64)
    if domain == "signs":
        return array(st.sampled_from([-1.0, 1.0]), np.float64)
    if spec.domain.dtype == "float":
        subnormal = name not in NO_SUBNORMALS and not spec.domain.corners
        x = array(numbers(*_bounds(name, spec, options), dtype, subnormal), np.float64)
        if spec.domain.corners:
            return as_boxes(x, options["format"])
        if options.get("log_target") and name == "target":  # a probability that underflows counts as 0
            x = np.where(x < -80.0, -np.inf, x)
        names = [n for n, _ in axes(spec.shape, dims)]
        if "C" in names and spec.domain.sums == "probabilities":  # a target of no class at all is none
            by_class = np.moveaxis(x, names.index("C"), 0)
            by_class[:1] = np.where(by_class.any(0), by_class[:1], 1.0)
        return x
    if domain == "class indices":
        ignored = options.get("ignore_index")
        x = array(st.sampled_from([*classes, *([] if ignored is None else [ignored])]))
    elif domain == "positives":
        x = array(st.integers(0, dims["M"] - 1))
    elif domain == "labels":
        x = array(st.integers(-1, 1))
    elif domain == "label sets":
        x = array(st.integers(-1, len(classes) - 1))
    elif domain == "lengths":
        most = dims[spec.along] if spec.along == "T" or len(classes) > 1 else 0
        x = array(st.integers(0, most))
    else:
        letters = [k for k in classes if k != options["blank"] % len(classes)] or [-7]
        x = array(st.sampled_from(letters))
        if spec.shape != "L":  # what stands beyond a target's length is not read
            beyond = np.arange(x.shape[-1]) >= np.asarray(drawn["target_lengths"]).reshape(-1, 1)
            x = np.where(beyond.reshape(x.shape), draw(st.sampled_from([-1, 0, 9, 10**6])), x)
    low, high = x.min(initial=0), x.max(initial=0)
    holding = [d for d in INTEGERS if np.iinfo(d).min <= low and high <= np.iinfo(d).max]
    return x.astype(draw(st.sampled_from(holding)))


@st.composite
def _laid_out(draw: st.DrawFn, library: Library, x: np.ndarray, dtype: str) -> tuple[np.ndarray, Any]:
    """`x`, and it as an array of the library in any layout; expanded, it is its first row, seen many times over."""
    layout = draw(st.sampled_from(["plain", "plain", "transposed", "strided", "reversed", "expanded"]))
    torch = library.name == "torch"
    if not x.ndim:
        return x, library.array(x, dtype)[()]
    if layout == "transposed":
        turned = library.array(np.ascontiguousarray(x.T), dtype)
        return x, turned.permute(tuple(reversed(range(x.ndim)))) if torch else turned.T
    if layout == "strided":
        return x, library.array(np.repeat(x, 2, axis=-1), dtype)[..., ::2]
    if layout == "reversed" and not torch:
        return x, library.array(np.ascontiguousarray(x[::-1]), dtype)[::-1]
    if layout == "expanded" and len(x):
        first = library.array(x[:1], dtype)
        return np.repeat(x[:1], len(x), 0), first.expand(x.shape) if torch else np.broadcast_to(first, x.shape)
    return x, library.array(x, dtype)


@st.composite
def reductions(draw: st.DrawFn, call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reduction with its weights and denominator: as it is given, and as it is meant."""
    how: dict[str, Any] = {"reduction": draw(st.sampled_from(call.loss.reductions))}
    meant = dict(how)
    if draw(st.booleans()):
        shape = tuple(n for _, n in axes(call.loss.unreduced, call.dims))
        shape = shape[: draw(st.integers(0, len(shape)))]
        weight = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, 0.25, 3.0])))
        weight, how["sample_weight"] = draw(_laid_out(call.library, weight, call.dtype))
        meant["sample_weight"] = weight
    if "mean" in how["reduction"] and draw(st.booleans()):
        how["normalizer"] = meant["normalizer"] = draw(st.sampled_from([0, 1, 7, 0.5, 1e6]))
    return how, meant


NOTHING: tuple[Any, ...] = ("text", b"bytes", {}, {1.0}, object(), 1j, slice(None), ..., type, lambda: None)
"""What no argument can be."""
NO_ARRAYS: tuple[Any, ...] = (
    np.array([object()]),
    np.array(["a"]),
    np.array(["2020-01-01"], "datetime64[D]"),
    np.array([(1, 2.0)], "i4,f4"),
    np.ones(2, "complex64"),
    np.ma.masked_array([1.0], [True]),
)
NO_NUMBERS: tuple[Any, ...] = (*NOTHING, [1.0], np.ones(2), float("nan"), "0.5")
NO_CHOICES: tuple[Any, ...] = ("average", b"mean", None, 3, [], ["mean"], {}, np.array(["mean", "sum"]), object())
NO_WEIGHTS: tuple[Any, ...] = (*NOTHING, *NO_ARRAYS, np.ones((2, 3, 5, 7, 11)), [[1.0], [2.0, 3.0]], ["a"], 10**400)
NO_NORMALIZERS: tuple[Any, ...] = (*NOTHING, [1.0, 2.0], np.ones(2), -1.0, float("nan"), float("inf"), 10**400, True)


def broken(call: Call) -> dict[str, tuple[Any, ...]]:
    """For each argument of a valid call, all that it must not be."""
    return {
        "reduction": NO_CHOICES,
        "impl": NO_CHOICES,
        "sample_weight": NO_WEIGHTS,
        "normalizer": NO_NORMALIZERS,
        **{name: _no_options(allowed) for name, allowed in call.loss.options.items()},
        **{name: _no_data(call, name) for name in call.specs},
    }


def _no_options(allowed: Any) -> tuple[Any, ...]:
    if isinstance(allowed, Levels):
        return (*NO_NUMBERS, True, 10**400, None, *wrong_levels(allowed))
    if not isinstance(allowed, Range):
        return tuple(x for x in (*NOTHING, [1.0]) if not callable(x))
    outside = [np.nextafter(end, sign * np.inf) for end, sign in ((allowed.low, -1), (allowed.high, 1))]
    outside += [x for x, is_open in ((allowed.low, allowed.low_open), (allowed.high, allowed.high_open)) if is_open]
    fractions = (0.5, 2**63, -(2**63) - 1) if allowed.integer else ()
    missing = (None,) if allowed.none_means is None else ()
    return (*NO_NUMBERS, True, 10**400, *missing, *fractions, *(x for x in outside if np.isfinite(x)))


def _no_data(call: Call, name: str) -> tuple[Any, ...]:
    spec, library = call.specs[name], call.library
    x, domain = np.array(call.meant[name]), spec.domain.name
    beside, first = domain in BESIDE, name == next(iter(call.loss.data))
    others = [s for n, s in call.specs.items() if n != name]
    ways: list[Any] = [*NOTHING, *NO_ARRAYS, 10**400]
    other = LIBRARIES["numpy" if library.name == "torch" else "torch"]
    convertible = library.name == "torch" if beside else first and all(s.domain.name in BESIDE for s in others)
    ways += [] if convertible else [other.array(np.zeros(x.shape, x.dtype), "float32")]
    ways += [] if beside else [[1.0], [[1], [2.0, 3.0]]]
    ways += [] if beside or spec.domain.number else [1.5]
    if call.loss.signature.parameters[name].default is not None:
        ways.append(None)
    if first or spec.domain.dtype == "integer":
        ways.append(library.array(np.ones(x.shape, bool), call.dtype))
    if spec.domain.dtype == "integer":
        ways.append(library.array(np.zeros((*x.shape, 1, 1)), call.dtype))
    if not first:
        ways.append(library.array(np.ones((*x.shape, 7, 7), x.dtype), call.dtype))
    ways += [library.array(y, call.dtype) for y in _out_of_domain(call, name, spec, x)]
    return tuple(ways)


def _out_of_domain(call: Call, name: str, spec: Spec, x: np.ndarray) -> list[np.ndarray]:
    """`x` with its first element outside the domain, where that is always checked."""
    classes, ignored = call.dims.get(spec.domain.among, 0), call.given.get("ignore_index")
    outside: list[Any] = []
    if spec.domain.dtype == "integer":
        outside = [-7, -(2**63), 2**31, 2**63 - 1, 2**64 - 1]
        if spec.domain.name == "labels":
            return []
        if spec.domain.name in ("class indices", "positives", "label sets"):
            outside += [classes, classes + 1]
        elif spec.domain.name == "label sequences":
            first = np.asarray(call.meant["target_lengths"]).reshape(-1)[:1]
            outside += [classes, -1, call.given["blank"] % classes]
            outside = outside if first.size and first[0] else []
        else:
            outside += [-1, call.dims[spec.along] + 1] if "L" not in call.dims else [-1]
        outside = [v for v in outside if v != ignored]
    elif spec.domain.enforced:
        if spec.domain.corners:
            return [np.concatenate([x[..., 2:] + 1, -1 - np.abs(x[..., 2:])], -1)] if x.size else []
        low, high = spec.domain.low, spec.domain.high
        outside = [v for v in (-0.5, 1.5, np.inf, -np.inf) if not low <= v <= high]
    if not x.size:
        return []
    planted = []
    for value in outside:
        y = np.array(np.maximum(x, 0), "uint64") if value == 2**64 - 1 else np.array(x, type(value))
        y.flat[0] = value
        planted.append(y)
    return planted
