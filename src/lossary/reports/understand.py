"""What the arrays are: found out from shapes, types and values, printed first, and open to correction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from lossary.reports.bad_input import BadInput, printable
from lossary.reports.formats.stored import Stored
from lossary.reports.frame import Block, Frame, frame
from lossary.reports.options import spelled
from lossary.reports.read import DECISION, Input
from lossary.reports.result import Finding
from lossary.reports.survey import ROUNDING, Survey
from lossary.translations import deferred, join, say

Kind = Literal["logits", "probs", "logprobs", "values"]
Task = Literal["classification", "soft", "binary", "multilabel", "regression", "tokens", "recorded"]

KIND_WORDS: dict[Kind, str] = {
    "logits": "logits",
    "probs": deferred("probabilities"),
    "logprobs": deferred("log-probabilities"),
    "values": deferred("real values"),
}
TASK_WORDS: dict[Task, str] = {
    "classification": deferred("classification with class indices"),
    "soft": deferred("classification with soft targets (a distribution for each sample)"),
    "binary": deferred("binary classification"),
    "multilabel": deferred("multi-label classification (each label is a yes or no of its own)"),
    "regression": deferred("regression"),
    "tokens": deferred("log-probabilities of what occurred, without those of anything else"),
    "recorded": deferred("classification, of which lossary.Recorder kept the loss and how sure predictions were"),
}
PLURALS = {
    "row": deferred("rows"),
    "sample": deferred("samples"),
    "token": deferred("tokens"),
    "label": deferred("labels"),
    "position": deferred("positions"),
    "value": deferred("values"),
    "class": deferred("classes"),
}
IN_PERCENT = deferred("in percent, divided by 100")
KINDS_OF: dict[Task, tuple[Kind, ...]] = {
    "classification": ("logits", "probs", "logprobs"),
    "soft": ("logits", "probs", "logprobs"),
    "binary": ("logits", "probs"),
    "multilabel": ("logits", "probs"),
    "regression": ("values",),
    "tokens": ("logprobs",),
    "recorded": ("logprobs",),
}


OF_KEYS = re.compile(r" ?[(（](prediction|target)_key=[)）]")  # arrays that are given by hand have none
FEW = 20  # scores of fewer than these say nothing about what they are


@dataclass(frozen=True)
class Understanding:
    """What a report takes its input to be. `text` says it in one paragraph; `doubts` are what is odd about it."""

    input: Input
    frame: Frame
    survey: Survey
    task: Task
    kind: Kind
    one_hot: bool
    names: tuple[str, ...]
    ignore_index: int | None
    doubts: tuple[Finding, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes that compete for one target; 0 for regression."""
        if self.task == "recorded" and self.input.record:
            return self.input.record.classes
        return {"regression": 0, "tokens": 0, "binary": 2, "multilabel": 2}.get(self.task, self.frame.columns)

    @property
    def units(self) -> int:
        """Number of losses: one for each target that is not ignored."""
        if self.frame.elementwise and self.task not in ("classification", "soft"):
            return self.survey.rows * self.frame.columns - self.survey.ignored - self.survey.unusable
        return self.survey.rows - self.survey.ignored - self.survey.unusable_rows

    @property
    def units_per_sample(self) -> int:
        per_row = self.frame.columns if self.task in ("multilabel", "binary", "regression") else 1
        return self.frame.rows_per_sample * per_row

    @property
    def unit(self) -> str:
        """What one loss belongs to, for captions."""
        if self.task == "tokens":
            return "token"
        if self.task == "recorded" and self.input.record and self.input.record.has_places:
            return "position"
        if self.units_per_sample == 1:
            return "sample"
        return {"multilabel": "label", "regression": "value"}.get(self.task, "position")

    @property
    def plural(self) -> str:
        """`unit` in the plural, in the language that is spoken."""
        return say(PLURALS[self.unit])

    def name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else str(index)

    @property
    def text(self) -> str:
        """What was understood, each guess with the option that overrides it."""
        text = spelled(self._text)
        return text if self.input.files else OF_KEYS.sub("", text)

    @property
    def _text(self) -> str:
        survey, p, t = self.survey, self.input.predictions, self.input.targets
        scores = say("unused")
        if self.units:
            scores = say("{kind} from {low:.4g} to {high:.4g}", kind=say(KIND_WORDS[self.kind]), low=survey.lowest,
                         high=survey.highest)  # fmt: skip
        ignored = ""
        if not self.frame.elementwise or survey.ignored:
            ignored = say("{n:,} ignored (--ignore-index)", n=survey.ignored)
        read = join("; ", [self._targets(), ignored])
        parts = [
            say("Predictions: {array} (--pred-key), read as {scores} (--kind).", array=_describe(p), scores=scores),
            say("Targets: {array} (--target-key), read as {read}.", array=_describe(t), read=read)
            if self.task != "tokens"
            else "",
            say("Task: {task} (--task).", task=join(", ", [say(TASK_WORDS[self.task]), self._size()])),
            *(say("{remark}.", remark=printable(array.remark, 500)) for array in (p, t) if array.remark),
        ]
        if self.frame.ambiguous:
            parts.append(say("Two axes have the same length: the last one was taken as the classes."))
        if self.frame.shifted:
            parts.append(say("Shifted: the scores at each position are held against the label of the next."))
        elif self.frame.is_sequence and self.frame.class_axis == -1:
            parts.append(
                say("Not shifted: the scores at each position are held against its own label (--shift-labels).")
            )
        return join(" ", parts)

    def _targets(self) -> str:
        if self.one_hot:
            return say("one-hot rows, that is class indices")
        if self.task == "soft":
            return say("one probability distribution per row")
        if self.task == "multilabel":
            return say("a yes or no per label")
        if self.task == "binary":
            return say("0 for no and 1 for yes") if self.survey.targets_are_01 else say("-1 for no and 1 for yes")
        if self.task == "regression":
            return say(KIND_WORDS["values"])
        seen, last = int((self.survey.counts > 0).sum()), self.classes - 1
        if seen == self.classes:
            return say("class indices 0 to {last}, all seen", last=last)
        return say("class indices 0 to {last}, {seen:,} of them seen", last=last, seen=seen)

    def _size(self) -> str:
        if self.task not in ("classification", "soft"):
            return say("{n:,} columns", n=self.frame.columns) if self.frame.columns > 1 else ""
        names = ", ".join(self.names[:4]) + (", ..." if len(self.names) > 4 else "")
        if not names:
            return say("{n:,} classes", n=self.classes)
        return say("{n:,} classes ({names})", n=self.classes, names=names)


def _describe(array: Stored) -> str:
    file = printable(Path(array.file).name)
    shape = f"{' × '.join(f'{n:,}' for n in array.shape)} {array.dtype}"
    if array.file in ("predictions", "targets"):  # the arguments
        return shape
    key = say("{key!r} of {file}", key=printable(array.key), file=file) if array.key else file
    return join(", ", [key, shape])


def understand(
    source: Input,
    *,
    kind: Kind | None = None,
    task: Task | None = None,
    ignore_index: int | None = -100,
    shift_labels: bool = False,
    names: Sequence[str] | None = None,
    advance: Callable[[int], None] = lambda rows: None,
    meanwhile: Callable[[Understanding | None, Block], None] = lambda understanding, block: None,
) -> Understanding:
    """Read the input once, check every number, and decide what it is. What the caller says outranks what is guessed.

    meanwhile: called with every block and with what the input seems to be after it, if that is known.
    """
    for given, allowed, option in ((kind, get_args(Kind), "kind"), (task, get_args(Task), "task")):
        if given is not None and given not in allowed:
            raise BadInput(f"{option} {given!r} is unknown", fix=f"one of {', '.join(allowed)}")
    source.predictions.require_numbers()
    source.targets.require_numbers()
    layout = frame(source.predictions, source.targets, shift_labels)
    survey = Survey(layout, source.predictions, source.targets, ignore_index)

    class_names = tuple(printable(name) for name in names or source.class_names)

    def concluded() -> Understanding | Input:
        return _concluded(source, survey, kind, task, ignore_index, class_names, named=bool(names))

    for block in layout.blocks(source.predictions, source.targets):
        survey.update(block.scores, block.targets)
        seems = None
        with suppress(BadInput):
            seems = concluded()
        meanwhile(seems if isinstance(seems, Understanding) else None, block)
        advance(block.samples)
    found = concluded()
    if isinstance(found, Understanding):
        return replace(found, doubts=tuple(_doubts(found, guessed=kind is None)))
    return understand(
        found,
        kind=kind,
        task=task,
        ignore_index=ignore_index,
        shift_labels=shift_labels,
        names=names,
        meanwhile=meanwhile,
    )


def _concluded(
    source: Input,
    survey: Survey,
    kind: Kind | None,
    task: Task | None,
    ignore_index: int | None,
    class_names: tuple[str, ...],
    named: bool,
) -> Understanding | Input:
    """What the rows that were seen say; or the input in usual units, to be read from the beginning."""
    layout = survey.frame
    if survey.unusable and survey.lowest > survey.highest:
        raise source.predictions.error(
            "not one prediction that is finite in float32 and has a target",
            position=layout.position(*survey.first_places["not a number"]),
            fix="find out why the model returns NaN or infinity",
        )
    if source.record:
        task, kind = ("regression", "values") if source.record.task == "regression" else ("recorded", "logprobs")
    elif not source.of_tokens:
        _refuse_decisions(task, source, survey)
    if (other := _in_usual_units(source, kind, task, survey)) is not None:
        return other
    chosen_task, one_hot = (alone, False) if (alone := _alone(source)) else _task(task, layout, survey)
    chosen_kind = _kind(kind, chosen_task, survey)
    _refuse_impossible(chosen_task, chosen_kind, survey)
    if named and len(class_names) != _names_needed(chosen_task, layout):
        needed = _names_needed(chosen_task, layout)
        raise BadInput(f"{len(class_names)} class names for {needed} classes", fix="give one name per class, in order")
    fitting = class_names if len(class_names) == _names_needed(chosen_task, layout) else ()
    return Understanding(source, layout, survey, chosen_task, chosen_kind, one_hot, fitting, ignore_index)


def _called(array: Stored) -> Kind | None:
    """What the name of the predictions says that they are."""
    name = array.label.lower()
    if "logit" in name:
        return "logits"
    if "log" in name and ("prob" in name or "softmax" in name):
        return "logprobs"
    return "probs" if any(word in name for word in ("prob", "softmax", "sigmoid", "percent")) else None


def _refuse_decisions(task: Task | None, source: Input, survey: Survey) -> None:
    """Refuse argmax ids, and the confidence in a decision, where scores of the classes are needed."""
    predictions, targets = source.predictions, source.targets
    if task is not None or not survey.frame.elementwise or survey.frame.columns > 1:
        return
    fix = "save the scores of all classes: predict_proba, or logits"
    if predictions.is_integer and targets.is_integer and DECISION.fullmatch(predictions.label.lower()):
        raise predictions.error("whole numbers, as decisions (argmax) are: no loss can say how sure they were",
                                fix=f"{fix}; --task regression if they are counts")  # fmt: skip
    several = targets.is_integer and not survey.targets_are_01 and not survey.targets_are_signs
    if several and not survey.targets_are_mask and _called(predictions) == "probs":
        what = f"one probability for each sample, and targets up to {survey.target_highest:g}"
        raise predictions.error(what, fix=f"{fix}; --task regression if they are values")
    yes_or_no = survey.targets_are_01 and survey.rows >= FEW and not survey.scores_are_whole
    if yes_or_no and survey.scores_are_shares and survey.lowest >= 0.5 and source.decisions:
        raise predictions.error(
            f"never below 0.5 beside the decisions {source.decisions.label!r}: the confidence in a decision, not the "
            "probability of yes",
            fix=f"{fix}; --task binary if it is that of yes",
        )


def _in_usual_units(source: Input, kind: Kind | None, task: Task | None, survey: Survey) -> Input | None:
    """The input with probabilities for percent, and 0 and 1 for masks of 0 and 255; None where it is as usual."""
    single = survey.frame.columns == 1
    called = kind or _called(source.predictions)
    yes_or_no = survey.targets_are_01 or survey.targets_are_signs
    classes = not survey.frame.elementwise or yes_or_no or survey.target_rows_are_probabilities
    percent = called == "probs" or (kind is None and called is None and not single and survey.rows >= 2)
    if classes and percent and survey.scores_are_percent and (not single or yes_or_no):
        return replace(source, predictions=_scaled(source.predictions, 100, say(IN_PERCENT)))
    looks_binary = survey.scores_are_shares or called in ("logits", "probs")
    mask = survey.frame.elementwise and survey.targets_are_mask and survey.target_highest > 0
    if mask and (task in ("binary", "multilabel") or (task is None and looks_binary)):
        return replace(source, targets=_scaled(source.targets, 255, say("a mask of 0 and 255, read as 0 and 1")))
    return None


def _scaled(array: Stored, divisor: int, said: str) -> Stored:
    def read(rows: int) -> Iterator[np.ndarray]:
        for block in array.read(rows):
            yield block.astype(np.float64) / divisor if divisor == 100 else (block // divisor).astype(np.int64)

    dtype = np.dtype(np.float64 if divisor == 100 else np.int64)
    remark = join("; ", [array.remark, say("{name}: {said}", name=array.label, said=said)])
    return replace(array, dtype=dtype, read=read, remark=remark)


def _doubts(found: Understanding, guessed: bool) -> Iterator[Finding]:
    """What is odd about the input, and the option or the change that mends it."""
    survey, predictions = found.survey, found.input.predictions
    if survey.unusable:
        text = say(
            "{lost:,} of {n:,} {units} are NaN or infinite in float32 and do not count, the first at {place}.",
            lost=survey.unusable_rows,
            n=survey.rows,
            units=say(PLURALS["row" if found.frame.columns > 1 or not found.frame.elementwise else "value"]),
            place=_place(found.frame.index(*survey.first_places["not a number"])),
        )
        fix = say("find out which samples make the model, or the dtype (float16?), overflow")
        yield Finding("warning", text, fix)
    if survey.padding_rows:
        labels = survey.padding_labels
        only = f"--ignore-index {min(labels)}" if len(labels) == 1 else say("set their labels to -100")
        text = say("{n:,} rows that count are -100 throughout: padding of Trainer.predict.", n=survey.padding_rows)
        yield Finding("warning", text, only)
    if predictions.remark.endswith(say(IN_PERCENT)):
        text = say("The probabilities are in percent; they were divided by 100.")
        yield Finding("warning", text, say("save shares of 1"))
    if found.task == "soft" and survey.target_row_sum_error > survey.rounding(survey.targets_are_rounded):
        text = say("Rows of targets do not sum to 1 (off by up to {error:.3g}).", error=survey.target_row_sum_error)
        yield Finding("warning", text, say("divide them by their sum, or --task multilabel"))
    if guessed and found.kind == "logits" and found.task in ("binary", "multilabel") and survey.scores_are_percent:
        text = say("No score is below 0 and none above {high:.4g}: they were read as logits.", high=survey.highest)
        yield Finding("warning", text, say("--kind probs if they are percent"))


def _place(index: tuple[int, ...]) -> str:
    if len(index) == 1:
        return say("row {row}", row=index[0])
    return say("row {row}, position {index}", row=index[0], index=index)


def _alone(source: Input) -> Task | None:
    """The task of an input that has log-probabilities of the targets alone."""
    if source.record:
        return None if source.record.task == "regression" else "recorded"
    return "tokens" if source.of_tokens else None


def _names_needed(task: Task, layout: Frame) -> int:
    return 2 if task == "binary" else layout.columns


def _task(given: Task | None, layout: Frame, survey: Survey) -> tuple[Task, bool]:
    """The task, and whether its targets are one-hot rows."""
    fitting = _fitting_tasks(layout, survey)
    if given is not None and given not in fitting:
        raise survey.targets.error(f"task {given!r} does not fit these targets", fix=f"one of {', '.join(fitting)}")
    task = given or fitting[0]
    return task, layout.elementwise and task == "classification"


def _fitting_tasks(layout: Frame, survey: Survey) -> list[Task]:
    """The tasks that the targets allow, the likeliest first."""
    if not layout.elementwise:
        return ["classification"]
    fitting: list[Task] = []
    named_soft = "soft" in survey.targets.label.lower() or "prob" in survey.targets.label.lower()
    if survey.target_rows_are_probabilities:
        if survey.targets_are_01:
            fitting.append("classification")
        fitting.append("soft")
    elif named_soft and layout.columns > 1 and survey.targets_are_shares and not survey.ignored:
        fitting.append("soft")
    if survey.targets_are_01 or survey.targets_are_signs:
        if layout.columns > 1 and len(layout.target_shape) == 2:
            fitting.append("multilabel")
        fitting.append("binary")
    elif not fitting and survey.targets_are_shares and _called(survey.predictions) == "logits":
        raise survey.targets.error(
            f"targets from {survey.target_lowest:.4g} to {survey.target_highest:.4g} are neither 0 and 1, nor do rows "
            "sum to 1",
            fix="save 0 and 1, or distributions; --pred-key and --target-key if they are values",
        )
    return [*fitting, "regression"]


def _kind(given: Kind | None, task: Task, survey: Survey) -> Kind:
    called = _called(survey.predictions)
    guess: Kind = "logits"
    enough = survey.rows * survey.frame.columns >= FEW
    if task == "regression":
        guess = "values"
    elif task in ("tokens", "recorded"):
        guess = given = "logprobs"
    elif called == "probs" and not survey.scores_are_shares and given is None:
        low, high = survey.lowest, survey.highest
        raise survey.predictions.error(
            f"called probabilities, and values are from {low:.4g} to {high:.4g}", fix="--kind logits if they are those"
        )
    elif task in ("binary", "multilabel"):
        guess = "probs" if survey.scores_are_shares else "logits"
    elif survey.rows_are_probabilities or (survey.scores_are_shares and called == "probs"):
        guess = "probs"
    elif survey.rows_are_log_probabilities or (called == "logprobs" and survey.highest <= ROUNDING):
        guess = "logprobs"
    elif survey.scores_are_shares and called is None and enough:
        guess = "probs"
    if given is None:
        return guess
    if given not in KINDS_OF[task]:
        allowed = ", ".join(KINDS_OF[task])
        raise survey.predictions.error(f"kind {given!r} does not go with task {task!r}", fix=f"one of {allowed}")
    if given == "probs" and not survey.scores_are_shares:
        low, high = survey.lowest, survey.highest
        raise survey.predictions.error(
            f"values from {low:.4g} to {high:.4g} are not probabilities", fix="--kind logits"
        )
    if given == "logprobs" and survey.highest > 0.01:
        raise survey.predictions.error(f"a value of {survey.highest:.4g} is not a log-probability", fix="--kind logits")
    return given


def _refuse_impossible(task: Task, kind: Kind, survey: Survey) -> None:
    """Raise `BadInput` for scores that no prediction of this kind has."""
    forbidden: dict[str, str] = {}
    if task == "regression":
        forbidden["-inf"] = "find out which sample makes the model return it"
    elif task in ("classification", "soft"):
        forbidden["a row of -inf, every class ruled out"] = "leave at least one class possible"
        if kind == "probs":
            forbidden["a row of zeros"] = "save probabilities that sum to 1, or the logits"
    for what, fix in forbidden.items():
        if what in survey.first_places:
            place = survey.frame.position(*survey.first_places[what])
            raise survey.predictions.error(what, position=place, fix=fix)
