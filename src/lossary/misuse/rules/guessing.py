"""Predictions that are no better than guessing, or worse."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call, Unchecked
from lossary.misuse.measures import association, log_softmax
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import paste

ENOUGH = 64
"""Rows from which it can be told whether predictions have to do with their targets."""
CERTAIN = 4.0
"""Standard errors."""
WORSE = 2.0
"""Times the cost of guessing: an untrained model's scores cost somewhat more than guessing, too."""


def _of_classes(call: Call, name: str) -> bool:
    return (
        call.loss.rows == call.loss.unreduced
        and call.has_classes(call.first)
        and call.inner(call.first) == ["C"]
        and call.first in call.named("logits", "log-probabilities")
        and call.dims.get("C", 0) > 1
    )


def _association(call: Call, name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Log-probabilities and labels of the rows that count, and by how many standard errors they belong together."""
    scores, labels = log_softmax(call.rows(call.first)), call.rows(name)
    finite = np.isfinite(scores).all(axis=1)
    if np.count_nonzero(finite) < ENOUGH:
        raise Unchecked(f"{np.count_nonzero(finite)} rows are too few to tell whether predictions fit their targets")
    scores, labels = scores[finite], labels[finite]
    own, variance = association(scores, labels)
    return scores, labels, float(own.sum()) / np.sqrt(variance) if variance > 0 else 0.0


@rule(
    "LS146",
    "scores the wrong way round",
    "error",
    words=("class indices",),
    when=_of_classes,
    why="the target has the lowest score: the model answers with the class that fits least",
    fix="negate the scores; distances and energies are low where a class fits",
)
def wrong_way_round(call: Call, name: str) -> Iterator[Seen]:
    scores, labels, z = _association(call, name)
    rows = np.arange(labels.size)
    loss, negated = -scores[rows, labels].mean(), -log_softmax(-scores)[rows, labels].mean()
    guessing = float(np.log(call.dims["C"]))
    if z < -CERTAIN and loss > WORSE * guessing and negated < guessing:
        yield Seen(
            f"their cross-entropy is {loss:.4g}, negated {negated:.4g}, and {guessing:.4g} for guessing",
            fix=paste(call, **{call.first: f"-{call.first}"}),
        )


@rule(
    "LS147",
    "predictions that have nothing to do with the targets",
    "warning",
    words=("class indices",),
    when=_of_classes,
    why="they are sure, and no better than guessing: rows and targets are of different samples, or in another order",
    fix="check that predictions and targets are of the same samples, in the same order",
)
def unrelated(call: Call, name: str) -> Iterator[Seen]:
    scores, labels, z = _association(call, name)
    loss, guessing = -scores[np.arange(labels.size), labels].mean(), float(np.log(call.dims["C"]))
    if abs(z) < CERTAIN / 2 and loss > WORSE * guessing and labels.min() < labels.max():
        yield Seen(
            f"the targets fit these predictions no better than others do (z = {z:.1f}): the cross-entropy is "
            f"{loss:.4g}, and log {call.dims['C']} = {guessing:.4g} for guessing"
        )
