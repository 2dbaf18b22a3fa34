"""Axes that losses have in common: the lead of the true class over the rest, or the probability of the true class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossary.core.arrays import Array
from lossary.core.elementary import sigmoid, softplus
from lossary.core.record import Loss

LEADS: dict[str, Callable[[Array], Array]] = {
    **dict.fromkeys(
        (
            "logit of the true class, the other being 0",
            "logit",
            "logit of a positive",
            "logit of one label",
            "score",
            "a - b",
            "lead of the true class",
            "lead of the true label",
        ),
        lambda z: z,
    ),
    "logit of a negative": lambda z: -z,
}
"""What stands on the axis of a loss where the true class leads by z, its first target being that class."""

PROBABILITIES: dict[str, Callable[[Array], Array]] = {
    "p": sigmoid,
    "q of the first of two classes": sigmoid,
    "log p of the true class": lambda z: -softplus(-z),
    "x - y": lambda z: sigmoid(z) - 1,  # a probability that is fitted to 1
}
"""The same, of losses that see the probability of the true class, the sigmoid of z."""

ONE_HOT = {"q of the first of two classes": {"target": [[1.0, 0.0]]}}
"""What is fixed on a common axis: the true class."""

EDGE = 1e-3
"""How near to 0 and 1 probabilities are drawn."""


@dataclass(frozen=True)
class Axis:
    """variable: what gradients are taken by, of the numbers on the axis. own: what the loss takes, of the variable.

    mapped: whether it is no axis of the loss's own. note: what the label of its curve adds.
    """

    label: str
    gradient: str
    low: float
    high: float
    own: Callable[[Array], Array] = lambda x: x
    variable: Callable[[np.ndarray], np.ndarray] = lambda x: x
    fixed: Mapping[str, Any] = field(default_factory=dict)
    mapped: bool = False
    note: str = ""


def common(records: Sequence[Loss]) -> dict[str, Axis]:
    """The axis of each loss, one for all but for what the loss takes; ValueError where they have none in common."""
    axes = {record.name: record.plot.axis for record in records if record.plot}
    if len(set(axes.values())) == 1:
        return {r.name: Axis(r.plot.axis, "gradient", r.plot.low, r.plot.high) for r in records if r.plot}
    strangers = [f"{name} ({axis})" for name, axis in axes.items() if axis not in (LEADS | PROBABILITIES)]
    if strangers:
        raise ValueError(
            f"{', '.join(axes)} have no axis in common: {', '.join(strangers)} has one of its own. Draw them apart"
        )
    if any(axis in PROBABILITIES for axis in axes.values()):
        return {name: _of_probability(axis) for name, axis in axes.items()}
    return {name: _of_lead(axis) for name, axis in axes.items()}


def _of_lead(axis: str) -> Axis:
    return Axis("lead of the true class", "gradient by the lead", -6.0, 6.0, LEADS[axis], mapped=True)


def _of_probability(axis: str) -> Axis:
    return Axis(
        "probability of the true class",
        "gradient by its logit",
        EDGE,
        1 - EDGE,
        (LEADS | PROBABILITIES)[axis],
        variable=lambda p: np.log(p) - np.log1p(-p),
        fixed=ONE_HOT.get(axis, {}),
        mapped=True,
        note=" of that probability and 1" if axis == "x - y" else "",
    )


def said(records: Sequence[Loss]) -> list[str]:
    """What is drawn on another axis than each loss's own."""
    axis = next(iter(common(records).values()))
    return [f"on a common axis, the {axis.label}; the right panel is the {axis.gradient}"] if axis.mapped else []
