"""`lossary plot [NAME]...`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lossary import plots
from lossary.cli.names import complete, find
from lossary.cli.terminal import Refusal
from lossary.core.record import Loss
from lossary.plots import axes
from lossary.plots.figures import FIGURES, OF_LOSS


def plot(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Losses, by any name.", autocompletion=complete)
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(metavar="|".join(FIGURES), help="A figure that is no curve of one loss, instead of losses."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file, .svg or .png.", show_default="NAME.svg, in this folder"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,...", help="Draw a curve for each of these values.", show_default="by the loss"
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW:HIGH", help="The range of the axis.", show_default="by the loss"),
    ] = None,
) -> None:
    """Draw losses and their gradients.

    One loss is drawn for several values of an option; several losses are drawn together, on an axis that they have in
    common: the error, the lead of the true class, or its probability.
    """
    records = [find(name) for name in dict.fromkeys(names or ())]
    drawn, path, said = _drawn(records, figure, dict(map(_values, option or ())), _limits(limits) if limits else None)
    path = out or Path(f"{path}.svg")
    try:
        plots.save(drawn, path)
    except OSError as error:
        raise Refusal(f"{path}: cannot be written ({error.strerror}). Choose another place with --out") from None
    except ValueError as error:
        raise Refusal(str(error)) from None
    typer.echo("\n".join([str(path), *said]))


def _drawn(
    records: list[Loss], figure: str | None, options: dict[str, list[Any]], limits: tuple[float, float] | None
) -> tuple[Any, str, list[str]]:
    """The figure, what its file is called, and what there is to say about it."""
    if figure is None and len(records) == 1:
        figure = OF_LOSS.get(records[0].name)
    elif figure is not None and records:
        raise Refusal(f"--figure {figure} is drawn without losses; {records[0].name} is one")
    if figure is not None:
        if figure not in FIGURES:
            raise Refusal(f"--figure {figure}: it must be one of {', '.join(FIGURES)}")
        return FIGURES[figure](), figure, []
    if not records:
        raise Refusal(f"name a loss, or a figure: --figure {'|'.join(FIGURES)}")
    names = [record.name for record in records]
    try:
        found = plots.curves(names, options=options, limits=limits)
    except (ValueError, TypeError, IndexError) as error:  # what a loss says of an option or an axis out of its domain
        raise Refusal(str(error)) from None
    return found, "-".join(names), axes.said(records)


def _values(given: str) -> tuple[str, list[bool | int | float | str]]:
    name, _, values = given.partition("=")
    if not name or not values:
        raise Refusal(f"--option {given}: write NAME=VALUE, or NAME=VALUE,VALUE")
    return name, [_value(text.strip()) for text in values.split(",")]


def _value(text: str) -> bool | int | float | str:
    """A number, true or false, or a word, of which the loss says what it may be."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _limits(given: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in given.split(":"))
    except ValueError:
        raise Refusal(f"--range {given}: write LOW:HIGH, such as -3:3") from None
    return low, high
