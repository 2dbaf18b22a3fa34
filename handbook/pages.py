"""The pages that say what the package knows: of each loss, of each code of `lossary.check`, the gallery, the
identities, the reference. Each is Markdown by its place in the handbook."""

import inspect
import re
import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import lossary
from handbook import words
from handbook.curves import Panel, drawing, panels, thumbnail
from handbook.drawing import VARIABLES
from handbook.example import example
from handbook.figures import drawn
from lossary.cli.page import Stated, call, page, stated
from lossary.core.record import CATALOGUE, FAMILIES, Loss
from lossary.identities import IDENTITIES, Identity
from lossary.misuse import RULES
from lossary.misuse.finding import Finding
from lossary.translations import Language, translate

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/lossary/lossary/blob/main"
CODES = {rule.code for rule in RULES}
SPECIAL = re.compile(r"([\\*\[\]<>|$~]|(?<!\w)_|_(?!\w))")
LINKED = re.compile(
    r"(?P<code>`[^`]+`)|(?P<math>\$[^$]+\$)|(?P<page>docs/(?P<file>\w+)\.md)|(?P<rule>\bLS\d{3}\b)"
    r"|(?P<thread>(?:[\w.-]+/[\w.-]+)?#\d{2,})|(?P<url>\b(?:arxiv|doi|github|jmlr)\.org/\S+|github\.com/\S+)"
    r"|(?P<option>\b\w+=(?:'[^']*'|\"[^\"]*\"|-?\w[\w.]*)|'[a-z][a-z_]*'|\"[a-z]+\")"
    r"|(?P<name>\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b)"
)


class Writer:
    """The pages of one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.say = words.speaker(language)
        self.templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"prose": prose, "default_value": default_value}
        self.templates.globals |= {
            "say": self.say,
            "t": self.t,
            "call": call,
            "parts": parts,
            "family": self.family,
            "property": lambda name: self.of(words.PROPERTIES, name).replace("_", " "),
            "severity": lambda name: self.of(words.SEVERITIES, name),
        }

    def t(self, text: str) -> str:
        return translate(text, self.language)

    def of(self, chinese: dict[str, str], name: str) -> str:
        return self.say(name, chinese.get(name, name))

    def family(self, name: str) -> str:
        return self.say(name, words.FAMILIES[name])

    def write(self, template: str, **values: Any) -> str:
        text = self.templates.get_template(template).render(**values)
        return re.sub(r"\n{3,}", "\n\n", text)

    def sources(self) -> dict[str, str]:
        """Every generated file, by its place."""
        files = {f"figures/{name}.svg": text for name, text in drawn(self.language).items()}
        for record in lossary.catalogue():
            value, gradient = panels(record)
            axis = self.of(words.AXES, value.axis)
            for kind, panel in (("value", value), ("gradient", gradient)):
                name = f"{record.name}-{kind}"
                files[f"figures/curves/{name}.svg"] = drawing(panel, name, self.of(words.AXES, panel.title), axis)
            files[f"figures/small/{record.name}.svg"] = thumbnail(value, f"{record.name}-small")
            files[f"losses/{record.name}.md"] = self.loss(record, value, axis)
        files["losses/index.md"] = self.gallery()
        said = findings()
        files |= {f"stuck/{r.code}.md": self.write("code.md", rule=r, finding=said[r.code]) for r in RULES}
        files["reference/identities.md"] = self.identities()
        files["reference/api.md"] = self.api()
        files["reference/misuse.md"] = self.write("misuse.md")
        return self.reference() | files

    def loss(self, record: Loss, value: Panel, axis: str) -> str:
        shown = page(record, self.language)
        together = [list(options) for _, options in groupby(shown.options, key=lambda o: (o.allowed, o.description))]
        return self.write(
            "loss.md",
            page=shown,
            axis=axis,
            legend=legend(value),
            example=example(record),
            options=together,
            arguments=record.signature.parameters,
            names=[
                f"`{name}`" if name.isidentifier() and name.isascii() else name
                for name in shown.aliases
                if self.language == "zh" or name.isascii()
            ],
        )

    def gallery(self) -> str:
        families = [
            (family, [page(record, self.language) for record in records])
            for family, records in groupby(lossary.catalogue(), key=lambda record: record.family)
        ]
        assert [family for family, _ in families] == [f for f in FAMILIES if f in dict(families)]
        return self.write("gallery.md", families=families)

    def identities(self) -> str:
        families = [
            (family, [(self.identity(identity), identity.losses) for identity in together])
            for family, together in groupby(IDENTITIES, key=lambda i: i.left.__module__.rpartition(".")[2])
        ]
        return self.write("identities.md", families=families)

    def identity(self, identity: Identity) -> Stated:
        """With the arguments in its domain as code."""
        said = stated(identity, self.t)
        names = "|".join(inspect.signature(identity.left).parameters)
        return replace(said, domain=re.sub(rf"(?<!\w)({names})(?!\w)", r"`\1`", said.domain))

    def api(self) -> str:
        public = [(name, getattr(lossary, name)) for name in lossary.__all__ if name not in CATALOGUE]
        others = [(name, thing) for name, thing in public if callable(thing) or inspect.ismodule(thing)]
        return self.write("api.md", losses=lossary.catalogue(), others=others, summary=summary, signature=signature)

    def reference(self) -> dict[str, str]:
        """The pages of docs/; in Chinese a word that leads to them, where handbook/zh/reference has no translation."""
        files = {}
        decisions = []
        for path in sorted((ROOT / "docs").rglob("*.md")):
            place = path.relative_to(ROOT / "docs")
            text = path.read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix("# ")
            if place.parent.name == "decisions":
                decisions.append((place, self.of(words.REFERENCE, title)))
            if self.language == "en":
                files[f"reference/{place}"] = relinked(text, place)
            elif not (ROOT / "handbook" / "zh" / "reference" / place).exists():
                files[f"reference/{place}"] = self.write(
                    "english_only.md", title=self.of(words.REFERENCE, title), place=place
                )
        files["reference/decisions/index.md"] = self.write("decisions.md", decisions=decisions)
        return files


def findings() -> dict[str, Finding]:
    """What `lossary.check` says of a call with the mistake, by its code; the calls are those of its tests."""
    sys.path.append(str(ROOT / "tests"))
    from test_misuse import CASES

    found: dict[str, Finding] = {}
    for case in CASES:
        if case.code not in found:
            said = lossary.check(getattr(lossary, case.loss), *case.args, **case.options)
            found[case.code] = next(finding for finding in said if finding.code == case.code)
    return found


def prose(text: str, links: bool = True) -> str:
    """A text of the package as Markdown: names of losses, codes and threads become links."""

    def marked(found: re.Match[str]) -> str:
        whole = found[0]
        if found["math"]:
            return whole
        if found["code"]:
            name = whole.strip("`").removesuffix("()")
            return f"[{whole}](/losses/{name}.md)" if links and name in CATALOGUE else whole
        if found["page"]:
            return f"[{found['file']}](/reference/{found['file']}.md)" if links else whole
        if found["rule"]:
            return f"[{whole}](/stuck/{whole}.md)" if links and whole in CODES else whole
        if found["thread"]:
            repository, _, number = whole.partition("#")
            return (
                f"[{whole}](https://github.com/{repository or 'pytorch/pytorch'}/issues/{number})" if links else whole
            )
        if found["url"]:
            address = whole.rstrip(").,")
            return f"[{address}](https://{address}){whole[len(address) :]}" if links else whole
        return f"[`{whole}`](/losses/{whole}.md)" if links and whole in CATALOGUE else f"`{whole}`"

    pieces, end = [], 0
    for found in LINKED.finditer(text):
        pieces += [SPECIAL.sub(r"\\\1", text[end : found.start()]), marked(found)]
        end = found.end()
    return "".join([*pieces, SPECIAL.sub(r"\\\1", text[end:])]).replace("\n", "\n\n")


def parts(latex: str) -> list[str]:
    """A formula of several parts as one each, so that a narrow screen has less to scroll."""
    return [part.strip().rstrip(",;").strip() for part in latex.split(r"\qquad")] if latex else []


def default_value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def legend(panel: Panel) -> str:
    if len(panel.lines) < 2:
        return ""
    keys = "".join(
        f'<li><i style="background: var(--{VARIABLES[line.colour]})"></i>{line.label}</li>' for line in panel.lines
    )
    return f'<ul class="legend">{keys}</ul>'


def summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def signature(thing: Any) -> str:
    try:
        return re.sub(r"<function (\w+) at 0x\w+>", r"\1", str(inspect.signature(thing)))
    except (TypeError, ValueError):
        return ""


def relinked(text: str, place: Path) -> str:
    """Links to files that the handbook has not lead to the repository."""

    def led(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        path = (ROOT / "docs" / place.parent / target).resolve()
        if (
            not target
            or "://" in target
            or (path.suffix in {".md", ".svg", ".png"} and path.is_relative_to(ROOT / "docs"))
        ):
            return found[0]
        return f"]({REPOSITORY}/{path.relative_to(ROOT)}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\(([^)\s]+)\)", led, text)
