"""Numbers that are not finite, do not fit their dtype, or leave no gradient."""

from collections.abc import Iterator

import numpy as np

from lossary.core.arrays import dtype_name, is_array, is_torch
from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import paste, row_places, share

HALF_MAX = 65504.0
"""The largest number of float16."""
CERTAIN = 17.0
"""Difference of logits from which float32 rounds 1 - p to 0."""
STEP_OF_TWO = {"float16": 2.0**11, "bfloat16": 2.0**8}
STEP_OF_TWO_OF_WIDE = {"float32": 2.0**24, "float64": 2.0**53}
"""Magnitude from which neighbours are 2 apart, and rounding moves a number by up to 1."""


@rule(
    "LS170",
    "NaN",
    "error",
    why="one NaN makes the mean NaN, and after one step every weight of the model",
    fix="find the sample or the step that makes it: torch.autograd.detect_anomaly() names the operation",
)
def not_a_number(call: Call, name: str) -> Iterator[Seen]:
    wrong = np.isnan(call.losses)
    if wrong.any():
        held = [n for n in call.specs if np.isnan(call.host(n)).any()]
        source = f"{_hold(held)} NaN" if held else "from infinities in the input"
        yield Seen(f"{share(wrong)} losses are NaN: {source}", where=row_places(call, wrong))


@rule(
    "LS171",
    "an infinite loss",
    "error",
    when=lambda call, name: not call.loss.name.startswith("ctc_loss"),  # LS161
    why="the mean is infinite, and the gradient of such a row is NaN, infinite or 0",
    fix="a class that may be the target must not be masked with -inf; bound what the model or the data returns",
)
def infinite(call: Call, name: str) -> Iterator[Seen]:
    wrong = np.isinf(call.losses)
    if wrong.any():
        held = [n for n in call.specs if call.word(n) != "weights" and np.isinf(call.host(n)).any()]
        source = f": {_hold(held)} infinities" if held else ""
        yield Seen(f"{share(wrong)} losses are infinite{source}", where=row_places(call, wrong))


def _hold(names: list[str]) -> str:
    return f"{' and '.join(names)} {'hold' if len(names) > 1 else 'holds'}"


def whole_from(call: Call, name: str) -> float:
    """Magnitude from which every number of an argument's dtype is whole."""
    return (STEP_OF_TWO | STEP_OF_TWO_OF_WIDE).get(dtype_name(call.arguments[name]), np.inf) / 2


def _is_half(call: Call, name: str) -> bool:
    return call.is_required(name) and dtype_name(call.arguments[name]) in STEP_OF_TWO


def _is_float16(call: Call, name: str) -> bool:
    given = call.arguments[call.first]
    return is_array(given) and dtype_name(given) == "float16"


@rule(
    "LS172",
    "more than float16 holds",
    "error",
    when=_is_float16,
    why="the largest number of float16 is 65504: what passes it is inf",
    fix="compute the loss of .float() inputs, or use bfloat16",
)
def too_large(call: Call, name: str) -> Iterator[Seen]:
    losses = np.abs(call.losses)
    if not np.isfinite(losses).any() or call.sample.axis or call.option("sample_weight") is not None:
        return
    total = float(losses[np.isfinite(losses)].sum())
    wrong = losses > HALF_MAX
    if call.reduction == "sum" and total > HALF_MAX:
        yield Seen(f"the sum of {losses.size:,} losses is {total:.6g}", fix=paste(call, reduction='"mean"'))
    elif call.reduction != "sum" and wrong.any():
        seen = f"{share(wrong)} losses pass 65504, up to {losses[np.isfinite(losses)].max():.6g}"
        yield Seen(seen, where=row_places(call, wrong))


@rule(
    "LS173",
    "scores too large for half precision",
    "warning",
    words=("logits", "sequence log-probabilities"),
    when=_is_half,
    why="half precision rounds them to multiples of 2 or more: the loss is off by as much as a nat",
    fix="compute the last layer in float32, or cap the logits; add up log-probabilities in float32",
)
def coarse(call: Call, name: str) -> Iterator[Seen]:
    kind, rows = dtype_name(call.arguments[name]), call.rows(name)
    if not rows.size:
        return
    # Masks hold the lowest numbers on purpose; what the others are compared with is the highest score.
    top = np.abs(rows.max(axis=-1) if call.inner(name) else rows)
    wrong = np.isfinite(top) & (top >= STEP_OF_TWO[kind])
    if wrong.mean() <= 0.01:
        return
    highest = top[np.isfinite(top)].max()
    step = 2.0 ** np.floor(np.log2(highest)) / STEP_OF_TWO[kind] * 2
    score = "highest logit" if call.inner(name) else "largest score"
    yield Seen(
        f"in {share(wrong)} rows the {score} passes {STEP_OF_TWO[kind]:g}, up to {highest:.4g}",
        f"there {kind} holds multiples of {step:g} only: losses are off by up to {step / 2:g}",
    )


@rule(
    "LS174",
    "wrong predictions of probability 0",
    "warning",
    words=("probabilities",),
    when=Call.is_required,
    why="the logarithm is cut off at -100 and the sigmoid before it is flat: such a prediction is never corrected",
    fix="use the loss that takes logits: its gradient there is 1",
)
def flat(call: Call, name: str) -> Iterator[Seen]:
    p, target = call.rows(name), call.rows(call.named("target probabilities")[0])
    wrong = ((p == 0) & (target == 1)) | ((p == 1) & (target == 0))
    if wrong.any():
        yield Seen(
            f"{share(wrong)} predictions are exactly 0 or 1, and wrong",
            f"each costs {call.losses[wrong].mean():.4g} and has no gradient through a sigmoid: it is never corrected",
            paste(call, f"{call.loss.name}_with_logits", input="logits"),
            row_places(call, wrong),
        )


@rule(
    "LS175",
    "saturated logits",
    "warning",
    words=("logits",),
    when=Call.is_required,
    why="where the prediction is right the gradient has vanished, where it is wrong it is the same however wrong",
    fix="scale the model's inputs, lower the learning rate or the initial weights of the last layer",
)
def saturated(call: Call, name: str) -> Iterator[Seen]:
    rows = call.rows(name)
    classes = rows.shape[-1] if call.has_classes(name) else 2
    losses = call.losses[np.isfinite(call.losses)]
    if len(rows) < 16 or classes < 2 or not losses.size:
        return
    gap = np.abs(rows)
    if call.has_classes(name):
        second, highest = np.moveaxis(np.partition(rows, classes - 2, axis=-1)[..., -2:], -1, 0)
        gap = highest - second
    guessing = float(np.log(classes))
    if np.mean(gap > CERTAIN) < 0.9 or losses.mean() < 2 * guessing:
        return
    yield Seen(
        f"in {share(gap > CERTAIN)} rows the prediction is certain to within float32, and the mean loss is "
        f"{losses.mean():.4g}, where guessing costs {guessing:.4g}"
    )


@rule(
    "LS176",
    "every row is the same",
    "warning",
    words=("logits", "log-probabilities"),
    when=lambda call, name: call.has_classes(name) and call.is_required(name),
    why="the output does not depend on the input: the best that can be learnt are the class shares",
    fix="check that the model sees its inputs, and that no layer before is saturated or dead",
)
def equal_rows(call: Call, name: str) -> Iterator[Seen]:
    rows = call.rows(name)
    if len(rows) < 16 or rows.shape[-1] < 2 or not np.isfinite(rows).all():
        return
    if (rows == rows[0]).all() and rows[0].min() < rows[0].max():  # an output layer that begins at 0 has equal scores
        yield Seen(f"its {len(rows):,} rows are equal to the last bit")


@rule(
    "LS177",
    "a gradient for the target alone",
    "error",
    when=lambda call, name: is_array(call.arguments[call.first]) and is_torch(call.arguments[call.first]),
    why="the input needs no gradient, so nothing reaches the model through it",
    fix="pass the model's output first, without detach(), .data or no_grad(), and the target second",
)
def gradient_of_target(call: Call, name: str) -> Iterator[Seen]:
    others = [n for n in call.specs if n != call.first and n.startswith("target")]
    learning = [n for n in others if is_torch(call.arguments[n]) and call.needs_grad(n)]
    if learning and not call.needs_grad(call.first):
        yield Seen(f"{learning[0]} needs a gradient, and {call.first} needs none")
