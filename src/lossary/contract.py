"""The words that say what an argument of a loss is: for losses of one's own (`lossary.loss`).

A word takes a shape, a row of names: `N` samples, `C` classes, `?N` an axis that may be missing, `*s` any number.

>>> from lossary.contract import class_indices, logits
>>> print(logits("?N C *d"), "|", class_indices("?N *d"))
(?N, C, *d) logits | (?N, *d) class indices
"""

from lossary.core.contract import Choice as Choice
from lossary.core.contract import Flag as Flag
from lossary.core.contract import Range as Range
from lossary.core.contract import boxes as boxes
from lossary.core.contract import class_indices as class_indices
from lossary.core.contract import counts as counts
from lossary.core.contract import features as features
from lossary.core.contract import log_probabilities as log_probabilities
from lossary.core.contract import logits as logits
from lossary.core.contract import masks as masks
from lossary.core.contract import probabilities as probabilities
from lossary.core.contract import real as real
from lossary.core.contract import signs as signs
from lossary.core.contract import target_probabilities as target_probabilities
from lossary.core.contract import variances as variances
from lossary.core.contract import weights as weights
