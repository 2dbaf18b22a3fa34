"""Curves of losses and their gradients, one over another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lossary.core.record import KNOWN, Loss, Plot
from lossary.plots.axes import Axis, common
from lossary.plots.canvas import COLOURS, DASHES, canvas, dress
from lossary.testing.libraries import LIBRARIES, Library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 801  # odd, so that the middle of a range, where losses have their kinks, is a point
MOST_CURVES = 12


@dataclass(frozen=True)
class Curve:
    """A loss and its derivative, at points of an axis."""

    loss: str
    label: str
    axis: Axis
    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray

    def coincides(self, other: "Curve") -> bool:
        pairs = ((self.value, other.value), (self.gradient, other.gradient))
        return all(np.allclose(mine, theirs, rtol=1e-6, atol=1e-9) for mine, theirs in pairs)


def curves(
    names: Sequence[str],
    *,
    options: Mapping[str, Sequence[Any]] | None = None,
    limits: tuple[float, float] | None = None,
) -> "Figure":
    """A matplotlib figure of losses (left) and their gradients (right).

    names: losses of the catalogue. One loss is drawn for each value of the option that its record sweeps; several are
    drawn at their defaults, on an axis that they have in common, and what coincides is marked. options: values to draw
    instead, by the option's name, for the losses that have it. limits: the range of the axis.

    Raises ValueError where a loss is unknown or has no curve, where losses have no axis in common, where no loss has an
    option, where the limits are none, or where there are more than 12 curves; what a loss says of an option or an input
    out of its domain; MissingExtra without matplotlib.
    """
    if limits and not 0 < limits[1] - limits[0] < np.inf:
        raise ValueError(f"the range is {limits[0]:g} to {limits[1]:g}; it must go up, and be finite")
    drawn = list(dict.fromkeys(names))
    options = options or {}
    plots = {name: _plot(name) for name in drawn}
    for option in options:
        if not any(option in choices(KNOWN[name]) for name in drawn):
            known = sorted({choice for name in drawn for choice in choices(KNOWN[name])})
            raise ValueError(f"{', '.join(drawn)}: no option {option!r} to draw; there is {', '.join(known) or 'none'}")
    wanted = [(name, given) for name, plot in plots.items() for given in _sweep(name, plot, options, len(drawn) == 1)]
    if not wanted:
        raise ValueError("no loss to draw")
    if len(wanted) > MOST_CURVES:
        raise ValueError(f"{len(wanted)} curves are too many to tell apart; draw at most {MOST_CURVES}")
    axes = common([KNOWN[name] for name in drawn])
    low, high = limits or (min(a.low for a in axes.values()), max(a.high for a in axes.values()))
    x = np.linspace(low, high, POINTS)
    named = len(drawn) > 1
    found = [curve(KNOWN[name], axes[name], x, given, named=named) for name, given in wanted]
    return _draw(drawn, list(_marked(found)))


def choices(record: Loss) -> tuple[str, ...]:
    """What a curve of this loss can be drawn for several values of."""
    plot = record.plot
    if plot is None:
        return ()
    of_each_point = [name for name, spec in record.data.items() if spec.shape == "*s" and name in record.defaults]
    return tuple(dict.fromkeys([*plot.sweep, *plot.fixed, *of_each_point, *record.options]))


def _plot(name: str) -> Plot:
    if name not in KNOWN:
        raise ValueError(f"no loss is called {name!r}")
    plot = KNOWN[name].plot
    if plot is None:
        raise ValueError(f"{name} has no curve: it is not a function of one number")
    return plot


def _sweep(name: str, plot: Plot, options: Mapping[str, Sequence[Any]], alone: bool) -> list[dict[str, Any]]:
    """The arguments of each curve that differ from the fixed ones."""
    record = KNOWN[name]
    first = {option: (record.defaults.get(option, values[0]),) for option, values in plot.sweep.items()}
    own = {option: values for option, values in options.items() if option in choices(record)}
    swept = {**first, **own} if own or not alone else plot.sweep
    return [dict(zip(swept, values, strict=True)) for values in product(*swept.values())]


def curve(record: Loss, axis: Axis, x: np.ndarray, given: Mapping[str, Any], *, named: bool = True) -> Curve:
    """A loss at points of an axis. given: the arguments beside those that its plot fixes. named: on the label."""
    plot = _plot(record.name)
    shown = {n: v for n, v in given.items() if not named or v != record.defaults.get(n)}
    label = ", ".join(
        [record.name + axis.note] * named + [f"{n} = {_number(v)}" for n, v in shown.items() if n not in axis.fixed]
    )
    library = LIBRARIES["torch" if find_spec("torch") else "numpy"]
    loss = _loss_of_axis(record, axis, {**plot.fixed, **given, **axis.fixed}, library, len(x))
    variable = axis.variable(x)
    points = library.array(variable, "float64")
    value = library.numpy(loss(points))
    if library.differentiates:
        gradient = library.numpy(library.gradient(lambda z: loss(z).sum(), points))
    elif record.held:
        raise ValueError(f"{record.name} needs torch to be drawn: {record.held[0].term} is held in its gradient")
    else:
        gradient = _differences(loss, variable)
    return Curve(record.name, label, axis, x, value, gradient)


def _loss_of_axis(
    record: Loss, axis: Axis, arguments: Mapping[str, Any], library: Library, points: int
) -> Callable[[Any], Any]:
    """The unreduced loss as a function of the variable of the axis, one number for each point."""
    first = next(iter(record.data))
    embed = record.plot.embed if record.plot and record.plot.embed else lambda x: x

    def row(name: str, value: Any) -> Any:
        """A number or a batch of one, once for each point."""
        if name not in record.data:
            return value
        array = np.asarray(value)
        repeated = np.broadcast_to(array, (points, *array.shape[1:]))
        return library.array(repeated, "float64")

    fixed = {name: row(name, value) for name, value in arguments.items()}

    def loss(variable: Any) -> Any:
        values = record.public(**{first: embed(axis.own(variable))}, **fixed, reduction="none")
        return values if values.ndim == 1 else values.reshape(points, -1).sum(-1)

    return loss


def _differences(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Central differences, one-sided at the ends: a domain may end there."""
    step = 1e-5 * (x[-1] - x[0])
    right, left = np.minimum(x + step, x[-1]), np.maximum(x - step, x[0])
    return (f(right) - f(left)) / (right - left)


def _number(value: Any) -> str:
    value = value[0] if isinstance(value, (list, tuple)) else value
    return f"{value:g}" if isinstance(value, float) else str(value)


def _marked(drawn: Sequence[Curve]) -> Iterator[Curve]:
    """The curves, each that lies on an earlier one labelled as equal to it."""
    for place, one in enumerate(drawn):
        same = next((other.label for other in drawn[:place] if one.coincides(other)), None)
        yield replace(one, label=f"{one.label} (= {same})") if same else one


def _draw(names: Sequence[str], drawn: Sequence[Curve]) -> "Figure":
    axis = drawn[0].axis
    with canvas(8, 3.6) as figure:
        panels = figure.subplots(1, 2)
        for panel, title, ys in zip(panels, ("loss", axis.gradient), _values_and_gradients(drawn), strict=True):
            for place, (one, y) in enumerate(zip(drawn, ys, strict=True)):
                # Losses may coincide: one shows through the gaps of the next.
                dashes = DASHES[place % len(DASHES) if len(names) > 1 else place // len(COLOURS)]
                panel.plot(one.x, y, label=one.label, color=COLOURS[place % len(COLOURS)], linestyle=dashes)
            cut = _cut(panel, np.concatenate(ys))
            dress(panel, title + " (its steepest parts cut off)" * cut, axis.label)
        figure.suptitle(KNOWN[names[0]].title if len(names) == 1 else ", ".join(names), fontsize=10)
        if len(drawn) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            columns = max(1, 110 // (max(map(len, labels)) + 8))
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(drawn), columns))
    return figure


def _values_and_gradients(drawn: Sequence[Curve]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [curve.value for curve in drawn], [curve.gradient for curve in drawn]


def _cut(panel: "Axes", y: np.ndarray) -> bool:
    """Leave out what is so steep that the rest would be a flat line; whether there was such a thing."""
    y = y[np.isfinite(y)]
    low, high = np.quantile(y, (0.05, 0.95)) if y.size else (0.0, 0.0)
    margin = 0.1 * (high - low)
    cut = bool(y.size and np.ptp(y) > 5 * (high - low) > 0)
    if cut:
        panel.set_ylim(low - margin, high + margin)
    return cut
