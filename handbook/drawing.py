"""Figures of matplotlib as part of a page: SVG that takes its colours and its letters from around it."""

import re
import warnings
from io import BytesIO

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossary.plots import COLOURS, STYLE
from lossary.reports.palette import ACCENT, INK, LEAF, MUTED, RULE, WARM, WASH

VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    ACCENT: "accent",
    WASH: "wash",
    WARM: "warm",
    LEAF: "leaf",
    **{colour: f"curve-{place}" for place, colour in enumerate(COLOURS)},
}
"""The variable of the style sheet for each colour, which the dark theme sets anew."""


def svg(figure: Figure, name: str) -> str:
    """The figure as SVG, whose colours are variables of the style sheet; letters that matplotlib's font lacks are the
    browser's."""
    written = BytesIO()
    with matplotlib.rc_context(STYLE | {"path.simplify_threshold": 0.4}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns:xlink="[^"]+"', "", text, count=3)
    text = re.sub(r"font: (?:[a-z]+ )*([\d.]+)px [^;\"]+", r"font-size: \1px", text)
    text = re.sub(r"font-family: [^;\"]+;?", "", text)
    text = re.sub(r' (?:d|x|y|transform)="[^"]+"', lambda found: re.sub(r"(\d\.\d)\d+", r"\1", found[0]), text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    text = re.sub(r' transform="rotate\(-0 [^"]*"|<style.*?</style>', "", text)
    for colour, variable in VARIABLES.items():
        text = re.sub(colour, f"var(--{variable}, {colour})", text, flags=re.IGNORECASE)
    text = _own_names(text, name)
    text = re.sub(r'<path d="[^"]*" style="fill: none"/>|<defs></defs>|; stroke-linecap: square', "", text)
    return text if "<g " in text else re.sub(r"</?g/?>", "", text)


def _own_names(text: str, name: str) -> str:
    """Names that no other figure of the page has; those that nothing refers to go."""
    used = re.findall(r'(?:url\(#|xlink:href="#)([\w-]+)', text)
    short = {old: f"{name}-{place}" for place, old in enumerate(dict.fromkeys(used))}
    text = re.sub(r' id="([\w.-]+)"', lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", text)
    text = re.sub(r"(?<=#)(\w+)(?=[)\"])", lambda found: short.get(found[1], found[1]), text)
    return text.replace("xlink:href", "href")


def axes(title: str = "", axis: str = "", width: float = 4.2, height: float = 3.0) -> tuple[Figure, Axes]:
    """A figure of one panel, its size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    panel = figure.subplots()
    panel.grid(axis="y", color=RULE, linewidth=0.5)
    panel.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    panel.margins(x=0)
    panel.tick_params(length=0)
    panel.locator_params(nbins=6)
    panel.set_title(title, fontsize=9, color=MUTED)
    panel.set_xlabel(axis)
    return figure, panel
