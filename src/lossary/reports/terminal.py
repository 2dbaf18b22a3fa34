"""The report in the terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from lossary.reports.engine import Report
from lossary.reports.result import Finding, Result, Table
from lossary.reports.understand import Understanding
from lossary.translations import say, speaking

ROWS = 10  # of a table; the page has them all
WIDTH = 8  # of the longest severity and a space
STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def print_understanding(console: Console, understanding: Understanding) -> None:
    console.print(Text(say("Understood"), style="bold"))
    console.print(Padding(Text(understanding.text), (0, 0, 1, 2)))


def print_report(console: Console, report: Report, *, full: bool = False) -> None:
    """The verdict, and every section where `full`; names from files are printed as they are, never as markup."""
    with speaking(report.language):
        _print(console, report, full)


def _print(console: Console, report: Report, full: bool) -> None:
    console.print(Text(say("Verdict"), style="bold"))
    if report.lead:
        console.print(Padding(Text(report.lead), (0, 0, 1, 2)))
    for _, finding in report.verdict:
        console.print(Padding(_finding(finding), (0, 0, 0, 2)))
    for result in report.results if full else ():
        console.print()
        _print_section(console, result)
    for title, needs in report.skipped if full else ():
        console.print(Text(say("Not checked: {title} (needs {needs}).", title=title, needs=needs), style="dim"))


def _print_section(console: Console, result: Result) -> None:
    console.print(Text(result.title, style="bold"))
    if result.text:
        console.print(Padding(Text(result.text), (0, 0, 0, 2)))
    for table in (table for table in result.tables if not table.folded):
        console.print(Padding(_table(table), (1, 0, 0, 2)))


def _finding(finding: Finding) -> Text:
    severity = say(finding.severity)
    text = Text.assemble((severity, STYLES[finding.severity]), " " * (WIDTH - cell_len(severity)), finding.text)
    if finding.fix:
        text.append(f" {say('Fix: {fix}.', fix=finding.fix)}", style="dim")
    return text


def _table(table: Table) -> RichTable:
    shown = RichTable(title=Text(table.title, style="italic"), title_justify="left", box=None, pad_edge=False)
    for column in table.columns:
        shown.add_column(Text(column.heading), justify="right" if column.numeric else "left", header_style="dim")
    for row in table.rows[:ROWS]:
        shown.add_row(*(Text(column.show(cell)) for column, cell in zip(table.columns, row, strict=True)))
    if len(table.rows) > ROWS:
        shown.add_row(Text(say("... {n} more", n=len(table.rows) - ROWS), style="dim"))
    return shown
