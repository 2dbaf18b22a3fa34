"""docs/images/benchmarks.svg: time over the LIMIT of every case and contestant."""

from __future__ import annotations

from io import StringIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.cases import COMPILE, DTYPES, EAGER, JAX, KERAS, LOSSARY
from benchmarks.page import over_limit, size
from lossary.plots import STYLE
from lossary.reports.palette import INK, MUTED, RULE

# Okabe and Ito, Color Universal Design, 2008; and a shape for each, for those who see no colours.
MARKS = {
    EAGER: ("#D55E00", "s", 5.0),
    COMPILE: ("#E69F00", "^", 5.5),
    JAX: ("#009E73", "D", 4.5),
    KERAS: ("#CC79A7", "v", 5.5),
    LOSSARY: ("#0072B2", "o", 8.0),
}


def picture(report: dict[str, Any]) -> str:
    titles = list(dict.fromkeys((c["title"], size(c)) for c in report["times"]))
    place = {key: i for i, key in enumerate(reversed(titles))}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 1.6 + 0.27 * len(titles)), facecolor="white", layout="constrained")
        panels = figure.subplots(1, 2, sharey=True, sharex=True)
        for panel, dtype in zip(panels, DTYPES, strict=True):
            panel.set_facecolor("white")
            cases = [c for c in report["times"] if c["dtype"] == dtype]
            for case in cases:
                taken = [over_limit(case, "step", who) for who in MARKS if who in case["step"]]
                y = place[case["title"], size(case)]
                panel.plot([min(taken), max(taken)], [y, y], color=RULE, linewidth=1, zorder=1)
            for who, (colour, shape, points) in MARKS.items():
                drawn = [c for c in cases if who in c["step"]]
                x = [over_limit(c, "step", who) for c in drawn]
                y = [place[c["title"], size(c)] for c in drawn]
                panel.plot(x, y, shape, color=colour, markersize=points, markeredgecolor="white", label=who, zorder=3)
            panel.axvline(1.0, color=INK, linewidth=1, zorder=2)
            panel.set_xscale("log")
            panel.set_title(dtype, color=INK)
            panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            panel.grid(axis="x", color=RULE, linewidth=0.6)
            panel.tick_params(axis="y", length=0)
        panels[0].set_yticks(list(place.values()), [f"{title} {shape}" for title, shape in place], color=INK)
        panels[0].set_ylim(-0.7, len(titles) - 0.3)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=len(MARKS), frameon=False)
        measured = f"time over the LIMIT, forward and backward; measured {report['machine']['date']}"
        figure.supxlabel(measured, color=MUTED, fontsize="medium")
        written = StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
