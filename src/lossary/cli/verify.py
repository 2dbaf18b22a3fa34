"""`lossary verify [FILE]...`."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from lossary import identities
from lossary.cli.terminal import FINDINGS, AsJson, Refusal, bullets, indented, show, show_json, table
from lossary.identities import Checked
from lossary.identities.checking import DTYPES, LIBRARIES
from lossary.report.chunk import Chunk, chunks
from lossary.report.read import open_input
from lossary.report.understand import understand

Data = tuple[np.ndarray, np.ndarray]


def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Predictions and targets, as for `lossary report`; without a file, random and extreme numbers.",
            show_default=False,
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(metavar="|".join(LIBRARIES), help="Whose arrays.", show_default="all that are installed"),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="|".join(DTYPES), help="In which dtype.", show_default="both")
    ] = None,
    pred_key: Annotated[str | None, typer.Option(help="Array of the predictions.", show_default="guessed")] = None,
    target_key: Annotated[str | None, typer.Option(help="Array of the targets.", show_default="guessed")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the identities between losses, such as CE = H + KL.

    Both sides of each identity are computed and compared: on random and extreme numbers, or on your predictions.
    Exit code 1 if an identity does not hold.
    """
    libraries = [_known(library, LIBRARIES, "--library")] if library else [n for n in LIBRARIES[:3] if find_spec(n)]
    dtypes = [_known(dtype, DTYPES, "--dtype")] if dtype else DTYPES
    data, source = _data(files, pred_key, target_key) if files else (None, "on random and on extreme numbers")
    checked: list[Checked] = []
    with Console(stderr=True).status("") as status:  # shows itself only in a terminal
        for pair in ((name, kind) for name in libraries for kind in dtypes):
            status.update(f"checking on {' in '.join(pair)}")
            checked += _checked(*pair, data, files)
    failures = [c for c in checked if not c.holds]
    if as_json:
        show_json({"on": source, "holds": not failures, "checks": [_record(c) for c in checked]})
    else:
        show(_table(checked), Text(), Text(_verdict(checked, failures, source), style="bold"))
        failing = dict.fromkeys(c.identity for c in failures)
        show(indented(bullets(f"{i.name}: {i.statement} Domain: {i.domain}." for i in failing)))
    if failures:
        raise typer.Exit(FINDINGS)


def _known(given: str, known: tuple[str, ...], option: str) -> str:
    if given not in known:
        raise Refusal(f"{option} {given}: it must be one of {', '.join(known)}")
    if option == "--library" and find_spec(given) is None:
        raise Refusal(f"--library {given}: it is not installed: pip install {given}")
    return given


def _checked(library: str, dtype: str, data: Data | None, files: list[Path] | None) -> list[Checked]:
    try:
        return identities.verify([library], [dtype], data=data)
    except ValueError as error:
        if data is None:
            raise
        raise Refusal(f"{', '.join(map(str, files or ()))}: {error}") from None


def _data(files: list[Path], pred_key: str | None, target_key: str | None) -> tuple[Data, str]:
    """Predictions and targets of the first block of samples of a file: enough, and never more than memory holds."""
    understood = understand(open_input(files, prediction_key=pred_key, target_key=target_key))
    chunk = next(chunks(understood), None)
    if chunk is None:
        raise understood.input.targets.error("every target is ignored", fix="save targets that count")
    part = "all" if len(chunk.scores) == understood.units else f"the first {len(chunk.scores):,} of"
    return _pair(chunk), f"on {part} {understood.units:,} {understood.unit}s of {', '.join(map(str, files))}"


def _pair(chunk: Chunk) -> Data:
    """Logits, or real values, and their targets."""
    if chunk.task == "regression":
        return chunk.scores, chunk.target
    if chunk.scores.ndim == 1:
        return chunk.logits[:, 1] - chunk.logits[:, 0], chunk.target
    return chunk.logits, chunk.target


def _record(checked: Checked) -> dict[str, Any]:
    identity = checked.identity
    return {
        "identity": identity.name,
        "statement": identity.statement,
        "losses": identity.losses,
        "domain": identity.domain,
        "library": checked.library,
        "dtype": checked.dtype,
        "largest_error": checked.largest_error,
        "allowed": checked.allowed,
        "holds": checked.holds,
    }


def _table(checked: list[Checked]) -> Any:
    def cells(c: Checked) -> Iterator[str | Text]:
        yield Text("yes" if c.holds else "NO", style="green" if c.holds else "bold red")
        yield from (f"{c.largest_error:.1e}", f"{c.allowed:.1e}", c.library, c.dtype, c.identity.name)

    titles = ("holds", "error", "allowed", "library", "dtype", "identity")
    return table(titles, (tuple(cells(c)) for c in checked), right=("error", "allowed"))


def _verdict(checked: list[Checked], failures: list[Checked], source: str) -> str:
    count = f"{len({c.identity.name for c in checked})} identities, {len(checked)} checks {source}"
    return f"{count}: all hold" if not failures else f"{count}: {len(failures)} fail"
