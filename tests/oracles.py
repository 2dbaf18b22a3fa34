"""Every loss once more: from its mathematics, in mpmath, one number at a time.

These are the values that the library is held to, so nothing here is shared with it, nor with the softmax and the mean
of any array library. Arguments are torch's, in torch's order, then `sample_weight` and `normalizer`; nested lists or
arrays, taken exactly. Answers have 60 digits: a number, or an object array for reduction="none".
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from itertools import combinations, groupby, product
from typing import Any, NamedTuple

import numpy as np
from mpmath import MPContext

mp = MPContext()  # of our own: arithmetic with an answer keeps its digits, whatever mpmath.mp is set to
mp.dps = 60

Numbers = Any
"""A number, nested lists of numbers, or an array."""

Real = Any
"""A number of `mp`."""

Reals = np.ndarray
"""An object array of them."""


class Unreduced(NamedTuple):
    losses: Reals
    counts: Reals | None = None
    """What each loss adds to the denominator of the mean; 1 if None."""
    averaged: Reals | None = None
    """What the mean averages, where that is not the losses."""


def each(function: Callable[..., Any], *arrays: Numbers) -> Reals:
    with np.errstate(invalid="ignore"):  # mpf(nan) compares floats, which NumPy reports
        return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


def exact(x: Numbers) -> Reals:
    return each(lambda v: v if isinstance(v, mp.mpf) else mp.mpf(float(v)), np.asarray(x))


def times(a: Real, b: Real) -> Real:
    return mp.zero if (a == 0 and mp.isinf(b)) or (b == 0 and mp.isinf(a)) else a * b


def log(x: Real) -> Real:
    return mp.nan if x < 0 else mp.log(x)


def reduces(signature: str, coupled: bool = False) -> Callable[[Callable[..., Unreduced]], Callable[..., Any]]:
    """Make of an unreduced loss the loss whose arguments, in torch's order, `signature` names.

    coupled: its rows are, so that it is asked with the sample weight, and leaves out what is not in the batch.
    """

    def decorate(unreduced: Callable[..., Unreduced]) -> Callable[..., Any]:
        @wraps(unreduced)
        def loss(*args: Any, **kwargs: Any) -> Any:
            given = dict(zip(signature.split(), args, strict=False)) | kwargs
            options = ("reduction", "size_average", "reduce", "sample_weight", "normalizer")
            how = {name: given.pop(name) for name in options if name in given}
            beside = {"sample_weight": how.get("sample_weight")} if coupled else {}
            return reduced(unreduced(**given, **beside), **how)

        return loss

    return decorate


def reduced(
    loss: Unreduced,
    reduction: str = "mean",
    size_average: bool | None = None,
    reduce: bool | None = None,
    sample_weight: Numbers = 1,
    normalizer: float | None = None,
) -> Any:
    """Σ s·l / Σ s·counts for "mean", where s is the sample weight and an l whose s is 0 may be anything."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    shape, s = loss.losses.shape, exact(1 if sample_weight is None else sample_weight)
    s = np.broadcast_to(s.reshape(s.shape + (1,) * (len(shape) - s.ndim)), shape)
    mean = reduction in ("mean", "batchmean")
    averaged = loss.averaged if mean and loss.averaged is not None else loss.losses
    weighted = each(lambda s, l: mp.zero if s == 0 else s * l, s, averaged)
    if not mean:
        return weighted if reduction == "none" else mp.fsum(weighted.flat)
    count = mp.fsum(each(times, s, exact(1) if loss.counts is None else loss.counts).flat)
    if reduction == "batchmean" and shape and weighted.size:
        count *= mp.mpf(shape[0]) / weighted.size
    numerator, denominator = mp.fsum(weighted.flat), count if normalizer is None else exact(normalizer).item()
    if denominator == 0:
        return mp.zero if numerator == 0 else numerator * mp.inf
    return numerator / denominator


def classes_last(x: Reals) -> Reals:
    return np.moveaxis(x, min(1, x.ndim - 1), -1)


def of_rows(loss: Callable[[Reals, Any], Real], rows: Reals, target: np.ndarray, ignored: int | None = None) -> Reals:
    """The loss of each row (the last axis) and its target: a class index, or a row of probabilities."""
    losses = np.empty(rows.shape[:-1], dtype=object)
    for i in np.ndindex(losses.shape):
        losses[i] = mp.zero if ignored is not None and target[i] == ignored else loss(rows[i], target[i])
    return losses


def neg_log_softmax(row: Reals) -> list[Real]:
    """(max - x_k) + log(1 + Σ e^(x_j - max)), the sum without the maximum itself: nothing here cancels.

    A single logit of +inf has all the probability; two of them, or none but -inf, leave it undefined: nan.
    """
    best = mp.nan if any(mp.isnan(x) for x in row) else max(row, default=mp.nan)
    if mp.isnan(best) or best == -mp.inf:
        return [mp.nan for _ in row]
    top = next(k for k, x in enumerate(row) if x == best)
    rest = mp.log1p(mp.fsum(mp.exp(x - best) for k, x in enumerate(row) if k != top))
    return [rest if k == top else mp.inf if x < best == mp.inf else best - x + rest for k, x in enumerate(row)]


@reduces("input target weight size_average ignore_index reduce reduction label_smoothing")
def cross_entropy(
    input: Numbers,
    target: Numbers,
    weight: Numbers = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    temperature: float = 1.0,
    z_loss: float = 0.0,
) -> Unreduced:
    rows, labels = classes_last(exact(input)), np.asarray(target)
    classes, e = range(rows.shape[-1]), exact(label_smoothing).item()
    w = exact(np.ones(len(classes)) if weight is None else weight)
    hard = labels.dtype.kind in "iub"

    def of_row(row: Reals, target: Any) -> Real:
        if softcap is not None:
            row = np.array([exact(softcap).item() * mp.tanh(x / exact(softcap).item()) for x in row], dtype=object)
        row = row / exact(temperature).item()
        p = [mp.one if k == target else mp.zero for k in classes] if hard else target
        q = [(1 - e) * p[k] + e / len(classes) for k in classes]
        nll = neg_log_softmax(row)
        # A class of probability 0 adds nothing, not even where two infinite logits leave its own loss undefined.
        loss = mp.fsum(times(w[k] * q[k], nll[k]) for k in classes if q[k] != 0 or mp.isnan(row[k]))
        if z_loss > 0:
            loss += exact(z_loss).item() * max((a + x for a, x in zip(nll, row, strict=True)), default=-mp.inf) ** 2
        return loss

    if not hard:
        return Unreduced(of_rows(of_row, rows, classes_last(exact(target))))
    return Unreduced(of_rows(of_row, rows, labels, ignore_index), weight_of_class(w, labels, ignore_index))


@reduces("input linear_weight target")
def linear_cross_entropy(
    input: Numbers,
    linear_weight: Numbers,
    target: Numbers,
    linear_bias: Numbers = None,
    weight: Numbers = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: object = None,
    memory_budget: object = None,
    **shape: float | None,
) -> Unreduced:
    x, w = exact(input), exact(linear_weight)
    b = exact(np.zeros(w.shape[:-1]) if linear_bias is None else linear_bias)
    logits = np.empty(x.shape[:-1] + w.shape[:-1], dtype=object)
    for n, c in product(np.ndindex(x.shape[:-1]), np.ndindex(w.shape[:-1])):
        logits[n + c] = mp.fdot(x[n], w[c]) + b[c]
    classes, labels = x.ndim - 1, np.asarray(target)
    logits, labels = (
        np.moveaxis(a, classes, min(1, classes)) if a.ndim == logits.ndim else a for a in (logits, labels)
    )
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy.__wrapped__(logits, labels, weight, ignored, label_smoothing, **shape)


@reduces("input target weight size_average ignore_index reduce reduction")
def nll_loss(input: Numbers, target: Numbers, weight: Numbers = None, ignore_index: int = -100) -> Unreduced:
    rows, labels = classes_last(exact(input)), np.asarray(target)
    w = exact(np.ones(rows.shape[-1]) if weight is None else weight)
    losses = of_rows(lambda row, y: -times(w[y], row[y]), rows, labels, ignore_index)
    return Unreduced(losses, weight_of_class(w, labels, ignore_index))


def weight_of_class(w: Reals, labels: np.ndarray, ignored: int) -> Reals:
    return each(lambda y: mp.zero if y == ignored else w[y], labels)


@reduces("input target size_average reduce reduction log_target")
def kl_div(input: Numbers, target: Numbers, log_target: bool = False) -> Unreduced:
    def of_element(log_q: Real, t: Real) -> Real:
        p, log_p = (mp.exp(t), t) if log_target else (t, log(t))
        return times(p, log_p) - times(p, log_q)

    return Unreduced(each(of_element, exact(input), exact(target)))


@reduces("input_logits target_logits")
def kl_div_with_logits(input_logits: Numbers, target_logits: Numbers, temperature: float = 1) -> Unreduced:
    rows, targets = (classes_last(exact(x)) / exact(temperature).item() for x in (input_logits, target_logits))

    def of_row(row: Reals, target: Reals) -> Real:
        pairs = zip(neg_log_softmax(target), neg_log_softmax(row), strict=True)
        return mp.fsum(mp.zero if p == mp.inf and not mp.isnan(q) else mp.exp(-p) * (q - p) for p, q in pairs)

    return Unreduced(of_rows(of_row, rows, targets))


@reduces("input target weight size_average reduce reduction")
def binary_cross_entropy(input: Numbers, target: Numbers, weight: Numbers = 1) -> Unreduced:
    def of_element(p: Real, t: Real, w: Real) -> Real:
        log_p = mp.mpf(-100) if p <= mp.exp(-100) else mp.log(p)
        log_not_p = mp.mpf(-100) if 1 - p <= mp.exp(-100) else mp.log1p(-p)
        return -w * (t * log_p + (1 - t) * log_not_p)

    return Unreduced(each(of_element, exact(input), exact(target), exact(1 if weight is None else weight)))


@reduces("input target weight size_average reduce reduction pos_weight")
def binary_cross_entropy_with_logits(
    input: Numbers, target: Numbers, weight: Numbers = None, pos_weight: Numbers = None
) -> Unreduced:
    def of_element(x: Real, t: Real, w: Real, positive: Real) -> Real:
        nll_of_1, nll_of_0 = mp.log1p(mp.exp(-x)), mp.log1p(mp.exp(x))
        return times(w, times(positive * t, nll_of_1) + times(1 - t, nll_of_0))

    weights = (exact(1 if w is None else w) for w in (weight, pos_weight))
    return Unreduced(each(of_element, exact(input), exact(target), *weights))


def power(base: Real, exponent: Real) -> Real:
    return mp.one if exponent == 0 else base**exponent


@reduces("input target weight ignore_index reduction")
def focal_loss(
    input: Numbers, target: Numbers, weight: Numbers = None, ignore_index: int = -100, gamma: float = 2.0
) -> Unreduced:
    rows, labels, g = classes_last(exact(input)), np.asarray(target), exact(gamma).item()
    classes = range(rows.shape[-1])
    w = exact(np.ones(len(classes)) if weight is None else weight)
    hard = labels.dtype.kind in "iub"

    def of_class(row: Reals, k: int) -> Real:
        nll = neg_log_softmax(row)[k]
        return nll if mp.isinf(nll) else power(-mp.expm1(-nll), g) * nll

    def of_row(row: Reals, target: Any) -> Real:
        t = [mp.one if k == target else mp.zero for k in classes] if hard else target
        return mp.fsum(times(w[k] * t[k], of_class(row, k)) for k in classes if t[k] != 0 or mp.isnan(row[k]))

    if not hard:
        return Unreduced(of_rows(of_row, rows, classes_last(exact(target))))
    return Unreduced(of_rows(of_row, rows, labels, ignore_index), weight_of_class(w, labels, ignore_index))


@reduces("input target alpha gamma reduction")
def sigmoid_focal_loss(input: Numbers, target: Numbers, alpha: float = 0.25, gamma: float = 2.0) -> Unreduced:
    a, g = exact(alpha).item(), exact(gamma).item()

    def of_element(x: Real, t: Real) -> Real:
        nll = times(t, mp.log1p(mp.exp(-x))) + times(1 - t, mp.log1p(mp.exp(x)))
        rest = t / (1 + mp.exp(x)) + (1 - t) / (1 + mp.exp(-x))
        balance = 1 if a == -1 else a * t + (1 - a) * (1 - t)
        return times(mp.mpf(balance), nll if mp.isinf(nll) else power(rest, g) * nll)

    return Unreduced(each(of_element, exact(input), exact(target)))


@reduces("input target weight reduction")
def asymmetric_loss(
    input: Numbers,
    target: Numbers,
    weight: Numbers = None,
    pos_weight: Numbers = None,
    held: bool = False,
    frozen: dict[str, Any] | None = None,
    **powers: float,
) -> Unreduced:
    def focus(x: Real, gamma_pos: float = 0.0, gamma_neg: float = 4.0, clip: float = 0.05) -> tuple[Real, Real]:
        q = hinge(1 / (1 + mp.exp(-x)) - exact(clip).item())
        return power(1 / (1 + mp.exp(x)), exact(gamma_pos).item()), power(q, exact(gamma_neg).item())

    here = {"input": input, **powers}
    at = {name: frozen[name] for name in here} if held and frozen else here
    of_1, of_0 = np.frompyfunc(lambda x: focus(x, **{n: at[n] for n in powers}), 1, 2)(exact(at["input"]))
    m = exact(powers.get("clip", 0.05)).item()

    def of_element(x: Real, t: Real, of_1: Real, of_0: Real, w: Real, positive: Real) -> Real:
        nll_of_1, p, rest = mp.log1p(mp.exp(-x)), 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
        nll_of_0 = mp.nan if mp.isnan(x) else -mp.log(rest + m) if p > m else mp.zero
        return times(w, times(positive * t, times(of_1, nll_of_1)) + times(1 - t, times(of_0, nll_of_0)))

    weights = (exact(1 if w is None else w) for w in (weight, pos_weight))
    return Unreduced(each(of_element, exact(input), exact(target), of_1, of_0, *weights))


@reduces("input1 input2 target margin size_average reduce reduction")
def cosine_embedding_loss(input1: Numbers, input2: Numbers, target: Numbers, margin: float = 0) -> Unreduced:
    a, b, labels = exact(input1), exact(input2), exact(target)
    losses = np.empty(labels.shape, dtype=object)
    for i in np.ndindex(labels.shape):
        norms = mp.sqrt(mp.fdot(a[i], a[i]) * mp.fdot(b[i], b[i]))
        cosine = mp.zero if norms == 0 else mp.fdot(a[i], b[i]) / norms
        too_near = max(cosine - exact(margin).item(), mp.zero)
        losses[i] = 1 - cosine if labels[i] == 1 else too_near if labels[i] == -1 else mp.zero
    return Unreduced(losses)


@reduces("chosen rejected reference_chosen reference_rejected")
def dpo_loss(
    chosen: Numbers,
    rejected: Numbers,
    reference_chosen: Numbers,
    reference_rejected: Numbers,
    beta: float = 0.1,
    kind: str = "sigmoid",
    label_smoothing: float = 0.0,
    tau: float = 0.05,
    margin: Numbers = None,
) -> Unreduced:
    b, e, t, half = exact(beta).item(), exact(label_smoothing).item(), exact(tau).item(), mp.one / 2

    def s(x: Real) -> Real:
        return mp.log1p(mp.exp(x))

    def p(x: Real) -> Real:
        return 1 / (1 + mp.exp(-x))

    def kl(z: Real) -> Real:
        return times(p(z), -s(-z) - mp.log(1 - e)) + times(p(-z), -s(z) - mp.log(e))

    def of_pair(won: Real, lost: Real, reference_won: Real, reference_lost: Real, m: Real) -> Real:
        won, lost = won - reference_won - m / b, lost - reference_lost
        h = won - lost
        kinds = {
            "sigmoid": lambda: times(1 - e, s(-b * h)) + times(e, s(b * h)),
            "hinge": lambda: hinge(1 - b * h),
            "ipo": lambda: (h - half / b) ** 2,
            "robust": lambda: (times(1 - e, s(-b * h)) - times(e, s(b * h))) / (1 - 2 * e),
            "exo_pair": lambda: kl(b * h),
            "nca_pair": lambda: s(-b * won) + half * s(b * won) + half * s(b * lost),
            "bco_pair": lambda: s(-b * won) + s(b * lost),
            "sppo_hard": lambda: (won - half / b) ** 2 + (lost + half / b) ** 2,
            "apo_zero": lambda: p(-b * won) + p(b * lost),
            "apo_down": lambda: p(b * won) + p(-b * h),
            "discopop": lambda: times(p(-b * h / t), s(-b * h)) + times(p(b * h / t), mp.exp(-b * h)),
        }
        return kinds[kind]()

    arrays = (chosen, rejected, reference_chosen, reference_rejected, 0 if margin is None else margin)
    return Unreduced(each(of_pair, *map(exact, arrays)))


def of_errors(loss: Callable[[Real], Real], input: Numbers, target: Numbers, weight: Numbers = None) -> Reals:
    weight = exact(1 if weight is None else weight)
    return each(lambda x, t, w: times(w, loss(abs(x - t))), exact(input), exact(target), weight)


@reduces("input target size_average reduce reduction weight")
def l1_loss(input: Numbers, target: Numbers, weight: Numbers = None) -> Unreduced:
    return Unreduced(of_errors(lambda e: e, input, target, weight), None if weight is None else exact(weight))


@reduces("input target size_average reduce reduction weight")
def mse_loss(input: Numbers, target: Numbers, weight: Numbers = None) -> Unreduced:
    return Unreduced(of_errors(lambda e: e**2, input, target, weight), None if weight is None else exact(weight))


@reduces("input target size_average reduce reduction beta")
def smooth_l1_loss(input: Numbers, target: Numbers, beta: float = 1.0) -> Unreduced:
    b = exact(beta).item()
    return Unreduced(of_errors(lambda e: e**2 / (2 * b) if e < b else e - b / 2, input, target))


@reduces("input target reduction delta weight")
def huber_loss(input: Numbers, target: Numbers, delta: float = 1.0, weight: Numbers = None) -> Unreduced:
    d = exact(delta).item()
    return Unreduced(of_errors(lambda e: e**2 / 2 if e <= d else d * (e - d / 2), input, target, weight))


@reduces("input target quantiles reduction")
def quantile_loss(input: Numbers, target: Numbers, quantiles: Numbers = 0.5) -> Unreduced:
    q, t = exact(quantiles), exact(target)
    return Unreduced(
        each(lambda x, t, q: max(q * (t - x), (q - 1) * (t - x)), exact(input), t[..., None] if q.ndim else t, q)
    )


@reduces("input target reduction weight")
def log_cosh_loss(input: Numbers, target: Numbers, weight: Numbers = None) -> Unreduced:
    losses = of_errors(lambda e: e if mp.isinf(e) else mp.log1p(mp.sinh(e) ** 2) / 2, input, target, weight)
    return Unreduced(losses, None if weight is None else exact(weight))


def corners(box: Reals, format: str) -> Reals:
    """x1, y1, x2, y2."""
    a, b, c, d = box
    if format == "cxcywh":
        return np.array([a - c / 2, b - d / 2, a + c / 2, b + d / 2])
    return np.array([a, b, a + c, b + d] if format == "xywh" else [a, b, c, d])


def over(a: Real, b: Real, nothing: Real) -> Real:
    return nothing if b == 0 else a / b


def aspect_ratios_differ(p: Reals, q: Reals) -> Real:
    (w, h), (w_true, h_true) = p[2:] - p[:2], q[2:] - q[:2]
    if w == h == 0 or w_true == h_true == 0:
        return mp.zero
    return 4 / mp.pi**2 * (mp.atan2(w_true, h_true) - mp.atan2(w, h)) ** 2


def box_iou(p: Reals, q: Reals) -> tuple[Real, Real]:
    """The intersection over the union, and the union."""
    if any(map(mp.isnan, (*p, *q))):
        return mp.nan, mp.nan
    first, last = np.maximum(p[:2], q[:2]), np.minimum(p[2:], q[2:])
    shared = np.prod(np.maximum(last - first, mp.zero))
    union = np.prod(p[2:] - p[:2]) + np.prod(q[2:] - q[:2]) - shared
    return over(shared, union, mp.one if all(p == q) else mp.zero), union


def of_boxes(
    kind: str, input: Numbers, target: Numbers, format: str = "xyxy", held_alpha: bool = True, frozen: Any = None
) -> Unreduced:
    at = frozen if frozen and held_alpha else {"input": input, "target": target}
    boxes, held = exact(input), exact(at["input"])
    true, true_held = (np.broadcast_to(exact(x), boxes.shape) for x in (target, at["target"]))
    losses = np.empty(boxes.shape[:-1], dtype=object)
    for i in np.ndindex(losses.shape):
        p, q, of_held = corners(boxes[i], format), corners(true[i], format), corners(held[i], format)
        iou, union = box_iou(p, q)
        losses[i] = 1 - iou
        if mp.isnan(iou):
            continue
        hull = np.maximum(p[2:], q[2:]) - np.minimum(p[:2], q[:2])
        centres = (p[:2] + p[2:] - q[:2] - q[2:]) / 2
        if kind == "giou":
            losses[i] += 1 - over(union, np.prod(hull), mp.one if all(p == q) else mp.zero)
        if kind in ("diou", "ciou", "eiou"):
            losses[i] += over(sum(centres**2), sum(hull**2), mp.zero)
        if kind == "ciou":
            v = aspect_ratios_differ(of_held, corners(true_held[i], format))
            alpha = over(v, 1 - box_iou(of_held, corners(true_held[i], format))[0] + v, mp.zero)
            losses[i] += alpha * aspect_ratios_differ(p, q)
        if kind == "eiou":
            sides = (p[2:] - p[:2]) - (q[2:] - q[:2])
            losses[i] += sum(over(s**2, c**2, mp.zero) for s, c in zip(sides, hull, strict=True))
    return Unreduced(losses)


@reduces("input target reduction")
def box_iou_loss(input: Numbers, target: Numbers, kind: str = "giou", **options: Any) -> Unreduced:
    return of_boxes(kind, input, target, **options)


@reduces("input target reduction")
def generalized_box_iou_loss(input: Numbers, target: Numbers, **options: Any) -> Unreduced:
    return of_boxes("giou", input, target, **options)


@reduces("input target reduction")
def distance_box_iou_loss(input: Numbers, target: Numbers, **options: Any) -> Unreduced:
    return of_boxes("diou", input, target, **options)


@reduces("input target reduction")
def complete_box_iou_loss(input: Numbers, target: Numbers, **options: Any) -> Unreduced:
    return of_boxes("ciou", input, target, **options)


@reduces("input target size_average reduce reduction")
def soft_margin_loss(input: Numbers, target: Numbers) -> Unreduced:
    return Unreduced(each(lambda x, y: mp.log1p(mp.exp(-times(x, y))), exact(input), exact(target)))


def hinge(x: Real) -> Real:
    return mp.nan if mp.isnan(x) else max(x, mp.zero)


@reduces("input target weight reduction")
def hinge_loss(
    input: Numbers, target: Numbers, weight: Numbers = None, margin: float = 1.0, power: int = 1
) -> Unreduced:
    m, w = exact(margin).item(), None if weight is None else exact(weight)
    lack = each(lambda x, y: hinge(m - times(y, x)) ** power, exact(input), exact(target))
    return Unreduced(lack if w is None else each(times, w, lack), w)


@reduces("input target weight reduction")
def squared_hinge_loss(*args: Numbers, **kwargs: Any) -> Unreduced:
    return hinge_loss.__wrapped__(*args, **kwargs, power=2)


@reduces("input target weight ignore_index reduction")
def categorical_hinge_loss(
    input: Numbers, target: Numbers, weight: Numbers = None, ignore_index: int = -100, margin: float = 1.0
) -> Unreduced:
    rows, labels, m = classes_last(exact(input)), np.asarray(target), exact(margin).item()
    w = exact(np.ones(rows.shape[-1]) if weight is None else weight)

    def of_row(row: Reals, y: Any) -> Real:
        lacks = [hinge(m - row[y] + x) for j, x in enumerate(row) if j != y]
        return times(w[y], mp.nan if any(mp.isnan(l) for l in lacks) else max(lacks, default=mp.zero))

    return Unreduced(of_rows(of_row, rows, labels, ignore_index), weight_of_class(w, labels, ignore_index))


@reduces("input target margin size_average reduce reduction")
def hinge_embedding_loss(input: Numbers, target: Numbers, margin: float = 1.0) -> Unreduced:
    m = exact(margin).item()
    together = each(lambda x, y: mp.zero if y == -1 else x, exact(input), exact(target))
    apart = each(lambda x, y: mp.zero if y == 1 else hinge(m - x), exact(input), exact(target))
    return Unreduced(each(lambda a, b: a + b, together, apart))


@reduces("input1 input2 target margin size_average reduce reduction")
def margin_ranking_loss(input1: Numbers, input2: Numbers, target: Numbers, margin: float = 0) -> Unreduced:
    m = exact(margin).item()
    return Unreduced(each(lambda a, b, y: hinge(m - times(y, a - b)), exact(input1), exact(input2), exact(target)))


@reduces("input target log_input full size_average eps reduce reduction")
def poisson_nll_loss(
    input: Numbers, target: Numbers, log_input: bool = True, full: bool = False, eps: float = 1e-8
) -> Unreduced:
    def of_element(x: Real, t: Real) -> Real:
        rate, log_rate = (mp.exp(x), x) if log_input else (x, log(x + exact(eps).item()))
        log_factorial = log(mp.sqrt(2 * mp.pi * t) * (t / mp.e) ** t) if full and t > 1 else mp.zero
        return log_factorial + (mp.inf if rate == mp.inf else rate - times(t, log_rate))

    return Unreduced(each(of_element, exact(input), exact(target)))


@reduces("input target var full eps reduction")
def gaussian_nll_loss(
    input: Numbers, target: Numbers, var: Numbers, full: bool = False, eps: float = 1e-6
) -> Unreduced:
    x, floor = exact(input), exact(eps).item()
    v = exact(var)
    v = v[..., None] if 0 < v.ndim < x.ndim else v

    def of_element(x: Real, y: Real, v: Real) -> Real:
        v = max(v, floor)
        density = mp.inf if v == 0 == x - y else mp.exp(-((x - y) ** 2) / (2 * v)) / mp.sqrt(v) if v else mp.zero
        return -log(density) + (mp.log(2 * mp.pi) / 2 if full else 0)

    return Unreduced(each(of_element, x, exact(target), v))


@reduces("input target weight size_average reduce reduction")
def multilabel_soft_margin_loss(input: Numbers, target: Numbers, weight: Numbers = None) -> Unreduced:
    labels = binary_cross_entropy_with_logits(input, target, weight, reduction="none")
    shape = labels.shape[:-1]
    means = [mp.fsum(labels[i]) / max(labels.shape[-1], 1) for i in np.ndindex(shape)]
    return Unreduced(np.array(means, dtype=object).reshape(shape))


@reduces("input target p margin weight size_average reduce reduction")
def multi_margin_loss(
    input: Numbers, target: Numbers, p: int = 1, margin: float = 1.0, weight: Numbers = None
) -> Unreduced:
    rows, m = exact(input), exact(margin).item()
    w = exact(np.ones(rows.shape[-1]) if weight is None else weight)

    def of_row(row: Reals, y: Any) -> Real:
        rivals = [hinge(m - row[y] + x) ** p for j, x in enumerate(row) if j != y]
        return times(w[y], mp.fsum(rivals) / len(row))

    return Unreduced(of_rows(of_row, rows, np.asarray(target)))


@reduces("input target size_average reduce reduction")
def multilabel_margin_loss(input: Numbers, target: Numbers) -> Unreduced:
    def of_row(row: Reals, listed: Any) -> Real:
        labels = listed[: list(listed).index(-1)] if -1 in listed else listed
        others = [x for i, x in enumerate(row) if i not in labels]
        return mp.fsum(hinge(1 - row[j] + x) for j in labels for x in others) / max(len(row), 1)

    return Unreduced(of_rows(of_row, exact(input), np.asarray(target)))


@reduces("anchor positive negative margin p eps swap size_average reduce reduction")
def triplet_margin_loss(
    anchor: Numbers,
    positive: Numbers,
    negative: Numbers,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
) -> Unreduced:
    power, shift = (exact(x).item() for x in (p, eps))

    def distance(x: Reals, y: Reals) -> Real:
        sizes = [abs(a - b + shift) for a, b in zip(x, y, strict=True)]
        return max(sizes, default=mp.zero) if power == mp.inf else mp.fsum(s**power for s in sizes) ** (1 / power)

    return triplet_margin_with_distance_loss.__wrapped__(anchor, positive, negative, distance, margin, swap)


def euclidean(x: Reals, y: Reals) -> Real:
    return mp.sqrt(mp.fsum((a - b + mp.mpf(1e-6)) ** 2 for a, b in zip(x, y, strict=True)))


@reduces("anchor positive negative")
def triplet_margin_with_distance_loss(
    anchor: Numbers,
    positive: Numbers,
    negative: Numbers,
    distance_function: Callable[[Reals, Reals], Real] | None = None,
    margin: float = 1.0,
    swap: bool = False,
) -> Unreduced:
    a, b, c = np.broadcast_arrays(exact(anchor), exact(positive), exact(negative))
    distance, m, losses = distance_function or euclidean, exact(margin).item(), np.empty(a.shape[:-1], dtype=object)
    for i in np.ndindex(losses.shape):
        far = min(distance(a[i], c[i]), distance(b[i], c[i])) if swap else distance(a[i], c[i])
        losses[i] = hinge(m + distance(a[i], b[i]) - far)
    return Unreduced(losses)


@reduces("input duration event reduction", coupled=True)
def cox_loss(
    input: Numbers,
    duration: Numbers,
    event: Numbers,
    ties: str = "breslow",
    strata: Numbers = None,
    sample_weight: Numbers = None,
) -> Unreduced:
    x, t, died = exact(input), np.asarray(duration), np.asarray(event)
    weight = np.broadcast_to(1 if sample_weight is None else np.asarray(sample_weight, dtype=float), (len(x),))
    group = np.zeros(len(x)) if strata is None else np.asarray(strata)
    losses = np.full(len(x), mp.zero)
    for i in np.flatnonzero((died != 0) & (weight != 0)):
        at_risk = np.flatnonzero((t >= t[i]) & (group == group[i]) & (weight != 0))
        nll = dict(zip(at_risk.tolist(), neg_log_softmax(x[at_risk]), strict=True))
        together = [j for j in nll if t[j] == t[i] and died[j] != 0]
        share = mp.fsum(mp.exp(-nll[j]) for j in together) / len(together)
        fewer = [mp.log1p(-l * share) for l in range(len(together) if ties == "efron" else 1)]
        losses[i] = nll[int(i)] + mp.fsum(fewer) / len(fewer)
    return Unreduced(losses, counts=exact(died))


@reduces("input candidates positives labels reduction", coupled=True)
def info_nce_loss(
    input: Numbers,
    candidates: Numbers,
    positives: Numbers = None,
    labels: Numbers = None,
    temperature: Numbers = 0.07,
    symmetric: bool = False,
    normalize: bool = True,
    negatives: Numbers = None,
    memory_budget: object = None,
    sample_weight: Numbers = None,
) -> Unreduced:
    x, y, t = exact(input), exact(candidates), exact(temperature).item()
    own = list(range(len(x)) if positives is None else np.asarray(positives))
    weight = np.broadcast_to(1 if sample_weight is None else np.asarray(sample_weight, dtype=float), (len(x),))
    rows = [i for i in range(len(x)) if weight[i] != 0]
    left = {own[i] for i in range(len(x)) if i not in rows} - {own[i] for i in rows}

    def direction(v: Reals) -> Reals:
        length = mp.sqrt(mp.fdot(v, v))
        return v / length if normalize and length != 0 else v

    def rivals(j: int, others: Sequence[int]) -> list[int]:
        return [k for k in others if k != j and (labels is None or labels[k] != labels[j])]

    a, b = {i: direction(x[i]) for i in rows}, {j: direction(y[j]) for j in range(len(y)) if j not in left}
    losses = np.array([mp.zero] * len(x), dtype=object)
    for i in rows:
        against = [b[own[i]], *(b[j] for j in rivals(own[i], list(b)))]
        against += [] if negatives is None else [direction(v) for v in exact(negatives)[i]]
        losses[i] = neg_log_softmax([mp.fdot(a[i], v) / t for v in against])[0]
        if symmetric:
            back = [mp.fdot(b[i], a[k]) / t for k in (i, *rivals(i, rows))]
            losses[i] = (losses[i] + neg_log_softmax(back)[0]) / 2
    return Unreduced(losses)


@reduces("log_probs targets input_lengths target_lengths blank reduction zero_infinity")
def ctc_loss(
    log_probs: Numbers,
    targets: Numbers,
    input_lengths: Numbers,
    target_lengths: Numbers,
    blank: int = 0,
    zero_infinity: bool = False,
) -> Unreduced:
    prob, letters = each(mp.exp, exact(log_probs)), np.asarray(targets, dtype=int)
    frames, lengths = (np.atleast_1d(np.asarray(n, dtype=int)) for n in (input_lengths, target_lengths))
    words = letters if letters.ndim == 2 else np.split(letters, np.cumsum(lengths)[:-1])
    losses = np.empty(len(lengths), dtype=object)
    for n, word in enumerate(words):
        p = (prob if prob.ndim == 3 else prob[:, None])[: frames[n], n]
        probability = by_enumeration if p.shape[1] ** len(p) <= 1000 else by_recursion
        loss = -mp.log(probability(p, list(word[: lengths[n]]), blank))
        losses[n] = mp.zero if zero_infinity and loss == mp.inf else loss
    shape = prob.shape[1:-1]
    return Unreduced(losses.reshape(shape), averaged=(losses / np.maximum(lengths, 1)).reshape(shape))


@reduces("logits targets input_lengths target_lengths blank reduction zero_infinity")
def ctc_loss_with_logits(logits: Numbers, *args: Any, **kwargs: Any) -> Unreduced:
    x = exact(logits)
    log_probs = [[-nll for nll in neg_log_softmax(row)] for row in x.reshape(-1, x.shape[-1])]
    return ctc_loss.__wrapped__(np.array(log_probs, dtype=object).reshape(x.shape), *args, **kwargs)


@reduces("logits targets logit_lengths target_lengths blank clamp reduction zero_infinity")
def rnnt_loss(
    logits: Numbers,
    targets: Numbers,
    logit_lengths: Numbers,
    target_lengths: Numbers,
    blank: int = -1,
    clamp: int = -1,
    zero_infinity: bool = False,
) -> Unreduced:
    x, words = exact(logits), np.asarray(targets, dtype=int)
    frames, lengths = (np.asarray(n, dtype=int) for n in (logit_lengths, target_lengths))
    losses = np.empty(frames.shape, dtype=object)
    for n in np.ndindex(losses.shape):
        probability = by_steps(x[n], [*words[n][: lengths[n]], blank % x.shape[-1]], int(frames[n]))
        loss = -mp.log(probability)
        losses[n] = mp.zero if zero_infinity and loss == mp.inf else loss
    return Unreduced(losses)


def by_steps(x: Reals, word: list[int], frames: int) -> Real:
    """The sum over every order of the labels of `word`, which ends in the blank, and of the blanks but the last."""
    total, steps, labels = mp.zero, frames + len(word) - 2, len(word) - 1
    for spoken in combinations(range(steps), labels) if frames else ():
        path, t, u = mp.one, 0, 0
        for step in range(steps + 1):
            k = word[u] if step in spoken else word[-1]
            path *= softmax_of(tuple(x[t, u]))[k]
            t, u = (t, u + 1) if step in spoken else (t + 1, u)
        total += path
    return total


@lru_cache(maxsize=4096)
def softmax_of(row: tuple[Real, ...]) -> list[Real]:
    return [mp.exp(-nll) for nll in neg_log_softmax(row)]


def by_enumeration(prob: Reals, word: list[int], blank: int) -> Real:
    """The sum over every path through the frames that spells `word` when repeats, then blanks, are taken out."""
    paths = product(range(prob.shape[1]), repeat=len(prob))
    spelling = (path for path in paths if [k for k, _ in groupby(path) if k != blank] == word)
    return mp.fsum(mp.fprod(prob[t, k] for t, k in enumerate(path)) for path in spelling)


def by_recursion(prob: Reals, word: list[int], blank: int) -> Real:
    """The same sum, from the probability of each prefix of `word`, ended by a blank or by its own last letter."""
    after_blank, after_letter = [mp.one] + [mp.zero] * len(word), [mp.zero] * (len(word) + 1)
    for p in prob:
        either = [b + l for b, l in zip(after_blank, after_letter, strict=True)]
        before = [after_blank[i] if i and word[i] == word[i - 1] else either[i] for i in range(len(word))]
        after_letter = [mp.zero] + [p[k] * (after_letter[i + 1] + before[i]) for i, k in enumerate(word)]
        after_blank = [p[blank] * e for e in either]
    return after_blank[-1] + after_letter[-1]


def overlap_loss(
    input: Numbers,
    target: Numbers,
    weight: Numbers = None,
    ignore_index: int = -100,
    activation: str = "softmax",
    smooth: float = 1.0,
    overlap: str = "minimum",
    classes: str = "all",
    pixel_weight: Numbers = None,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    squared: bool = False,
    batch: bool = False,
) -> Unreduced:
    rows, t, s = classes_last(exact(input)), np.asarray(target), exact(smooth).item()
    a, b, power = (exact(x).item() for x in (alpha, beta, gamma))
    if t.dtype.kind in "iu":
        labels, t = t, np.equal(t[..., None], np.arange(rows.shape[-1])).astype(int)
    else:
        labels, t = np.zeros(rows.shape[:-1], int), classes_last(exact(target))
    w = exact(np.ones(labels.shape) if pixel_weight is None else pixel_weight)
    w = np.where(labels == ignore_index, mp.zero, w) if labels.shape == np.shape(target) else w
    of_class = exact(np.ones(rows.shape[-1]) if weight is None else weight)
    sums = labels.shape[: labels.ndim > 0] + rows.shape[-1:]
    if batch:
        sums = sums[-1:]
    totals = np.full((*sums, 4), mp.zero)
    for at in np.ndindex(labels.shape):
        for k, p in enumerate(probabilities(rows[at], activation)) if w[at] != 0 else ():
            y, where = t[at][k], (*(() if batch else at[:1]), k)
            common = p * y if overlap == "product" else p if p < y else y
            common = mp.nan if mp.isnan(p) or mp.isnan(y) else common
            parts = ((p - y) ** 2, p**2 + y**2, y, 0) if squared else (p - common, y - common, y, common)
            totals[where] += w[at] * exact(parts)
    losses, counts = np.empty(sums, dtype=object), np.empty(sums, dtype=object)
    for at in np.ndindex(sums):
        first, second, true, common = totals[at]
        numerator = first if squared else a * first + b * second
        denominator = second + 2 * s if squared else common + numerator + s
        loss = mp.zero if denominator == 0 else (numerator / denominator) ** power
        counted = classes == "all" or true > 0 or mp.isnan(loss)
        losses[at] = times(of_class[at[-1]], loss) if counted else mp.zero
        counts[at] = of_class[at[-1]] if counted else mp.zero
    return Unreduced(losses, counts)


def probabilities(row: Reals, activation: str) -> list[Real]:
    if activation == "softmax":
        return [mp.exp(-nll) for nll in neg_log_softmax(row)]
    return list(row) if activation == "none" else [1 / (1 + mp.exp(-x)) for x in row]


@reduces("input target weight ignore_index reduction")
def dice_loss(*data: Numbers, **options: Any) -> Unreduced:
    return overlap_loss(*data, **options)


@reduces("input target weight ignore_index reduction")
def tversky_loss(*data: Numbers, **options: Any) -> Unreduced:
    return overlap_loss(*data, **options)


@reduces("input target weight ignore_index reduction")
def jaccard_loss(*data: Numbers, **options: Any) -> Unreduced:
    return overlap_loss(*data, alpha=1, beta=1, **options)


def gradient(oracle: Callable[..., Real], args: Sequence[Any], kwargs: dict[str, Any], wrt: int | str) -> Reals:
    """Central differences of a scalar answer, for every element of args[wrt] or kwargs[wrt]; nan of an infinite one."""
    given = dict(enumerate(args)) | kwargs
    point = exact(given[wrt])
    numbers = [x for a in given.values() if a is not None and not isinstance(a, str) for x in exact(a).flat]
    sizes = [abs(x) for x in numbers if x != 0 and mp.isfinite(x)] + [mp.one]
    # A step far below every number of the call, and the digits to square both the largest number and the step.
    step, digits = min(sizes) * mp.mpf(10) ** -60, 200 + 2 * int(mp.log10(max(sizes) / min(sizes)))

    def at(i: tuple[int, ...], value: Real) -> Real:
        moved = point.copy()
        moved[i] = value
        new = given | {wrt: moved}
        return oracle(*(new[k] for k in range(len(args))), **{k: new[k] for k in kwargs})

    slopes = np.empty(point.shape, dtype=object)
    with mp.workdps(digits):
        for i in np.ndindex(point.shape):
            above, below = at(i, point[i] + step), at(i, point[i] - step)
            is_rounding = abs(above - below) < abs(above) * mp.mpf(10) ** (30 - digits)
            slopes[i] = mp.zero if is_rounding else (above - below) / (2 * step)
    return each(lambda slope: +slope, slopes)
