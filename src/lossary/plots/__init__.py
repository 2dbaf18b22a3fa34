"""Figures of losses: curves with their gradients, over the range that each declares or on a common axis.

>>> from lossary.plots import curves
>>> figure = curves(["huber_loss"], options={"delta": (0.5, 1.0)})
>>> [label.get_text() for label in figure.legends[0].get_texts()]
['delta = 0.5', 'delta = 1']
"""

from lossary.plots.canvas import COLOURS, STYLE, save
from lossary.plots.figures import FIGURES
from lossary.plots.overlay import POINTS, choices, curve, curves

__all__ = ["COLOURS", "FIGURES", "POINTS", "STYLE", "choices", "curve", "curves", "save"]
