"""Boxes: their unit, and what their four numbers are."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule

SMALL, LARGE = 2.0, 16.0
"""Where boxes in parts of an image end at most, and where boxes in pixels do at least."""
MANY = 16
"""Boxes of which one at least should lie away from the corner of the image."""


@rule(
    "LS128",
    "boxes in two units",
    "error",
    words=("boxes",),
    when=lambda call, name: name == call.first,
    why="boxes in parts of the image and boxes in pixels do not overlap: the loss is about as large as it can be",
    fix="multiply the one by the width and the height of the image, or divide the other",
)
def two_units(call: Call, name: str) -> Iterator[Seen]:
    other = next(n for n in call.named("boxes") if n != name)
    reach = {n: float(np.abs(call.rows(n)).max(initial=0.0)) for n in (name, other)}
    small, large = sorted(reach, key=lambda n: reach[n])
    if 0 < reach[small] <= SMALL and reach[large] >= LARGE:
        yield Seen(
            f"no number of {small} is beyond {reach[small]:.4g}, and {large} reaches to {reach[large]:.4g}",
            fix=f"multiply {small} by the width and the height of the image, or divide {large}",
        )


@rule(
    "LS129",
    "corners as sides",
    "warning",
    words=("boxes",),
    when=lambda call, name: call.option("format") != "xyxy",
    why="the last two numbers of a box count as its width and height: other boxes, without an error",
    fix="format='xyxy'",
)
def corners_as_sides(call: Call, name: str) -> Iterator[Seen]:
    boxes = call.rows(name)
    first, last = boxes[:, :2], boxes[:, 2:]
    if len(boxes) < MANY or (first < 0).any() or not (last >= first).all() or not (first > 0).any():
        return
    yield Seen(
        f"in each of {len(boxes):,} boxes of {name} the last two numbers are at least the first two, as of corners"
    )
