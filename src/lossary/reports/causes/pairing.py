"""Classes: predictions and targets that do not belong together as they lie in the file."""

from __future__ import annotations

from dataclasses import replace
from math import e, log, sqrt

import numpy as np

from lossary.reports.causes.cause import EVIDENCE, Cause, cost_of_parameters
from lossary.reports.causes.rows import CERTAIN, NO_NEIGHBOUR, Rows
from lossary.translations import deferred, join, say

SHOWN = 4
LARGEST = 1_000  # classes, of which all orders can be compared


def wrong_way_round(rows: Rows) -> Cause[Rows] | None:
    """-logits fit: 1 - p was saved, or distances."""
    if rows.association > -CERTAIN:
        return None
    if rows.single:
        name = say("the probability of the other class (1 - p)")
        auc = _auc(rows.log_probs[:, 1] - rows.log_probs[:, 0], rows.label)
        text = say("The scores are those of the other class: AUC is {auc:.3g}, below 0.5", auc=auc)
        fix = say("save the column of the class that counts as 1: predict_proba(X)[:, 1], or 1 - p")
    else:
        name = say("scores that are the wrong way round (negated)")
        text = say("The scores are the wrong way round: the target's is the lowest")
        fix = say("negate them: -logits; distances and energies are low where a class fits")
    return rows.explained(
        "wrong_way_round",
        rows.with_scores(-rows.log_probs),
        cost=log(2),
        name=name,
        text=lambda loss: say(
            "{fault}; negated they would score {loss:.4g} instead of {now:.4g}.",
            fault=text,
            loss=loss,
            now=rows.loss.mean(),
        ),
        fix=fix,
        structural=True,
    )


def _auc(score: np.ndarray, label: np.ndarray) -> float:
    """The share of pairs of a yes and a no in which the yes has the higher score; ties count half."""
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    yes = float(label.sum())
    no = label.size - yes
    return (float(rank[place][label > 0].sum()) - yes * (yes + 1) / 2) / (yes * no) if values.size and yes * no else 0.5


def columns_in_another_order(rows: Rows) -> Cause[Rows] | None:
    """The assignment of columns to classes that fits best, without the moves that do not earn their cost."""
    if rows.single or rows.classes > LARGEST:
        return None
    from scipy.optimize import linear_sum_assignment

    cost = rows.of_label
    _, column_of = linear_sum_assignment(cost)
    order, moved = np.arange(rows.classes), 0
    for cycle in _cycles(column_of):
        gain = float(np.sum(cost[cycle, cycle] - cost[cycle, column_of[cycle]]))
        if gain >= len(cycle) * log(rows.classes) + EVIDENCE:
            order[cycle] = column_of[cycle]
            moved += len(cycle)
    if not moved or (abs(rows.association) < CERTAIN and _fits_by_chance(rows)):
        return None
    shift = (order - np.arange(rows.classes)) % rows.classes
    seen = rows.counts > 0
    seen_moved = np.flatnonzero((shift != 0) & seen)
    if not seen_moved.size:
        return None
    steps = np.unique(shift[seen])
    if steps.size == 1:
        name = say("labels that are shifted")
        if steps[0] in (1, rows.classes - 1):
            name = say("labels that are shifted by one class")
        text = say(
            "The columns seem to be in another order than the labels, shifted by the same number of classes: class "
            "{name} is in column {column}, and so on",
            name=rows.name(int(seen_moved[0])),
            column=order[seen_moved[0]],
        )
    elif moved == 2:
        one, other = (rows.name(int(k)) for k in np.flatnonzero(shift))
        name = say("columns {one} and {other}, which look swapped", one=one, other=other)
        text = say("Columns {one} and {other} look swapped", one=one, other=other)
    else:
        name = say("columns in another order than the labels")
        text = say(
            "The columns seem to be in another order than the labels: {pairs}",
            pairs=join(
                ", ",
                (say("{name} in column {column}", name=rows.name(int(k)), column=order[k]) for k in seen_moved[:SHOWN]),
            ),
        )
    after = replace(rows, log_probs=rows.log_probs[:, order])
    right, mended = (float(np.mean(r.predicted == r.label)) for r in (rows, after))
    return rows.explained(
        "columns",
        after,
        cost=moved * log(rows.classes),
        name=name,
        text=lambda loss: say(
            "{fault}; in the right order the loss would be {loss:.4g} instead of {now:.4g}, and the accuracy "
            "{mended:.1%} instead of {right:.1%}.",
            fault=text,
            loss=loss,
            now=rows.loss.mean(),
            mended=mended,
            right=right,
        ),
        fix=say("use one list of class names for training and for labels"),
        structural=True,
    )


def _fits_by_chance(rows: Rows) -> bool:
    """Whether the best order gains no more than it does with shuffled targets, where some order fits, too."""
    shuffled = replace(rows, label=np.random.default_rng(0).permutation(rows.label))
    return _gain_of_best(rows.of_label) < (1 + 2 / sqrt(rows.classes)) * _gain_of_best(shuffled.of_label)


def _gain_of_best(cost: np.ndarray) -> float:
    from scipy.optimize import linear_sum_assignment

    return float(np.trace(cost) - cost[linear_sum_assignment(cost)].sum())


def _cycles(permutation: np.ndarray) -> list[list[int]]:
    seen, cycles = np.zeros(permutation.size, bool), []
    for start in range(permutation.size):
        cycle, k = [], start
        while not seen[k]:
            seen[k] = True
            cycle.append(k)
            k = int(permutation[k])
        if len(cycle) > 1:
            cycles.append(cycle)
    return cycles


def shifted(rows: Rows) -> Cause[Rows] | None:
    """Targets one place earlier or later fit better."""
    found = [cause for which in ("next", "previous") if (cause := _shifted(rows, which)) is not None]
    return max(found, key=lambda cause: cause.nats, default=None)


def _shifted(rows: Rows, which: str) -> Cause[Rows] | None:
    moved = rows.after if which == "next" else rows.before
    has = moved != NO_NEIGHBOUR
    if np.count_nonzero(has) < rows.size / 2:
        return None
    label = np.where(has, moved, rows.label)
    after = replace(rows, label=label, before=np.full_like(label, -1), after=np.full_like(label, -1))
    best, clearly = float(after.loss.mean()), 0.9 * float(rows.loss.mean())
    if best >= log(rows.classes) or after.association < 1.5 * CERTAIN:
        return None
    if best >= clearly and abs(rows.association) >= CERTAIN:  # neighbours are alike
        return None
    if rows.unit_name == "position":
        name = say("targets that are shifted by one position")
        text = (
            deferred("Predictions fit the next position's target better: loss {loss:.4g} against {now:.4g} unshifted.")
            if which == "next"
            else deferred(
                "Predictions fit the previous position's target better: loss {loss:.4g} against {now:.4g} unshifted."
            )
        )
        fix = say("shift the labels exactly once, in the model or in the loss, not in both or neither")
    else:
        name = say("targets that are shifted by one row")
        text = (
            deferred("Predictions fit the next row's target better: loss {loss:.4g} against {now:.4g} unshifted.")
            if which == "next"
            else deferred(
                "Predictions fit the previous row's target better: loss {loss:.4g} against {now:.4g} unshifted."
            )
        )
        fix = say("pair predictions and targets by an id: one of them has lost or gained a row at its beginning")
    return rows.explained(
        "shifted",
        after,
        cost=log(2),
        name=name,
        text=lambda loss: say(text, loss=loss, now=rows.loss.mean()),
        fix=fix,
        structural=True,
    )


def softmax_twice(rows: Rows) -> Cause[Rows] | None:
    """q = softmax(p): then p = log q + (1 - Σ log q) / C lies in [0, 1], row for row."""
    if not rows.probabilities:
        return None
    if rows.single:
        return _sigmoid_twice(rows)
    classes = rows.classes
    inner = rows.log_probs + ((1 - rows.log_probs.sum(axis=1)) / classes)[:, None]
    if inner.min() < -0.02 or inner.max() > 1.02 or inner.max() < min(0.9, 5 / classes):
        return None
    limit = e / (e + classes - 1)
    highest = float(np.exp(rows.log_probs.max()))
    return rows.explained(
        "softmax_twice",
        rows.with_scores(np.log(np.maximum(inner, 1e-6))),
        cost=log(2),
        name=say("a softmax that was taken twice"),
        text=lambda loss: say(
            "The softmax was taken twice: no probability exceeds e/(e + {others}) = {limit:.3g}, the highest is "
            "{highest:.3g}; taken once they would score {loss:.4g} instead of {now:.4g}.",
            others=classes - 1,
            limit=limit,
            highest=highest,
            loss=loss,
            now=rows.loss.mean(),
        ),
        fix=say("save the softmax of the logits, once; and look whether the model was trained so"),
        structural=True,
    )


def _sigmoid_twice(rows: Rows) -> Cause[Rows] | None:
    inner = rows.log_probs[:, 1] - rows.log_probs[:, 0]
    if inner.min() < -0.02 or inner.max() > 1.02 or np.ptp(inner) < 0.5:
        return None
    inner = np.clip(inner, 1e-6, 1 - 1e-6)
    low, high = np.exp(rows.log_probs[:, 1].min()), np.exp(rows.log_probs[:, 1].max())
    return rows.explained(
        "softmax_twice",
        rows.with_scores(np.log(np.stack([1 - inner, inner], axis=1))),
        cost=log(2),
        name=say("a sigmoid that was taken twice"),
        text=lambda loss: say(
            "The sigmoid was taken twice: every probability lies between 0.5 and 0.731, from {low:.3g} to {high:.3g}; "
            "taken once they would score {loss:.4g} instead of {now:.4g}.",
            low=low,
            high=high,
            loss=loss,
            now=rows.loss.mean(),
        ),
        fix=say("save the sigmoid of the logits, once; and look whether the model was trained so"),
        structural=True,
    )


def unrelated(rows: Rows) -> Cause[Rows] | None:
    """Confident predictions that fit their targets no better than they fit other rows' targets."""
    if abs(rows.association) >= CERTAIN:
        return None
    share = (rows.counts + 0.5) / (rows.size + rows.classes / 2)
    parameters = int(np.count_nonzero(rows.counts)) - 1
    cost = cost_of_parameters(parameters, rows.size)
    constant = np.log(share)
    if rows.size * (log(rows.classes) - float(-constant[rows.label].mean())) < cost:
        constant, cost = np.zeros(rows.classes), 0.0
    z = rows.association
    return rows.explained(
        "unrelated",
        rows.with_scores(np.broadcast_to(constant, rows.log_probs.shape)),
        cost=cost,
        name=say("predictions that say nothing about their targets"),
        text=lambda loss: say(
            "The predictions say nothing about their targets: they fit them no better than those of other {units} "
            "(z = {z:.1f}), and are worse than always answering the class shares ({loss:.4g}).",
            units=rows.units,
            z=z,
            loss=loss,
        ),
        fix=say("check that predictions and targets belong to the same samples, in the same order"),
        structural=True,
    )
