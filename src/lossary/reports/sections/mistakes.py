"""Checks for the usual mistakes, as far as the data at hand can show them."""

from __future__ import annotations

from collections.abc import Iterator

from lossary.misuse import floors
from lossary.reports.chunk import Chunk
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.translations import deferred, say

COLUMNS = (Column("check"), Column("answer"))


class Mistakes(Section):
    id, title = "mistakes", "Checks for mistakes"

    def update(self, chunk: Chunk) -> None:
        """The survey has seen all that is looked for."""

    def finish(self) -> Result:
        checks = list(self._checks())
        rows = [(say(question), finding.text if finding else say("no")) for question, finding in checks]
        findings = [finding for _, finding in checks if finding]
        values = {question: finding is not None for question, finding in checks}
        table = Table(say("What was looked for"), COLUMNS, [*rows])
        return self.result(findings=findings, tables=[table], values=values)

    def _checks(self) -> Iterator[tuple[str, Finding | None]]:
        survey, task, kind = self.u.survey, self.u.task, self.u.kind
        if task != "regression":
            yield deferred("Are all targets of one class?"), self._one_class()
            yield deferred("Are probabilities passed for logits?"), self._probabilities_as_logits()
            yield deferred("Are the predictions decisions rather than scores?"), self._decisions()
        else:
            yield deferred("Are the predictions whole numbers?"), self._whole_numbers()
        if kind == "probs" and task in ("classification", "soft"):
            question = deferred("Do the probabilities of a row sum to something else than 1?")
            yield question, self._sums(survey.row_sum_error)

    def _one_class(self) -> Finding | None:
        survey = self.u.survey
        if self.u.frame.elementwise:
            same = survey.target_lowest == survey.target_highest
            label = self.u.name(int(survey.target_lowest > 0))
        else:
            same, label = int((survey.counts > 0).sum()) == 1, self.u.name(int(survey.counts.argmax()))
        if not same or self.u.one_hot or self.u.units < 2:
            return None
        text = say("All {n:,} targets are of class {label}.", n=self.u.units, label=label)
        return Finding("warning", text, say("check that the file was shuffled and not cut from one class"))

    def _probabilities_as_logits(self) -> Finding | None:
        survey, key = self.u.survey, self.u.input.predictions.key
        single = self.u.task in ("binary", "multilabel")
        if not (survey.scores_are_shares if single else survey.rows_are_probabilities):
            return None
        called_logits = "logit" in (key or self.u.input.predictions.file).lower()
        if self.u.kind == "probs" and not called_logits:
            return None
        text = say(
            "The predictions called logits are probabilities: a loss that takes logits cannot fall below {floor:.4g}.",
            floor=floors.softmax_twice(self.u.classes),
        )
        if single:
            text = say(
                "The predictions called logits are probabilities: a loss that takes logits cannot fall below {yes:.4f} "
                "for yes and {no:.4f} for no.",
                yes=floors.SIGMOID_TWICE_YES,
                no=floors.SIGMOID_TWICE_NO,
            )
        fix = say(
            "remove the {activation} before the loss, or save the array under another name if only the name is wrong",
            activation="sigmoid" if single else "softmax",
        )
        return Finding("warning", text, fix)

    def _decisions(self) -> Finding | None:
        survey = self.u.survey
        if not (self.u.kind == "probs" and survey.scores_are_whole):
            return None
        text = say("Every prediction is exactly 0 or 1: a decision, of which no loss can say how sure it was.")
        return Finding("warning", text, say("save the scores before argmax or rounding"))

    def _whole_numbers(self) -> Finding | None:
        if not (self.u.survey.scores_are_whole and self.u.input.targets.is_integer):
            return None
        text = say(
            "Predictions and targets are whole numbers: if they are classes, losses need scores and not decisions."
        )
        return Finding("warning", text, say("save the scores before argmax, (N, C)"))

    def _sums(self, error: float) -> Finding | None:
        if error <= 0.01:
            return None
        text = say(
            "Rows of probabilities do not sum to 1 (off by up to {error:.3g}); they were divided by their sum.",
            error=error,
        )
        fix = say("save logits, or --task multilabel if every label is a yes or no of its own")
        return Finding("warning", text, fix)
