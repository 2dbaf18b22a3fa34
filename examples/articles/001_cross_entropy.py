"""The article "torch 交叉熵损失" (torch's cross-entropy loss), with Lossary: self-information, entropy, relative
entropy, cross-entropy; then the loss in NumPy, in five steps, and its options.

Run: python examples/articles/001_cross_entropy.py

It prints:

    self-information of 1, 1/2, 1/8 in bits  0 1 3
    of two events together, and their sum    4 4
    entropy of one-hot, skewed, uniform      0.0000 0.9404 1.3863
    D(p, q), D(q, p), D(p, p)                0.2126 0.2444 0.0000
    H(p, q) = H(p) + D(p, q)                 1.1530 = 0.9404 + 0.2126
    one label of several, cross-entropy      0.3567
    in NumPy, in five steps                  0.7708
    Lossary on NumPy                         0.7708
    Lossary's CrossEntropyLoss on torch      0.7708
    LogSoftmax, then NLLLoss                 0.7708
    weight                                   0.7869
    ignore_index                             0.8832
    reduction none                           0.4493 0.5460 1.3172
    reduction sum                            2.3125
"""

import numpy as np
import torch

import lossary
from lossary import information, nn

SKEWED, Q = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.4, 0.3, 0.2, 0.1])
LOGITS = np.array([[2.0, 1.0, 0.1, -1.0], [0.5, -0.5, 1.5, 0.0], [-0.3, 0.2, 0.4, 0.1]])
LABELS = np.array([0, 2, 1])


def show(what: str, *values: float, form: str = ".4f") -> None:
    print(f"{what:<40}", *(format(float(value), form) for value in values))


def from_information_to_cross_entropy() -> None:
    bits = information.self_information(np.array([1.0, 0.5, 0.125]), base="bits")
    show("self-information of 1, 1/2, 1/8 in bits", *bits, form="g")
    together = information.self_information(np.array([0.5 * 0.125]), base="bits")
    show("of two events together, and their sum", *together, bits[1] + bits[2], form="g")
    of_each = (information.entropy(p) for p in (np.eye(4)[0], SKEWED, np.full(4, 0.25)))
    show("entropy of one-hot, skewed, uniform", *of_each)
    pairs = ((SKEWED, Q), (Q, SKEWED), (SKEWED, SKEWED))
    show("D(p, q), D(q, p), D(p, p)", *(information.relative_entropy(*pair) for pair in pairs))
    parts = information.entropy(SKEWED), information.relative_entropy(SKEWED, Q)
    print(
        f"{'H(p, q) = H(p) + D(p, q)':<40} {information.cross_entropy(SKEWED, Q):.4f} = {parts[0]:.4f} + {parts[1]:.4f}"
    )
    show("one label of several, cross-entropy", lossary.binary_cross_entropy(np.array([0.7]), np.array([1.0])))


def in_five_steps(logits: np.ndarray, labels: np.ndarray) -> float:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = exponentials / exponentials.sum(axis=1, keepdims=True)  # 1. softmax
    log_probability = np.log(probability)  # 2. logarithm
    one_hot = np.eye(logits.shape[1])[labels]  # 3. one-hot labels
    terms = -one_hot * log_probability  # 4. product, with the sign changed
    return float(terms.sum(axis=1).mean())  # 5. sum over the classes, mean over the batch


def the_same_four_times() -> None:
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    show("in NumPy, in five steps", in_five_steps(LOGITS, LABELS))
    show("Lossary on NumPy", lossary.cross_entropy(LOGITS, LABELS))
    show("Lossary's CrossEntropyLoss on torch", nn.CrossEntropyLoss()(logits, labels))
    show("LogSoftmax, then NLLLoss", nn.NLLLoss()(nn.LogSoftmax(dim=1)(logits), labels))


def options() -> None:
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    show("weight", lossary.cross_entropy(LOGITS, LABELS, weight=weight))
    show("ignore_index", lossary.cross_entropy(LOGITS, LABELS, ignore_index=2))
    show("reduction none", *lossary.cross_entropy(LOGITS, LABELS, reduction="none"))
    show("reduction sum", lossary.cross_entropy(LOGITS, LABELS, reduction="sum"))


if __name__ == "__main__":
    from_information_to_cross_entropy()
    the_same_four_times()
    options()
