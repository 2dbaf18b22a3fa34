"""The report as a notebook shows it: verdict, figures of merit, the main figures; tables folded, as far as they fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from lossary.core.shown import folded, paragraph, shown, table, text
from lossary.reports.figures import svg
from lossary.reports.palette import DARK, LIGHT
from lossary.reports.result import Finding, Result, Table
from lossary.translations import say

FIGURES, LARGEST = 2, 24 * 1024  # at most, and bytes of one
MOST = 54 * 1024  # bytes, beside the style: 60 KiB with it
ROWS = 12
HUES = {name: (LIGHT[name], DARK[name]) for name in LIGHT if name not in ("ink", "muted", "rule")}
STYLE = """
.lossary-shown.lossary-shown {
  & .merit { display: flex; flex-wrap: wrap; gap: 0.6em 2em; margin: 0.6em 0; }
  & .merit span { display: block; color: var(--muted); font-size: 0.86em; }
  & .merit .value { color: inherit; font-size: 1.7em; line-height: 1.2; }
  & .merit .hint { max-width: 15em; }
  & .lead { font-size: 1.1em; }
  & .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1em 1.5em; }
  & figure { margin: 0.5em 0; }
  & figcaption { font-size: 0.86em; color: var(--muted); }
  & svg { display: block; width: 100%; max-width: 27rem; height: auto; }
}
"""


def small(report: Any) -> str:
    """report: a `Report`."""
    parts = [
        paragraph(report.title, "title"),
        *map(_merit, (result.highlights for result in report.results if result.highlights)),
        paragraph(report.lead, "lead") if report.lead else "",
        *(_finding(finding) for _, finding in report.verdict),
        _figures(report),
        folded(say("What was understood"), *map(paragraph, report.understood)),
    ]
    room = MOST - sum(len(part.encode()) for part in parts)
    for part in map(_section, (result for result in report.results if any(map(_fits, result.tables)))):
        room -= len(part.encode())
        if room < 0:
            break
        parts.append(part)
    parts.append(paragraph(say('All of it: `report.save("report.html")`'), "muted"))
    return shown(*parts, hues=HUES, style=STYLE)


def _merit(highlights: list[tuple[str, str, str]]) -> str:
    shown = (
        f'<div><span>{text(name)}</span><span class="value">{text(value)}</span>'
        f'<span class="hint">{text(hint)}</span></div>'
        for name, value, hint in highlights
    )
    return f'<div class="merit">{"".join(shown)}</div>'


def _finding(finding: Finding) -> str:
    fix = f' <span class="muted">{text(say("Fix: {fix}.", fix=finding.fix))}</span>' if finding.fix else ""
    return f'<p><strong class="{finding.severity}">{text(say(finding.severity))}</strong> {text(finding.text)}{fix}</p>'


def _figures(report: Any) -> str:
    return f'<div class="plots">{"".join(islice(_drawn(report), FIGURES))}</div>'


def _drawn(report: Any) -> Iterator[str]:
    """A figure of each section, without those of thousands of points; last those whose numbers stand above."""
    mark = report.digest
    for result in sorted(report.results, key=lambda result: bool(result.highlights)):
        for place, figure in enumerate(result.figures):
            drawn = svg(figure, f"{mark}-{result.id}-{place}")
            if len(drawn.encode()) <= LARGEST:
                yield f"<figure><figcaption>{text(figure.title)}</figcaption>{drawn}</figure>"
                break


def _fits(table: Table) -> bool:
    return not table.folded and len(table.rows) <= ROWS


def _section(result: Result) -> str:
    tables = (
        table(
            [column.heading for column in shown.columns],
            [[column.show(x) for column, x in zip(shown.columns, row, strict=True)] for row in shown.rows],
            [column.numeric for column in shown.columns],
        )
        for shown in result.tables
        if _fits(shown)
    )
    return folded(result.title, paragraph(result.text) if result.text else "", *tables)
