"""Vectors: triplets and pairs."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule

PAIRS = 8
NEAR = 1e-3
"""Distance in units of the margin at which all vectors are one."""
PARALLEL = 1e-6
"""1 - cosine with the common direction at which all vectors are one."""


def _is_triplet(call: Call, name: str) -> bool:
    return name == "anchor" and {"positive", "negative"} <= set(call.specs)


@rule(
    "LS122",
    "collapsed embeddings",
    "warning",
    words=("real numbers",),
    when=lambda call, name: _is_triplet(call, name) or (name == "input1" and call.inner(name) == ["D"]),
    why="every vector is the same: the loss rests at the margin, and gradients of positives and negatives cancel",
    fix="normalise the vectors, begin with easier negatives, or lower the learning rate",
)
def collapsed(call: Call, name: str) -> Iterator[Seen]:
    yield from _triplets(call, name) if _is_triplet(call, name) else _pairs(call, name)


def _triplets(call: Call, name: str) -> Iterator[Seen]:
    margin, anchor = float(call.option("margin")), call.rows(name)
    near, far = (np.linalg.norm(anchor - call.rows(n), axis=-1) for n in ("positive", "negative"))
    if len(anchor) < PAIRS or not max(near.max(), far.max()) < NEAR * margin:
        return
    yield Seen(
        f"the farthest negative lies {far.max():.3g} from its anchor, the farthest positive {near.max():.3g}, and the "
        f"margin is {margin:g}",
        f"the loss rests at the margin: its mean is {call.losses.mean():.4g}",
    )


def _pairs(call: Call, name: str) -> Iterator[Seen]:
    vectors, apart = np.concatenate([call.rows(name), call.rows("input2")]), call.rows("target") == -1
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if len(vectors) < 2 * PAIRS or vectors.shape[1] < 2 or not apart.any():
        return
    if not np.isfinite(norms).all() or (norms == 0).any():
        return
    units = vectors / norms
    common = units.mean(axis=0)
    least = float((units @ common).min()) / max(float(np.linalg.norm(common)), 1e-300)
    if 1 - least > PARALLEL:
        return
    yield Seen(
        f"all {len(vectors):,} vectors point the same way: each has a cosine of at least {least:.6f} with their mean",
        f"pairs that should be apart cost 1 - margin, here {call.losses[apart].mean():.4g} on average",
    )
