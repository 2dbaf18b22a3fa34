"""Targets that give probability to a few classes, in place of one number for each class."""

from dataclasses import replace
from typing import Any, NamedTuple

from lossary.core.arrays import Array, as_array, by_rows, full, is_array, namespace, size_fits, take_along
from lossary.core.classes import along, class_axis, targets
from lossary.core.contract import Domain, as_plain, check_array, class_indices, describe, word
from lossary.core.elementary import is_number, log_softmax, shaped, squared_lse, times
from lossary.core.projection import counted_logits, rows_at_once
from lossary.core.record import Loss
from lossary.core.reduce import Unreduced

# Beside the data as weights are: shares in fp32 leave the loss of logits in bf16 in bf16.
shares = word(Domain("weights", low=0.0, high=1.0, enforced=True, slack=4.0))


class TopK(NamedTuple):
    """A target of `cross_entropy` and `linear_cross_entropy`: K classes of each row and their probabilities.

    indices: integers, as probabilities would be but with K classes in place of all: (N, K, d1, ...). A class that is
    `ignore_index` is left out, so that rows may have fewer, and a row of nothing else is ignored. probs: floats of the
    same shape. The mass outside is dropped, not shared out: a teacher's distribution is cut and not bent.
    """

    indices: Array
    probs: Array


class Mixed(NamedTuple):
    """A target of `cross_entropy` and `linear_cross_entropy`: lam parts of class a and 1 - lam of class b (mixup).

    a, b: class indices as without mixing. lam: a number in [0, 1], or one for each of the first dimensions of a. The
    loss is lam · loss(a) + (1 - lam) · loss(b), and its mean divides by the class weights mixed likewise.
    """

    a: Array
    b: Array
    lam: Array | float


def of_few_classes(loss: Loss, arguments: dict[str, Any]) -> tuple[Loss, dict[str, Any]]:
    """The loss and its arguments, the target resolved to classes and their shares where it is of these."""
    target = arguments["target"]
    if not isinstance(target, (TopK, Mixed)):
        return loss, arguments
    x = arguments["input"]
    check_array(loss.name, "input", x, loss.data["input"], {"1": 1}, ("input", x))  # its axes say where classes are
    axis = class_axis(x) if loss.name == "cross_entropy" else x.ndim - 1
    indices, parts = target if isinstance(target, TopK) else _mixed(loss.name, target, axis, x)
    few = {"target": indices, "target_shares": parts, "is_mixed": isinstance(target, Mixed)}
    return _of_few(loss), arguments | few


def by_heaviest(loss: Loss, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, a target of these as the class of each row that has the most of it."""
    if not isinstance(arguments.get("target"), (TopK, Mixed)):
        return arguments
    _, given = of_few_classes(loss, arguments)
    indices, parts = given["target"], given["target_shares"]
    axis = class_axis(given["input"]) if loss.name == "cross_entropy" else given["input"].ndim - 1
    xp = namespace(indices)
    heaviest = xp.expand_dims(xp.argmax(parts, axis=axis), axis=axis)
    return arguments | {"target": xp.squeeze(take_along(indices, heaviest, axis), axis=axis)}


def _of_few(loss: Loss) -> Loss:
    n = "*n " if loss.name == "linear_cross_entropy" else ""
    classes, parts = class_indices(f"?N {n}K *d"), shares(f"?N {n}K *d")
    data: dict[str, Any] = {}
    for name, spec in loss.data.items():
        data |= {"target": classes, "target_shares": parts} if name == "target" else {name: spec}
    return replace(loss, function=_FORMULAS[loss.name], data=data, check=None, adapt=None, variant=None)


def _mixed(loss: str, target: Mixed, axis: int, like: Array) -> tuple[Array, Array]:
    a, b = target.a, target.b
    for name, x in (("target.a", a), ("target.b", b), ("target.lam", target.lam)):
        fix = as_plain(name, x)
        if fix:
            raise TypeError(f"{loss}: {name} is {describe(x)}; it must be a plain array{fix}")
    if not is_array(a) or not is_array(b) or tuple(a.shape) != tuple(b.shape):
        raise ValueError(f"{loss}: target mixes {describe(a)} and {describe(b)}; both must be classes of one shape")
    xp, lam = namespace(a), as_array(target.lam, like=like)
    if isinstance(lam, float | int):
        lam = full((), lam, like)
    if not is_array(lam) or lam.ndim > a.ndim or not size_fits(tuple(lam.shape), tuple(a.shape[: lam.ndim])):
        raise ValueError(
            f"{loss}: target.lam is {describe(target.lam)}; it must be a number in [0, 1], or one for each of the "
            f"first dimensions of {tuple(a.shape)}"
        )
    lam = xp.reshape(lam, tuple(lam.shape) + (1,) * (a.ndim - lam.ndim))
    parts = xp.broadcast_to(xp.expand_dims(lam, axis=axis), (*a.shape[:axis], 1, *a.shape[axis:]))
    return xp.stack([a, b], axis=axis), xp.concat([parts, 1 - parts], axis=axis)


def _cross_entropy(
    input: Array,
    target: Array,
    target_shares: Array,
    is_mixed: bool,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: Array | float,
    softcap: Array | float,
    temperature: Array | float,
    z_loss: Array | float,
    **unused: Any,
) -> Unreduced:
    xp, axis = namespace(input), class_axis(input)
    classes = input.shape[axis]
    index, counted, outside = targets(target, classes, ignore_index)
    counts = xp.any(counted, axis=axis)
    x = shaped(xp.where(xp.expand_dims(counts, axis=axis), input, 0.0), softcap, temperature)
    nll = -log_softmax(x, axis)
    part = xp.where(counted, target_shares, 0.0)
    if weight is not None:
        part = part * xp.reshape(xp.take(weight, xp.reshape(index, (-1,)), axis=0), index.shape)
    values = xp.sum(times((1 - label_smoothing) * part, take_along(nll, index, axis)), axis=axis)
    if not is_number(label_smoothing, 0):
        every = 1.0 if weight is None else along(weight, axis, input.ndim)
        spread = xp.sum(times(label_smoothing / classes * every * xp.ones_like(nll), nll), axis=axis)
        values = values + xp.where(counts, spread, 0.0)
    if not is_number(z_loss, 0):
        values = values + xp.where(counts, squared_lse(x, axis, z_loss), 0.0)
    values = xp.where(xp.any(outside, axis=axis), xp.nan, values)
    # Not a cast of `counts`, in which a DTensor adds up what it found on each rank.
    rows = xp.sum(part, axis=axis) if is_mixed else xp.where(counts, xp.ones_like(values), 0.0)
    return Unreduced(values, denominator=rows)


def _linear_cross_entropy(
    input: Array,
    linear_weight: Array,
    target: Array,
    target_shares: Array,
    linear_bias: Array | None,
    memory_budget: int,
    **options: Any,
) -> Unreduced:
    def of_rows(input: Array, target: Array, target_shares: Array) -> Unreduced:
        x = counted_logits(input, linear_weight, linear_bias, target != options["ignore_index"])
        return _cross_entropy(x, target, target_shares, **options)

    most = rows_at_once(linear_weight, memory_budget)
    return by_rows(of_rows, input.ndim - 1, most, input, target, target_shares)


_FORMULAS = {"cross_entropy": _cross_entropy, "linear_cross_entropy": _linear_cross_entropy}
