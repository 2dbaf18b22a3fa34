"""Runs the sections over the input, once, in chunks; and the report that comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.chunk import chunk_of
from lossary.reports.frame import Block
from lossary.reports.page import render
from lossary.reports.result import SEVERITIES, Finding, Result
from lossary.reports.sections import OF_TOKENS, SECTIONS, Section
from lossary.reports.understand import Understanding

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
        return " + ".join(Path(file).name for file in self.understanding.input.files)

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

    def to_json(self) -> str:
        """All numbers, without the figures; NaN and infinities are null."""
        from lossary.version import __version__

        u = self.understanding
        content = {
            "schema_version": SCHEMA_VERSION,
            "lossary_version": __version__,
            "files": list(u.input.files),
            "understood": {
                "text": u.text,
                "task": u.task,
                "kind": u.kind,
                "classes": u.classes,
                "losses": u.units,
                "ignored": u.survey.ignored,
                "names": list(u.names),
            },
            "seed": self.seed,
            "lead": self.lead,
            "findings": [{"section": result.id, **asdict(finding)} for result, finding in self.findings],
            "sections": [_section(result) for result in self.results],
            "not_checked": [{"section": title, "needs": needs} for title, needs in self.skipped],
        }
        return json.dumps(_plain(content), ensure_ascii=False, allow_nan=False, indent=2)

    def to_html(self) -> str:
        """One page that needs no other file and no network."""
        return render(self)


def require_known(fail_on: str) -> None:
    if fail_on not in get_args(FailOn):
        raise BadInput(f"fail_on {fail_on!r} is unknown", fix=f"one of {', '.join(get_args(FailOn))}")


class Seen:
    """The sections of a report, and what they have seen of the input."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.understanding: Understanding | None = None
        self.sections: list[Section] = []

    def add(self, understanding: Understanding | None, block: Block) -> None:
        """The next block of the input; not any more, once that is understood otherwise than it was."""
        if block.first == 0:
            self.understanding, self.sections = understanding, _sections(understanding, self.seed)
        elif understanding is None or not self.agrees(understanding):
            self.understanding = None
        if self.understanding is not None and (chunk := chunk_of(self.understanding, block)) is not None:
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
            text = f"Every target is ignored ({understanding.survey.ignored:,} are {understanding.ignore_index})."
            finding = Finding("error", text, "check the labels, or say --ignore-index")
            empty = Result("losses", "The losses", "There is nothing to take a mean over.", [finding])
            return Report(understanding, [empty], [], self.seed)
        results = []
        for section in self.sections:
            section.u = understanding
            results.append(section.finish())
        if understanding.doubts:
            results.insert(0, Result("reading", "What was read", findings=list(understanding.doubts)))
        skipped = [(kind.title, kind.needs) for kind in _possible(understanding) if not kind.applies(understanding)]
        return Report(understanding, results, skipped, self.seed)


def _possible(understanding: Understanding) -> tuple[type[Section], ...]:
    return OF_TOKENS if understanding.task == "tokens" else SECTIONS


def _sections(understanding: Understanding | None, seed: int) -> list[Section]:
    if understanding is None:
        return []
    return [kind(understanding, seed) for kind in _possible(understanding) if kind.applies(understanding)]


def run(
    understanding: Understanding, *, seed: int = 0, advance: Callable[[int], None] = lambda samples: None
) -> Report:
    """Every section that applies, over the whole input. `advance` is told how many samples each block took."""
    seen, source = Seen(seed), understanding.input
    for block in understanding.frame.blocks(source.predictions, source.targets):
        seen.add(understanding, block)
        advance(block.samples)
    return seen.report(understanding)


def _section(result: Result) -> dict[str, Any]:
    tables = [
        {"title": table.title, "columns": [column.title for column in table.columns], "rows": table.rows}
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
