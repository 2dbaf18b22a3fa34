"""How figures look, and how they are written."""

import os
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossary.core.canvas import canvas as styled
from lossary.reports.palette import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png")
# Okabe and Ito, Color Universal Design, 2008, without the yellow that paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 3)), (0, (1.5, 1.5)), (0, (5, 1.5, 1.5, 1.5)))
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "figure.constrained_layout.w_pad": 0.1,
    "legend.frameon": False,
    "text.parse_math": False,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "svg.hashsalt": "lossary",
}


def canvas(width: float, height: float) -> "AbstractContextManager[Figure]":
    """An empty figure, drawn on in Lossary's style; MissingExtra without matplotlib."""
    return styled(width, height, STYLE)


def dress(panel: "Axes", title: str, axis: str) -> None:
    """What panels of curves have in common."""
    panel.set_title(title, fontsize=9, color=MUTED)
    panel.set_xlabel(axis)
    panel.margins(x=0)
    panel.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    panel.grid(color=RULE, linewidth=0.5)


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all; the same figure gives the same bytes."""
    import matplotlib

    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: the suffix must be {' or '.join(FORMATS)}")
    form = path.suffix.lower()[1:]
    written = BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(written, format=form, metadata={"Date": None} if form == "svg" else None)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(written.getvalue())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
