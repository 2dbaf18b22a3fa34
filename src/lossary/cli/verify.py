"""`lossary verify [NAME|FILE]...`."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console, RenderableType
from rich.text import Text

from lossary import identities
from lossary.cli.language import Lang, language_of
from lossary.cli.names import find_any
from lossary.cli.show import of_identity
from lossary.cli.terminal import FINDINGS, AsJson, Refusal, bullets, indented, show, show_json, table
from lossary.cli.words import word
from lossary.core.record import Loss
from lossary.identities import IDENTITIES, Checked, Identity, family_of
from lossary.identities.checking import DTYPES, LIBRARIES
from lossary.reports.chunk import Chunk, chunks
from lossary.reports.formats.files import is_file
from lossary.reports.read import open_input
from lossary.reports.understand import understand
from lossary.translations import Language

USUAL = ("numpy", "torch")
"""Libraries that are checked unasked; JAX compiles each operation of each identity anew."""
MOST = 40
"""Numbers that are shown of an array."""
SIGNS = {"equal": "=", "at_least": ">=", "less": "<", "differs": "!="}
Data = tuple[np.ndarray, np.ndarray]


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE",
            help="Identities, or losses whose identities are meant; or predictions and targets to compute them on, as "
            "for `lossary report`; without any, random and extreme numbers.",
            show_default=False,
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LIBRARIES),
            help="Whose arrays; JAX takes minutes.",
            show_default="numpy, and torch if installed",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="|".join(DTYPES), help="In which dtype.", show_default="both")
    ] = None,
    pred_key: Annotated[str | None, typer.Option(help="Array of the predictions.", show_default="guessed")] = None,
    target_key: Annotated[str | None, typer.Option(help="Array of the targets.", show_default="guessed")] = None,
    full: Annotated[bool, typer.Option("--full", help="A line for each check.")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Check the identities between losses, such as CE = H + KL.

    Both sides of each identity are computed and compared: on random and extreme numbers, or on your predictions. Of
    one that is named: what it says, one worked row, and how far its sides are apart. Exit code 1 if one does not hold.
    """
    language = language_of(lang)
    libraries = [_known(library, LIBRARIES, "--library")] if library else [n for n in USUAL if find_spec(n)]
    dtypes = [_known(dtype, DTYPES, "--dtype")] if dtype else DTYPES
    files = [Path(name) for name in names or () if is_file(name)]
    meant = [identity for name in names or () if not is_file(name) for identity in _identities(name)]
    data, source = _data(files, pred_key, target_key) if files else (None, word("random", language))
    checked: list[Checked] = []
    with Console(stderr=True).status("") as status:  # shows itself only in a terminal
        for pair in ((name, kind) for name in libraries for kind in dtypes):
            status.update(f"checking on {' in '.join(pair)}")
            checked += _checked(*pair, data, files, meant)
    failures = [c for c in checked if not c.holds]
    if as_json:
        show_json({"on": source, "holds": not failures, "checks": [_record(c) for c in checked]})
    elif meant:
        show(*(part for identity in dict.fromkeys(meant) for part in _one(identity, checked, data, language)))
    else:
        show(_table(checked, language) if full else _summary(checked, language), Text())
        show(Text(_verdict(checked, failures, source, language), style="bold"))
        failing = dict.fromkeys(c.identity for c in failures)
        show(indented(bullets(f"{i.name}: {i.statement} Domain: {i.domain}." for i in failing)))
    if failures:
        raise typer.Exit(FINDINGS)


def _identities(name: str) -> list[Identity]:
    """The identity of this name, or those of the loss of this name."""
    found = find_any(name)
    if isinstance(found, Identity):
        return [found]
    of_loss = [i for i in IDENTITIES if isinstance(found, Loss) and found.name in i.losses]
    if not of_loss:
        raise Refusal(f"{name} stands in no identity; lossary verify --full lists them")
    return of_loss


def _known(given: str, known: tuple[str, ...], option: str) -> str:
    if given not in known:
        raise Refusal(f"{option} {given}: it must be one of {', '.join(known)}")
    if option == "--library" and find_spec(given) is None:
        raise Refusal(f"--library {given}: it is not installed: pip install {given}")
    return given


def _checked(library: str, dtype: str, data: Data | None, files: list[Path], meant: list[Identity]) -> list[Checked]:
    try:
        if meant:
            return [identities.check(identity, library, dtype, data=data) for identity in dict.fromkeys(meant)]
        return identities.verify([library], [dtype], data=data)
    except ValueError as error:
        if data is None:
            raise
        raise Refusal(f"{', '.join(map(str, files))}: {error}") from None


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


def _table(checked: list[Checked], language: Language) -> Any:
    def cells(c: Checked) -> Iterator[str | Text]:
        yield Text(word("yes" if c.holds else "no", language), style="green" if c.holds else "bold red")
        yield from (f"{c.largest_error:.1e}", f"{c.allowed:.1e}", c.library, c.dtype, c.identity.name)

    titles = [word(name, language) for name in ("holds", "error", "allowed", "library", "dtype", "identity")]
    return table(titles, (tuple(cells(c)) for c in checked), right=titles[1:3])


def _summary(checked: list[Checked], language: Language) -> Any:
    """The largest error of each family, in units of what is allowed, and where it is."""
    families: dict[str, list[Checked]] = {}
    for one in checked:
        families.setdefault(family_of(one.identity), []).append(one)
    titles = [
        word(name, language) for name in ("family", "identities count", "checks", "fail", "error", "allowed", "worst")
    ]

    def cells(family: str, found: list[Checked]) -> tuple[str | Text, ...]:
        worst = max(found, key=_closeness)
        failing = sum(not c.holds for c in found)
        counts = (str(len({c.identity.name for c in found})), str(len(found)))
        failed = Text(str(failing), style="bold red" if failing else "")
        where = f"{worst.identity.name} ({worst.library}, {worst.dtype})"
        return family, *counts, failed, f"{worst.largest_error:.1e}", f"{worst.allowed:.1e}", where

    return table(titles, (cells(*one) for one in families.items()), right=titles[1:-1])


def _closeness(checked: Checked) -> float:
    """How much of what is allowed an error takes up; 0 and inf of statements that hold or do not."""
    return checked.largest_error / checked.allowed if checked.allowed else checked.largest_error


def _one(identity: Identity, checked: list[Checked], data: Data | None, language: Language) -> Iterator[RenderableType]:
    yield from of_identity(identity, language)
    inputs, left, right = identities.worked(identity, data=data)
    yield Text()
    yield Text(word("worked", language), style="bold")
    yield indented(bullets(f"{name} = {_numbers(x, language)}" for name, x in inputs.items()))
    yield indented(Text(f"{_numbers(left, language)} {SIGNS[identity.relation]} {_numbers(right, language)}"))
    if identity.reason:
        yield indented(Text(identity.reason, style="dim"))
    yield Text()
    yield indented(_table([c for c in checked if c.identity is identity], language))
    yield Text()


def _numbers(x: Any, language: Language) -> str:
    """Numbers with six digits; of many the first."""
    if np.size(x) > MOST:
        shape = " × ".join(map(str, np.shape(x)))
        return word("many", language).format(shape=shape, first=_numbers(np.ravel(x)[:4], language))
    if np.ndim(x):
        return f"[{', '.join(_numbers(part, language) for part in x)}]"
    return f"{float(x):.6g}"


def _verdict(checked: list[Checked], failures: list[Checked], source: str, language: Language) -> str:
    count = {"identities": len({c.identity.name for c in checked}), "checks": len(checked), "source": source}
    return word("some fail" if failures else "all hold", language).format(**count, failures=len(failures))
