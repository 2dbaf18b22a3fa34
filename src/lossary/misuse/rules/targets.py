"""Shapes, dtypes and codes of targets."""

from collections.abc import Iterator

import numpy as np

from lossary.core.arrays import kind
from lossary.misuse.call import Call, Unchecked
from lossary.misuse.measures import are_whole, log_softmax
from lossary.misuse.rule import Seen, rule
from lossary.misuse.rules.distributions import is_over_classes
from lossary.misuse.wording import describe, distinct, paste, places, said, share

NEITHER = {
    "margin_ranking_loss": "a target of 0 costs max(0, margin) whatever the scores, and has no gradient",
    "soft_margin_loss": "a target of 0 costs log 2 = 0.6931 whatever the score, and has no gradient",
    "cosine_embedding_loss": "a target of 0 costs nothing, whatever the vectors, and has no gradient",
    "hinge_loss": "a target of 0 costs max(0, margin) whatever the score, and has no gradient",
    "squared_hinge_loss": "a target of 0 costs max(0, margin)² whatever the score, and has no gradient",
    "hinge_embedding_loss": "a target of 0 pays both terms, the distance and what it lacks to the margin",
}
OF_SIGNS = (({0.0, 1.0}, "2 * {} - 1"), ({1.0, 2.0}, "2 * {} - 3"))
OF_PROBABILITIES = (({-1.0, 1.0}, "({} + 1) / 2"), ({0.0, 255.0}, "{} / 255"), ({1.0, 2.0}, "{} - 1"))
"""Codes of labels, and what makes them the labels that are meant."""
VOID = 255
"""The label of what does not count in masks of bytes (Pascal VOC, Cityscapes)."""


@rule(
    "LS130",
    "classes along another dimension",
    "error",
    words=("logits", "log-probabilities"),
    when=lambda call, name: name == next(iter(call.loss.data)) and bool(call.named("class indices")),
    refused=True,
    why="classes are dimension 1: the softmax runs over positions instead of classes",
    fix="move the classes to dimension 1: input.movedim(-1, 1)",
)
def class_dimension(call: Call, name: str) -> Iterator[Seen]:
    target = call.named("class indices")[0]
    x, y = call.array(name), call.array(target)
    if x.ndim < 3:
        return
    moved = said(call, name, torch=f"{name}.movedim(-1, 1)", numpy=f"np.moveaxis({name}, -1, 1)")
    fix = paste(call, **{name: moved})
    if call.refusal:
        if tuple(y.shape) == tuple(x.shape[:-1]) != (x.shape[0], *x.shape[2:]):
            yield Seen(f"the last of its dimensions is that of the classes; {target} is {tuple(y.shape)}", fix=fix)
        return
    classes = x.shape[1]
    if classes != x.shape[-1] or classes < 2:
        return
    scores, chance = call.aligned(name), float(np.log(classes))
    here, last = (_mean_loss(call, target, s) for s in (scores, np.swapaxes(scores, -1, -2)))
    if here > 0.9 * chance and last < 0.5 * chance:
        yield Seen(
            f"dimension 1 and the last have {classes} places each, and targets fit the last: the mean cross-entropy "
            f"is {last:.4g} along it, {here:.4g} along dimension 1, and log {classes} = {chance:.4g} for guessing",
            fix=fix,
        )
    elif here > 0.9 * chance:
        raise Unchecked(f"dimension 1 and the last of {name} are equal, and the targets fit neither")


def _mean_loss(call: Call, target: str, scores: np.ndarray) -> float:
    """The mean cross-entropy of scores (N, *d, C)."""
    labels = np.where(call.kept, call.aligned(target), 0)[..., None]
    losses = -np.take_along_axis(log_softmax(scores), labels, axis=-1)[..., 0][call.kept]
    losses = losses[np.isfinite(losses)]
    return float(losses.mean()) if losses.size else np.nan


@rule(
    "LS131",
    "labels in another code",
    "error",
    words=("signs", "target probabilities", "label probabilities"),
    when=lambda call, name: call.word(name) != "target probabilities" or not is_over_classes(call, name),  # LS132
    refused=True,
    why="0 is neither +1 nor -1, and 255 is no probability: with such labels a loss need have no minimum",
    fix="map the labels to the values that the loss takes",
)
def other_code(call: Call, name: str) -> Iterator[Seen]:
    signs = call.word(name) == "signs"
    x = call.host(name) if call.refusal else call.rows(name)
    x = x[~np.isnan(x)]
    wrong = np.abs(x) != 1 if signs else (x < -1e-6) | (x > 1 + 1e-6)
    if not wrong.any():
        return
    values = set(np.unique(x).tolist())
    codes = [how.format(name) for code, how in (OF_SIGNS if signs else OF_PROBABILITIES) if values <= code]
    yield Seen(
        f"{share(wrong)} labels are not {'-1 or +1' if signs else '0 to 1'}; the values are {distinct(x)}",
        NEITHER.get(call.loss.name, "")
        if signs
        else ""
        if call.refusal
        else "the loss falls without end as its input grows",
        paste(call, **{name: codes[0]}) if codes else "",
    )


@rule(
    "LS136",
    "a 0 or 1 for each class where a list of classes is meant",
    "error",
    words=("label sets",),
    why="a row lists its true classes, ended by -1: zeros and ones are read as classes 0 and 1, again and again",
    fix="use multilabel_soft_margin_loss, which takes a 0 or 1 for each class",
)
def multi_hot(call: Call, name: str) -> Iterator[Seen]:
    x = call.host(name)
    if x.ndim and x.shape[-1] > 2 and x.size and set(np.unique(x).tolist()) <= {0, 1}:
        fix = f"multilabel_soft_margin_loss({call.first}, {name}), which takes a 0 or 1 for each class"
        yield Seen("every value is 0 or 1, and no row ends in -1", fix=fix)


@rule(
    "LS133",
    "a column against a row",
    "error",
    when=lambda call, name: bool(call.refusal),
    refused=True,
    why="broadcasting would pair every prediction with every target; it teaches to predict the mean",
    fix="give both the same shape: squeeze or unsqueeze one of them",
)
def column_against_row(call: Call, name: str) -> Iterator[Seen]:
    rows = tuple(call.array(call.first).shape)
    for other in (n for n in call.specs if call.is_required(n) and n != call.first):
        spec, shape = call.specs[other], tuple(call.array(other).shape)
        is_column = (*shape, 1) == rows or (*rows, 1) == shape
        if not is_column or not (spec.broadcasts or spec.shape == "*s"):
            continue
        column = call.first if len(rows) > len(shape) else other
        pairs = f"{rows[0] * shape[0]:,} pairs of {rows[0]:,}" if min(len(rows), len(shape)) == 1 else "pairs"
        yield Seen(
            f"{call.first} {rows} against {other} {shape}",
            f"broadcasting would make {pairs}, each prediction with each target; it teaches to predict the mean",
            paste(call, **{column: f"{column}.squeeze({max(len(rows), len(shape)) - 1})"}),
        )


@rule(
    "LS134",
    "targets of another dtype than class indices",
    "error",
    when=lambda call, name: bool(call.refusal),
    refused=True,
    why="integers are class indices, floating numbers of the input's shape are probabilities: these are neither",
    fix="class indices: target.long(); probabilities: target.float(); one-hot rows: target.argmax(1)",
)
def target_dtype(call: Call, name: str) -> Iterator[Seen]:
    for target in call.specs:
        if all(spec.domain.name != "class indices" for spec in call.loss.data[target]):
            continue
        x, y = call.array(call.first), call.array(target)
        if kind(y) != "integer" and y.ndim < x.ndim:
            yield _floating(call, target)
        elif kind(y) == "integer" and x.ndim > 1 and tuple(y.shape) == tuple(x.shape) and y.shape[1] > 1:
            yield _one_hot(call, target)


def _floating(call: Call, target: str) -> Seen:
    values = call.host(target)
    whole = are_whole(values[np.isfinite(values)])
    integers = said(call, target, torch=f"{target}.long()", numpy=f"{target}.astype(int)")
    return Seen(
        f"{target} is {describe(call, target)}, {'whole' if whole else 'real'} numbers {distinct(values)}",
        fix=paste(call, **{target: integers}) if whole else "mse_loss, or another loss of real numbers",
    )


def _one_hot(call: Call, target: str) -> Seen:
    rows = np.moveaxis(call.host(target), 1, -1)
    one_hot = set(np.unique(rows).tolist()) <= {0, 1} and bool(np.all(rows.sum(axis=-1) == 1))
    floating = said(call, target, torch=f"{target}.float()", numpy=f"{target}.astype(float)")
    several = f"several true classes in a row: binary_cross_entropy_with_logits({call.first}, {floating})"
    return Seen(
        f"{target} is {describe(call, target)}, {'one-hot rows' if one_hot else f'integers {distinct(rows)}'}",
        fix=paste(call, **{target: f"{target}.argmax(1)"}) if one_hot else several,
    )


@rule(
    "LS135",
    "labels that are no classes",
    "error",
    words=("class indices",),
    when=lambda call, name: bool(call.refusal) and "C" in call.specs[call.first].shape.split(),
    refused=True,
    why="such a label has no score: torch stops the program on a GPU, with a message that names no label",
    fix="count labels from 0, mark what does not count with ignore_index, and give every class a score",
)
def no_such_class(call: Call, name: str) -> Iterator[Seen]:
    x, labels = call.array(call.first), call.host(name)
    if x.ndim == 0 or kind(call.array(name)) != "integer":
        return
    classes = x.shape[min(x.ndim - 1, 1)]
    counted = labels != call.option("ignore_index")
    wrong = counted & ((labels < 0) | (labels >= classes))
    if not wrong.any():
        return
    lowest, highest = int(labels[counted].min()), int(labels[counted].max())
    fix = ""
    if (lowest, highest) == (1, classes):
        fix = f"labels counted from 1: {paste(call, **{name: f'{name} - 1'})}"
    elif np.unique(labels[wrong]).tolist() == [VOID] and "ignore_index" in call.loss.options:
        fix = f"{VOID} marks what does not count: {paste(call, ignore_index=str(VOID))}"
    elif lowest >= 0:
        fix = f"give the model {highest + 1} outputs, if {highest + 1} is the number of classes"
    elif np.unique(labels[wrong]).size == 1 and "ignore_index" in call.loss.options:
        fix = f"rows that do not count: {paste(call, ignore_index=str(lowest))}"
    yield Seen(
        f"{share(wrong, int(counted.sum()))} labels are no classes, {distinct(labels[wrong])}; there are {classes}, "
        f"0 to {classes - 1}",
        where=places(wrong),
        fix=fix,
    )
