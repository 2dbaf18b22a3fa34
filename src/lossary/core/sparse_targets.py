"""Sparse targets: the most probable classes of a teacher (TopK), and two classes mixed (Mixed, of mixup)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lossary.core.arrays import Array, as_array, full, is_array, namespace, size_fits, take_along
from lossary.core.contract import Domain, as_plain, check_array, class_indices, describe, word
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


@dataclass(frozen=True)
class SparseTargets:
    """The variant of a loss for a target that is TopK or Mixed.

    formula: unreduced, of the loss's own arguments, K classes of each row as `target`, and beside them `target_shares`,
    what each has of the target, and `is_mixed`. shape: of both. axis: of `input`, where both have their K classes.
    """

    formula: Callable[..., Unreduced]
    shape: str
    axis: Callable[[Array], int]

    def __call__(self, loss: Loss, arguments: dict[str, Any]) -> tuple[Loss, dict[str, Any]]:
        """The loss and its arguments, with such a target as classes and shares; as they are with any other."""
        target = arguments["target"]
        if not isinstance(target, (TopK, Mixed)):
            return loss, arguments
        x = arguments["input"]
        check_array(loss.name, "input", x, loss.data["input"], {}, ("input", x))  # its axes say where classes are
        indices, parts = target if isinstance(target, TopK) else _mixed(loss.name, target, self.axis(x), x)
        sparse = {"target": indices, "target_shares": parts, "is_mixed": isinstance(target, Mixed)}
        return self._record(loss), arguments | sparse

    def _record(self, loss: Loss) -> Loss:
        data: dict[str, Any] = {}
        for name, spec in loss.data.items():
            if name == "target":
                data |= {"target": class_indices(self.shape), "target_shares": shares(self.shape)}
            else:
                data[name] = spec
        return replace(loss, function=self.formula, data=data, check=None, adapt=None, variant=None)


def by_heaviest(loss: Loss, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, a sparse target as the class of each row that has the most of it."""
    if not isinstance(loss.variant, SparseTargets) or not isinstance(arguments["target"], (TopK, Mixed)):
        return arguments
    _, given = loss.variant(loss, arguments)
    indices, parts, axis = given["target"], given["target_shares"], loss.variant.axis(given["input"])
    xp = namespace(indices)
    heaviest = xp.expand_dims(xp.argmax(parts, axis=axis), axis=axis)
    return arguments | {"target": xp.squeeze(take_along(indices, heaviest, axis), axis=axis)}


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
