"""`lossary report`: data to stdout, progress and errors to stderr; exit code 1 for findings, 2 for bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from lossary.cli.language import Lang, language_of
from lossary.reports import BadInput, MissingExtra, compare, report
from lossary.reports.engine import FailOn, Report, require_known
from lossary.reports.terminal import print_report, print_understanding
from lossary.reports.write import refuse_place, write_whole
from lossary.translations import say, speaking


def report_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Predictions and targets: .npz, .npy (two files), .safetensors, .pt, .csv, .tsv, .parquet, .jsonl, "
            ".json, .arrow, .xlsx; text may be .gz or .zst. Two files that have both are compared. "
            "Without a file: held-out predictions that ship with Lossary.",
            show_default=False,
        ),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(help="File with the targets of both, where two files are compared.", show_default=False),
    ] = None,
    pred_key: Annotated[
        list[str] | None,
        typer.Option(
            help="Array or columns of the predictions: NAME, A,B,C or PROB_*. Twice: of the two to compare.",
            show_default="guessed",
        ),
    ] = None,
    target_key: Annotated[
        str | None, typer.Option(help="Array or columns of the targets.", show_default="guessed")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="logits|probs|logprobs|values", help="What the predictions are.", show_default="guessed"),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="classification|soft|binary|multilabel|regression",
            help="What the targets are.",
            show_default="guessed",
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            help="Class names in the order of the columns, or what targets call them: separated by commas, or a text "
            "file with one on each line.",
            show_default=False,
        ),
    ] = None,
    ignore_index: Annotated[int, typer.Option(help="Class index that does not count.")] = -100,
    shift_labels: Annotated[
        bool, typer.Option("--shift-labels", help="Hold scores against the label of the next position.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the page goes.", show_default="FILE.lossary.html, here")
    ] = None,
    no_html: Annotated[bool, typer.Option("--no-html", help="Write no page.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every section, not only the verdict.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the samples and the bootstrap.")] = 0,
    lang: Lang = None,
    fail_on: Annotated[
        str, typer.Option(metavar="error|warning|note|never", help="Least severe finding that makes the exit code 1.")
    ] = "warning",
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress", help="Show a progress bar on stderr.", show_default="long input on a terminal"
        ),
    ] = None,
) -> None:
    """Report on saved predictions and targets: losses in context, calibration, the worst samples, numerical hazards.

    What was understood is printed first. Exit code 0: nothing to act on; 1: findings; 2: the input cannot be used.
    """
    console = Console(highlight=False)
    try:
        language = language_of(lang)
        if out is not None and not no_html:
            refuse_place(out, [*(files or []), *([targets] if targets else [])])
        require_known(fail_on)
        result = _result(
            files,
            targets,
            prediction_key=pred_key,
            target_key=target_key,
            kind=cast(Any, kind),
            task=cast(Any, task),
            ignore_index=ignore_index,
            shift_labels=shift_labels,
            names=_names(names),
            seed=seed,
            language=language,
            progress=progress,
            on_understood=None if as_json else lambda understood: print_understanding(console, understood),
        )
        code = result.exit_code(cast(FailOn, fail_on))
        page = None if no_html else out or Path(f"{_stem(result)}.lossary.html")
        if page is not None:
            write_whole(page, result.to_html())
    except (BadInput, MissingExtra) as error:
        typer.echo(f"lossary report: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(result.to_json())
    else:
        print_report(console, result, full=full)
    if page is not None:
        with speaking(language):
            said = say("Page: {path}", path=page.resolve())
        typer.echo(f"{'' if as_json else chr(10)}{said}", err=as_json)
    raise typer.Exit(code)


def _result(files: list[Path] | None, targets: Path | None, **options: Any) -> Report:
    if targets is None:
        return report(list(files) if files else None, **options)
    if files is None or len(files) != 2:
        raise BadInput(f"{len(files or [])} files beside --targets", fix="lossary report A B --targets T")
    return compare(files[0], files[1], targets, **options)


def _names(given: str | None) -> list[str] | None:
    if given is None:
        return None
    if Path(given).is_file():
        try:
            lines = Path(given).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise BadInput("not UTF-8 text", file=given, fix="write one class name on each line") from None
        return [line.strip() for line in lines if line.strip()]
    return [name.strip() for name in given.split(",")]


def _stem(result: Report) -> str:
    files = [understood.input.files[0] for understood in result.understandings]
    stems = [Path(file).stem for file in dict.fromkeys(files)]
    return "-".join(stems)
