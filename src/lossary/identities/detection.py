"""Identities of the losses of boxes."""

from typing import Any

import lossary.functional as F
from lossary.core.arrays import Array, namespace
from lossary.identities import domains
from lossary.identities.identity import Identity


def _loss(input: Array, target: Array, kind: Any, **options: Any) -> Array:
    return F.box_iou_loss(input, target, kind=kind, reduction="none", **options)


def _alone(input: Array, target: Array) -> Array:
    """The losses that have names of their own, one after the other."""
    losses = (F.generalized_box_iou_loss, F.distance_box_iou_loss, F.complete_box_iou_loss)
    return namespace(input).concat([loss(input, target, reduction="none") for loss in losses])


def _by_kind(input: Array, target: Array) -> Array:
    return namespace(input).concat([_loss(input, target, kind) for kind in ("giou", "diou", "ciou")])


def _centred(boxes: Array) -> Array:
    """Boxes (x1, y1, x2, y2) moved to a centre of 0, as (centre x, centre y, width, height)."""
    xp = namespace(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    return xp.concat([0 * sides, sides], axis=1)


def _from_centre(boxes: Array) -> Array:
    xp = namespace(boxes)
    return xp.concat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def _from_corner(boxes: Array) -> Array:
    xp = namespace(boxes)
    return xp.concat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _enlarged(boxes: Array) -> Array:
    """Four times as large, about another centre: of the same aspect ratio to the last bit."""
    return 4 * boxes


def _joined(input: Array, target: Array) -> Array:
    """The smallest box around both."""
    xp = namespace(input)
    ends = xp.maximum(input[:, 2:], target[:, 2:])
    return xp.concat([xp.minimum(input[:, :2], target[:, :2]), ends], axis=1)


def _at_least(name: str, more: str, less: str, words: str, formula: str) -> Identity:
    return Identity(
        name=name,
        statement=words,
        formula=formula,
        inputs=domains.BOXES,
        relation="at_least",
        left=lambda input, target: _loss(input, target, more),
        right=lambda input, target: _loss(input, target, less),
        losses=("box_iou_loss",),
    )


DETECTION = (
    Identity(
        name="box_losses_of_equal_boxes_are_zero",
        statement="Every loss of a box and itself = 0, of points and lines too.",
        formula=r"\ell(x, x) = 0",
        inputs=domains.BOXES,
        relation="equal",
        left=lambda input, target: namespace(input).concat(
            [_loss(input, input, kind) for kind in ("iou", "giou", "diou", "ciou", "eiou")]
        ),
        right=lambda input, target: 0.0,
        losses=("box_iou_loss",),
        ulps=0.0,
    ),
    Identity(
        name="box_losses_are_kinds",
        statement="The losses with names of their own = the kinds of box_iou_loss.",
        formula=r"\mathrm{GIoU} = \mathrm{BoxIoU}_\text{giou}",
        inputs=domains.BOXES,
        relation="equal",
        left=_alone,
        right=_by_kind,
        losses=("box_iou_loss", "generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"),
        ulps=0.0,
    ),
    _at_least(
        "giou_is_at_least_iou",
        "giou",
        "iou",
        "The GIoU loss is at least the IoU loss: what is added is the share of the hull that neither box covers.",
        r"\ell_\text{giou} \ge \ell_\text{iou}",
    ),
    _at_least(
        "diou_is_at_least_iou",
        "diou",
        "iou",
        "The DIoU loss is at least the IoU loss.",
        r"\ell_\text{diou} \ge \ell_\text{iou}",
    ),
    _at_least(
        "ciou_is_at_least_diou",
        "ciou",
        "diou",
        "The CIoU loss is at least the DIoU loss.",
        r"\ell_\text{ciou} \ge \ell_\text{diou}",
    ),
    _at_least(
        "eiou_is_at_least_diou",
        "eiou",
        "diou",
        "The EIoU loss is at least the DIoU loss.",
        r"\ell_\text{eiou} \ge \ell_\text{diou}",
    ),
    Identity(
        name="giou_is_at_most_iou_and_one",
        statement="The GIoU loss is at most the IoU loss and 1.",
        formula=r"\ell_\text{giou} \le \ell_\text{iou} + 1",
        inputs=domains.BOXES,
        relation="at_least",
        left=lambda input, target: _loss(input, target, "iou") + 1,
        right=lambda input, target: F.generalized_box_iou_loss(input, target, reduction="none"),
        losses=("box_iou_loss", "generalized_box_iou_loss"),
    ),
    Identity(
        name="giou_of_nested_boxes_is_iou",
        statement="The GIoU loss of a box in another = their IoU loss: the outer one is the hull.",
        formula=r"x \subseteq y \Rightarrow \ell_\text{giou}(x, y) = \ell_\text{iou}(x, y)",
        inputs=domains.BOXES_WITH_AREA,
        relation="equal",
        left=lambda input, target: F.generalized_box_iou_loss(input, _joined(input, target), reduction="none"),
        right=lambda input, target: _loss(input, _joined(input, target), "iou"),
        losses=("generalized_box_iou_loss", "box_iou_loss"),
    ),
    Identity(
        name="diou_of_one_centre_is_iou",
        statement="The DIoU loss of boxes with one centre = their IoU loss.",
        formula=r"\rho = 0 \Rightarrow \ell_\text{diou} = \ell_\text{iou}",
        inputs=domains.BOXES,
        relation="equal",
        left=lambda input, target: F.distance_box_iou_loss(
            _centred(input), _centred(target), format="cxcywh", reduction="none"
        ),
        right=lambda input, target: _loss(_centred(input), _centred(target), "iou", format="cxcywh"),
        losses=("distance_box_iou_loss", "box_iou_loss"),
        ulps=0.0,
    ),
    Identity(
        name="ciou_of_one_aspect_ratio_is_diou",
        statement="The CIoU loss of boxes with one aspect ratio = their DIoU loss.",
        formula=r"w / h = w^* / h^* \Rightarrow \ell_\text{ciou} = \ell_\text{diou}",
        inputs=domains.BOXES,
        relation="equal",
        left=lambda input, target: F.complete_box_iou_loss(input, _enlarged(input), reduction="none"),
        right=lambda input, target: F.distance_box_iou_loss(input, _enlarged(input), reduction="none"),
        losses=("complete_box_iou_loss", "distance_box_iou_loss"),
        ulps=0.0,
    ),
    Identity(
        name="boxes_are_the_same_in_every_format",
        statement="The CIoU loss of boxes as corners = that of the same boxes as a corner or a centre and sides.",
        formula=r"\ell(x_1, y_1, x_2, y_2) = \ell(x_1, y_1, w, h) = \ell(c_x, c_y, w, h)",
        inputs=domains.BOXES_ON_A_GRID,
        relation="equal",
        left=lambda input, target: namespace(input).concat(2 * [_loss(input, target, "ciou")]),
        right=lambda input, target: namespace(input).concat(
            [
                _loss(_from_corner(input), _from_corner(target), "ciou", format="xywh"),
                _loss(_from_centre(input), _from_centre(target), "ciou", format="cxcywh"),
            ]
        ),
        losses=("box_iou_loss",),
    ),
)
