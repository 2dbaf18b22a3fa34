"""What the arrays are: found out from shapes, types and values, printed first, and open to correction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lossary.report.bad_input import BadInput
from lossary.report.formats.stored import Stored
from lossary.report.frame import Frame, frame
from lossary.report.read import Input
from lossary.report.survey import Survey, blocks

Kind = Literal["logits", "probs", "logprobs", "values"]
Task = Literal["classification", "soft", "binary", "multilabel", "regression"]

KIND_WORDS: dict[Kind, str] = {
    "logits": "logits",
    "probs": "probabilities",
    "logprobs": "log-probabilities",
    "values": "real values",
}
TASK_WORDS: dict[Task, str] = {
    "classification": "classification with class indices",
    "soft": "classification with soft targets (a distribution for each sample)",
    "binary": "binary classification",
    "multilabel": "multi-label classification (each label is a yes or no of its own)",
    "regression": "regression",
}
KINDS_OF: dict[Task, tuple[Kind, ...]] = {
    "classification": ("logits", "probs", "logprobs"),
    "soft": ("logits", "probs", "logprobs"),
    "binary": ("logits", "probs"),
    "multilabel": ("logits", "probs"),
    "regression": ("values",),
}


@dataclass(frozen=True)
class Understanding:
    """What a report takes its input to be. `text` says it in one paragraph."""

    input: Input
    frame: Frame
    survey: Survey
    task: Task
    kind: Kind
    one_hot: bool
    names: tuple[str, ...]
    ignore_index: int | None

    @property
    def classes(self) -> int:
        """Number of classes that compete for one target; 0 for regression."""
        return {"regression": 0, "binary": 2, "multilabel": 2}.get(self.task, self.frame.columns)

    @property
    def units(self) -> int:
        """Number of losses: one for each target that is not ignored."""
        per_row = self.frame.columns if self.frame.elementwise and self.task not in ("classification", "soft") else 1
        return self.survey.rows * per_row - self.survey.ignored

    @property
    def units_per_sample(self) -> int:
        per_row = self.frame.columns if self.task in ("multilabel", "binary", "regression") else 1
        return self.frame.rows_per_sample * per_row

    @property
    def unit(self) -> str:
        """What one loss belongs to, for captions."""
        if self.units_per_sample == 1:
            return "sample"
        return {"multilabel": "label", "regression": "value"}.get(self.task, "position")

    def name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else str(index)

    @property
    def text(self) -> str:
        survey, p, t = self.survey, self.input.predictions, self.input.targets
        scores = f"{KIND_WORDS[self.kind]} from {survey.lowest:.4g} to {survey.highest:.4g}" if self.units else "unused"
        parts = [
            f"Predictions: {_describe(p)}, read as {scores}.",
            f"Targets: {_describe(t)}, read as {self._targets()}; {survey.ignored:,} ignored.",
            f"Task: {TASK_WORDS[self.task]}{self._size()}.",
            *(f"{array.remark}." for array in (p, t) if array.remark),
        ]
        if self.frame.ambiguous:
            parts.append("Two axes have the same length: the last one was taken as the classes.")
        return " ".join(parts)

    def _targets(self) -> str:
        if self.one_hot:
            return "one-hot rows, that is class indices"
        words = {
            "soft": "one probability distribution per row",
            "multilabel": "a yes or no per label",
            "binary": "0 for no and 1 for yes" if self.survey.targets_are_01 else "-1 for no and 1 for yes",
            "regression": "real values",
        }
        seen = int((self.survey.counts > 0).sum())
        all_seen = "all" if seen == self.classes else f"{seen:,} of them"
        return words.get(self.task, f"class indices 0 to {self.classes - 1}, {all_seen} seen")

    def _size(self) -> str:
        if self.task in ("classification", "soft"):
            named = f" ({', '.join(self.names[:4])}{', ...' if len(self.names) > 4 else ''})" if self.names else ""
            return f", {self.classes:,} classes{named}"
        return f", {self.frame.columns:,} columns" if self.frame.columns > 1 else ""


def _describe(array: Stored) -> str:
    key = f"{array.key!r} of {Path(array.file).name}" if array.key else Path(array.file).name
    kind = "text" if array.is_text else str(array.dtype)
    return f"{key}, {' × '.join(f'{n:,}' for n in array.shape)} {kind}"


def understand(
    source: Input,
    *,
    kind: Kind | None = None,
    task: Task | None = None,
    ignore_index: int | None = -100,
    names: Sequence[str] | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Understanding:
    """Read the input once, check every number, and decide what it is. What the caller says outranks what is guessed."""
    for given, allowed, option in ((kind, get_args(Kind), "kind"), (task, get_args(Task), "task")):
        if given is not None and given not in allowed:
            raise BadInput(f"{option} {given!r} is unknown", fix=f"one of {', '.join(allowed)}")
    class_names = tuple(printable(name) for name in names or source.class_names)
    source.predictions.require_numbers()
    source.targets.require_numbers()
    layout = frame(source.predictions, source.targets)
    survey = Survey(layout, source.predictions, source.targets, ignore_index)
    for block in blocks(source.predictions, source.targets):
        survey.update(*block)
        advance(len(block[0]))
    chosen_task, one_hot = _task(task, layout, survey)
    chosen_kind = _kind(kind, chosen_task, survey)
    _refuse_impossible(chosen_task, chosen_kind, survey)
    if names and len(class_names) != _names_needed(chosen_task, layout):
        needed = _names_needed(chosen_task, layout)
        raise BadInput(f"{len(class_names)} class names for {needed} classes", fix="give one name per class, in order")
    fitting = class_names if len(class_names) == _names_needed(chosen_task, layout) else ()
    return Understanding(source, layout, survey, chosen_task, chosen_kind, one_hot, fitting, ignore_index)


def printable(text: object) -> str:
    """Text from a file, without what would steer a terminal or break a page."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


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
    if survey.target_rows_are_probabilities:
        if survey.targets_are_01:
            fitting.append("classification")
        fitting.append("soft")
    if survey.targets_are_01 or survey.targets_are_signs:
        if layout.columns > 1 and len(layout.target_shape) == 2:
            fitting.append("multilabel")
        fitting.append("binary")
    return [*fitting, "regression"]


def _kind(given: Kind | None, task: Task, survey: Survey) -> Kind:
    guess: Kind = "logits"
    if task == "regression":
        guess = "values"
    elif task in ("binary", "multilabel"):
        guess = "probs" if survey.scores_are_shares else "logits"
    elif survey.rows_are_probabilities:
        guess = "probs"
    elif survey.rows_are_log_probabilities:
        guess = "logprobs"
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
            raise survey.predictions.error(what, position=survey.first_places[what], fix=fix)
