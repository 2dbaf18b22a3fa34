"""What is known about a loss in one piece: the record of the catalogue and the sections of its docstring."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lossary.cli.formula import readable
from lossary.core.contract import Range, Spec
from lossary.core.record import PROPERTIES, Elsewhere, Example, Held, Loss, Source


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
class Page:
    name: str
    title: str
    family: str
    formula: str
    formula_text: list[str]
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
    pitfalls: tuple[str, ...]
    elsewhere: tuple[Elsewhere, ...]
    examples: tuple[Example, ...]
    sources: tuple[Source, ...]


def page(record: Loss) -> Page:
    sections = dict(_sections(record.doc))
    summary, _, use = sections[""].partition("\n\n")
    described = {
        name: (kind, text)
        for names, kind, text in _entries(sections.get("Parameters", ""))
        for name in names.split(", ")
    }
    differs, *items = re.split(r"^- ", sections.get("Differs from torch", ""), flags=re.MULTILINE)
    arguments = [_argument(record, name, described.get(name, ("", ""))) for name in record.signature.parameters]
    return Page(
        name=record.name,
        title=record.title,
        family=record.family,
        formula=record.formula,
        formula_text=readable(record.formula),
        held=record.held,
        summary=_unwrapped(summary),
        use=_unwrapped(use),
        arguments=[a for a in arguments if a.required],
        options=[a for a in arguments if not a.required],
        reductions=record.reductions,
        unreduced=shape(record.unreduced),
        edge_cases=_unwrapped(sections.get("Edge cases", "")),
        differs_from_torch=_unwrapped(differs),
        differences=[_difference(record.name, _unwrapped(item)) for item in items],
        raises=[(names, text) for names, _, text in _entries(sections.get("Raises", ""))],
        properties={name: _property(record, name) for name in record.properties} | _coupled(record),
        pitfalls=record.pitfalls,
        elsewhere=record.elsewhere,
        examples=record.examples,
        sources=record.sources,
    )


def _property(record: Loss, name: str) -> str:
    """What a property says of the loss."""
    low, high = record.bounds or (0.0, 0.0)
    return PROPERTIES[name].format(low=f"{low:g}", high=f"{high:g}")


def _coupled(record: Loss) -> dict[str, str]:
    said = "the loss of a row depends on the other rows of the batch, and one of weight 0 is not in it"
    return {} if record.rows_independent else {"rows_coupled": said}


def _argument(record: Loss, name: str, described: tuple[str, str]) -> Argument:
    kind, text = described
    parameter = record.signature.parameters[name]
    required = parameter.default is parameter.empty
    if name in record.data:
        kind = contract(record.data[name])
    allowed = record.options.get(name)
    return Argument(
        name=name,
        allowed=kind,
        required=required,
        default=None if required else parameter.default,
        range=allowed if isinstance(allowed, Range) else None,
        description=text,
    )


def _difference(loss: str, item: str) -> Difference:
    found = re.fullmatch(r"([^:]+): (.+?); ([\w ,-]+): (.+?)(?: \(((?:[\w./-]*#\d+(?:, )?)+)\))?", item)
    if found is None:
        raise ValueError(f"{loss}: {item!r} is not of the form 'what: answer; torch: its answer (threads)'")
    what, answer, library, other, threads = found.groups()
    return Difference(what, answer, library, other, tuple(threads.split(", ")) if threads else ())


def contract(spec: Spec) -> str:
    return ", or ".join(
        f"{s.domain} {shape(s.shape)}" + (" or a shape that broadcasts to it" if s.broadcasts else "") for s in spec
    )


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
