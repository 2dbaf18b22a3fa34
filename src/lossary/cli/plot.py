"""`lossary plot NAME...`."""

from pathlib import Path
from typing import Annotated

import typer

from lossary.cli.names import complete, find
from lossary.cli.terminal import Refusal


def plot(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Losses, as `lossary list` names them.", autocompletion=complete),
    ],
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

    One loss is drawn for several values of an option; several losses are drawn together.
    """
    from lossary import plots

    names = [find(name).name for name in names]
    path = out or Path(f"{'-'.join(dict.fromkeys(names))}.svg")
    options = dict(map(_values, option or ()))
    try:
        figure = plots.curves(names, options=options, limits=_limits(limits) if limits else None)
        plots.save(figure, path)
    except OSError as error:
        raise Refusal(f"{path}: cannot be written ({error.strerror}). Choose another place with --out") from None
    except (ValueError, TypeError, IndexError) as error:  # what a loss says of an option or an axis out of its domain
        raise Refusal(str(error)) from None
    typer.echo(str(path))


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
