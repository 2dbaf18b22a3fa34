"""The notebook that runs cross-entropy, NLL, KL, BCE and the cosine loss, with Lossary; and what the small number that
it adds inside of the logarithm does.

Run: python examples/articles/002_kl.py

It prints:

    cross-entropy, class indices         0.4977
    cross-entropy, probabilities         1.2427
    nll of log(softmax)                  0.4977
    nll of log(softmax + 1e-7)           0.4977
      the same, where the wrong class leads by 30: loss, gradient
      log(softmax + 1e-7)                16.1181 -0.0000
      cross-entropy                      30.0000 -1.0000
    KL, batchmean                        0.1275
    cross-entropy of each sample         1.0393 1.4460
    KL of each sample                    0.0989 0.1561
    entropy of each sample               0.9404 1.2899
    cross-entropy = entropy + KL         True
    BCE, and as NLL over two classes     0.3172 0.3172
    cosine embedding                     0.8536
"""

import torch

from lossary import functional as F
from lossary import information, nn

LOGITS = torch.tensor([[2.0, 1.0, 0.1, -1.0], [0.5, -0.5, 1.5, 0.0]])
LABELS = torch.tensor([0, 2])
SOFT = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.4, 0.1]])


def show(what: str, *values: torch.Tensor) -> None:
    print(f"{what:<36}", *(f"{value:.4f}" for value in torch.stack(values).reshape(-1).tolist()))


def nll_of_patched(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(torch.log(torch.softmax(logits, dim=-1) + 1e-7), labels)


def losses_of_classes() -> None:
    show("cross-entropy, class indices", nn.CrossEntropyLoss()(LOGITS, LABELS))
    show("cross-entropy, probabilities", nn.CrossEntropyLoss()(LOGITS, SOFT))
    show("nll of log(softmax)", nn.NLLLoss()(torch.log(torch.softmax(LOGITS, dim=-1)), LABELS))
    show("nll of log(softmax + 1e-7)", nll_of_patched(LOGITS, LABELS))
    print("  the same, where the wrong class leads by 30: loss, gradient")
    for name, loss in {"log(softmax + 1e-7)": nll_of_patched, "cross-entropy": F.cross_entropy}.items():
        far = torch.tensor([[30.0, 0.0]], requires_grad=True)
        value = loss(far, torch.tensor([1]))
        (gradient,) = torch.autograd.grad(value, far)
        show(f"  {name}", value.detach(), gradient[0, 1])


def cross_entropy_is_entropy_plus_kl() -> None:
    log_p = LOGITS.log_softmax(dim=-1)
    show("KL, batchmean", nn.KLDivLoss(reduction="batchmean")(log_p, SOFT))
    ce = nn.CrossEntropyLoss(reduction="none")(LOGITS, SOFT)
    kl = nn.KLDivLoss(reduction="none")(log_p, SOFT).sum(-1)
    entropy = information.entropy(SOFT)
    show("cross-entropy of each sample", ce)
    show("KL of each sample", kl)
    show("entropy of each sample", entropy)
    print(f"{'cross-entropy = entropy + KL':<36} {torch.allclose(ce, entropy + kl)}")


def binary_and_cosine() -> None:
    score, answer = torch.tensor([0.8, -1.2]), torch.tensor([1, 0])
    p = torch.sigmoid(score)
    two_classes = torch.stack([1 - p, p], dim=-1).log()
    show("BCE, and as NLL over two classes", nn.BCELoss()(p, answer.float()), nn.NLLLoss()(two_classes, answer))
    pairs = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    show("cosine embedding", nn.CosineEmbeddingLoss()(*pairs, torch.tensor([0, 1]) * 2 - 1))


if __name__ == "__main__":
    losses_of_classes()
    cross_entropy_is_entropy_plus_kl()
    binary_and_cosine()
