"""`lossary show NAME...`."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from lossary.cli.formula import readable, to_text
from lossary.cli.language import Lang, language_of
from lossary.cli.names import Function, Named, complete, find_any, members
from lossary.cli.page import Argument, Page, call, page, stated, summary
from lossary.cli.terminal import AsJson, bullets, formula, heading, indented, prints, show, show_json
from lossary.cli.words import word
from lossary.core.record import Example, Loss
from lossary.dispatch.loss import short
from lossary.identities import Identity
from lossary.misuse import Rule
from lossary.translations import Language, translate


def show_loss(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Losses by any name, functions of Lossary, identities, or codes such as LS101.",
            autocompletion=complete,
        ),
    ],
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Say all about a loss; or about a function, an identity, or a rule of `lossary check`.

    Formula, gradient, use, arguments, options, edge cases, pitfalls, what differs from torch, identities, sources.
    """
    show_named([find_any(name) for name in names], language_of(lang), as_json)


def show_named(found: Sequence[Named], language: Language, as_json: bool) -> None:
    if as_json:
        said = [_record(one, language) for one in found]
        show_json(said if len(said) > 1 else said[0])
        return
    for place, one in enumerate(found):
        show(*[Text()] * (place > 0), *_lines(one, language))


def _record(one: Named, language: Language) -> dict[str, Any]:
    def t(text: str) -> str:
        return translate(text, language)

    match one:
        case Loss():
            return asdict(page(one, language))
        case Identity():
            return asdict(stated(one, t)) | {"losses": one.losses, "relation": one.relation}
        case Rule():
            parts = {name: t(getattr(one, name)) for name in ("title", "why", "fix")}
            return {"code": one.code, "severity": one.severity, **parts, "words": one.words}
        case Function():
            return {"name": one.name, "signature": _signature(one), "doc": inspect.getdoc(one.object)}


def _lines(one: Named, language: Language) -> Iterator[RenderableType]:
    match one:
        case Loss():
            yield from _of_loss(page(one, language), language)
        case Identity():
            yield from of_identity(one, language)
            yield from _section(word("proof", language), Text(f"lossary verify {one.name}"))
        case Rule():
            yield Text.assemble((one.code, "bold"), f" {one.severity}  {translate(one.title, language)}")
            yield from _section(word("why", language), Text(translate(one.why, language)))
            yield from _section(word("fix", language), Text(translate(one.fix, language)))
        case Function():
            yield from _of_function(one, language)


def of_identity(identity: Identity, language: Language) -> Iterator[RenderableType]:
    """What an identity says, and where it holds."""
    said = stated(identity, lambda text: translate(text, language))
    yield Text(identity.name, style="bold")
    yield indented(Text(said.statement))
    yield from _section(word("formula", language), formula(readable(identity.formula), identity.formula))
    yield from _section(word("domain", language), Text(said.domain))
    if identity.losses:
        yield from _section(word("losses", language), Text(", ".join(identity.losses)))


def _of_function(function: Function, language: Language) -> Iterator[RenderableType]:
    doc = inspect.getdoc(function.object) or ""
    first = summary(function.object)
    yield Text.assemble((f"{function.name}{_signature(function)}", "bold"))
    yield Text(translate(first, language))
    for paragraph in filter(None, [doc[len(doc.partition("\n\n")[0]) :].strip("\n")]):
        yield Text()
        yield indented(Text(paragraph))
    if inspect.ismodule(function.object):
        of_module = (f"{name}: {translate(summary(f), language)}" for name, f in members(function.object))
        yield from _section(word("functions", language), bullets(of_module))


def _signature(function: Function) -> str:
    return "" if inspect.ismodule(function.object) else str(short(inspect.signature(function.object)))


def _of_loss(shown: Page, language: Language) -> Iterator[RenderableType]:
    def section(name: str, *parts: RenderableType, of: object = True) -> Iterator[RenderableType]:
        return _section(word(name, language), *parts) if of else iter(())

    def listed(name: str, lines: Iterable[str]) -> Iterator[RenderableType]:
        lines = list(lines)
        return section(name, bullets(lines), of=lines)

    def said(name: str, text: str) -> Iterator[RenderableType]:
        return section(name, Text(text), of=text)

    yield Text.assemble((shown.name, "bold"), f": {shown.title}")
    yield Text(", ".join([shown.family, *filter(prints, shown.aliases)]), style="dim")
    yield from section("formula", formula(shown.formula_text, shown.formula), of=shown.formula)
    if shown.symbols:
        yield indented(bullets(f"{_letter(letter)}: {text}" for letter, text in shown.symbols.items()))
    yield from section("gradient", formula(shown.gradient_text, shown.gradient), of=shown.gradient)
    yield from said("derivation", _prose(shown.derivation))
    yield from listed("constant", map(str, shown.held))
    yield from said("use", "\n\n".join(filter(None, [shown.summary, shown.use])))
    yield from listed("use when", shown.use_when)
    yield from listed("not when", shown.not_when)
    yield from listed("expect", [_worked(shown, shown.expect.start), shown.expect.floor] if shown.expect else [])
    yield from said("minimiser", shown.minimiser)
    yield from section("arguments", *_arguments(shown.arguments))
    yield indented(Text(_legend(shown, language), style="dim"))
    yield from section("options", *_arguments(shown.options))
    yield from said("unreduced", shown.unreduced)
    yield from said("edge cases", shown.edge_cases)
    names = ((translate(name.replace("_", " "), language), words) for name, words in shown.properties.items())
    yield from listed("properties", (f"{name}: {words}" for name, words in names))
    yield from section("differs", *_differences(shown), of=shown.differs_from_torch or shown.differences)
    yield from section("raises", *(Text(f"{names}: {text}") for names, text in shown.raises), of=shown.raises)
    yield from listed("pitfalls", shown.pitfalls)
    yield from listed("elsewhere", (f"{e.name} ({e.library}): {e.conversion}" for e in shown.elsewhere))
    yield from listed("identities", (f"{i.statement} ({i.name})" for i in shown.identities))
    yield from listed("by hand", (_worked(shown, example) for example in shown.examples))
    yield from listed("sources", map(str, shown.sources))


def _worked(shown: Page, example: Example) -> str:
    return f"{call(shown.name, example)} = {example.value:.12g}: {example.because}"


def _letter(latex: str) -> str:
    text = to_text(latex)
    return text if prints(text) else latex


def _prose(text: str) -> str:
    """Sentences with formulas between dollars."""
    return re.sub(r"\$([^$]+)\$", lambda found: _letter(found[1]), text)


def _differences(shown: Page) -> Iterator[RenderableType]:
    if shown.differs_from_torch:
        yield Text(shown.differs_from_torch)
    if shown.differences:
        yield bullets(map(str, shown.differences))


def _legend(shown: Page, language: Language) -> str:
    """What the marks in the shapes mean, if there are any."""
    shapes = "".join(argument.allowed for argument in shown.arguments)
    optional = dict.fromkeys(re.findall(r"\?\w+", shapes))
    meanings = [word("optional", language).format(axes=", ".join(optional))] if optional else []
    return "; ".join([*meanings, *[word("any", language)] * ("*" in shapes)])


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
