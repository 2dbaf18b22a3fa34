"""Which targets count, and of which classes they are."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call, Unchecked
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import paste, share

SEEN_OFTEN = 10
"""Targets of the rarest class seen, from which a class never seen is no chance."""
EVEN = 0.2
"""Share of an even split that the rarest class seen must have: where classes are rare, one may be missing by chance."""
DOMINATES = 0.99
MANY = 64
"""Targets of one class from which it is no small batch of a common class."""


def _counted(call: Call, name: str) -> np.ndarray:
    """How many targets are of each class, of all that are not ignored, also outside the sample."""
    labels = call.whole(name).ravel()
    return np.bincount(labels[labels != call.option("ignore_index")], minlength=call.dims["C"])


def _has_classes(call: Call, name: str) -> bool:
    return call.dims.get("C", 0) > 1


@rule(
    "LS140",
    "nothing counts",
    "warning",
    when=lambda call, name: call.option("ignore_index") is not None or call.option("sample_weight") is not None,
    why="the loss is 0 with gradient 0 (NaN in torch): nothing is learnt from the batch",
    fix="check the labels, ignore_index and sample_weight, or leave such batches out",
)
def nothing_counts(call: Call, name: str) -> Iterator[Seen]:
    labels = [call.whole(target) for target in call.named("class indices")]
    ignored = call.option("ignore_index")
    if labels and labels[0].size and (labels[0] == ignored).all():
        yield Seen(f"all {labels[0].size:,} targets are {ignored}, the ignore_index")
    elif call.kept.size and not call.kept.any() and call.option("sample_weight") is not None:
        yield Seen(f"every one of the {call.kept.size:,} rows is ignored, or has a sample_weight of 0")


@rule(
    "LS142",
    "a real class is ignored",
    "warning",
    words=("class indices",),
    when=lambda call, name: (
        0 <= (call.option("ignore_index") or 0) < call.dims.get("C", 0) and call.option("ignore_index") is not None
    ),
    why="rows of this class add nothing to the loss: the model never learns it",
    fix="pass an ignore_index that is no class, such as -100",
)
def ignores_a_class(call: Call, name: str) -> Iterator[Seen]:
    labels, ignored = call.whole(name).ravel(), call.option("ignore_index")
    wrong = labels == ignored
    count, runs = np.count_nonzero(wrong), np.count_nonzero(wrong & ~np.append(False, wrong)[:-1])
    if not count or count == labels.size:
        return
    runs_by_chance = count * (1 - count / labels.size)
    if runs_by_chance < SEEN_OFTEN:
        raise Unchecked(f"{share(wrong)} targets are ignored: too few to tell padding from a class")
    if runs < 0.7 * runs_by_chance:  # padding and masks come in runs; classes of shuffled rows do not
        return
    yield Seen(
        f"{share(wrong)} targets are {ignored}, the ignore_index and one of the {call.dims['C']} classes; they are "
        "scattered as a class is, not in runs as padding is",
        f"the model never learns class {ignored}",
        paste(call, ignore_index="-100"),
    )


@rule(
    "LS143",
    "a class that is never seen",
    "note",
    words=("class indices",),
    when=_has_classes,
    why="its score is only ever pushed down",
    fix="check the labels and the number of outputs; leave the class out if it does not occur",
)
def never_seen(call: Call, name: str) -> Iterator[Seen]:
    counts, classes = _counted(call, name), call.dims["C"]
    missing, total = np.flatnonzero(counts == 0), int(counts.sum())
    seen = classes - missing.size
    if not missing.size or seen < 2 or call.option("ignore_index") in missing:
        return
    rarest = int(counts[counts > 0].min())
    if rarest < max(SEEN_OFTEN, EVEN * total / seen):
        raise Unchecked(f"the rarest class occurs {rarest:,} times in {total:,}: another may be missing by chance")
    fix = ""
    if missing.tolist() == [0]:
        fix = f"labels counted from 1? Then {paste(call, **{name: f'{name} - 1'})} with {classes - 1} outputs"
    elif missing.tolist() == list(range(seen, classes)):
        fix = f"the model has {classes} outputs, and the targets {seen} classes: leave the others out"
    named = ", ".join(map(str, missing[:5])) + (f" and {missing.size - 5:,} more" if missing.size > 5 else "")
    yield Seen(
        f"of {classes:,} classes, {missing.size:,} never {'occurs' if missing.size == 1 else 'occur'} among {total:,} "
        f"targets: {named}; the rarest of the others occurs {rarest:,} times",
        fix=fix,
    )


@rule(
    "LS144",
    "one class dominates",
    "note",
    words=("class indices",),
    when=lambda call, name: _has_classes(call, name) and "gamma" not in call.loss.options,
    why="always answering this class is nearly always right: a low loss need not mean that anything was learnt",
    fix="compare the loss with the entropy of the class shares; where rare classes matter, use weights or a threshold",
)
def dominates(call: Call, name: str) -> Iterator[Seen]:
    counts = _counted(call, name)
    total, largest = int(counts.sum()), int(counts.argmax())
    if total < 1000 or call.option("weight") is not None or not DOMINATES * total < counts[largest] < total:
        return
    shares = counts[counts > 0] / total
    entropy = float(-np.sum(shares * np.log(shares)))
    yield Seen(
        f"{counts[largest]:,} of {total:,} targets, {counts[largest] / total:.2%}, are of class {largest}",
        f"answering with the class shares, whatever the input, costs {entropy:.4g} nats: a model whose loss is near "
        "that has learnt nothing from its inputs",
    )


@rule(
    "LS145",
    "all targets of one class",
    "note",
    words=("class indices",),
    when=_has_classes,
    why="the loss falls by answering this class whatever the input: nothing else can be learnt from such a batch",
    fix="shuffle the samples, and check that labels are read from the right column",
)
def one_class_only(call: Call, name: str) -> Iterator[Seen]:
    counts = _counted(call, name)
    total = int(counts.sum())
    if total >= MANY and counts.max() == total and len(call.rows_axes) == 1:
        yield Seen(f"all {total:,} targets are of class {int(counts.argmax())}")
