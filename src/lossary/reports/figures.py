"""Figures as SVG that takes the page's colours and fonts: text stays text, and colours are the page's variables."""

from __future__ import annotations

import re
import warnings
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lossary.core.canvas import canvas
from lossary.reports.palette import INK, LIGHT, MUTED, RULE
from lossary.reports.result import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

WIDTH = 4.3  # inches of 72 units; on a phone one unit is about one pixel, so that text keeps its size

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
COLOUR = re.compile(r"#[0-9a-f]{6}")
FONT = re.compile(r"'DejaVu Sans'(, [^;]+)?")
LONG = re.compile(r"-?\d+\.\d{3,}")

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class name may hold a dollar sign
    "font.size": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.labelsize": 9,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
}


def draw(figure: Figure) -> MatplotlibFigure:
    """The figure as matplotlib has it."""
    with canvas(WIDTH, figure.height, STYLE) as drawn:
        figure.draw(drawn.add_subplot())
    return drawn


def svg(figure: Figure, prefix: str) -> str:
    """The figure as an `<svg>` element. `prefix` keeps its ids apart from those of other figures on the page."""
    drawn, written = draw(figure), StringIO()
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({**STYLE, "svg.hashsalt": prefix}):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has fonts for it
        drawn.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(written.getvalue(), prefix, figure.text)


def _for_page(source: str, prefix: str, title: str) -> str:
    """The element alone: no metadata, no namespaces, no size of its own, colours and fonts by name."""
    root = ElementTree.fromstring(source)
    colours = {value: f"var(--{name})" for name, value in LIGHT.items()}

    def themed(style: str) -> str:
        return FONT.sub("var(--sans)", COLOUR.sub(lambda match: colours.get(match[0], match[0]), style))

    for parent in root.iter():
        for child in [child for child in parent if child.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
        parent.tag = parent.tag.removeprefix(SVG)
        attributes = {name.removeprefix(XLINK): value for name, value in parent.attrib.items()}
        if parent.tag == "g":
            attributes.pop("id", None)
        for name, value in attributes.items():
            if name == "style":
                value = themed(value)
            elif name == "id":
                value = f"{prefix}-{value}"
            elif name in ("href", "clip-path"):
                value = value.replace("#", f"#{prefix}-")
            else:
                value = LONG.sub(lambda match: f"{float(match[0]):.2f}", value)
            attributes[name] = value
        parent.attrib = attributes
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode")
