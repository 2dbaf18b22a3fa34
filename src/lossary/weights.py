"""Weights for imbalanced data, estimated from a training set's labels: what `weight` and `pos_weight` take.

Weights trade calibration for recall of the rare classes: the fitted log-odds shift by the logarithm of the weight.
Before weighting, consider to change nothing and move the decision threshold.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from lossary.core import dtensors
from lossary.core.arrays import Array, is_array, is_torch, kind, namespace
from lossary.core.contract import as_plain, describe

Scheme = Literal["balanced", "inverse_frequency", "effective_number", "median_frequency"]


def class_weights(
    labels: Array,
    scheme: Scheme = "balanced",
    *,
    num_classes: int | None = None,
    beta: float = 0.999,
    ignore_index: int = -100,
) -> Array:
    """One weight for each class, for the `weight` of `cross_entropy` and `nll_loss`.

    With n labels, n_c of them of class c, and C classes, the weight of class c is

    - ``balanced``: n / (C n_c). The mean weight of a label is 1 (scikit-learn's "balanced").
    - ``inverse_frequency``: n / n_c.
    - ``effective_number``: 1 / E_c with E_c = (1 - beta^n_c) / (1 - beta), scaled so that the weights add up to C
      (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", Proposition 1 and section 4).
      `beta` in [0, 1): 0 weights all classes equally; towards 1 it becomes ``balanced`` up to scale.
    - ``median_frequency``: median(f) / f_c, where f_c = n_c over the number of labels in the images that show class c
      (Eigen and Fergus 2015, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
      Convolutional Architecture"). The first axis counts images; labels of one axis are one image.

    A weighted mean divides by the weights of its targets, so a common factor of all weights changes nothing there; it
    does change sums, means with a `normalizer`, and means over probability targets.

    Parameters: `labels` are class indices of any integer dtype and any shape, of NumPy, torch, JAX, or a list.
    `num_classes` is the largest label + 1 if None. Labels equal to `ignore_index` are not counted.

    Returns C weights in the library of `labels`, on its device, of its default floating dtype.

    Raises ValueError for a class that no label shows (its weight would be infinite) and for options out of range,
    IndexError for labels outside 0 to C - 1, TypeError for labels that are not integers.

    >>> class_weights([0, 0, 0, 1])
    array([0.66666667, 2.        ])
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"class_weights: scheme is {scheme!r}; it must be one of {', '.join(get_args(Scheme))}")
    if not 0 <= beta < 1:
        raise ValueError(f"class_weights: beta is {beta:g}; it must be in [0, 1), usually 0.9 to 0.9999")
    values = _integers(labels)
    classes = _check_range(values, num_classes, ignore_index)
    per_image = scheme == "median_frequency" and values.ndim > 1
    images = values.reshape(values.shape[0], -1) if per_image else values.reshape(1, -1)
    counts, shown = _count(images, classes, ignore_index)
    _refuse_unseen(counts, scheme)
    return _like(labels, SCHEMES[scheme](counts, shown, beta))


def pos_weight(labels: Array) -> Array:
    """Negatives / positives of each column, for the `pos_weight` of `binary_cross_entropy_with_logits`.

    With it the positives of a column weigh as much as its negatives. The fitted log-odds are then too high by
    log(pos_weight): subtract it where probabilities are wanted.

    `labels`: 0 and 1 (booleans, integers or floats), of shape (N,) or (N, C), of NumPy, torch, JAX, or lists.

    Returns a 0-d array or (C,), in the library of `labels`, on its device, of its default floating dtype.

    Raises ValueError for other values, other ranks, and a column without positives (an infinite weight) or without
    negatives (a weight of 0, which would leave no loss at all).

    >>> pos_weight([[1, 0], [0, 1], [0, 1], [0, 0]])
    array([3., 1.])
    """
    dtensors.refuse("pos_weight", {"labels": labels}, "it reads values")
    given = labels if is_array(labels) else np.asarray(labels)
    if kind(given) not in ("bool", "integer", "float"):
        raise TypeError(f"pos_weight: labels are {describe(given)}; they must be 0 and 1{as_plain('labels', labels)}")
    if given.ndim not in (1, 2):
        raise ValueError(
            f"pos_weight: labels have shape {tuple(given.shape)}; it must be (N,) or (N, C). "
            "Move the classes to the last axis and reshape to (-1, C)"
        )
    # Compared before they are brought to the host: NumPy knows no bfloat16.
    is_bool = kind(given) == "bool"
    positive, negative = _on_host(given if is_bool else given == 1), _on_host(~given if is_bool else given == 0)
    if not np.all(positive | negative):
        at = tuple(int(i) for i in np.argwhere(~(positive | negative))[0])
        raise ValueError(
            f"pos_weight: labels hold {float(given[at]):g} at {list(at)}; they must be 0 or 1. "
            "Map labels of -1 and 1 by (labels + 1) / 2"
        )
    positives, negatives = positive.sum(axis=0), negative.sum(axis=0)
    for counts, what in ((positives, "positives"), (negatives, "negatives")):
        if not np.all(counts):
            empty = np.flatnonzero(counts == 0)
            columns = "labels have" if given.ndim == 1 else f"column {_listed(empty)} has"
            raise ValueError(
                f"pos_weight: {columns} no {what} among {given.shape[0]}, so that no weight balances them. "
                "Pass the labels of the whole training set, or leave these columns out and give them weight 1"
            )
    return _like(labels, negatives / positives)


def _effective_number(counts: np.ndarray, shown: np.ndarray, beta: float) -> np.ndarray:
    # expm1 keeps the digits of 1 - beta^n where beta is close to 1.
    effective = -np.expm1(counts * (math.log(beta) if beta else -math.inf)) / (1 - beta)
    return len(counts) / effective / np.sum(1 / effective)


def _median_frequency(counts: np.ndarray, shown: np.ndarray, beta: float) -> np.ndarray:
    frequency = counts / shown
    return np.median(frequency) / frequency


SCHEMES: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "balanced": lambda counts, shown, beta: counts.sum() / (len(counts) * counts),
    "inverse_frequency": lambda counts, shown, beta: counts.sum() / counts,
    "effective_number": _effective_number,
    "median_frequency": _median_frequency,
}
"""Each scheme from counts: the labels of each class, the labels in the images that show it, beta."""


def _count(images: np.ndarray, classes: int, ignore_index: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of each class, and the labels in the images that show it."""
    counts, shown = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for image in images:
        kept = image[image != ignore_index].astype(np.int64)
        here = np.bincount(kept, minlength=classes)
        counts += here
        shown += (here > 0) * kept.size
    return counts, shown


def _integers(labels: Array) -> np.ndarray:
    if is_array(labels) and kind(labels) != "integer":
        fix = ": argmax over the classes gives indices" if kind(labels) == "float" else ": convert them to integers"
        raise TypeError(
            f"class_weights: labels are {describe(labels)}; they must be integer class indices"
            f"{as_plain('labels', labels) or fix}"
        )
    dtensors.refuse("class_weights", {"labels": labels}, "it reads values")
    values = _on_host(labels)
    if values.dtype.kind not in "iu" and values.size:
        raise TypeError(
            f"class_weights: labels are of dtype {values.dtype}; they must be integer class indices"
            f"{as_plain('labels', labels)}"
        )
    return values


def _check_range(values: np.ndarray, num_classes: int | None, ignore_index: int) -> int:
    counted = values != ignore_index
    if not np.any(counted):
        why = (
            f"all {values.size} labels are ignored (ignore_index={ignore_index})" if values.size else "labels are empty"
        )
        raise ValueError(f"class_weights: {why}, so that there is nothing to estimate from")
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"class_weights: num_classes is {num_classes}; it must be 1 or more")
    classes = int(values[counted].max()) + 1 if num_classes is None else num_classes
    outside = counted & ((values < 0) | (values >= classes))
    if np.any(outside):
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(
            f"class_weights: labels hold {int(values[at])} at {list(at)}; the classes are 0 to {classes - 1}. "
            f"To leave a label out, pass it as ignore_index (it is {ignore_index})"
        )
    return classes


def _refuse_unseen(counts: np.ndarray, scheme: str) -> None:
    unseen = np.flatnonzero(counts == 0)
    if unseen.size:
        raise ValueError(
            f"class_weights: no label is of class {_listed(unseen)} ({counts.sum()} labels, {len(counts)} classes), so "
            f"that its {scheme} weight would be infinite. Pass the labels of the whole training set, renumber the "
            "classes that occur (numpy.unique(labels, return_inverse=True)), or weight those and give this class 1"
        )


def _listed(indices: np.ndarray) -> str:
    shown = ", ".join(str(int(i)) for i in indices[:10])
    return shown if len(indices) <= 10 else f"{shown} and {len(indices) - 10} more"


def _on_host(x: Any) -> np.ndarray:
    return x.detach().cpu().numpy() if is_torch(x) else np.asarray(x)


def _like(labels: Any, weights: np.ndarray) -> Array:
    """`weights` in the library, on the device and of the default floating dtype that go with `labels`."""
    if not is_array(labels):
        return np.asarray(weights)
    xp = namespace(labels)
    dtype = xp.__array_namespace_info__().default_dtypes()["real floating"]
    return xp.asarray(weights, dtype=dtype, device=labels.device)
