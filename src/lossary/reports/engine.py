"""Runs the sections over the input, once, in chunks; and the report that comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lossary.core.extras import MissingExtra
from lossary.reports.bad_input import BadInput
from lossary.reports.chunk import Chunk, chunk_of, chunks
from lossary.reports.figures import draw
from lossary.reports.frame import Block
from lossary.reports.notebook import small
from lossary.reports.options import spelled
from lossary.reports.page import render
from lossary.reports.result import SEVERITIES, Finding, Result
from lossary.reports.sections import OF_RECORDS, OF_TOKENS, SECTIONS, UNTOLD, Section
from lossary.reports.understand import Understanding
from lossary.reports.write import write_whole
from lossary.translations import Language, join, say, speaking

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

SCHEMA_VERSION = 1
SENTENCES = 5

FailOn = Literal["error", "warning", "note", "never"]


@dataclass(frozen=True)
class Report:
    """What a file of predictions says: `results` by section, and `skipped` sections with what they need."""

    understanding: Understanding
    results: list[Result]
    skipped: list[tuple[str, str]]
    seed: int
    language: Language = "en"

    @property
    def findings(self) -> list[tuple[Result, Finding]]:
        """All findings with their sections, the severest first."""
        pairs = [(result, finding) for result in self.results for finding in result.findings]
        return sorted(pairs, key=lambda pair: SEVERITIES.index(pair[1].severity))

    @property
    def verdict(self) -> list[tuple[Result, Finding]]:
        """The findings that a reader should see first: at most five."""
        return self.findings[:SENTENCES]

    @property
    def lead(self) -> str:
        """What the loss comes from, in a sentence; empty where no cause was found."""
        return next((result.text for result in self.results if result.id == "causes"), "")

    @property
    def title(self) -> str:
        return " + ".join(Path(file).name for file in self.understanding.input.files) or say("predictions and targets")

    def __getitem__(self, section: str) -> Result:
        for result in self.results:
            if result.id == section:
                return result
        raise KeyError(f"no section {section!r}; there are {', '.join(result.id for result in self.results)}")

    def exit_code(self, fail_on: FailOn = "warning") -> int:
        """1 if there is a finding at least as severe as `fail_on`, else 0."""
        require_known(fail_on)
        if fail_on == "never":
            return 0
        failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        return int(any(finding.severity in failing for _, finding in self.findings))

    def __repr__(self) -> str:
        with speaking(self.language):
            return self._in_lines()

    def _in_lines(self) -> str:
        merit = [f"{name} {value}" for result in self.results for name, value, _ in result.highlights]
        lines = [say("Report on {title}: {merit}", title=self.title, merit=join(", ", merit)), self.lead]
        for _, finding in self.verdict:
            fix = say("Fix: {fix}.", fix=finding.fix) if finding.fix else ""
            lines.append(f"{say(finding.severity):<8} {join(' ', [finding.text, fix])}")
        return "\n  ".join(filter(None, lines))

    def _repr_html_(self) -> str | None:
        try:
            with speaking(self.language):
                return small(self)
        except MissingExtra:
            return None

    @property
    def digest(self) -> str:
        """A few letters that differ from those of another report."""
        return "r" + hashlib.sha256(self.to_json().encode()).hexdigest()[:7]

    def save(self, path: str | Path) -> None:
        """Write the page (.html) or the numbers (.json), whole or not at all."""
        forms = {".html": self.to_html, ".json": self.to_json}
        if (suffix := Path(path).suffix.lower()) not in forms:
            raise BadInput(f"a report is not saved as {suffix!r}", file=str(path), fix=f"one of {', '.join(forms)}")
        write_whole(path, forms[suffix]())

    def plot(self, section: str, figure: int = 0) -> MatplotlibFigure:
        """A figure of a section, as matplotlib has it: `report.plot("calibration")`; `figure` counts from 0."""
        of = {result.id: result.figures for result in self.results if result.figures}
        if figure not in range(len(of.get(section, ()))):
            known = ", ".join(f"{name!r} ({len(figures)})" for name, figures in of.items())
            raise BadInput(f"no figure {figure} of section {section!r}", fix=f"sections with figures are {known}")
        with speaking(self.language):
            return draw(of[section][figure])

    @property
    def understood(self) -> list[str]:
        """What was understood, in a paragraph for each input."""
        return [self.understanding.text]

    @property
    def understandings(self) -> list[Understanding]:
        return [self.understanding]

    def inputs(self) -> dict[str, Any]:
        """What the JSON says of the files, and what they were taken for."""
        return {"files": list(self.understanding.input.files), "understood": facts(self.understanding)}

    def to_json(self) -> str:
        """All numbers, without the figures, in the form of docs/report.schema.json; NaN and infinities are null."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        with speaking(self.language):
            return _plain(self._content())

    def _content(self) -> dict[str, Any]:
        from lossary.version import __version__

        return {
            "schema_version": SCHEMA_VERSION,
            "lossary_version": __version__,
            **self.inputs(),
            "seed": self.seed,
            "lead": self.lead,
            "findings": [{"section": result.id, **asdict(finding)} for result, finding in self.findings],
            "sections": [_section(result) for result in self.results],
            "not_checked": [{"section": title, "needs": needs} for title, needs in self.skipped],
        }

    def to_html(self) -> str:
        """One page that needs no other file and no network."""
        with speaking(self.language):
            return render(self)


def facts(u: Understanding) -> dict[str, Any]:
    return {
        "text": u.text,
        "task": u.task,
        "kind": u.kind,
        "classes": u.classes,
        "losses": u.units,
        "ignored": u.survey.ignored,
        "names": list(u.names),
    }


def require_known(fail_on: str) -> None:
    if fail_on not in get_args(FailOn):
        raise BadInput(f"fail_on {fail_on!r} is unknown", fix=f"one of {', '.join(get_args(FailOn))}")


class Seen:
    """The sections of a report, and what they have seen of the input."""

    def __init__(self, seed: int = 0, language: Language = "en") -> None:
        self.seed = seed
        self.language: Language = language
        self.understanding: Understanding | None = None
        self.sections: list[Section] = []

    def start(self, understanding: Understanding) -> None:
        self.understanding = understanding
        possible = _possible(understanding)
        self.sections = [kind(understanding, self.seed) for kind in possible if kind.applies(understanding)]

    def add(self, understanding: Understanding | None, block: Block) -> None:
        """The next block of the input; not any more, once that is understood otherwise than it was."""
        if block.first == 0 and understanding is not None and understanding.task != "recorded":
            self.start(understanding)
        elif understanding is None or not self.agrees(understanding):
            self.understanding = None
        if self.understanding is not None and (chunk := chunk_of(self.understanding, block)) is not None:
            self.update(chunk)

    def update(self, chunk: Chunk) -> None:
        for section in self.sections:
            section.update(chunk)

    def agrees(self, understanding: Understanding) -> bool:
        """Whether the sections have seen all of the input, as it is understood."""
        seen = self.understanding
        return seen is not None and (seen.input, seen.task, seen.kind, seen.one_hot) == (
            understanding.input,
            understanding.task,
            understanding.kind,
            understanding.one_hot,
        )

    def report(self, understanding: Understanding) -> Report:
        if not understanding.units:
            ignored = understanding.survey.ignored
            text = say("Every target is ignored ({n:,} are {index}).", n=ignored, index=understanding.ignore_index)
            finding = Finding("error", text, spelled(say("check the labels, or say --ignore-index")))
            empty = Result("losses", say("The losses"), say("There is nothing to take a mean over."), [finding])
            return Report(understanding, [empty], [], self.seed, self.language)
        results = []
        for section in self.sections:
            section.u = understanding
            results.append(section.finish())
        if understanding.doubts:
            results.insert(0, Result("reading", say("What was read"), findings=list(understanding.doubts)))
        for result in results:
            result.findings = [replace(f, text=spelled(f.text), fix=spelled(f.fix)) for f in result.findings]
        possible = _possible(understanding)
        skipped = [(say(kind.title), say(kind.needs)) for kind in possible if not kind.applies(understanding)]
        if understanding.task == "recorded":
            skipped += [(say(title), say("the scores of all classes, which a record leaves out")) for title in UNTOLD]
        return Report(understanding, results, skipped, self.seed, self.language)


def _possible(understanding: Understanding) -> tuple[type[Section], ...]:
    return {"tokens": OF_TOKENS, "recorded": OF_RECORDS}.get(understanding.task, SECTIONS)


def run(
    understanding: Understanding,
    *,
    seed: int = 0,
    language: Language = "en",
    advance: Callable[[int], None] = lambda samples: None,
) -> Report:
    """Every section that applies, over the whole input. `advance` is told how many samples each block took."""
    with speaking(language):
        seen = Seen(seed, language)
        seen.start(understanding)
        for chunk in chunks(understanding, advance):
            seen.update(chunk)
        return seen.report(understanding)


def _section(result: Result) -> dict[str, Any]:
    tables = [
        {"title": table.title, "columns": [column.heading for column in table.columns], "rows": table.rows}
        for table in result.tables
    ]
    return {"id": result.id, "title": result.title, "text": result.text, "values": result.values, "tables": tables}


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value
