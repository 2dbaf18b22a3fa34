"""The article "几种常用 loss 函数原理及代码示例" (common losses, their principles and code), with Lossary: entropy,
cross-entropy, NLL, KL, CE = H + KL, BCE and its saturation, cosine similarity.

Run: python examples/articles/000_common_losses.py

It prints:

    cross-entropy, hard labels   0.4977
    cross-entropy, soft labels   1.2427
    nll of log_softmax           0.4977
    KL, batchmean                0.1275
    KL, mean over elements       0.0319
    sample: cross-entropy = entropy + KL
         1: 1.0393 = 0.9404 + 0.0989
         2: 1.4460 = 1.2899 + 0.1561
    gradients equal              True
    entropy of one-hot           0.0000
    BCE of probabilities         0.3172
    NLL over no and yes          0.3172
    BCE of logits                0.3172
    logit of a positive: loss and gradient, by the sigmoid and from the logit
          10:   0.0000  -0.0000    0.0000  -0.0000
           0:   0.6931  -0.5000    0.6931  -0.5000
         -10:  10.0000  -1.0000   10.0000  -1.0000
        -120: 100.0000   0.0000  120.0000  -1.0000
    cosine embedding             0.8536
"""

import warnings

import torch
from torch import Tensor

from lossary import functional as F
from lossary import nn
from lossary.information import decompose, entropy

LOGITS = torch.tensor([[2.0, 1.0, 0.1, -1.0], [0.5, -0.5, 1.5, 0.0]])
HARD = torch.tensor([0, 2])
SOFT = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.4, 0.1]])


def show(what: str, value: Tensor | bool) -> None:
    print(f"{what:<28} {value}" if isinstance(value, bool) else f"{what:<28} {value:.4f}")


def cross_entropy_and_kl() -> None:
    log_p = LOGITS.log_softmax(dim=1)
    show("cross-entropy, hard labels", nn.CrossEntropyLoss()(LOGITS, HARD))
    show("cross-entropy, soft labels", nn.CrossEntropyLoss()(LOGITS, SOFT))
    show("nll of log_softmax", nn.NLLLoss()(log_p, HARD))
    show("KL, batchmean", nn.KLDivLoss(reduction="batchmean")(log_p, SOFT))
    with warnings.catch_warnings(action="ignore"):  # which says that this is not the divergence
        show("KL, mean over elements", nn.KLDivLoss()(log_p, SOFT))


def cross_entropy_is_entropy_plus_kl() -> None:
    parts = decompose(LOGITS, SOFT)
    print("sample: cross-entropy = entropy + KL")
    for place, values in enumerate(zip(parts.cross_entropy, parts.entropy, parts.relative_entropy, strict=True), 1):
        print("{:6}: {:.4f} = {:.4f} + {:.4f}".format(place, *values))
    x = LOGITS.clone().requires_grad_()
    (of_ce,) = torch.autograd.grad(F.cross_entropy(x, SOFT, reduction="sum"), x)
    (of_kl,) = torch.autograd.grad(F.kl_div(x.log_softmax(dim=1), SOFT, reduction="sum"), x)
    show("gradients equal", torch.allclose(of_ce, of_kl, atol=1e-6))
    show("entropy of one-hot", entropy(torch.eye(4)[HARD]).max())


def binary() -> None:
    score, answer = torch.tensor([0.8, -1.2]), torch.tensor([1, 0])
    p = score.sigmoid()
    show("BCE of probabilities", nn.BCELoss()(p, answer.float()))
    show("NLL over no and yes", nn.NLLLoss()(torch.stack([1 - p, p], dim=1).log(), answer))
    show("BCE of logits", nn.BCEWithLogitsLoss()(score, answer.float()))


def saturation() -> None:
    print("logit of a positive: loss and gradient, by the sigmoid and from the logit")
    one = torch.tensor(1.0)
    for logit in (10.0, 0.0, -10.0, -120.0):
        line = f"{logit:8.0f}:"
        for loss in (lambda x: F.binary_cross_entropy(x.sigmoid(), one), lambda x: nn.BCEWithLogitsLoss()(x, one)):
            x = torch.tensor(logit, requires_grad=True)
            value = loss(x)
            (gradient,) = torch.autograd.grad(value, x)
            line += f" {value.item():8.4f} {gradient.item():8.4f} "
        print(line.rstrip())


def cosine() -> None:
    pairs = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    labels = torch.tensor([0, 1]) * 2 - 1  # 0 and 1 become -1 and 1
    show("cosine embedding", nn.CosineEmbeddingLoss()(*pairs, labels))


if __name__ == "__main__":
    cross_entropy_and_kl()
    cross_entropy_is_entropy_plus_kl()
    binary()
    saturation()
    cosine()
