"""What the first argument is: scores, probabilities or decisions."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse import floors
from lossary.misuse.call import Call
from lossary.misuse.measures import are_distributions, are_whole, finite
from lossary.misuse.rule import Seen, rule
from lossary.misuse.rules.numerics import whole_from
from lossary.misuse.wording import applied, distinct, distributions_seen, is_tensor, paste, share

BINARY_CROSS_ENTROPIES = ("binary_cross_entropy_with_logits", "multilabel_soft_margin_loss", "soft_margin_loss")
MANY = 32
"""Values below which all may lie in [0, 1], or be whole numbers, by chance or because they were written by hand."""


@rule(
    "LS101",
    "probabilities passed as logits: softmax applied twice",
    "error",
    words=("logits",),
    when=Call.has_softmax,
    why="no prediction reaches more than e / (e + C - 1): the loss cannot fall below log(1 + (C - 1) / e), and its "
    "gradients shrink",
    fix="leave out the softmax before the loss",
)
def softmax_twice(call: Call, name: str) -> Iterator[Seen]:
    classes = call.dims["C"]
    rows = finite(call.rows(name).reshape(-1, classes))
    if not are_distributions(rows):
        return
    why = (
        f"with {classes} classes no prediction reaches more than {floors.highest_softmax_of_probabilities(classes):.4g}"
    )
    fix = "leave out the softmax before the loss"
    if call.loss.name == "cross_entropy" and call.named("class indices") and not call.option("label_smoothing"):
        if call.option("weight") is None:
            floor = floors.softmax_twice(classes)
            why = f"with {classes} classes no row's loss can fall below {floor:.4g}; here the mean is "
            why += f"{call.losses.mean():.4g}"
        of_probabilities = paste(call, "nll_loss", input=applied(call, "log", name), label_smoothing="")
        fix += f"; or, of probabilities: {of_probabilities}"
    yield Seen(distributions_seen(rows), why, fix)


@rule(
    "LS102",
    "probabilities passed as logits: sigmoid applied twice",
    "error",
    words=("logits",),
    when=lambda call, name: call.is_required(name) and not call.has_softmax(name),
    why="the sigmoid of a probability lies in [0.5, 0.731]: no prediction of 'no' can be made, and the loss cannot "
    "fall below 0.3133 where the target is 1 and 0.6931 where it is 0",
    fix="leave out the sigmoid before the loss",
)
def sigmoid_twice(call: Call, name: str) -> Iterator[Seen]:
    x = call.rows(name)
    # Untrained logits may all lie around 0.5, but then they do not reach both ends.
    spread = 0.2 if x.size >= 2 * MANY else 0.1
    if x.size < MANY or not (0 <= x.min() <= spread and 1 - spread <= x.max() <= 1) or are_whole(x):
        return
    why = "the sigmoid of a probability lies in [0.5, 0.731]: no prediction of 'no' can be made"
    if call.loss.name in BINARY_CROSS_ENTROPIES:
        no, yes = floors.SIGMOID_TWICE_NO, floors.SIGMOID_TWICE_YES
        why += f"; the loss cannot fall below {yes:.4f} where the target is 1, {no:.4f} where it is not"
        if all(call.option(weight) is None for weight in ("weight", "pos_weight", "sample_weight")):
            (targets,) = call.named("target probabilities", "label probabilities", "signs")
            share_of_yes = call.rows(targets).mean()
            share_of_yes = (share_of_yes + 1) / 2 if call.word(targets) == "signs" else share_of_yes
            why += f", {share_of_yes * yes + (1 - share_of_yes) * no:.4g} on these targets"
    yield Seen(f"every value lies in [0, 1], from {x.min():.4g} to {x.max():.4g}", why)


@rule(
    "LS106",
    "logits passed as probabilities",
    "error",
    words=("probabilities",),
    refused=True,
    why="the loss takes logarithms of p and 1 - p: outside of [0, 1] they are NaN, or a number without a meaning",
    fix="use the loss that takes logits",
)
def logits_as_probabilities(call: Call, name: str) -> Iterator[Seen]:
    x = call.host(name)
    outside = (x < -1e-6) | (x > 1 + 1e-6)
    if call.is_required(name) and outside.any():
        yield Seen(
            f"{share(outside)} values lie outside of [0, 1], from {x.min():.4g} to {x.max():.4g}",
            fix=paste(call, f"{call.loss.name}_with_logits", input="logits"),
        )


@rule(
    "LS110",
    "one class only",
    "error",
    words=("logits",),
    when=Call.has_softmax,
    why="the softmax over one class is 1 whatever the score: the loss is 0, and so is its gradient",
    fix="for yes or no take one score with binary_cross_entropy_with_logits, or a score for each of two classes",
)
def one_class(call: Call, name: str) -> Iterator[Seen]:
    if call.dims["C"] == 1 and call.rows(name).size:
        scores = f"{name}.squeeze({min(call.array(name).ndim - 1, 1)})"
        fix = f"binary_cross_entropy_with_logits({scores}, target), or a score for each of two classes"
        yield Seen("one class", fix=fix)


@rule(
    "LS120",
    "decisions where scores are meant",
    "warning",
    words=("logits", "log-probabilities", "probabilities"),
    when=Call.is_required,
    why="argmax or rounding has no gradient: the graph is cut, and the model learns nothing through it",
    fix="pass the scores that the decision was made from",
)
def decisions(call: Call, name: str) -> Iterator[Seen]:
    x = call.rows(name)
    x = x[np.isfinite(x)]
    if x.size < MANY or call.needs_grad(name) or not are_whole(x) or x.min() == x.max():
        return
    if np.abs(x).max() >= whole_from(call, name):
        return
    seen = f"each of its {x.size:,} values is a whole number, {distinct(x)}"
    yield Seen(seen + (", and it needs no gradient" if is_tensor(call, name) else ""))


@rule(
    "LS121",
    "decisions in a regression",
    "warning",
    words=("real numbers",),
    when=lambda call, name: name == call.first and call.is_required(name) and "target" in call.specs,
    why="argmax or rounding has no gradient, and the distance of two classes has no meaning",
    fix="cross_entropy(logits, target) of the scores before argmax",
)
def decisions_in_regression(call: Call, name: str) -> Iterator[Seen]:
    x, y = call.rows(name).ravel(), call.rows("target").ravel()
    if x.size < MANY or call.needs_grad(name) or not (are_whole(x) and are_whole(y)) or x.min() == x.max():
        return
    if np.abs(x).max() >= whole_from(call, name) or set(np.unique(x)) - set(np.unique(y)) or np.unique(y).size > MANY:
        return
    yield Seen(f"predictions and targets are whole numbers of the same {np.unique(y).size} values, {distinct(y)}")
