"""Figures of losses: curves with their gradients, over the range that each declares or on a common axis.

>>> from lossary.plots import curves
>>> figure = curves(["huber_loss"], options={"delta": (0.5, 1.0)})
>>> [label.get_text() for label in figure.legends[0].get_texts()]
['delta = 0.5', 'delta = 1']
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lossary.misuse.resolve import resolve
from lossary.plots.canvas import COLOURS, STYLE, save
from lossary.plots.figures import FIGURES, OF_LOSS
from lossary.plots.overlay import POINTS, choices, curve, curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "FIGURES", "POINTS", "STYLE", "choices", "curve", "curves", "plot", "save"]


def plot(*losses: Callable[..., Any] | str, limits: tuple[float, float] | None = None, **options: Any) -> "Figure":
    """Draw losses and their gradients, as a figure of matplotlib.

    Parameters
    ----------
    losses : function, module or str
        `lossary.huber_loss` or "huber_loss". One is drawn for several values of an option; several are drawn together,
        on an axis that they have in common: the error, the lead of the true class, or its probability. Alone, also a
        figure that is no curve of a loss: "saturation", "ctc", "simplex".
    limits : (low, high)
        The range of the axis.
    options : value or tuple of values
        Draw a curve for each: `delta=(0.5, 1, 2)`.

    Returns
    -------
    Figure
        Shown by a notebook; `figure.savefig("losses.png")` writes it.

    Raises
    ------
    TypeError, ValueError
        Where a loss is none that is known, or cannot be drawn with these options or with the others.

    Examples
    --------
    >>> import lossary
    >>> figure = lossary.plot("huber_loss", delta=(0.5, 1.0))
    >>> [panel.get_title() for panel in figure.axes]
    ['loss', 'gradient']
    """
    if len(losses) == 1 and isinstance(losses[0], str) and losses[0] in FIGURES:
        return FIGURES[losses[0]]()
    names = [resolve(loss, "plot")[0].name for loss in losses]
    if len(names) == 1 and names[0] in OF_LOSS:
        return FIGURES[OF_LOSS[names[0]]]()
    several = {name: list(given) if isinstance(given, list | tuple) else [given] for name, given in options.items()}
    return curves(names, options=several, limits=limits)
