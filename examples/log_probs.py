"""Losses that need no more of a language model's last layer than log-probabilities of tokens: DPO, GRPO and on-policy
distillation, written with `lossary.linear_log_prob`, beside the plain form that keeps all logits.

Run: python examples/log_probs.py
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear, logsigmoid

import lossary

TokenLogProbs = Callable[[Tensor, Tensor, Tensor], Tensor]
BATCH, LENGTH, FEATURES, VOCABULARY = 4, 12, 32, 500


def token_log_probs(hidden: Tensor, head: Tensor, tokens: Tensor) -> Tensor:
    """Of (batch, length) tokens; 0 for padding, which is marked by -100."""
    return lossary.linear_log_prob(hidden, head, tokens).log_prob


def plain_token_log_probs(hidden: Tensor, head: Tensor, tokens: Tensor) -> Tensor:
    log_p = linear(hidden, head).log_softmax(-1)
    chosen = log_p.gather(-1, tokens.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.where(tokens == -100, 0.0, chosen)


def dpo(chosen: Tensor, rejected: Tensor, chosen_before: Tensor, rejected_before: Tensor, beta: float = 0.1) -> Tensor:
    """Rafailov et al., 2023, eq. 7: log-probabilities of whole answers, now and in the reference model."""
    margin = (chosen - chosen_before) - (rejected - rejected_before)
    return -logsigmoid(beta * margin.sum(-1)).mean()


def grpo(now: Tensor, before: Tensor, advantage: Tensor, counted: Tensor, clip: float = 0.2) -> Tensor:
    """Shao et al., 2024, eq. 3 without its KL term: the ratio of tokens, clipped, times the advantage of the answer."""
    ratio = (now - before).exp()
    gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    return -(gain * counted).sum() / counted.sum()


def distillation(student: Tensor, teacher: Tensor, counted: Tensor) -> Tensor:
    """On tokens that the student drew, log student - log teacher estimates the reverse KL; its gradient is that of
    log student times this estimate (Agarwal et al., 2024)."""
    estimate = (student - teacher).detach()
    return (estimate * student * counted).sum() / counted.sum()


def losses(log_probs: TokenLogProbs, hidden: Tensor, head: Tensor, data: dict[str, Tensor]) -> dict[str, Tensor]:
    now = {name: log_probs(hidden, head, data[name]) for name in ("chosen", "rejected")}
    with torch.no_grad():
        before = {name: log_probs(data["hidden before"], head, data[name]) for name in now}
        teacher = log_probs(data["hidden of the teacher"], head, data["chosen"])
    counted = (data["chosen"] != -100).to(hidden.dtype)
    return {
        "DPO": dpo(now["chosen"], now["rejected"], before["chosen"], before["rejected"]),
        "GRPO": grpo(now["chosen"], before["chosen"], data["advantage"], counted),
        "distillation": distillation(now["chosen"], teacher, counted),
    }


def main() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    hidden, head = normal(BATCH, LENGTH, FEATURES).requires_grad_(), normal(VOCABULARY, FEATURES).requires_grad_()
    answers = torch.randint(VOCABULARY, (2, BATCH, LENGTH), generator=generator)
    answers[:, 1, 9:] = -100  # a shorter answer
    data = {
        "chosen": answers[0],
        "rejected": answers[1],
        "hidden before": hidden.detach() + 0.1 * normal(BATCH, LENGTH, FEATURES),
        "hidden of the teacher": normal(BATCH, LENGTH, FEATURES),
        "advantage": normal(BATCH, 1),
    }
    found, plain_form = (losses(f, hidden, head, data) for f in (token_log_probs, plain_token_log_probs))
    for name, ours in found.items():
        plain = plain_form[name]
        gradients, expected = (torch.autograd.grad(x, (hidden, head), retain_graph=True) for x in (ours, plain))
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-6)
        print(f"{name:<12} {ours.item():.6f}, as with all logits: {plain.item():.6f}")


if __name__ == "__main__":
    main()
