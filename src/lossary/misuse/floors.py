"""The least that a loss on logits can answer when it is given probabilities by mistake."""

from math import e, log, log1p

SIGMOID_TWICE_NO, SIGMOID_TWICE_YES = log(2), log1p(1 / e)
"""Of a binary loss: targets of 0 and of 1. The sigmoid of a probability lies in [0.5, 0.731]."""


def softmax_twice(classes: int) -> float:
    """log(1 + (C - 1) / e): the cross-entropy of the softmax of a probability of 1 for the right class."""
    return log1p((classes - 1) / e)


def highest_softmax_of_probabilities(classes: int) -> float:
    """e / (e + C - 1): what the softmax makes of a probability of 1."""
    return e / (e + classes - 1)
