"""Vectors: triplets, pairs, and rows among candidates."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import paste, share

PAIRS = 8
NEAR = 1e-3
"""Distance in units of the margin at which all vectors are one."""
PARALLEL = 1e-6
"""1 - cosine with the common direction at which all vectors are one."""
FLAT = 5.0
"""Temperature from which cosines tell nothing apart; scales are 10 to 100, temperatures 0.01 to 1."""


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


def _among_candidates(call: Call, name: str) -> bool:
    return call.is_required(name)


@rule(
    "LS123",
    "a scale passed as temperature",
    "error",
    words=("candidates",),
    when=lambda call, name: _among_candidates(call, name) and bool(call.option("normalize")),
    why="similarities are divided by the temperature: cosines then differ by next to nothing, and the loss stays near "
    "log M, the loss of a guess",
    fix="pass 1 / scale",
)
def scale_as_temperature(call: Call, name: str) -> Iterator[Seen]:
    temperature = float(call.option("temperature"))
    if temperature >= FLAT:
        yield Seen(
            f"temperature is {temperature:g}: cosines, from -1 to 1, become {-1 / temperature:.3g} to "
            f"{1 / temperature:.3g}",
            fix=paste(call, temperature="1 / temperature"),
        )


@rule(
    "LS124",
    "copies of the positive among the negatives",
    "warning",
    words=("candidates",),
    when=lambda call, name: _among_candidates(call, name) and "labels" not in call.specs,
    why="a row is pushed away from the very thing that it belongs to, and its loss cannot fall below log 2",
    fix="pass labels, which say what each candidate is",
)
def copies(call: Call, name: str) -> Iterator[Seen]:
    _, same, count = np.unique(call.host(name), axis=0, return_inverse=True, return_counts=True)
    copied = count[same.reshape(-1)] > 1
    positives = call.host("positives") if "positives" in call.specs else np.arange(len(call.losses))
    wrong = copied[positives]
    if wrong.any():
        yield Seen(
            f"{share(copied)} candidates are equal to another, and so are the positives of {share(wrong)} rows",
            fix=paste(call, labels="the identity of each candidate"),
        )
