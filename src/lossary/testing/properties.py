"""What each of PROPERTIES says of a loss, as a test of one call. Words: lossary.core.record.

Each takes a Case and raises AssertionError with the numbers. It answers whether it had anything to look at: classes
cannot be relabelled where there are none.
"""

from collections.abc import Callable
from math import exp, factorial, log
from typing import Any

import numpy as np

from lossary.core.contract import Domain, Range, Spec, axes
from lossary.testing import samples
from lossary.testing.case import Case
from lossary.testing.tolerance import EPSILON, assert_close

CLASSES = ("C", "K")
"""The names of axes along which classes or labels lie, the second where more than one argument has it."""
ROWS = ("N", "s0", "n0", "d0")
"""The names of the first axis, where it counts rows or elements."""
TWO = {"signs": (-1.0, 1.0), "target probabilities": (0.0, 1.0), "label probabilities": (0.0, 1.0)}
"""What the two labels of a binary loss are called, by the domain of its target."""


def at_defaults(case: Case, property: str) -> Case | None:
    """The call with the numbers that break the property as they are by default; None where a word or a function does.

    Those may say what the data are: the data of the sample need not fit another.
    """
    options, defaults, given = case.loss.options, case.loss.defaults, case.sample.arguments
    voiding = [
        n for n, allowed in options.items() if n in given and property in getattr(allowed, "voids_properties", ())
    ]
    numbers = [n for n in voiding if isinstance(options[n], Range)]
    if any(given[n] != defaults[n] for n in voiding if n not in numbers):
        return None
    return case.of(case.sample.but(**{n: defaults[n] for n in numbers}))


def convex(case: Case) -> bool:
    name = case.sample.differentiable[0]
    x, domain = case.rounded[name], _domain(case, name)
    other = np.clip(x + case.random(x.shape, -0.3, 0.3), domain.low, domain.high)
    here, middle, there = (_sum(case, **{name: point}) for point in (x, (x + other) / 2, other))
    assert middle <= (here + there) / 2 + 1e-9 * (1 + abs(here)), f"{case.loss.name} is not convex"
    return True


def zero_at_target(case: Case) -> bool:
    name, target = _prediction_and_target(case)
    if not target:
        return False
    perfect = case.convert(_predicting(case, name, target))
    losses = case.value(**{name: perfect}, reduction="none")
    assert (losses == 0).all(), f"{case.loss.name} of a perfect prediction is not 0"
    return True


def _prediction_and_target(case: Case) -> tuple[str, str]:
    """Their names; none of the target, where it is of another kind."""
    first = case.sample.differentiable[0]
    target = next((n for n in case.sample.arrays if n.startswith("target")), "")
    same = target and _domain(case, target) == _domain(case, first)
    return first, target if same else ""


def _predicting(case: Case, name: str, target: str) -> np.ndarray:
    """The target in the shape of the predictions, which may have dimensions of their own."""
    dims, specs = case.sample.dims, case.sample.specs
    of_target = [n for n, _ in axes(specs[target].shape, dims)]
    sizes = [(n, size) for n, size in axes(specs[name].shape, dims)]
    y = case.rounded[target].reshape([size if n in of_target else 1 for n, size in sizes])
    return np.array(np.broadcast_to(y, [size for _, size in sizes]))


def symmetric(case: Case) -> bool:
    name, target = _prediction_and_target(case)
    if not target or case.rounded[name].shape != case.rounded[target].shape:
        return False
    return _same(case, {name: case.rounded[target], target: case.rounded[name]}, "is not symmetric")


def shift_invariant(case: Case) -> bool:
    name = case.sample.differentiable[0]
    if name not in _points(case):
        return False
    return _same(case, {name: case.rounded[name] + 3.0}, "changes when all logits shift", grown=3.0)


def translation_invariant(case: Case) -> bool:
    points, rows = _points(case), _names(case.loss.unreduced, case)
    # Rows are alike, and an axis of a literal size holds parts of one thing: a number moves them all.
    sizes = [axes(case.sample.specs[n].shape, case.sample.dims) for n in points]
    within = {tuple(size for n, size in of if n not in rows and not n.isdecimal()) for of in sizes}
    if len(points) < 2 or len(within) != 1:
        return False
    moved = {}
    for name, of in zip(points, sizes, strict=True):
        here = [1 if n in rows or n.isdecimal() else size for n, size in of]
        moved[name] = case.rounded[name] + case.random(next(iter(within)), -3.0, 3.0).reshape(here)
    return _same(case, moved, "changes when all points are moved", grown=3.0)


def scale_invariant(case: Case) -> bool:
    points = _points(case)
    for factor in (0.3, 8.0) if points else ():
        scaled = {name: factor * case.rounded[name] for name in points}
        _same(case, scaled, f"changes when all points are multiplied by {factor:g}", grown=8 * case.scale)
    return bool(points)


def permutation_invariant(case: Case) -> bool:
    row, count = next(iter(axes(case.loss.unreduced, case.sample.dims)), ("N", case.sample.dims["N"] or 0))
    if row not in ROWS or count < 2 or "L" in [spec.shape for spec in case.sample.specs.values()]:  # rows end to end
        return False
    order = _order(case, count)
    permuted = {n: _taken(case, n, row, order) for n in case.sample.arrays}
    specs, candidates = case.sample.specs, case.sample.dims.get("M") or 0
    if "positives" not in specs and any("M" in spec.shape.split() for spec in specs.values()):
        paired = np.concatenate([order, np.arange(count, candidates)])  # candidate i is the positive of row i
        permuted |= {n: _taken(case, n, "M", paired) for n, spec in specs.items() if "M" in spec.shape.split()}
    return _same(case, permuted, "depends on the order of the rows", along={row: order})


def class_symmetric(case: Case) -> bool:
    """The names of classes are permuted; of a binary loss, the two labels change places, and scores their sign."""
    sample = case.sample
    sizes = [size for spec in sample.specs.values() for size in axes(spec.shape, sample.dims)]
    named = [(n, size) for n, size in sizes if n == CLASSES[0] or (n == CLASSES[1] and sizes.count((n, size)) > 1)]
    if not named:
        return _labels_swapped(case)
    axis, count = named[0]
    order = _order(case, count)
    renamed = np.argsort(order)
    changed: dict[str, Any] = {}
    for name, x in sample.arrays.items():
        if sample.specs[name].domain.name in ("class indices", "label sets", "label sequences"):
            changed[name] = np.where((x >= 0) & (x < order.size), renamed[np.clip(x, 0, order.size - 1)], x)
        else:
            changed[name] = _taken(case, name, axis, order)
    for name, allowed in case.loss.options.items():  # an integer without an end is a class, counted from either end
        c = sample.arguments.get(name)
        if isinstance(allowed, Range) and allowed.integer and np.isinf(allowed.high) and c is not None:
            first = 0 if np.isinf(allowed.low) else max(allowed.low, -count)
            changed[name] = int(renamed[c]) if first <= c < count else c
    return _same(case, changed, "changes when classes are relabelled", along={axis: order})


def _labels_swapped(case: Case) -> bool:
    case = _unweighted(case)
    swapped = {}
    for name, x in case.sample.arrays.items():
        domain = case.sample.specs[name].domain
        if (domain.low, domain.high) == (0.0, 1.0):
            swapped[name] = 1.0 - x
        elif domain.low == -domain.high:
            swapped[name] = -x
    labels = [n for n in swapped if case.sample.specs[n].domain.name in TWO]
    if not labels or len(swapped) != len(case.sample.arrays) or len(swapped) == len(labels):
        return False
    return _same(case, swapped, "changes when its two labels change places")


def bounded(case: Case) -> bool:
    case = _unweighted(case)
    low, high = case.loss.bounds or (-np.inf, np.inf)
    far = [case, _unweighted(case.of(samples.extreme(case.loss, case.sample.seed)))]
    for name in case.sample.differentiable:
        x, domain = case.rounded[name], _domain(case, name)
        if not domain.sums:
            far += [
                case.of(case.sample.but(**{name: np.clip(changed, domain.low, domain.high)}))
                for changed in (x * 1e4, x + 1e4, x - 1e4)
            ]
    slack = 16 * EPSILON[case.dtype] * max(1.0, *np.abs([low, high]))
    for there in far:
        try:
            got = there.value(reduction="none")
        except ValueError:  # a box whose corner was moved alone is none
            continue
        outside = (got < low - slack) | (got > high + slack)
        assert not outside.any(), (
            f"{case.loss.name} is {got[outside].flat[0]!r}, outside its bounds {low:g} and {high:g}"
        )
    return True


def proper(case: Case) -> bool:
    """By the mean loss over targets drawn from one distribution: predicted, and with predictions near and far."""
    case = _unweighted(case)
    rng = np.random.default_rng([8, case.sample.seed])
    for predicts in (_classes, _labels, _counts, _normal):
        drawn = predicts(case, rng)
        if drawn is None:
            continue
        truth, others, targets = drawn
        at_truth = sum(share * _sum(case, **truth, **target) for share, target in targets)
        for other in others:
            elsewhere = sum(share * _sum(case, **other, **target) for share, target in targets)
            assert at_truth <= elsewhere + 1e-9 * (1 + abs(at_truth)), (
                f"{case.loss.name}: the truth costs {at_truth!r} on average, and another prediction {elsewhere!r}"
            )
        return True
    return False


Predictions = tuple[dict[str, Any], list[dict[str, Any]], list[tuple[float, dict[str, Any]]]]
"""The prediction that is the truth, others, and each target with how often it is drawn."""

STEPS = (-2.0, -0.5, -0.1, 0.1, 0.5, 2.0)


def _classes(case: Case, rng: np.random.Generator) -> Predictions | None:
    """One distribution of the classes for all rows."""
    sample = case.sample
    data = [n for n in case.loss.data if n in sample.arrays]
    axis = {n: _class_axis(sample.specs[n], case) for n in data}
    targets = [n for n in data[1:] if sample.specs[n].domain.name == "class indices" or _holds_shares(n, case)]
    if not targets or all(axis[n] is None for n in data):
        return None
    target = targets[0]
    predicted = next(n for n in data if axis[n] is not None and n != target)
    count = sample.arrays[predicted].shape[axis[predicted] or 0]
    ignored = {n: case.loss.defaults[n] for n in ("ignore_index",) if n in sample.arguments}
    scores, step = np.log(rng.dirichlet(np.full(count, 3.0))), rng.normal(size=count)

    def along(name: str, x: np.ndarray) -> np.ndarray:
        shape = sample.arrays[name].shape
        x = x.reshape([-1 if i == axis[name] else 1 for i in range(len(shape))])
        return np.array(np.broadcast_to(x, shape))

    def predicting(scores: np.ndarray) -> dict[str, Any]:
        log_p = scores - np.log(np.exp(scores).sum())
        if sample.specs[predicted].domain.name != "linear weights":
            is_share = sample.specs[predicted].domain.high == 1.0
            return {predicted: along(predicted, np.exp(log_p) if is_share else log_p)}
        first, w = np.zeros_like(sample.arrays[data[0]]), along(predicted, log_p)
        first[..., 0] = 1.0
        w[..., 1:] = 0.0
        return {data[0]: first, predicted: w, **{n: 0 * sample.arrays[n] for n in data[2:] if n != target}}

    def drawn(c: int) -> dict[str, Any]:
        if sample.specs[target].domain.name == "class indices":
            return {target: np.full(sample.arrays[target].shape, c), **ignored}
        share = along(target, np.eye(count)[c])
        with np.errstate(divide="ignore"):
            return {target: share if _holds_shares(target, case) == "shares" else np.log(share), **ignored}

    others = [predicting(scores + t * step) for t in STEPS]
    return predicting(scores), others, [(float(np.exp(scores[c])), drawn(c)) for c in range(count)]


def _class_axis(spec: Spec, case: Case) -> int | None:
    """Where the classes lie; in the last axis where log-probabilities have no names for their axes."""
    names = _names(spec.shape, case)
    classes = [i for i, n in enumerate(names) if n in CLASSES[:1]]
    unnamed = spec.shape == "*s" and any(s.domain.sums == "logarithms" for s in case.sample.specs.values())
    return next(iter([*classes, *([len(names) - 1] if names and unnamed else [])]), None)


def _holds_shares(name: str, case: Case) -> str:
    """Whether an argument holds a distribution of the classes, and as what."""
    spec = case.sample.specs[name]
    domain = _domain(case, name).name
    if _class_axis(spec, case) is None or domain not in ("target probabilities", "logits", "log-probabilities"):
        return ""
    return "shares" if domain == "target probabilities" else "logarithms"


def _labels(case: Case, rng: np.random.Generator) -> Predictions | None:
    """One probability of the second of two labels, for all elements."""
    sample = case.sample
    inputs = sample.differentiable
    targets = [n for n, spec in sample.specs.items() if spec.domain.name in TWO]
    inputs = [n for n in inputs if n not in targets]
    if len(targets) != 1 or len(inputs) != 1:
        return None
    (name,), (target,) = inputs, targets
    is_probability = sample.specs[name].domain.high == 1.0
    if not is_probability and name not in _points(case):
        return None
    p = float(rng.uniform(0.1, 0.9))
    logit = log(p / (1 - p))

    def predicting(logit: float) -> dict[str, Any]:
        return {name: np.full(sample.arrays[name].shape, 1 / (1 + exp(-logit)) if is_probability else logit)}

    shape, (no, yes) = sample.arrays[target].shape, TWO[sample.specs[target].domain.name]
    drawn = [(1 - p, {target: np.full(shape, no)}), (p, {target: np.full(shape, yes)})]
    return predicting(logit), [predicting(logit + t) for t in STEPS], drawn


def _counts(case: Case, rng: np.random.Generator) -> Predictions | None:
    """Counts of one rate."""
    sample = case.sample
    targets = [n for n, spec in sample.specs.items() if spec.domain.name == "counts"]
    if not targets:
        return None
    name, rate = sample.differentiable[0], float(rng.uniform(0.5, 3.0))
    shape, is_log = sample.arrays[name].shape, _domain(case, name).name == "log-rates"

    def predicting(rate: float) -> dict[str, Any]:
        return {name: np.full(shape, log(rate) if is_log else rate)}

    drawn = [
        (exp(-rate) * rate**k / factorial(k), {targets[0]: np.full(sample.arrays[targets[0]].shape, float(k))})
        for k in range(40)
    ]
    return predicting(rate), [predicting(rate * exp(t)) for t in STEPS], drawn


def _normal(case: Case, rng: np.random.Generator) -> Predictions | None:
    """Real numbers of one mean and one variance."""
    sample = case.sample
    spreads = [n for n, spec in sample.specs.items() if spec.domain.name == "variances"]
    points = _points(case)
    if len(spreads) != 1 or len(points) != 2:
        return None
    mean, deviation = rng.normal(), float(rng.uniform(1.5, 2.5))
    shapes = {n: sample.arrays[n].shape for n in (*points, *spreads)}

    def predicting(mean: float, variance: float) -> dict[str, Any]:
        return {points[0]: np.full(shapes[points[0]], mean), spreads[0]: np.full(shapes[spreads[0]], variance)}

    nodes, shares = np.polynomial.hermite_e.hermegauss(20)
    drawn = [
        (float(share), {points[1]: np.full(shapes[points[1]], mean + deviation * node)})
        for node, share in zip(nodes, shares / shares.sum(), strict=True)
    ]
    others = [predicting(mean + t, deviation**2) for t in STEPS] + [
        predicting(mean, deviation**2 * exp(t)) for t in STEPS
    ]
    return predicting(mean, deviation**2), others, drawn


def _points(case: Case) -> list[str]:
    """The data that may be any real number."""
    domains = {n: _domain(case, n) for n in case.sample.differentiable}
    return [n for n, d in domains.items() if np.isinf(d.low) and np.isinf(d.high) and n in case.sample.arrays]


def _domain(case: Case, name: str) -> Domain:
    return samples.domain_of(name, case.sample.specs[name], case.sample)


def _names(shape: str, case: Case) -> list[str]:
    return [n for n, _ in axes(shape, case.sample.dims)]


def _unweighted(case: Case) -> Case:
    """The call without the weights of classes and elements, which stretch a loss."""
    weights = [n for n, spec in case.sample.specs.items() if spec.domain.name == "weights"]
    return case.of(case.sample.but(**dict.fromkeys(weights)))


def _order(case: Case, count: int) -> np.ndarray:
    return np.roll(np.random.default_rng([9, case.sample.seed]).permutation(count), case.sample.seed % 2)


def _taken(case: Case, name: str, axis: str, order: np.ndarray) -> np.ndarray:
    """An argument with one of its axes, if it has it, in another order."""
    x, names = case.sample.arrays[name], _names(case.sample.specs[name].shape, case)
    return np.take(x, order, names.index(axis)) if axis in names[: x.ndim] else x


def _sum(case: Case, **changes: Any) -> float:
    return float(case.value(**{n: case.convert(x) for n, x in changes.items()}, reduction="sum"))


def _same(
    case: Case, changes: dict[str, Any], what: str, along: dict[str, np.ndarray] | None = None, grown: float = 0.0
) -> bool:
    """The losses stay what they are, in the order that their axes were put in."""
    expected = case.value(reduction="none")
    for axis, order in (along or {}).items():
        names = _names(case.loss.unreduced, case)
        expected = np.take(expected, order, names.index(axis)) if axis in names else expected
    got = case.value(**{n: case.convert(x) for n, x in changes.items()}, reduction="none")
    assert_close(got, expected, case.scale + grown, case.dtype, f"{case.loss.name} {what}", 64)
    return True


HOLDS: dict[str, Callable[[Case], bool]] = {
    check.__name__: check
    for check in (
        convex,
        zero_at_target,
        symmetric,
        shift_invariant,
        translation_invariant,
        scale_invariant,
        permutation_invariant,
        class_symmetric,
        bounded,
        proper,
    )
}
"""But for `nonnegative`, which is a check of its own: roundings too must not carry a loss below 0."""
