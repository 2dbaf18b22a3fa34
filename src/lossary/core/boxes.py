"""What the losses of boxes share: how two boxes lie to each other, and the one formula of the family.

Nothing here is a difference of areas, which cancel where boxes agree, and no epsilon decides what 0 / 0 is.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import pi
from typing import Any

from lossary.core.arrays import Array, cast, detach, namespace
from lossary.core.contract import Domain, boxes

KINDS = ("iou", "giou", "diou", "ciou", "eiou")
"""In the order of the kernel's."""
LETTERS = {
    "I": "area that both boxes share",
    "U": "area of their union",
    "C": "area of their hull, the smallest box around both",
    "W": "width of the hull",
    "H": "height of the hull",
    r"\rho": "distance of the centres",
    "w": "width of input",
    "h": "height of input",
    "w'": "width of target",
    "h'": "height of target",
    r"\alpha": "weight of the aspect ratios",
    "v": "how much the aspect ratios differ",
    "r": "right edge of input",
    "r'": "right edge of target",
    "q": "height of what both share, 0 where they share nothing",
    "a": "what I gains as the right edge moves",
    "d": "by how much the centre of input lies to the right of target's",
    "c": "the hull's part of the gradient",
    "g": "the part of the distance of the centres",
    "k": "the part of the aspect ratios",
    "s": "the part of the sides",
}


def symbols(letters: str) -> dict[str, str]:
    """What each letter of a formula stands for."""
    return {letter: LETTERS[letter] for letter in letters.split()}


def domains(options: Mapping[str, Any]) -> dict[str, Domain]:
    """The boxes of a call, in its format."""
    return dict.fromkeys(("input", "target"), replace(boxes("4").domain, corners=options["format"]))


def box_loss(input: Array, target: Array, kind: str, format: str, held_alpha: bool = True) -> Array:
    """The loss of each pair of boxes: 1 - IoU, and what the kind adds to it.

    Along each axis, in the last dimension here, the hull of two boxes is what both share, or the gap between them, and
    what either has for itself.
    """
    xp = namespace(input)
    low, high, size, true = _along_axes(input, target, format)
    hull = size + _positive(low) + _positive(-high)
    # Of areas only ratios matter: in units of the hull none overflows. A constant, since it divides out.
    unit = _unit(hull)
    own, other, width, true_width, span = low / unit, high / unit, size / unit, true / unit, hull / unit
    over, under = _positive(-own) + _positive(other), _positive(own) + _positive(-other)
    shared = xp.where(width <= true_width, width - over, true_width - under)  # of the smaller: fewer digits cancel
    meets, common = shared > 0, _positive(shared)
    rest, true_rest = xp.where(meets, over, width - common), xp.where(meets, under, true_width - common)

    x, y = (..., 0), (..., 1)
    excess = (width[x] * rest[y] + common[y] * rest[x]) + (true_width[x] * true_rest[y] + common[y] * true_rest[x])
    # Boxes without an area agree where they are one and the same, and nowhere else.
    apart = cast(~xp.all((low == 0) & (high == 0), axis=-1), excess.dtype)
    iou = _excess_share(excess, common[x] * common[y], apart)
    if kind == "giou":
        gap = xp.where(meets[x] & meets[y], 0.0, common[x] * common[y] - shared[x] * shared[y])
        return iou + _share(over[x] * under[y] + under[x] * over[y] + gap, span[x] * span[y], apart)
    distance = 0.0 if kind == "iou" else _distance((low + high) / 2, hull)
    if kind == "eiou":
        narrow = span == 0
        stretch = xp.where(narrow, 0.0, width - true_width) / xp.where(narrow, 1.0, span)
        distance = distance + xp.sum(stretch * stretch, axis=-1)
    if kind != "ciou":
        return iou + distance
    turn = _turn(size, true)
    v = (4 / pi**2) * turn * turn
    alpha = v / xp.where(v == 0, 1.0, iou + v)
    return iou + distance + (detach(alpha) if held_alpha else alpha) * v


def _along_axes(input: Array, target: Array, format: str) -> tuple[Array, Array, Array, Array]:
    """By how much either end lies beyond the target's, and both sizes, (..., 2) for x and y.

    Of differences, so that boxes far from the origin keep their digits.
    """
    first, last = input[..., :2], input[..., 2:]
    true_first, true_last = target[..., :2], target[..., 2:]
    if format == "xyxy":
        return first - true_first, last - true_last, last - first, true_last - true_first
    moved, grown = first - true_first, last - true_last
    if format == "xywh":
        return moved, moved + grown, last, true_last
    return moved - grown / 2, moved + grown / 2, last, true_last


def _positive(x: Array) -> Array:
    """max(0, x), of which the derivative at 0 is shared: 1/2."""
    xp = namespace(x)
    return xp.maximum(x, xp.zeros_like(x))


def _unit(lengths: Array) -> Array:
    """What lengths are measured in: the lengths themselves, as constants, where they are not 0."""
    xp = namespace(lengths)
    tiny = float(xp.finfo(lengths.dtype).smallest_normal)
    return detach(xp.where(lengths < tiny, tiny, lengths))


def _excess_share(excess: Array, shared: Array, of_nothing: Array) -> Array:
    """excess / (excess + shared), of the ratio of the smaller to the larger: nothing cancels in its derivatives."""
    xp = namespace(excess)
    nothing, mostly = _is_nothing(excess + shared), shared > excess
    ratio = xp.where(mostly, excess, shared) / xp.where(nothing, 1.0, xp.where(mostly, shared, excess))
    return xp.where(nothing, of_nothing, xp.where(mostly, ratio, 1.0) / (1 + ratio))


def _share(part: Array, whole: Array, of_nothing: Array) -> Array:
    """part / whole, of areas in units of the hull; `of_nothing` where the whole has none."""
    xp = namespace(whole)
    nothing = _is_nothing(whole)
    return xp.where(nothing, of_nothing, part / xp.where(nothing, 1.0, whole))


def _is_nothing(area: Array) -> Array:
    return area < float(namespace(area).finfo(area.dtype).smallest_normal)


def _distance(centre: Array, hull: Array) -> Array:
    """The squared distance of the centres over that of the hull's corners; 0 for two boxes that are one point."""
    xp = namespace(hull)
    unit = _unit(xp.max(hull, axis=-1, keepdims=True))
    offset, sides = centre / unit, hull / unit
    diagonal = xp.sum(sides * sides, axis=-1)
    return xp.sum(offset * offset, axis=-1) / xp.where(diagonal == 0, 1.0, diagonal)


def _turn(size: Array, true: Array) -> Array:
    """arctan(width / height) less the target's, as one angle; 0 where either is a point."""
    xp = namespace(size)
    longest, longest_true = (xp.max(sides, axis=-1, keepdims=True) for sides in (size, true))
    point = ((longest == 0) | (longest_true == 0))[..., 0]
    a, b = size / _unit(longest), true / _unit(longest_true)
    cross = (a[..., 0] - b[..., 0]) * b[..., 1] - b[..., 0] * (a[..., 1] - b[..., 1])
    dot = a[..., 1] * b[..., 1] + a[..., 0] * b[..., 0]
    return xp.atan2(xp.where(point, 0.0, cross), xp.where(point, 1.0, dot))


def slid(x: Array) -> Array:
    """Unit boxes, moved to the right by `x`: the axis of plots."""
    xp = namespace(x)
    return xp.stack([x, 0 * x, x + 1, 0 * x + 1], axis=-1)
