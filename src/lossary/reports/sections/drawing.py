"""Shapes that several figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossary.reports.palette import ACCENT, INK, MUTED, RULE, WASH
from lossary.reports.result import width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPACE = 0.318  # em, of the font that Matplotlib measures with


def tick_label(name: str, most: int) -> str:
    """A name in at most so many columns.

    Matplotlib has no Chinese characters and measures 0.4 em too little for each; spaces in front, which SVG leaves
    out, make up for it.
    """
    shown = name
    while width(shown) + (shown != name) > most:
        shown = shown[:-1]
    missing = round(0.4 / SPACE * (width(shown) - len(shown)))
    return " " * missing + (shown if shown == name else f"{shown}…")


def log_axes(ax: Axes) -> None:
    """Both axes logarithmic, labelled 0.01, 1, 100."""
    for axis, scale in ((ax.xaxis, ax.set_xscale), (ax.yaxis, ax.set_yscale)):
        scale("log")
        axis.set_major_formatter(lambda value, place: f"{value:g}")
    ax.minorticks_off()


def labelled_bars(ax: Axes, rows: list[tuple[str, float, bool]], unit: str, interval: tuple[float, float]) -> None:
    """Bars from 0, each under its label; the highlighted ones in full colour, with the interval drawn on them."""
    ends = [value for _, value, _ in rows] + [end for end in interval if end == end]
    longest = max(ends) or 1.0
    for place, (label, value, highlighted) in enumerate(reversed(rows)):
        ax.barh(place, value, height=0.3, color=ACCENT if highlighted else WASH)
        ax.text(0, place + 0.24, label, ha="left", va="bottom", color=INK if highlighted else MUTED)
        end = value
        if highlighted and interval[0] == interval[0]:
            end = max(value, interval[1])
            ax.plot(interval, (place, place), color=INK, linewidth=1.2, solid_capstyle="butt")
        ax.text(end + 0.015 * longest, place, f"{value:.4g}", va="center", color=INK if highlighted else MUTED)
    ax.set_xlim(0, longest * 1.15)
    ax.set_ylim(-0.4, len(rows) - 0.3)
    ax.set_yticks([])
    ax.set_xlabel(unit)
    ax.spines["left"].set_color(RULE)
