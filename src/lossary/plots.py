"""Figures of losses and their gradients over the range that each loss declares (`record.plot`).

>>> from lossary.plots import curves
>>> figure = curves(["huber_loss"], options={"delta": (0.5, 1.0)})
>>> [label.get_text() for label in figure.legends[0].get_texts()]
['delta = 0.5', 'delta = 1']
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossary.core.record import CATALOGUE, Loss, Plot
from lossary.report.bad_input import MissingExtra
from lossary.report.palette import INK, MUTED, RULE
from lossary.testing.libraries import LIBRARIES, Library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 801  # odd, so that the middle of a range, where losses have their kinks, is a point
MOST_CURVES = 12
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


@dataclass(frozen=True)
class Curve:
    """A loss and its derivative along the axis of its plot."""

    loss: str
    label: str
    axis: str
    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray


def curves(
    names: Sequence[str],
    *,
    options: Mapping[str, Sequence[Any]] | None = None,
    limits: tuple[float, float] | None = None,
) -> "Figure":
    """A matplotlib figure of losses (left) and their gradients (right).

    names: losses of the catalogue. One loss is drawn for each value of the option that its record sweeps; several are
    drawn at their defaults. options: values to draw instead, by the option's name, for the losses that have it.
    limits: the range of the axis, instead of each loss's own.

    Raises ValueError where a loss is unknown or has no curve, where no loss has an option, where the limits are none,
    or where there are more than 12 curves; what a loss says of an option or an input out of its domain; MissingExtra
    without matplotlib.
    """
    if limits and not 0 < limits[1] - limits[0] < np.inf:
        raise ValueError(f"the range is {limits[0]:g} to {limits[1]:g}; it must go up, and be finite")
    drawn = list(dict.fromkeys(names))
    options = options or {}
    plots = {name: _plot(name) for name in drawn}
    for option in options:
        if not any(option in choices(CATALOGUE[name]) for name in drawn):
            known = sorted({choice for name in drawn for choice in choices(CATALOGUE[name])})
            raise ValueError(f"{', '.join(drawn)}: no option {option!r} to draw; there is {', '.join(known) or 'none'}")
    wanted = [(CATALOGUE[n], p, given) for n, p in plots.items() for given in _sweep(n, p, options, len(drawn) == 1)]
    if not wanted:
        raise ValueError("no loss to draw")
    if len(wanted) > MOST_CURVES:
        raise ValueError(f"{len(wanted)} curves are too many to tell apart; draw at most {MOST_CURVES}")
    named = len(drawn) > 1
    return _draw(drawn, [_curve(record, plot, given, limits, named) for record, plot, given in wanted])


def choices(record: Loss) -> tuple[str, ...]:
    """What a curve of this loss can be drawn for several values of."""
    plot = record.plot
    if plot is None:
        return ()
    of_each_point = [name for name, spec in record.data.items() if spec.shape == "*s" and name in record.defaults]
    return tuple(dict.fromkeys([*plot.sweep, *plot.fixed, *of_each_point, *record.options]))


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


def _plot(name: str) -> Plot:
    if name not in CATALOGUE:
        raise ValueError(f"no loss is called {name!r}")
    plot = CATALOGUE[name].plot
    if plot is None:
        raise ValueError(f"{name} has no curve: it is not a function of one number")
    return plot


def _sweep(name: str, plot: Plot, options: Mapping[str, Sequence[Any]], alone: bool) -> list[dict[str, Any]]:
    """The arguments of each curve that differ from the fixed ones."""
    record = CATALOGUE[name]
    first = {option: (record.defaults.get(option, values[0]),) for option, values in plot.sweep.items()}
    own = {option: values for option, values in options.items() if option in choices(record)}
    swept = {**first, **own} if own or not alone else plot.sweep
    return [dict(zip(swept, values, strict=True)) for values in product(*swept.values())]


def _curve(record: Loss, plot: Plot, given: dict[str, Any], limits: tuple[float, float] | None, named: bool) -> Curve:
    shown = {n: v for n, v in given.items() if not named or v != record.defaults.get(n)}
    label = ", ".join([record.name] * named + [f"{n} = {_number(v)}" for n, v in shown.items()])
    x = np.linspace(*(limits or (plot.low, plot.high)), POINTS)
    library = LIBRARIES["torch" if find_spec("torch") else "numpy"]
    loss = _loss_of_axis(record, plot, {**plot.fixed, **given}, library)
    points = library.array(x, "float64")
    value = library.numpy(loss(points))
    if library.differentiates:
        gradient = library.numpy(library.gradient(lambda z: loss(z).sum(), points))
    elif record.held:
        raise ValueError(f"{record.name} needs torch to be drawn: {record.held[0].term} is held in its gradient")
    else:
        gradient = _differences(loss, x)
    return Curve(record.name, label, plot.axis, x, value, gradient)


def _loss_of_axis(record: Loss, plot: Plot, arguments: Mapping[str, Any], library: Library) -> Callable[[Any], Any]:
    """The unreduced loss as a function of the numbers on the axis."""
    first = next(iter(record.data))

    def row(name: str, value: Any) -> Any:
        """A number or a batch of one, once for each point."""
        if name not in record.data:
            return value
        array = np.asarray(value)
        repeated = np.broadcast_to(array, (POINTS, *array.shape[1:]))
        return library.array(repeated, "float64")

    fixed = {name: row(name, value) for name, value in arguments.items()}
    return lambda x: record.public(**{first: plot.embed(x) if plot.embed else x}, **fixed, reduction="none")


def _differences(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Central differences, one-sided at the ends: a domain may end there."""
    step = 1e-5 * (x[-1] - x[0])
    right, left = np.minimum(x + step, x[-1]), np.maximum(x - step, x[0])
    return (f(right) - f(left)) / (right - left)


def _number(value: Any) -> str:
    value = value[0] if isinstance(value, (list, tuple)) else value
    return f"{value:g}" if isinstance(value, float) else str(value)


def _draw(names: Sequence[str], drawn: Sequence[Curve]) -> "Figure":
    if find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "cli", "drawing")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel, title, ys in zip(panels, ("loss", "gradient"), _values_and_gradients(drawn), strict=True):
            for place, (curve, y) in enumerate(zip(drawn, ys, strict=True)):
                # Losses may coincide: one shows through the gaps of the next.
                dashes = DASHES[place % len(DASHES) if len(names) > 1 else place // len(COLOURS)]
                panel.plot(curve.x, y, label=curve.label, color=COLOURS[place % len(COLOURS)], linestyle=dashes)
            cut = _cut(panel, np.concatenate(ys))
            panel.set_title(title + " (its steepest parts cut off)" * cut, fontsize=9, color=MUTED)
            panel.set_xlabel(_axis(drawn))
            panel.margins(x=0)
            panel.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
            panel.grid(color=RULE, linewidth=0.5)
        figure.suptitle(CATALOGUE[names[0]].title if len(names) == 1 else ", ".join(names), fontsize=10)
        if len(drawn) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            columns = max(1, 110 // (max(map(len, labels)) + 8))
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(drawn), columns))
    return figure


def _values_and_gradients(drawn: Sequence[Curve]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [curve.value for curve in drawn], [curve.gradient for curve in drawn]


def _axis(drawn: Sequence[Curve]) -> str:
    axes = {curve.loss: curve.axis for curve in drawn}
    if len(set(axes.values())) == 1:
        return drawn[0].axis
    return "\n".join(f"{loss}: {axis}" for loss, axis in axes.items())


def _cut(panel: "Axes", y: np.ndarray) -> bool:
    """Leave out what is so steep that the rest would be a flat line; whether there was such a thing."""
    y = y[np.isfinite(y)]
    low, high = np.quantile(y, (0.05, 0.95)) if y.size else (0.0, 0.0)
    margin = 0.1 * (high - low)
    cut = bool(y.size and np.ptp(y) > 5 * (high - low) > 0)
    if cut:
        panel.set_ylim(low - margin, high + margin)
    return cut
