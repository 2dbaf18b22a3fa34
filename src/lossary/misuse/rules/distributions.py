"""Arguments that are distributions, or their logarithms."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call, Unchecked
from lossary.misuse.measures import are_distributions, are_whole, finite, logsumexp, tolerance
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import applied, distributions_seen, normalised, paste, share

LOGARITHM_SLACK = 0.05
"""How far the logsumexp of log-probabilities may be from 0: those of bfloat16 are off by 0.02."""


def is_over_classes(call: Call, name: str) -> bool:
    """Whether targets are, in some form, a distribution over classes and not a yes or no each."""
    return any("C" in spec.shape.split() for spec in call.loss.data[name]) or "log_target" in call.loss.options


def log_rows(call: Call, name: str) -> np.ndarray:
    """Rows of log-probabilities over the classes, (R, C)."""
    if "C" not in call.names(name):
        return distribution_rows(call, name, distribution_axis(call))
    rows = call.rows(name)
    if "T" in call.inner(name):
        lengths = call.lengths("input_lengths")[call.kept.reshape(-1)]
        rows = rows[np.arange(rows.shape[1]) < lengths[:, None]]
    return rows.reshape(-1, call.dims["C"])


def distribution_rows(call: Call, name: str, axis: int) -> np.ndarray:
    """The rows along `axis` of an argument whose contract names no classes; those of weight 0 are left out."""
    kept = np.moveaxis(call.kept, axis, -1).all(axis=-1)
    return np.moveaxis(call.aligned(name), axis, -1)[kept]


def distribution_axis(call: Call) -> int:
    """The axis along which one of the two arguments of a divergence is a distribution; the other is held to it."""
    if not call.rows_shape:
        raise Unchecked("a single number is no distribution")
    last = len(call.rows_shape) - 1
    for axis in dict.fromkeys((last, min(last, 1))):
        for name in call.named("log-probabilities", "target probabilities"):
            rows = finite(distribution_rows(call, name, axis))
            logs = call.word(name) == "log-probabilities"
            if are_distributions(rows) or (logs and rows.size and rows.shape[1] > 1 and _are_normalised(rows)):
                return axis
    raise Unchecked("along no axis is either argument a distribution")


def _are_normalised(rows: np.ndarray) -> bool:
    return bool(np.abs(logsumexp(rows)).max() <= tolerance(len(rows)))


@rule(
    "LS103",
    "log-probabilities that are not normalised",
    "error",
    words=("log-probabilities",),
    why="the loss is off by the logsumexp of each row, and can be negative",
    fix="apply log_softmax first, or use the loss that takes logits",
)
def not_normalised(call: Call, name: str) -> Iterator[Seen]:
    rows = log_rows(call, name)
    sums = logsumexp(rows[~np.isnan(rows).any(axis=-1)])
    sums = sums[np.isfinite(sums)]
    if not sums.size or np.mean(np.abs(sums) > LOGARITHM_SLACK) <= 0.01 or are_distributions(finite(rows)):
        return
    highest = rows[np.isfinite(rows)].max()
    seen = f"the logsumexp of its rows is {sums.min():.4g} to {sums.max():.4g}, and should be 0"
    seen += f"; values up to {highest:.4g}, log-probabilities are at most 0" if highest > 0 else ""
    of = "a frame" if "T" in call.inner(name) else "a row"
    why = f"the loss is off by {sums.mean():.4g} for {of} on average, and can be negative"
    yield Seen(seen, why, _normalising_fix(call, name))


def _normalising_fix(call: Call, name: str) -> str:
    scores = normalised(call, "log_softmax", name, 1 if call.loss.name == "nll_loss" else -1)
    if call.loss.name == "nll_loss":
        return f"{paste(call, 'cross_entropy')}; or normalise first: {scores}"
    return f"normalise first: {paste(call, **{name: scores})}"


@rule(
    "LS104",
    "probabilities passed as log-probabilities",
    "error",
    words=("log-probabilities",),
    why="the loss is minus a probability instead of minus its logarithm: it is at most 0, and its gradient is the same "
    "whether a prediction is right or wrong",
    fix="take the logarithm, or better log_softmax of the logits",
)
def probabilities_as_logs(call: Call, name: str) -> Iterator[Seen]:
    rows = finite(log_rows(call, name))
    if not are_distributions(rows):
        return
    fix = paste(call, **{name: applied(call, "log", name)})
    if name == call.first and "C" in call.names(name):
        fix += f"; better {'cross_entropy' if call.loss.name == 'nll_loss' else 'log_softmax'} of the logits"
    if name != call.first and "log_target" in call.loss.options:
        fix = paste(call, log_target="False")
    why = f"a log-probability is at most 0; the loss is {_row_mean(call, name, len(rows)):.4g} for a row on average"
    yield Seen(distributions_seen(rows), why, fix)


def _row_mean(call: Call, name: str, rows: int) -> float:
    """The mean loss of a row, of which a divergence has one for each class."""
    losses = call.losses[np.isfinite(call.losses)]
    return float(losses.sum()) / max(losses.size if "C" in call.names(name) else rows, 1)


@rule(
    "LS105",
    "log-probabilities passed as probabilities",
    "error",
    words=("probabilities", "target probabilities", "label probabilities"),
    refused=True,
    why="negative numbers are read as probabilities: the loss is NaN, or a number without a meaning",
    fix="pass log_target=True, or the exponentials",
)
def logs_as_probabilities(call: Call, name: str) -> Iterator[Seen]:
    x = call.host(name)
    if x.ndim == 0 or not x.size or np.isnan(x).any() or x.max() > 0 or x.min() >= 0:
        return
    axes = {x.ndim - 1, min(x.ndim - 1, 1)}
    if not any(are_distributions(np.exp(np.moveaxis(x, axis, -1)).reshape(-1, x.shape[axis])) for axis in axes):
        return
    exponential = paste(call, **{name: applied(call, "exp", name)})
    yield Seen(
        f"every value is at most 0, down to {x.min():.4g}, and the exponentials of each row sum to 1",
        fix=paste(call, log_target="True") if "log_target" in call.loss.options else exponential,
    )


@rule(
    "LS132",
    "soft targets that are no distributions",
    "warning",
    words=("target probabilities",),
    refused=True,
    why="a row counts as often as its targets sum to, and with negative targets the loss has no minimum",
    fix="divide the targets by their sums; for several true classes in a row use binary_cross_entropy_with_logits",
)
def not_distributions(call: Call, name: str) -> Iterator[Seen]:
    if is_over_classes(call, name):
        yield from _outside(call, name) if call.refusal else _sums(call, name)


def _outside(call: Call, name: str) -> Iterator[Seen]:
    x, scores = call.host(name), call.array(call.first)
    outside = (x < -1e-6) | (x > 1 + 1e-6)
    if x.ndim == scores.ndim and outside.any() and x.max() > 0:  # all at most 0: logarithms, LS105
        yield Seen(
            f"{share(outside)} values lie outside of [0, 1], from {x.min():.4g} to {x.max():.4g}",
            "they are no probabilities, and with negative targets the loss has no minimum",
            f"logits of a teacher? Pass their softmax: {paste(call, **{name: normalised(call, 'softmax', name, 1)})}",
        )


def _sums(call: Call, name: str) -> Iterator[Seen]:
    over = "C" in call.names(name)
    rows = finite(call.rows(name) if over else distribution_rows(call, name, distribution_axis(call)))
    sums = rows.sum(axis=-1)
    wrong = (np.abs(sums - 1) > tolerance(len(rows))) & (sums != 0)  # a row of zeros masks its sample
    if not wrong.any():
        return
    several = are_whole(rows) and sums.max() >= 2
    seen = f"{share(wrong)} rows do not sum to 1 but to {sums[wrong].min():.4g} to {sums[wrong].max():.4g}"
    yield Seen(
        seen + ("; their values are 0 and 1, several true classes in a row" if several else ""),
        f"a row counts as often as its targets sum to, {sums[wrong].mean():.4g} on average of these",
        paste(call, "binary_cross_entropy_with_logits", label_smoothing="") if several else "",
    )
