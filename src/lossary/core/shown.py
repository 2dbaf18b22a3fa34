"""How objects show themselves in a notebook: HTML in the notebook's own colours, whose style concerns nothing else.

Text, lines and shades are made of the colour of text that the notebook has; only hues know of light and dark.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from lossary.core.extras import MissingExtra
from lossary.core.mathml import mathml

Hues = Mapping[str, tuple[str, str]]

SEVERITIES: Hues = {
    "error": ("#b3261e", "#ff8a80"),
    "warning": ("#9a5b00", "#f0b35a"),
    "note": ("#2b5c9f", "#8ab4f1"),
}
"""The colour of each, on light and on dark."""
LIGHT = "[data-jp-theme-light=true], .vscode-light, .vscode-high-contrast-light, [data-theme=light], html[theme=light]"
DARK = (
    "[data-jp-theme-light=false], .vscode-dark, .vscode-high-contrast:not(.vscode-high-contrast-light), "
    "[data-theme=dark], html[theme=dark]"
)
"""Where JupyterLab, VS Code, Sphinx and Colab say which one they have; elsewhere the system does."""
STYLE = """
.lossary-shown.lossary-shown {
  & :where(:not(svg, svg *, math, math *)) { all: revert; }
  --ink: currentColor;
  --muted: color-mix(in srgb, currentColor 68%, transparent);
  --rule: color-mix(in srgb, currentColor 18%, transparent);
  --sans: var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif));
  --mono: var(--jp-code-font-family, var(--vscode-editor-font-family, ui-monospace, monospace));
  all: revert; max-width: 56rem; padding: 0.25rem 0; font: 14px/1.5 var(--sans);
  & p, & ul { margin: 0.35em 0; max-width: 46rem; }
  & ul { padding-left: 1.3em; }
  & .title { font-size: 1.15em; font-weight: 600; }
  & .muted { color: var(--muted); }
  & .of { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.15em 1em; margin: 0.35em 0; }
  & .of > dt { color: var(--muted); }
  & .of > dd { margin: 0; overflow-wrap: anywhere; }
  & code { font: 0.92em var(--mono); }
  & details { margin: 0.35em 0; }
  & summary { cursor: pointer; color: var(--muted); }
  & .scroll { overflow-x: auto; }
  & table { border-collapse: collapse; font-size: 0.93em; }
  & th, & td { text-align: left; vertical-align: top; font-weight: 400; padding: 0.15em 1.1em 0.15em 0; border: 0 solid
    var(--rule); border-bottom-width: 1px; }
  & thead th { color: var(--muted); vertical-align: bottom; }
  & .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  & math { margin: 0.5em 0; font-size: 1.05em; }
  & math .cases { border-left: 1.5px solid; border-radius: 0.7em 0 0 0.7em; padding-left: 0.4em; margin-left: 0.25em; }
  & math .cases mtd { text-align: left; padding: 0.18em 1.2em 0.18em 0; }
  & .error { color: var(--error); } & .warning { color: var(--warning); } & .note { color: var(--note); }
}
"""


def shown(*parts: str, hues: Hues = SEVERITIES, style: str = "") -> str:
    """Parts in the frame that they have in common. hues: further names for colours; style: what they add to it."""
    light, dark = ("".join(f"--{name}: {pair[k]}; " for name, pair in hues.items()) for k in (0, 1))
    of_hues = (
        f".lossary-shown {{ {light}}} @media (prefers-color-scheme: dark) {{ .lossary-shown {{ {dark}}} }} "
        f":is({LIGHT}) .lossary-shown {{ {light}}} :is({DARK}) .lossary-shown {{ {dark}}}"
    )
    return f'<div class="lossary-shown"><style>{of_hues}{STYLE}{style}</style>\n{"".join(parts)}</div>'


def text(value: object) -> str:
    """Escaped, with `words` between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(value)))


def paragraph(value: object, kind: str = "") -> str:
    return _element("p", text(value), kind)


def bullets(values: Iterable[object]) -> str:
    return _element("ul", "".join(_element("li", text(value)) for value in values))


def pairs(values: Iterable[tuple[str, object]]) -> str:
    """Words and what is said of each."""
    return _element("dl", "".join(_element("dt", text(word)) + _element("dd", text(x)) for word, x in values), "of")


def letters(meanings: Mapping[str, str]) -> str:
    """The letters of a formula and what they stand for."""
    of = "".join(_element("dt", formula(letter, "inline")) + _element("dd", text(x)) for letter, x in meanings.items())
    return _element("dl", of, "of")


def folded(summary: object, *parts: str) -> str:
    return _element("details", _element("summary", text(summary)) + "".join(parts))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool] = ()) -> str:
    kinds = ["number" if is_number else "" for is_number in numeric] or [""] * len(titles)

    def row(tag: str, cells: Sequence[str]) -> str:
        return _element("tr", "".join(_element(tag, text(x), kind) for x, kind in zip(cells, kinds, strict=True)))

    head = _element("thead", row("th", titles)) if any(titles) else ""
    body = _element("tbody", "".join(row("td", cells) for cells in rows))
    return _element("div", _element("table", head + body), "scroll")


def formula(latex: str, display: str = "block") -> str:
    """A formula as browsers draw it, or in LaTeX where nothing converts it."""
    try:
        return mathml(latex, display)
    except MissingExtra:
        return _element("p" if display == "block" else "span", _element("code", escape(latex)))


def _element(tag: str, content: str, kind: str = "") -> str:
    return f'<{tag} class="{kind}">{content}</{tag}>' if kind else f"<{tag}>{content}</{tag}>"
