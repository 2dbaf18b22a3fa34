"""What the letters of a record mean in calls drawn from its contract, and what the loss and its gradient are there.

Most letters are arguments (tests/letters.py). Some are quantities that the record explains in words: the functions of
IN_WORDS compute them, for one row at a time where the LaTeX speaks of one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import letters
import numpy as np
import torch
from latex import Formula, softmax

from lossary.core.record import Loss
from lossary.testing.samples import Sample


@dataclass(frozen=True)
class Reading:
    """words: the conditions that hold. value: of the loss, unreduced. derivatives: of its sum, by the letters.

    value is None, and the derivatives are those of other quantities, where the LaTeX has these too.
    """

    loss: Loss
    values: dict[str, Any]
    words: dict[str, bool]
    value: np.ndarray | None
    derivatives: dict[str, np.ndarray]

    def formula(self) -> Formula:
        return Formula(self.loss.formula, self.values, self.words, self.loss.symbols)

    def gradient(self) -> Formula:
        """Which may speak of the loss, and of what the formula defines."""
        values = self.values if self.value is None else self.values | {r"\ell": self.value}
        return Formula(around(self.loss), values, self.words, self.loss.symbols)


def around(loss: Loss) -> str:
    return loss.gradient if loss.name in letters.FOR_READERS else rf"{loss.formula} \qquad {loss.gradient}"


class Call:
    """A loss of a sample."""

    def __init__(self, loss: Loss, sample: Sample) -> None:
        self.loss, self.sample, self.arguments = loss, sample, sample.arguments

    @cached_property
    def values(self) -> dict[str, Any]:
        return letters.values(self.loss, self.sample)

    @cached_property
    def words(self) -> dict[str, bool]:
        return letters.words(self.loss, self.sample)

    @cached_property
    def value(self) -> np.ndarray:
        value = self.loss.public(**self.arguments | {"reduction": "none"})
        return letters.arranged(self.loss, self.sample, self.loss.unreduced, value)

    def slope(self, name: str) -> np.ndarray:
        """The derivative of the sum of all values by an argument, in its shape."""
        arguments = {
            n: torch.tensor(x) if isinstance(x, (np.ndarray, np.generic)) else x for n, x in self.arguments.items()
        }
        x = arguments[name].clone().requires_grad_()
        value = self.loss.public(**arguments | {name: x, "reduction": "none"})
        return torch.autograd.grad(value.sum(), x, materialize_grads=True)[0].numpy()

    def derivative(self, name: str) -> np.ndarray:
        return letters.arranged(self.loss, self.sample, self.sample.specs[name].shape, self.slope(name))

    def reading(self, value: np.ndarray | None, derivatives: dict[str, np.ndarray], **values: Any) -> Reading:
        return Reading(self.loss, self.values | values, self.words, value, derivatives)


def of_arguments(call: Call) -> Iterator[Reading]:
    differentiable = call.sample.differentiable
    named = {letter: name for letter, name in letters.arguments_of(call.loss).items() if name in differentiable}
    yield call.reading(call.value, {letter: call.derivative(name) for letter, name in named.items()})


def masks(call: Call) -> Iterator[Reading]:
    """Each class of each sample; and what the activation does at each pixel."""
    x = letters.arranged(call.loss, call.sample, "?N C *d", call.arguments["input"])
    mask = letters.standing_for(call.loss, call.sample, "target", "t")
    weights = letters.standing_for(call.loss, call.sample, "pixel_weight", "w")
    activation = call.arguments.get("activation", "softmax")
    probabilities = activated(activation, x)
    slopes = call.derivative("input")
    for n, c in np.ndindex(call.value.shape):
        p, t, w = probabilities[n, c], mask[n, c], weights[n]
        common = np.sum(w * np.minimum(p, t))
        sums = {"TP": common, "FP": np.sum(w * p) - common, "FN": np.sum(w * t) - common}
        derivatives = {"p": slopes[n, c]} if activation == "none" else {}
        yield call.reading(call.value[n : n + 1, c : c + 1], derivatives, p=p, t=t, w=w, **sums)
    yield from of_pixels(call, activation, np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]))


def activated(activation: str, x: np.ndarray) -> np.ndarray:
    """Probabilities of classes, which are the second axis."""
    if activation == "softmax":
        return np.moveaxis(softmax(np.moveaxis(x, 1, -1)), -1, 1)
    return 1 / (1 + np.exp(-x)) if activation == "sigmoid" else x


def of_pixels(call: Call, activation: str, rows: np.ndarray) -> Iterator[Reading]:
    """The derivatives of the probabilities by the logits."""
    for x in rows if activation == "softmax" else ():
        p = softmax(x)
        yield call.reading(None, {"x": np.diag(p) - np.outer(p, p)}, x=x, p=p)
    for x in rows.flat if activation == "sigmoid" else ():
        yield call.reading(None, {"x": np.exp(-x) / (1 + np.exp(-x)) ** 2}, x=x, p=1 / (1 + np.exp(-x)))


def boxes(call: Call) -> Iterator[Reading]:
    """The right edge of each box, and the other edges as right ones of an image that is mirrored or turned."""
    inputs, targets = (np.reshape(call.arguments[name], (-1, 4)) for name in ("input", "target"))
    slopes = call.derivative("input")
    for n, place in np.ndindex(len(inputs), 4):
        edge, sign = SEEN_FROM[place]
        lengths = how_they_lie(sign * inputs[n][edge], sign * targets[n][edge])
        yield call.reading(call.value[n : n + 1], {"r": sign[2] * slopes[n, place]}, **lengths)


SEEN_FROM = [
    ([2, 1, 0, 3], np.array([-1, 1, -1, 1])),
    ([3, 0, 1, 2], np.array([-1, 1, -1, 1])),
    ([0, 1, 2, 3], np.array([1, 1, 1, 1])),
    ([1, 0, 3, 2], np.array([1, 1, 1, 1])),
]
"""For the left, the top, the right and the bottom edge: the places and signs that make it the right one."""


def how_they_lie(box: np.ndarray, other: np.ndarray) -> dict[str, float]:
    (w, h), (w2, h2) = box[2:] - box[:2], other[2:] - other[:2]
    shared = np.maximum(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0.0)
    hull = np.maximum(box[2:], other[2:]) - np.minimum(box[:2], other[:2])
    apart = (box[:2] + box[2:] - other[:2] - other[2:]) / 2
    union = w * h + w2 * h2 - np.prod(shared)
    v = 4 / np.pi**2 * (np.arctan(w2 / h2) - np.arctan(w / h)) ** 2
    return {
        "I": np.prod(shared),
        "U": union,
        "C": np.prod(hull),
        "W": hull[0],
        "H": hull[1],
        r"\rho": np.hypot(*apart),
        "d": apart[0],
        "w": w,
        "h": h,
        "w'": w2,
        "h'": h2,
        "v": v,
        r"\alpha": v / (1 - np.prod(shared) / union + v),
        "r": box[2],
        "r'": other[2],
        "q": shared[1] if shared[0] > 0 else 0.0,
    }


def pairs(call: Call) -> Iterator[Reading]:
    ratios = {"r_+": ("chosen", "reference_chosen"), "r_-": ("rejected", "reference_rejected")}
    r = {letter: np.atleast_1d(call.arguments[a] - call.arguments[b]) for letter, (a, b) in ratios.items()}
    slopes = {letter: call.derivative(argument) for letter, (argument, _) in ratios.items()}
    margins = np.broadcast_to(call.arguments.get("margin", 0.0), r["r_+"].shape)
    for n, m in enumerate(margins):
        here = {letter: r[letter][n] for letter in ratios} | {"m": m}
        yield call.reading(call.value[n : n + 1], {letter: slopes[letter][n] for letter in ratios}, **here)


def candidates(call: Call) -> Iterator[Reading]:
    """The positive of each row, and the candidates that count for it: not those of the positive's label."""
    rows, count = call.sample.dims["N"], call.sample.dims["M"]
    positives = call.arguments.get("positives", np.arange(rows))
    ids = call.arguments.get("labels", np.arange(count))
    each = np.arange(count)
    counted = np.where((ids != ids[positives][:, None]) | (each == positives[:, None]), each, -1)
    yield call.reading(call.value, {"x": call.derivative("input")}, A=counted, **{r"\pi": positives})


IN_WORDS: dict[str, Callable[[Call], Iterator[Reading]]] = {
    "dice_loss": masks,
    "jaccard_loss": masks,
    "tversky_loss": masks,
    "box_iou_loss": boxes,
    "complete_box_iou_loss": boxes,
    "distance_box_iou_loss": boxes,
    "generalized_box_iou_loss": boxes,
    "dpo_loss": pairs,
    "info_nce_loss": candidates,
}


def readings(samples: Iterable[Sample], loss: Loss) -> Iterator[Reading]:
    for sample in samples:
        yield from IN_WORDS.get(loss.name, of_arguments)(Call(loss, sample))


def of_formula(loss: Loss) -> Iterator[Reading]:
    return readings(letters.samples(loss, loss.formula), loss)


def of_gradient(loss: Loss) -> Iterator[Reading]:
    return readings(letters.samples(loss, loss.gradient, beside=loss.formula), loss)
