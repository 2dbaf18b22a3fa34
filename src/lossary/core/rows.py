"""Statistics of rows of logits: what losses of a softmax need of a row, however many shards hold its classes.

The seam that losses, chunked heads, kernels and vocabulary-parallel layers share. `local` makes the statistics of one
shard of the classes, `combine` joins those of two, in any order, and the methods of the result finish. A whole row is
one shard:

    nll = softplus(local(x, axis, index).log_odds_against())

With class indices the row's own class is kept apart from the others, so that the loss of a confident, right row keeps
its digits (decision 0001). A logit of -inf is a class that is masked out, a single +inf the limit, probability 1; NaN
stays. Ignored rows are the caller's to mask, in the logits and in what comes of them.
"""

import math
from typing import Any, NamedTuple

from lossary.core.arrays import Array, arange, by_rows, cast, detach, is_array, namespace, take_along
from lossary.core.classes import along, class_axis, pick, targets
from lossary.core.elementary import below, log_of_sum, shifted_by_maximum, softplus, times, transformed
from lossary.core.projection import counted_logits, rows_at_once


class RowStatistics(NamedTuple):
    """Of each row's logits x, over classes: arrays of the shape of the logits without the axis of classes.

    With class indices the sums and the maximum leave out each row's own class, the target.

    classes: how many, an int. Label smoothing divides by those of all shards.
    maximum: max x, a constant; -inf of nothing. Every loss.
    sum_exp: Σ exp(x - maximum). Every loss.
    target_logit: x of the target; 0 in a shard that does not hold it. Class indices.
    weighted_gap: Σ t (maximum - x), of weights t. Probability and sparse targets; smoothing.
    weight_sum: Σ t, beside it.
    entropy_gap: Σ exp(x - maximum) (maximum - x). Entropy.
    top_logit, top_class: max x, the target's too, and the first class that has it. Predictions.
    """

    classes: int
    maximum: Array
    sum_exp: Array
    target_logit: Array | None = None
    weighted_gap: Array | None = None
    weight_sum: Array | None = None
    entropy_gap: Array | None = None
    top_logit: Array | None = None
    top_class: Array | None = None

    def log_odds_against(self) -> Array:
        """log((1 - p) / p) of the target: its softplus is -log p.

        Each small loss keeps its digits: lse - target_logit rounds it to 0, and drops digits of large logits.
        """
        return log_of_sum(self.sum_exp) + (self.maximum - self.target_logit)

    def lse(self) -> Array:
        """log Σ e^x; -inf, with gradient 0, of nothing."""
        row = self.whole()
        return log_of_sum(row.sum_exp) + row.maximum

    def weighted_nll(self) -> Array:
        """-Σ t log p, but for the target's; a weight of 0 removes an infinite term. NaN of -inf alone."""
        row = self.whole()
        return row.weighted_gap + row.weight_sum * row._log_sum_exp()

    def entropy(self) -> Array:
        """-Σ p log p. NaN of -inf alone."""
        row, xp = self.whole(), namespace(self.sum_exp)
        return row.entropy_gap / xp.where(row.sum_exp == 0, 1.0, row.sum_exp) + row._log_sum_exp()

    def whole(self) -> "RowStatistics":
        """The statistics with the target in every sum but those of weights."""
        if self.target_logit is None:
            return self
        xp = namespace(self.maximum)
        row = _against(self, xp.maximum(self.maximum, detach(self.target_logit)))
        shifted = below(self.target_logit, row.maximum)
        e = xp.exp(shifted)
        entropy_gap = None if row.entropy_gap is None else row.entropy_gap + times(e, -shifted)
        return row._replace(sum_exp=row.sum_exp + e, entropy_gap=entropy_gap, target_logit=None)

    def _log_sum_exp(self) -> Array:
        of_nothing = math.nan if self.classes else 0.0
        return namespace(self.sum_exp).where(self.sum_exp == 0, of_nothing, log_of_sum(self.sum_exp))


def local(
    logits: Array,
    axis: int,
    index: Array | None = None,
    *,
    first_class: int | None = None,
    weights: Array | float | None = None,
    sparse_weights: tuple[Array, Array] | None = None,
    entropy: bool = False,
    top: bool = False,
) -> RowStatistics:
    """The statistics of one shard: the classes, from `first_class` on, that `logits` holds along `axis`.

    first_class: None of whole rows. index: each row's target, in whichever shard. weights: t of each class here, to
    broadcast to the logits. sparse_weights: K classes of each row along `axis`, in whichever shard, and t of each,
    which add to `weights`; only without an index. entropy, top: whether these will be asked for.
    """
    xp, classes = namespace(logits), logits.shape[axis]
    x, is_target, target_logit, others = logits, None, None, classes
    if index is not None:
        place, elsewhere = _place(index, first_class, classes)
        target_logit, others = pick(x, place, axis), classes - 1
        if elsewhere is not None:
            target_logit = xp.where(elsewhere, 0.0, target_logit)
            others = others + xp.astype(elsewhere, x.dtype)
            place = xp.where(elsewhere, -1, place)
        is_target = along(arange(classes, like=index), axis, x.ndim) == xp.expand_dims(place, axis=axis)
        x = xp.where(is_target, -xp.inf, x)
    maximum, x = shifted_by_maximum(x, axis)
    e = xp.exp(x)
    sum_exp, entropy_gap = xp.sum(e, axis=axis), -xp.sum(times(e, x), axis=axis) if entropy else None
    del e  # or memory would hold one more array of the size of the logits
    gap, weight_sum = None, None
    if is_array(weights):
        gap, weight_sum = _weighted(weights, x, is_target, axis)
    elif weights is not None:
        sum_of_x = xp.sum(x if is_target is None else xp.where(is_target, 0.0, x), axis=axis)
        gap, weight_sum = -times(weights, sum_of_x), weights * others + xp.zeros_like(sum_of_x)
    if sparse_weights is not None:
        place, elsewhere = _place(sparse_weights[0], first_class, classes)
        named = take_along(x, place, axis) if classes else xp.zeros_like(sparse_weights[1])
        sparse = _weighted(sparse_weights[1], named, elsewhere, axis)
        gap, weight_sum = _add(gap, sparse[0]), _add(weight_sum, sparse[1])
    return RowStatistics(
        classes=classes,
        maximum=xp.squeeze(maximum, axis=axis),
        sum_exp=sum_exp,
        target_logit=target_logit,
        weighted_gap=gap,
        weight_sum=weight_sum,
        entropy_gap=entropy_gap,
        **(_top(logits, axis, first_class or 0) if top else {}),
    )


def combine(a: RowStatistics, b: RowStatistics) -> RowStatistics:
    """The statistics of the classes of both, which hold the same of them; associative and commutative to rounding."""
    xp = namespace(a.maximum)
    maximum = xp.maximum(a.maximum, b.maximum)
    a, b = _against(a, maximum), _against(b, maximum)
    added = {name: _add(x, y) for name, x, y in zip(a._fields, a, b, strict=True)}
    if a.top_logit is not None:
        added |= _first_top(a.top_logit, a.top_class, b.top_logit, b.top_class)
    return RowStatistics(**added | {"maximum": maximum})


def _against(row: RowStatistics, maximum: Array) -> RowStatistics:
    """The statistics with the sums against another maximum, which is not below their own."""
    xp, shift = namespace(maximum), below(row.maximum, maximum)
    scale = xp.exp(shift)
    gap, entropy_gap, sum_exp = row.weighted_gap, row.entropy_gap, scale * row.sum_exp
    return row._replace(
        maximum=maximum,
        sum_exp=sum_exp,
        weighted_gap=None if gap is None else gap + times(row.weight_sum, -shift),
        entropy_gap=None if entropy_gap is None else scale * entropy_gap + times(sum_exp, -shift),
    )


def _add(a: Any, b: Any) -> Any:
    """a + b, either of which may be missing."""
    return b if a is None else a if b is None else a + b


def _place(index: Array, first_class: int | None, classes: int) -> tuple[Array, Array | None]:
    """Where classes stand in a shard, and which of them stand nowhere: those are at 0."""
    if first_class is None:
        return index, None
    place = index - first_class
    elsewhere = (place < 0) | (place >= classes)
    return namespace(index).where(elsewhere, 0, place), elsewhere


def _weighted(weights: Array, x: Array, apart: Array | None, axis: int) -> tuple[Array, Array]:
    """-Σ t x and Σ t of the classes that do not stand apart; a weight of 0 removes an infinite x."""
    xp = namespace(x)
    left_out = (weights == 0) & xp.isinf(x)
    if apart is not None:
        left_out = left_out | apart
    t = weights * xp.astype(~left_out, x.dtype)  # NumPy's where is slow where one side is broadcast
    return -xp.sum(t * xp.where(left_out, 0.0, x), axis=axis), xp.sum(t, axis=axis)


def _top(x: Array, axis: int, first_class: int) -> dict[str, Array]:
    xp = namespace(x)
    if x.shape[axis] == 0:
        nothing = xp.sum(x, axis=axis)
        return {"top_logit": nothing - xp.inf, "top_class": xp.astype(nothing, xp.int64) + first_class}
    place = xp.argmax(x, axis=axis)
    return {"top_logit": detach(pick(x, place, axis)), "top_class": place + first_class}


def _first_top(x: Array, x_class: Array, y: Array, y_class: Array) -> dict[str, Array]:
    """The greater logit of both and its class, the first of equal ones; NaN is the greatest, as argmax has it."""
    xp = namespace(x)
    x_is_nan, y_is_nan = xp.isnan(x), xp.isnan(y)
    equal = (x == y) | (x_is_nan & y_is_nan)
    of_y = (y > x) | (y_is_nan & ~x_is_nan) | (equal & (y_class < x_class))
    return {"top_logit": xp.where(of_y, y, x), "top_class": xp.where(of_y, y_class, x_class)}


class LogProb(NamedTuple):
    """Of each row: log_prob, of its class; entropy, of its distribution; lse, log Σ exp of its logits; all in nats.

    predicted: its most probable class. Rows that are ignored have 0, and -1 for a class.
    """

    log_prob: Array
    entropy: Array
    lse: Array
    predicted: Array


def log_prob(
    input: Array,
    target: Array,
    *,
    ignore_index: int | None,
    softcap: Array | float,
    temperature: Array | float,
) -> LogProb:
    xp, axis = namespace(input), class_axis(input)
    index, counted, outside = targets(target, input.shape[axis], ignore_index)
    x = transformed(xp.where(xp.expand_dims(counted, axis=axis), input, 0.0), softcap, temperature)
    row = local(x, axis, index, entropy=True, top=True)
    whole = row.whole()
    answers = -softplus(row.log_odds_against()), whole.entropy(), whole.lse()
    log_p, entropy, lse = (xp.where(outside, xp.nan, xp.where(counted, value, 0.0)) for value in answers)
    return LogProb(log_p, entropy, lse, xp.where(counted, whole.top_class, -1))


def linear_log_prob(
    input: Array,
    linear_weight: Array,
    target: Array,
    *,
    linear_bias: Array | None,
    ignore_index: int | None,
    softcap: Array | float,
    temperature: Array | float,
    memory_budget: int | None = None,
) -> LogProb:
    def of_rows(input: Array, target: Array) -> LogProb:
        x = counted_logits(input, linear_weight, linear_bias, target != ignore_index)
        return log_prob(x, target, ignore_index=ignore_index, softcap=softcap, temperature=temperature)

    return by_rows(of_rows, input.ndim - 1, rows_at_once(linear_weight, memory_budget), input, target)


def formula(*arguments: Any) -> tuple[Array, Array, Array]:
    """The three values by the formula, of the arguments of an operator."""
    *given, ignore_index, softcap, temperature = arguments
    options = {"ignore_index": ignore_index, "softcap": softcap or math.inf, "temperature": temperature}
    wide = [None if x is None else cast(x, namespace(x).float32) if "16" in str(x.dtype) else x for x in given]
    if len(given) == 2:
        return log_prob(*wide, **options)[:3]
    input, weight, bias, target = wide
    return linear_log_prob(input, weight, target, linear_bias=bias, **options)[:3]
