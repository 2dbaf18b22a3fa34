"""What is known about a loss in one piece: the record of the catalogue and the sections of its docstring."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lossary.cli.formula import readable
from lossary.core.contract import Range, Spec
from lossary.core.record import PROPERTIES, Elsewhere, Example, Expect, Held, Loss, Source
from lossary.identities import IDENTITIES, Identity
from lossary.translations import Language, translate

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Argument:
    """allowed: its domain and shape by the contract; of an option, what the docstring says. range: of a number."""

    name: str
    allowed: str
    required: bool
    default: Any
    range: Range | None
    description: str


@dataclass(frozen=True)
class Difference:
    """What Lossary answers and what another library does, as a rule torch; threads: "#1" of pytorch, "owner/name#1"."""

    what: str
    answer: str
    library: str
    other: str
    threads: tuple[str, ...]

    def __str__(self) -> str:
        threads = f" ({', '.join(self.threads)})" if self.threads else ""
        return f"{self.what}: {self.answer}; {self.library}: {self.other}{threads}"


@dataclass(frozen=True)
class Stated:
    """An identity that the loss stands in."""

    name: str
    statement: str
    formula: str
    domain: str


@dataclass(frozen=True)
class Page:
    name: str
    title: str
    family: str
    formula: str
    formula_text: list[str]
    symbols: dict[str, str]
    gradient: str
    gradient_text: list[str]
    derivation: str
    held: tuple[Held, ...]
    summary: str
    use: str
    arguments: list[Argument]
    options: list[Argument]
    reductions: tuple[str, ...]
    unreduced: str
    edge_cases: str
    differs_from_torch: str
    differences: list[Difference]
    raises: list[tuple[str, str]]
    properties: dict[str, str]
    use_when: tuple[str, ...]
    not_when: tuple[str, ...]
    expect: Expect | None
    minimiser: str
    pitfalls: tuple[str, ...]
    elsewhere: tuple[Elsewhere, ...]
    examples: tuple[Example, ...]
    identities: list[Stated]
    sources: tuple[Source, ...]
    aliases: tuple[str, ...]


def page(record: Loss, language: Language = "en") -> Page:
    return page_by(record, lambda text: translate(text, language))


def texts(record: Loss) -> list[str]:
    """All sentences about a loss, in the order of its page."""
    found: list[str] = []

    def note(text: str) -> str:
        if text:
            found.append(text)
        return text

    page_by(record, note)
    return found


def page_by(record: Loss, t: Translate) -> Page:
    sections = dict(_sections(record.doc))
    summary, _, use = sections[""].partition("\n\n")
    described = {
        name: (kind, text)
        for names, kind, text in _entries(sections.get("Parameters", ""))
        for name in names.split(", ")
    }
    differs, *items = re.split(r"^- ", sections.get("Differs from torch", ""), flags=re.MULTILINE)
    arguments = [_argument(record, name, described.get(name, ("", "")), t) for name in record.signature.parameters]
    return Page(
        name=record.name,
        title=t(record.title),
        family=record.family,
        formula=record.formula,
        formula_text=readable(record.formula),
        symbols={
            letter: text if text in record.signature.parameters else t(text) for letter, text in record.symbols.items()
        },
        gradient=record.gradient,
        gradient_text=readable(record.gradient),
        derivation=t(record.derivation),
        held=tuple(replace(held, what=t(held.what), when=t(held.when)) for held in record.held),
        summary=t(_unwrapped(summary)),
        use=t(_unwrapped(use)),
        arguments=[a for a in arguments if a.required],
        options=[a for a in arguments if not a.required],
        reductions=record.reductions,
        unreduced=shape(record.unreduced),
        edge_cases=t(_unwrapped(sections.get("Edge cases", ""))),
        differs_from_torch=t(_unwrapped(differs)),
        differences=[_difference(record.name, _unwrapped(item), t) for item in items],
        raises=[(names, t(text)) for names, _, text in _entries(sections.get("Raises", ""))],
        properties={name: _property(record, name, t) for name in record.properties} | _coupled(record, t),
        use_when=tuple(map(t, record.use_when)),
        not_when=tuple(map(t, record.not_when)),
        expect=record.expect
        and replace(record.expect, start=_example(record.expect.start, t), floor=t(record.expect.floor)),
        minimiser=t(record.minimiser.text if record.minimiser else ""),
        pitfalls=tuple(map(t, record.pitfalls)),
        elsewhere=tuple(replace(e, conversion=t(e.conversion)) for e in record.elsewhere),
        examples=tuple(_example(example, t) for example in record.examples),
        identities=[stated(identity, t) for identity in IDENTITIES if record.name in identity.losses],
        sources=record.sources,
        aliases=record.aliases,
    )


def stated(identity: Identity, t: Translate) -> Stated:
    return Stated(identity.name, t(identity.statement), identity.formula, t(identity.domain))


def summary(documented: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return _unwrapped((inspect.getdoc(documented) or "").partition("\n\n")[0])


def _example(example: Example, t: Translate) -> Example:
    return replace(example, because=t(example.because))


def _property(record: Loss, name: str, t: Translate) -> str:
    """What a property says of the loss."""
    low, high = record.bounds or (0.0, 0.0)
    return t(PROPERTIES[name]).format(low=f"{low:g}", high=f"{high:g}")


def _coupled(record: Loss, t: Translate) -> dict[str, str]:
    said = "the loss of a row depends on the other rows of the batch, and one of weight 0 is not in it"
    return {} if record.rows_independent else {"rows_coupled": t(said)}


def _argument(record: Loss, name: str, described: tuple[str, str], t: Translate) -> Argument:
    kind, text = described
    parameter = record.signature.parameters[name]
    required = parameter.default is parameter.empty
    kind = contract(record.data[name], t) if name in record.data else t(kind)
    allowed = record.options.get(name)
    return Argument(
        name=name,
        allowed=kind,
        required=required,
        default=None if required else parameter.default,
        range=allowed if isinstance(allowed, Range) else None,
        description=t(text),
    )


def _difference(loss: str, item: str, t: Translate) -> Difference:
    found = re.fullmatch(r"([^:]+): (.+?); ([\w ,-]+): (.+?)(?: \(((?:[\w./-]*#\d+(?:, )?)+)\))?", item)
    if found is None:
        raise ValueError(f"{loss}: {item!r} is not of the form 'what: answer; torch: its answer (threads)'")
    what, answer, library, other, threads = found.groups()
    return Difference(t(what), t(answer), library, t(other), tuple(threads.split(", ")) if threads else ())


def contract(spec: Spec, t: Translate = lambda text: text) -> str:
    def said(s: Spec) -> str:
        broadcasts = f" {t('or a shape that broadcasts to it')}" if s.broadcasts else ""
        return f"{t(str(s.domain))} {shape(s.shape)}{broadcasts}"

    return t(", or ").join(map(said, spec))


def shape(words: str) -> str:
    return f"({', '.join(words.split())})"


def call(name: str, example: Example) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in example.arguments.items())})"


def _sections(doc: str) -> Iterator[tuple[str, str]]:
    """Headings with their text, as numpydoc underlines them; what stands before the first has the heading ""."""
    parts = re.split(r"^(\S.*)\n-{3,}\n", f"{doc}\n", flags=re.MULTILINE)
    yield "", parts[0].strip()
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        yield title.strip(), text.strip("\n")


def _entries(section: str) -> Iterator[tuple[str, str, str]]:
    """(names, type, description) of each entry: a line that is not indented, and the indented ones below it."""
    for head, body in re.findall(r"^(\S.*)\n?((?:[ \t]+.*\n?|\n)*)", section, flags=re.MULTILINE):
        names, _, kind = head.partition(" : ")
        yield names.strip(), kind.strip(), _unwrapped(body)


def _unwrapped(text: str) -> str:
    """Paragraphs as one line each."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
