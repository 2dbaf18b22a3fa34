"""What Sphinx does for the handbook beside its own: pages in their order, figures within the page, the chart of
`lossary which`, the list of codes, the way to the other language, and notebooks."""

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from furo.navigation import get_navigation_tree
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from handbook import words
from handbook.contents import CONTENTS
from handbook.notebooks import has_code, notebook
from lossary.core.record import CATALOGUE
from lossary.misuse import RULES
from lossary.translations import translate

OF_LOSS = re.compile(r'<li class="toctree-l2"><a class="reference internal" href="(\w+)\.html">\w+</a></li>\n')


def language_of(app: Sphinx) -> str:
    return "zh" if str(app.config.language).startswith("zh") else "en"


def with_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Each page that holds others ends in their table of contents, which only the sidebar shows."""
    say = words.speaker(language_of(app))
    for caption, patterns in CONTENTS.get(docname, []):
        entries = [entry for pattern in patterns for entry in named(pattern, docname, app.env.found_docs)]
        if entries:
            listed = "\n".join(f"{short(entry)} </{entry}>" if short(entry) else f"/{entry}" for entry in entries)
            options = ":hidden:" + (f"\n:caption: {say(*caption)}" if caption[0] else "")
            source[0] += f"\n\n```{{toctree}}\n{options}\n\n{listed}\n```\n"


def visit_literal(writer: Any, node: nodes.literal) -> None:
    writer.body.append('<code class="literal">')


def depart_literal(writer: Any, node: nodes.literal) -> None:
    writer.body.append("</code>")


def holders(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """The pages that may hold others: which there are is not in their text."""
    return [docname for docname in env.found_docs if docname.endswith("index")]


def named(pattern: str, docname: str, known: set[str]) -> list[str]:
    """The page of this name, if it is there; with a star all pages of the folder but the one that holds them."""
    if not pattern.endswith("*"):
        return [pattern] if pattern in known else []
    folder = pattern.removesuffix("*")
    return sorted(d for d in known if re.fullmatch(f"{folder}[^/]+", d) and d != docname)


def short(docname: str) -> str:
    """In the sidebar losses stand by their name."""
    folder, _, name = docname.rpartition("/")
    return name if folder == "losses" and name != "index" else ""


class Drawing(nodes.General, nodes.Inline, nodes.Element):
    """A figure that stands in the page itself, where its style sheet colours it; no words for the search."""


def visit_drawing(writer: Any, node: Drawing) -> None:
    label = html.escape(node["label"])
    role = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    writer.body.append(f'<span class="figure" {role}>{node["svg"]}</span>')
    raise nodes.SkipNode


class FiguresInPage(SphinxPostTransform):
    default_priority = 5  # before Sphinx looks at images

    def run(self, **unused: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.app.srcdir) / image["uri"]
            if image["uri"].startswith("figures/") and path.exists():
                svg = path.read_text(encoding="utf-8")
                image.replace_self(Drawing(label=image.get("alt", ""), svg=svg))


class Which(SphinxDirective):
    """The chart of `lossary which`."""

    def run(self) -> list[nodes.Node]:
        from lossary.which import chart

        losses = "../" * self.env.docname.count("/") + "losses/"
        return [nodes.raw("", chart(language_of(self.env.app), losses), format="html")]


class Codes(SphinxDirective):
    """A table of the codes of `lossary.check`, each with a link to its page."""

    def run(self) -> list[nodes.Node]:
        language = language_of(self.env.app)
        say = words.speaker(language)
        rows = [
            f"| [{rule.code}](/stuck/{rule.code}.md) | {say(rule.severity, words.SEVERITIES[rule.severity])} "
            f"| {translate(rule.title, language)} |"
            for rule in RULES
        ]
        head = [f"| {say('code', '代码')} | {say('severity', '级别')} | {say('mistake', '问题')} |", "|---|---|---|"]
        return self.parse_text_to_nodes("\n".join(head + rows))


def only_this_branch(app: Sphinx, pagename: str, template: str, values: dict[str, Any], doctree: Any) -> None:
    """The sidebar holds the pages beside the one that is read, not those below every other; of losses, the family."""
    tree = values["toctree"](collapse=True, titles_only=True, maxdepth=-1, includehidden=True)
    folder, _, name = pagename.rpartition("/")
    if folder == "losses" and name in CATALOGUE:
        family = {record.name for record in CATALOGUE.values() if record.family == CATALOGUE[name].family}
        tree = OF_LOSS.sub(lambda found: found[0] if found[1] in family else "", tree)
    values["furo_navigation_tree"] = get_navigation_tree(tree)


def context(app: Sphinx, pagename: str, template: str, values: dict[str, Any], doctree: nodes.document | None) -> None:
    other = "en" if language_of(app) == "zh" else "zh"
    up = "../" * (pagename.count("/") + 1)
    values["other_language"] = f"{up}{other}/{pagename}.html"
    values["notebook"] = doctree is not None and has_code(doctree)
    values["say"] = words.speaker(language_of(app))


UNREAD = ("base-stemmer.js", "english-stemmer.js", "debug.css", "skeleton.css", "file.png", "minus.png", "plus.png")
"""What no page asks for."""
HAN = re.compile(r"\\u([3-9][0-9a-f]{3})")


def slim(app: Sphinx, error: Exception | None) -> None:
    """Without what nobody reads: maps of the theme's sources, its indents, escapes of Chinese, colours of figures that
    the style sheet has too. A fifth of the site."""
    if error is not None:
        return
    static = Path(app.outdir) / "_static"
    for path in [*static.rglob("*.map"), *(static / name for name in UNREAD)]:
        path.unlink()
    index = Path(app.outdir) / "searchindex.js"
    index.write_text(HAN.sub(lambda found: chr(int(found[1], 16)), index.read_text("utf-8")), "utf-8")
    for path in Path(app.outdir).rglob("*.html"):
        pieces = re.split(r"(<pre.*?</pre>)", path.read_text("utf-8"), flags=re.DOTALL)
        pieces[::2] = [re.sub(r"\s*\n\s*", "\n", piece) for piece in pieces[::2]]
        text = re.sub(r"(?<=var)\((--[\w-]+), #[0-9a-fA-F]{6}\)", r"(\1)", "".join(pieces))
        path.write_text(text.replace('"reference internal"', '"reference"'), "utf-8")


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for docname in sorted(app.env.found_docs):
            source = Path(app.env.doc2path(docname))
            made = notebook(source.read_text(encoding="utf-8"), Path(app.srcdir))
            if made:
                path = Path(app.outdir) / "notebooks" / f"{docname}.ipynb"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(made, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", holders)
    app.connect("source-read", with_contents)
    app.connect("html-page-context", context)
    app.connect("html-page-context", only_this_branch, priority=900)  # after the theme's
    app.connect("build-finished", write_notebooks)
    app.connect("build-finished", slim)
    app.add_node(nodes.literal, override=True, html=(visit_literal, depart_literal))
    app.add_node(Drawing, html=(visit_drawing, None))
    app.add_post_transform(FiguresInPage)
    app.add_directive("which", Which)
    app.add_directive("codes", Codes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
