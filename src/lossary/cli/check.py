"""`lossary check FILE... --loss NAME`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lossary.cli.names import complete, find
from lossary.cli.terminal import FINDINGS, AsJson, Refusal, bullets, heading, indented, show, show_json
from lossary.core.record import Loss
from lossary.misuse import RULES, Finding, Findings, Rule, check
from lossary.misuse.finding import SEVERITIES
from lossary.reports.formats.files import open_arrays
from lossary.reports.formats.stored import Stored, require_rows
from lossary.reports.read import open_input

MOST = 2**24
"""Elements of an array that are read: 128 MB in float64."""
STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def check_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="Predictions and targets, as for `lossary report`.", show_default=False
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option("--loss", metavar="NAME", help="The loss that takes them.", autocompletion=complete),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the loss; may be given again.")
    ] = None,
    pred_key: Annotated[
        str | None,
        typer.Option(help="Array or columns of the predictions: NAME, A,B,C or PROB_*.", show_default="guessed"),
    ] = None,
    target_key: Annotated[str | None, typer.Option(help="Array of the targets.", show_default="guessed")] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="error|warning|note|never", help="Least severe finding that makes the exit code 1.")
    ] = "note",
    list_rules: Annotated[bool, typer.Option("--list", help="List what is looked for, instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for mistakes in a call of a loss.

    Saved predictions and targets are passed to the loss as they are; arrays that it takes beside them, such as weight,
    var or input_lengths, are those of that name in the files. Exit code 0: nothing found; 1: findings; 2: bad input.
    """
    if list_rules:
        _list(as_json)
        return
    if not files or loss is None:
        raise Refusal("FILE and --loss are needed: lossary check predictions.npz --loss cross_entropy")
    if fail_on not in (*SEVERITIES, "never"):
        raise Refusal(f"--fail-on {fail_on}: it must be one of {', '.join(SEVERITIES)}, never")
    record = find(loss)
    read, said = _arguments(record, [str(file) for file in files], pred_key, target_key)
    findings = check(record.public, **{**read, **_options(record, option or [])})
    if as_json:
        show_json({"files": [str(file) for file in files], "read": said, **_record(findings)})
    else:
        show(*_lines(findings, said))
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on != "never" else ()  # type: ignore[arg-type]
    if any(finding.severity in failing for finding in findings):
        raise typer.Exit(FINDINGS)


def _arguments(
    record: Loss, files: list[str], pred_key: str | None, target_key: str | None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of the call by the names of the arguments, and where each was found."""
    by_name = {array.key.lower(): array for array in open_arrays(files)}
    required = [name for name in record.data if name not in record.defaults]
    stored = {name: by_name[name.lower()] for name in record.data if name.lower() in by_name}
    predictions, target = required[0], next((name for name in required if name.startswith("target")), None)
    if {predictions, target} - set(stored) or pred_key or target_key:
        source = open_input(files, prediction_key=pred_key, target_key=target_key)
        stored |= {predictions: source.predictions} | ({} if target is None else {target: source.targets})
    missing = [name for name in required if name not in stored]
    if missing:
        have = ", ".join(f"{array.key or Path(array.file).stem} {array.shape}" for array in by_name.values())
        raise Refusal(f"{', '.join(files)}: {record.name} takes {' and '.join(missing)} too; save them under that name "
                      f"beside {have}")  # fmt: skip
    rows = _rows(record, stored[predictions])
    read = {name: _read(array, rows, record, name) for name, array in stored.items()}
    said = {name: _said(array, rows) for name, array in stored.items()}
    x, y = read[predictions], read.get(target or "")
    if y is not None and x.ndim > 2 and y.shape == x.shape[:-1] != (x.shape[0], *x.shape[2:]) and "C" in _axes(record):
        read[predictions] = np.moveaxis(x, -1, 1)
        said[predictions] += "; its last dimension, the classes, is moved to dimension 1"
    return read, said


def _axes(record: Loss) -> list[str]:
    return next(iter(record.data.values())).shape.split()


def _rows(record: Loss, predictions: Stored) -> tuple[int, int]:
    """How many samples there are, and how many of them are read; all, where they do not lie along the first axis."""
    require_rows(predictions.file, predictions.key, predictions.shape)
    count = predictions.shape[0]
    fitting = max(1, MOST // max(1, predictions.row_size))
    return count, count if _axes(record)[0] == "T" else min(count, fitting)


def _read(array: Stored, rows: tuple[int, int], record: Loss, name: str) -> np.ndarray:
    """The first samples; in the place of class indices, whole numbers of a table as such: a gap makes them float."""
    array.require_numbers()
    require_rows(array.file, array.key, array.shape)
    if not array.shape[0]:
        return np.zeros(array.shape, array.dtype)
    x = next(array.blocks(rows[1] if array.shape[0] == rows[0] else array.shape[0]))
    takes_integers = any(spec.domain.dtype == "integer" for spec in record.data[name])
    return x.astype(np.int64) if takes_integers and array.table is not None and bool(np.all(x == np.rint(x))) else x


def _said(array: Stored, rows: tuple[int, int]) -> str:
    part = f", the first {rows[1]:,} rows" if rows[1] < rows[0] and array.shape[:1] == rows[:1] else ""
    where = f"{array.key!r} of {Path(array.file).name}" if array.key else Path(array.file).name
    return f"{where}, {' × '.join(f'{n:,}' for n in array.shape)} {array.dtype}{part}"


def _options(record: Loss, given: list[str]) -> dict[str, Any]:
    options = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name not in record.defaults:
            raise Refusal(f"--option {text}: write NAME=VALUE; {record.name} has {', '.join(record.defaults)}")
        try:
            options[name] = json.loads(value.lower() if value.lower() in ("true", "false") else value)
        except json.JSONDecodeError:
            options[name] = value
    return options


def _record(findings: Findings) -> dict[str, Any]:
    return {
        "loss": findings.loss,
        "findings": [asdict(finding) for finding in findings],
        "rules": list(findings.rules),
        "unchecked": dict(findings.unchecked),
        "sampled": findings.sampled or None,
    }


def _lines(findings: Findings, said: dict[str, str]) -> Iterator[RenderableType]:
    yield heading(f"{findings.loss} of")
    yield indented(bullets(f"{name}: {text}" for name, text in said.items()))
    for finding in findings:
        yield Text()
        yield from _block(finding, finding.parts)
    yield Text()
    yield heading(findings.summary)
    yield from (indented(Text(text, style="dim")) for text in findings.not_checked)


def _block(of: Finding | Rule, parts: dict[str, str]) -> Iterator[RenderableType]:
    yield Text.assemble((of.code, "bold"), " ", (of.severity, STYLES[of.severity]), "  ", of.title)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for word, text in parts.items():
        grid.add_row(Text(word, style="dim"), Text(text))
    yield indented(grid)


def _list(as_json: bool) -> None:
    if as_json:
        show_json([{n: getattr(r, n) for n in ("code", "severity", "title", "why", "fix", "words")} for r in RULES])
        return
    show(*(part for rule in RULES for part in _block(rule, {"why": rule.why, "fix": rule.fix})))
