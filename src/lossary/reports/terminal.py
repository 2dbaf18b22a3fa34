"""The report in the terminal."""

from __future__ import annotations

import re

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
INDENT = 2
SEVERITY = 8  # columns of the longest, and a space
BOUNDS = ("from", "to")  # columns of wide tables that only the page has
OPENING, CLOSING = "（“《", "，。；：、？！）”》"
WIDE = "\u2e80-\u9fff\uff00-\uffef“”"
PIECE = re.compile(rf"[{OPENING}]*(?:[{WIDE}]|[^\s{WIDE}]+)[{CLOSING}]*\s*|\s+")
STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def print_understanding(console: Console, understanding: Understanding) -> None:
    console.print(Text(say("Understood"), style="bold"))
    console.print(_indented(console, understanding.text))
    console.print()


def print_report(console: Console, report: Report, *, full: bool = False) -> None:
    """The verdict, and every section where `full`; names from files are printed as they are, never as markup."""
    with speaking(report.language):
        _print(console, report, full)


def _print(console: Console, report: Report, full: bool) -> None:
    console.print(Text(say("Verdict"), style="bold"))
    if report.lead:
        console.print(_indented(console, report.lead))
        console.print()
    for _, finding in report.verdict:
        console.print(_finding(console, finding))
    for result in report.results if full else ():
        console.print()
        _print_section(console, result)
    for title, needs in report.skipped if full else ():
        console.print(Text(say("Not checked: {title} (needs {needs}).", title=title, needs=needs), style="dim"))


def _print_section(console: Console, result: Result) -> None:
    console.print(Text(result.title, style="bold"))
    if result.text:
        console.print(_indented(console, result.text))
    for table in (table for table in result.tables if not table.folded):
        console.print()
        console.print(Padding(_table(table), (0, 0, 0, INDENT), expand=False))


def _finding(console: Console, finding: Finding) -> RichTable:
    width = console.width - INDENT - SEVERITY
    text = Text(wrapped(finding.text, width))
    if finding.fix:
        text.append(f"\n{wrapped(say('Fix: {fix}.', fix=finding.fix), width)}", style="dim")
    grid = RichTable.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=INDENT - 1)
    grid.add_column(width=SEVERITY - 1)
    grid.add_column()
    grid.add_row("", Text(say(finding.severity), style=STYLES[finding.severity]), text)
    return grid


def _table(table: Table) -> RichTable:
    shown = RichTable(title=Text(table.title, style="italic"), title_justify="left", box=None, pad_edge=False)
    columns = [k for k, column in enumerate(table.columns) if not (table.wide and column.title in BOUNDS)]
    for column in (table.columns[k] for k in columns):
        justify = "right" if column.numeric else "left"
        shown.add_column(Text(column.heading), justify=justify, header_style="dim", overflow="fold")
    for row in table.rows[:ROWS]:
        shown.add_row(*(Text(table.columns[k].show(row[k])) for k in columns))
    if len(table.rows) > ROWS:
        shown.add_row(Text(say("... {n} more", n=len(table.rows) - ROWS), style="dim"))
    return shown


def _indented(console: Console, text: str) -> Padding:
    return Padding(Text(wrapped(text, console.width - INDENT)), (0, 0, 0, INDENT), expand=False)


def wrapped(text: str, width: int) -> str:
    """Lines of so many columns at most, where the words allow it. Chinese breaks after every character, but for those
    that close a clause: Rich breaks at spaces alone."""
    lines = [""]
    for piece in PIECE.findall(text):
        if cell_len(lines[-1]) + cell_len(piece.rstrip()) > width and lines[-1]:
            lines[-1] = lines[-1].rstrip()
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return "\n".join(lines)
