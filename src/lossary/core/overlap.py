"""Losses of overlap: Dice, Jaccard and Tversky are one ratio of three sums over the pixels of each class.

With p the probabilities, t the targets and w the weights of pixels: TP = Σ w min(p, t) is what both have, FP = Σ w p
- TP what is predicted alone, FN = Σ w t - TP what is true alone. Each is a sum of terms that are not negative, and the
loss a ratio of such sums: nothing cancels, and the loss of a nearly perfect prediction keeps its digits.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from lossary.core.arrays import Array, arange, as_array, cast, is_array, kind, namespace, size_fits
from lossary.core.check import Checked
from lossary.core.classes import along, class_axis, targets
from lossary.core.contract import (
    Choice,
    Domain,
    Flag,
    Range,
    class_indices,
    class_probabilities,
    describe,
    logits,
    masks,
    weights,
)
from lossary.core.elementary import is_number, shifted_by_maximum, times
from lossary.core.record import Loss, Minimiser
from lossary.core.reduce import Unreduced, row_sums

INPUT = logits("?N C *d")
TARGET = class_indices("?N *d") | masks("?N C *d")
PIXEL_WEIGHT = weights("?N *d", hides=True)
SMOOTH = Range(0.0, high_open=True)
COEFFICIENT = Range(0.0, high_open=True)

Activation = Annotated[Literal["softmax", "sigmoid", "none"], Choice(voids_properties=("shift_invariant",))]
Overlap = Annotated[Literal["minimum", "product"], Choice()]
Counted = Annotated[Literal["all", "present"], Choice()]
Batch = Annotated[bool, Flag(couples_rows=True)]

LETTERS = {
    "TP": "what is predicted and true",
    "FP": "what is predicted and not true",
    "FN": "what is true and not predicted",
    "s": "smooth",
    "w": "pixel_weight",
    "p": "probabilities of the class, which activation makes of input",
    "t": "target: the mask of the class",
    "x": "input",
}


EXACT = (
    "0, where each mask is predicted exactly, which logits near as they grow. With overlap='product' and soft "
    "masks it is more."
)
"""The least value."""
ALL_OR_NOTHING = Minimiser(
    "none: no share of classes is best. One probability for all n pixels of a mask, of which a share q is true, "
    "costs least at 1 where q² n > smooth · (1 - 2q), and else at 0."
)


def symbols(letters: str) -> dict[str, str]:
    """What each letter of a formula stands for."""
    return {letter: LETTERS[letter] for letter in letters.split()}


def input_domain(values: dict[str, Any]) -> dict[str, Domain]:
    return {"input": class_probabilities("?N C *d").domain} if values["activation"] == "none" else {}


def check_masks(call: Checked) -> None:
    name, ignored, hard = call.loss.name, call.values["ignore_index"], kind(call.values["target"]) != "float"
    hard = hard and call.specs["target"].domain.dtype == "integer"
    if ignored >= 0 and not hard:
        raise ValueError(
            f"{name}: ignore_index is {ignored} and target holds a number for each class, which have no index to "
            "ignore. Leave pixels out with pixel_weight=0"
        )
    if call.dims["C"] != 1:
        return
    if call.values["activation"] == "softmax":
        raise ValueError(
            f"{name}: input is {describe(call.first)}: one class, whose softmax is always 1. Pass activation='sigmoid'"
        )
    if hard:
        raise ValueError(
            f"{name}: target is {describe(call.values['target'])} and input has one class, whose index says nothing. "
            "Pass a mask of 0 and 1 of the shape of input: target.unsqueeze(1).float()"
        )


def over_batch(loss: Loss, arguments: dict[str, Any]) -> tuple[Loss, dict[str, Any]]:
    """The variant for batch=True: one loss for each class, and weights of samples are weights of their pixels."""
    if Flag().refuse(arguments["batch"]) is not None or not arguments["batch"]:
        return loss, arguments
    record = replace(loss, unreduced="C", variant=None)
    x, weight = arguments["input"], arguments["sample_weight"]
    if weight is None or not is_array(x) or kind(x) not in ("float", "integer"):
        return record, arguments
    pixels = (*x.shape[: class_axis(x)], *x.shape[class_axis(x) + 1 :])
    weight = as_array(weight, like=x)
    if not is_array(weight) or kind(weight) not in ("float", "integer", "bool"):
        raise TypeError(f"{loss.name}: sample_weight is {describe(weight)}; it must be an array of a real dtype")
    shape = tuple(weight.shape)
    if len(shape) > 1 or len(shape) > len(pixels) or not size_fits(shape, pixels[: len(shape)]):
        raise ValueError(
            f"{loss.name}: sample_weight is {describe(weight)}; with batch=True it must be of shape {pixels[:1]}, one "
            "weight for each sample. Weights of classes are weight, those of pixels pixel_weight"
        )
    xp, given = namespace(x), as_array(arguments["pixel_weight"], like=x)
    wide = x.dtype if str(x.dtype).endswith("float64") else xp.float32
    weight = xp.reshape(cast(weight, wide), shape + (1,) * (len(pixels) - len(shape)))
    if given is None:
        weight = xp.broadcast_to(weight, pixels)
    elif is_array(given) and tuple(given.shape) == pixels and kind(given) in ("float", "integer", "bool"):
        weight = weight * cast(given, wide)
    else:  # which the check refuses
        weight = given
    return record, arguments | {"sample_weight": None, "pixel_weight": weight}


class Pixels(NamedTuple):
    """Arrays (N, C, M) of M pixels.

    probability, rest: p and 1 - p, each with all its digits. share: the targets. weight: of pixels, (N, 1, M), 0 where
    one is ignored; None for 1. outside: whether a pixel has a class that does not exist, (N, 1, M); None of masks.
    """

    probability: Array
    rest: Array
    share: Array
    weight: Array | None
    outside: Array | None


def overlap_loss(
    input: Array,
    target: Array,
    *,
    weight: Array | None,
    ignore_index: int,
    activation: str,
    smooth: Array | float,
    overlap: str,
    batch: bool,
    classes: str,
    pixel_weight: Array | None,
    alpha: Array | float = 0.5,
    beta: Array | float = 0.5,
    gamma: Array | float = 1.0,
    squared: bool = False,
) -> Unreduced:
    """((α FP + β FN) / (TP + α FP + β FN + smooth))^γ of each sample and class; 0 / 0 is 0, with gradient 0.

    squared: Σ w (p - t)² / (Σ w (p² + t²) + 2 smooth) instead.
    """
    xp, pixels = namespace(input), _pixels(input, target, ignore_index, activation, batch, pixel_weight)
    p, t = pixels.probability, pixels.share

    def total(of_pixels: Array) -> Array:
        return row_sums(of_pixels if pixels.weight is None else pixels.weight * of_pixels)

    if squared:
        error = _error(pixels)
        numerator, rest = total(error * error), total(p * p + t * t) + 2 * smooth
    else:
        both, predicted, true = _terms(pixels, kind(target) == "float" and overlap == "minimum")
        numerator = alpha * total(predicted) + beta * total(true)
        rest = total(both) + numerator + smooth
    nothing = rest == 0
    ratio = xp.where(nothing, 0.0, numerator / xp.where(nothing, 1.0, rest))
    of_class = xp.ones_like(ratio) if weight is None else along(weight, 1, 2) * xp.ones_like(ratio)
    values = times(of_class, _power(ratio, gamma))
    if classes == "present":
        present = (total(t) > 0) | xp.isnan(values)  # NaN stays
        of_class, values = xp.where(present, of_class, 0.0), xp.where(present, values, 0.0)
    if pixels.outside is not None:
        values = xp.where(xp.any(pixels.outside, axis=-1), xp.nan, values)
    shape = values.shape[1:] if batch or input.ndim == 1 else values.shape
    plain = weight is None and classes == "all"
    return Unreduced(xp.reshape(values, shape), denominator=None if plain else xp.reshape(of_class, shape))


def _pixels(
    input: Array, target: Array, ignore_index: int, activation: str, batch: bool, pixel_weight: Array | None
) -> Pixels:
    xp, axis, hard = namespace(input), class_axis(input), kind(target) == "integer"
    classes = input.shape[axis]
    n, m = input.shape[0] if axis else 1, math.prod(input.shape[axis + 1 :])

    def by_class(x: Array) -> Array:
        x = xp.reshape(x, (n, classes, m))
        return xp.reshape(xp.permute_dims(x, (1, 0, 2)), (1, classes, n * m)) if batch else x

    def of_pixel(x: Array) -> Array:
        return xp.reshape(x, (1, 1, n * m) if batch else (n, 1, m))

    x, outside = by_class(input), None
    w = None if pixel_weight is None else of_pixel(pixel_weight)
    if hard:
        index, counted, outside = (of_pixel(part) for part in targets(target, classes, ignore_index))
        x = xp.where(counted, x, 0.0)  # an ignored pixel may hold inf or NaN: nothing of it enters
        t = xp.astype((along(arange(classes, like=index), 1, 3) == index) & counted, x.dtype)
        w = xp.astype(counted, x.dtype) if w is None else xp.where(counted, w, 0.0)
    else:
        t = by_class(target)
    p, rest = ACTIVATIONS[activation](x)
    return Pixels(p, rest, t, w, outside)


def _softmax(x: Array) -> tuple[Array, Array]:
    xp = namespace(x)
    e = xp.exp(shifted_by_maximum(x, 1)[1])
    largest = e == 1
    small = xp.sum(xp.where(largest, 0.0, e), axis=1, keepdims=True)
    large = xp.sum(xp.where(largest, e, 0.0), axis=1, keepdims=True)
    total = small + large
    return e / total, xp.where(largest, small + (large - e), total - e) / total


def _sigmoid(x: Array) -> tuple[Array, Array]:
    xp = namespace(x)
    negative = x < 0
    e = xp.exp(xp.where(negative, x, -x))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    return xp.where(negative, smaller, larger), xp.where(negative, larger, smaller)


ACTIVATIONS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "none": lambda x: (x, 1 - x),
}
"""p and 1 - p."""


def _error(pixels: Pixels) -> Array:
    """t - p, of the smaller two of t, p, 1 - t and 1 - p: of hard targets it keeps the digits of 1 - p."""
    p, rest, t = pixels.probability, pixels.rest, pixels.share
    return namespace(p).where(t > 0.5, rest - (1 - t), t - p)


def _terms(pixels: Pixels, minimum: bool) -> tuple[Array, Array, Array]:
    """What each pixel adds to TP, FP and FN; of hard targets the product of p and t is their minimum."""
    xp, (p, rest, t, _, _) = namespace(pixels.probability), pixels
    if not minimum:
        return p * t, p * (1 - t), rest * t
    error = _error(pixels)
    # Between equals the derivative is shared in halves; at the ends of [0, 1] there is one side alone.
    side = xp.astype(error > 0, p.dtype) + 0.5 * xp.astype(error == 0, p.dtype)
    side = xp.where(t >= 1, 1.0, xp.where(t <= 0, 0.0, side))
    return side * p + (1 - side) * t, (side - 1) * error, side * error


def _power(ratio: Array, gamma: Array | float) -> Array:
    """ratio^γ, whose derivative at 0 is 0 for every γ but 1."""
    if is_number(gamma, 1):
        return ratio
    xp = namespace(ratio)
    zero = ratio == 0
    plain = xp.where(gamma == 1, ratio, 0.0) if is_array(gamma) else 0.0
    return xp.where(zero, plain, xp.where(zero, 1.0, ratio) ** gamma)
