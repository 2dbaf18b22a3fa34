"""Runs the parts over both inputs, once, in chunks; and the comparison that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossary.reports.bad_input import BadInput
from lossary.reports.comparison.changed import Changed, Decisions
from lossary.reports.comparison.difference import MeanDifference
from lossary.reports.comparison.groups import ByClass, ByConfidence, ByPrediction
from lossary.reports.comparison.inputs import refuse_unlike
from lossary.reports.comparison.pair import Pairs
from lossary.reports.comparison.part import Part
from lossary.reports.comparison.recalibration import Calibration
from lossary.reports.engine import Report, facts
from lossary.reports.options import spelled
from lossary.reports.result import Finding, Result
from lossary.reports.understand import Understanding
from lossary.translations import Language, say

PARTS: tuple[type[Part], ...] = (MeanDifference, Calibration, ByClass, ByConfidence, ByPrediction, Decisions, Changed)
"""In the order of the page."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Report):
    """What two files say about each other: `understanding` of A, `other` of B, and `results` by section."""

    other: Understanding
    sentence: str

    @property
    def lead(self) -> str:
        """Which is better by how much, and what of it is calibration."""
        return self.sentence

    @property
    def title(self) -> str:
        return f"{_name(self.understanding)} · {_name(self.other)}"

    @property
    def understood(self) -> list[str]:
        return [f"{name}: {u.text}" for name, u in self._both.items()]

    def inputs(self) -> dict[str, Any]:
        return {
            "files": {name.lower(): list(u.input.files) for name, u in self._both.items()},
            "understood": {name.lower(): facts(u) for name, u in self._both.items()},
        }

    @property
    def understandings(self) -> list[Understanding]:
        return [self.understanding, self.other]

    @property
    def _both(self) -> dict[str, Understanding]:
        return {"A": self.understanding, "B": self.other}


def run(a: Understanding, b: Understanding, *, seed: int = 0, language: Language = "en",
        advance: Callable[[int], None] = lambda samples: None) -> Comparison:  # fmt: skip
    """Every part that applies, over every pair of chunks."""
    refuse_unlike(a, b)
    parts = [part(a, b, seed) for part in PARTS if part.applies(a, b)]
    skipped = [(say(part.title), say(part.needs)) for part in PARTS if not part.applies(a, b)]
    pairs = Pairs(a, b)
    for pair in pairs(advance):
        for part in parts:
            part.update(pair)
    if not pairs.shared:
        raise BadInput("no target counts in both", file=" and ".join(", ".join(u.input.files) for u in (a, b)),
                       fix="check the labels, or say --ignore-index")  # fmt: skip
    results = [part.finish() for part in parts]
    if doubts := _doubts(a, b, pairs):
        results.append(Result("reading", say("What was read"), findings=doubts))
    return Comparison(a, results, skipped, seed, language, other=b, sentence=_sentence(parts))


def _sentence(parts: list[Part]) -> str:
    of = {type(part): part for part in parts}
    difference, calibration = of[MeanDifference], of.get(Calibration)
    assert isinstance(difference, MeanDifference)
    clause = calibration.clause if isinstance(calibration, Calibration) and difference.main.gain.sign else ""
    if clause:
        return say("{which}; {why}.", which=difference.sentence, why=clause)
    return say("{which}.", which=difference.sentence)


def _doubts(a: Understanding, b: Understanding, pairs: Pairs) -> list[Finding]:
    found = [
        Finding(doubt.severity, f"{name}: {spelled(doubt.text)}", spelled(doubt.fix), doubt.cause)
        for name, u in (("A", a), ("B", b))
        for doubt in u.doubts
    ]
    if sum(pairs.alone):
        text = say("{n:,} targets have numbers in one of the two alone; they count in neither.", n=sum(pairs.alone))
        found.append(Finding("note", text))
    return found


def _name(u: Understanding) -> str:
    """Of the file of the predictions; with its folder, since runs often give their files the same name."""
    path = Path(u.input.predictions.file)
    return str(Path(path.parent.name) / path.name) if u.input.files else u.input.predictions.label
