"""`lossary show NAME`."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from lossary.cli.page import Argument, Page, call, page
from lossary.cli.terminal import AsJson, LossName, bullets, find, heading, indented, show, show_json


def show_loss(name: LossName, as_json: AsJson = False) -> None:
    """Say all about a loss.

    Formula, use, arguments, options, edge cases, pitfalls, what differs from torch, identities, sources.
    """
    described = page(find(name))
    if as_json:
        show_json(asdict(described))
    else:
        show(*_lines(described))


def _lines(shown: Page) -> Iterator[RenderableType]:
    yield Text.assemble((shown.name, "bold"), f": {shown.title}")
    yield Text(shown.family, style="dim")
    yield from _section("Formula", Text("\n".join(shown.formula_text), no_wrap=True, overflow="ignore"))
    if shown.held:
        yield from _section("Constant in derivatives", bullets(map(str, shown.held)))
    yield from _section("Use", Text(f"{shown.summary}\n\n{shown.use}"))
    yield from _section("Arguments", *_arguments(shown.arguments))
    yield indented(Text(_legend(shown), style="dim"))
    yield from _section("Options", *_arguments(shown.options))
    yield from _section("Shape of the unreduced loss", Text(shown.unreduced))
    yield from _section("Edge cases", Text(shown.edge_cases))
    stated = (f"{name}: {words}".replace("_", " ") for name, words in shown.properties.items())
    yield from _section("Properties", bullets(stated))
    yield from _section("Differs from torch", *_differences(shown))
    yield from _section("Raises", *(Text(f"{names}: {text}") for names, text in shown.raises))
    yield from _section("Pitfalls", bullets(shown.pitfalls))
    yield from _section("Elsewhere", bullets(f"{e.name} ({e.library}): {e.conversion}" for e in shown.elsewhere))
    if shown.identities:
        yield from _section("Identities", bullets(f"{i.statement} ({i.name})" for i in shown.identities))
    examples = (f"{call(shown.name, e)} = {e.value:.12g}: {e.because}" for e in shown.examples)
    yield from _section("Worked by hand", bullets(examples))
    yield from _section("Sources", bullets(map(str, shown.sources)))


def _differences(shown: Page) -> Iterator[RenderableType]:
    if shown.differs_from_torch:
        yield Text(shown.differs_from_torch)
    if shown.differences:
        yield bullets(map(str, shown.differences))


def _legend(shown: Page) -> str:
    """What the marks in the shapes mean, if there are any."""
    shapes = "".join(argument.allowed for argument in shown.arguments)
    optional = dict.fromkeys(re.findall(r"\?\w+", shapes))
    meanings = [f"{' and '.join(optional)} may be missing"] if optional else []
    return "; ".join([*meanings, "*d and *s are any number of dimensions"] if "*" in shapes else meanings)


def _section(title: str, *parts: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield heading(title)
    yield from map(indented, parts)


def _arguments(arguments: list[Argument]) -> Iterator[RenderableType]:
    """Each with its default and its description; those that are described together stand together."""
    for (allowed, description), together in groupby(arguments, key=lambda a: (a.allowed, a.description)):
        names = ", ".join(a.name if a.required else f"{a.name}={a.default!r}" for a in together)
        yield Text.assemble((names, "bold"), f": {allowed}" if allowed else "")
        if description:
            yield indented(Text(description))
