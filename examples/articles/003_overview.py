"""The article that asks "这么多 Loss Function，为啥偏偏用这个呢？" (so many losses, why this one?), with Lossary: each
loss of torch.nn that it names, CTC too.

Run: python examples/articles/003_overview.py

It prints:

    L1Loss              4.1667
    SmoothL1Loss        3.7083
    MSELoss            34.7500
      by MSE the row that is off by 10 has 96 % of the loss, by L1 80 %
    NLLLoss             0.4977
      weighted          0.5138
    CrossEntropyLoss    0.4977
    BCELoss             0.3172
      over (0, x)       0.3172
    BCEWithLogitsLoss   0.3172
      pos_weight 3      0.6883
    KLDivLoss           0.1275
    CTCLoss             0.6051
"""

import torch

import lossary
from lossary import functional as F
from lossary import nn

PREDICTION, TRUTH = torch.tensor([0.5, 3.0, 13.0]), torch.tensor([0.0, 1.0, 3.0])
LOGITS = torch.tensor([[2.0, 1.0, 0.1, -1.0], [0.5, -0.5, 1.5, 0.0]])
LABELS = torch.tensor([0, 2])
SCORE, ANSWER = torch.tensor([0.8, -1.2]), torch.tensor([1.0, 0.0])


def show(what: str, value: torch.Tensor) -> None:
    print(f"{what:<18}{value:8.4f}")


def regression() -> None:
    for loss in (nn.L1Loss(), nn.SmoothL1Loss(), nn.MSELoss()):
        show(type(loss).__name__, loss(PREDICTION, TRUTH))
    shares = [loss(PREDICTION, TRUTH, reduction="none") for loss in (F.mse_loss, F.l1_loss)]
    squared, absolute = (100 * share[2] / share.sum() for share in shares)
    print(f"  by MSE the row that is off by 10 has {squared:.0f} % of the loss, by L1 {absolute:.0f} %")


def classification() -> None:
    log_p = nn.LogSoftmax(dim=1)(LOGITS)
    weight = lossary.class_weights(torch.tensor([0, 0, 1, 1, 2, 3]))  # frequencies of a training set
    show("NLLLoss", nn.NLLLoss()(log_p, LABELS))
    show("  weighted", nn.NLLLoss(weight=weight)(log_p, LABELS))
    show("CrossEntropyLoss", nn.CrossEntropyLoss()(LOGITS, LABELS))


def binary() -> None:
    show("BCELoss", nn.BCELoss()(SCORE.sigmoid(), ANSWER))
    two_logits = torch.stack([torch.zeros(2), SCORE], dim=1)
    show("  over (0, x)", nn.CrossEntropyLoss()(two_logits, ANSWER.long()))
    show("BCEWithLogitsLoss", nn.BCEWithLogitsLoss()(SCORE, ANSWER))
    show("  pos_weight 3", nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0))(SCORE, ANSWER))


def kl_and_ctc() -> None:
    soft = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.4, 0.1]])
    show("KLDivLoss", nn.KLDivLoss(reduction="batchmean")(LOGITS.log_softmax(1), soft))
    frames = torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]).log()  # of blank, a, b
    show("CTCLoss", nn.CTCLoss(reduction="sum")(frames, torch.tensor([1, 2]), torch.tensor(3), torch.tensor(2)))


if __name__ == "__main__":
    regression()
    classification()
    binary()
    kl_and_ctc()
