"""What is special to the losses of preferences: kinds beside TRL's, what belongs to which, far and infinite leads."""

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

import lossary.functional as F
from lossary import nn
from lossary.core.record import record_of

INF = float("inf")
KINDS = record_of(F.dpo_loss).options["kind"].words
generator = torch.Generator().manual_seed(0)
ANSWERS = tuple(-20 * torch.rand(4, 32, generator=generator, dtype=torch.float64))


def as_trl_has_it(chosen, rejected, reference_chosen, reference_rejected, kind, beta, e, tau):
    """Written from its formulas, of sums."""
    won, lost = chosen - reference_chosen, rejected - reference_rejected
    h = won - lost
    z = beta * h
    return {
        "sigmoid": lambda: -logsigmoid(z),
        "hinge": lambda: torch.relu(1 - z),
        "ipo": lambda: (h - 1 / (2 * beta)) ** 2,
        "robust": lambda: (e * logsigmoid(-z) - (1 - e) * logsigmoid(z)) / (1 - 2 * e),
        "exo_pair": lambda: (
            torch.sigmoid(z) * (logsigmoid(z) - np.log1p(-e)) + torch.sigmoid(-z) * (logsigmoid(-z) - np.log(e))
        ),
        "nca_pair": lambda: -logsigmoid(beta * won) - (logsigmoid(-beta * won) + logsigmoid(-beta * lost)) / 2,
        "bco_pair": lambda: -logsigmoid(beta * won) - logsigmoid(-beta * lost),
        "sppo_hard": lambda: (won - 0.5 / beta) ** 2 + (lost + 0.5 / beta) ** 2,
        "apo_zero": lambda: 1 - torch.sigmoid(beta * won) + torch.sigmoid(beta * lost),
        "apo_down": lambda: torch.sigmoid(beta * won) + 1 - torch.sigmoid(z),
        "discopop": lambda: -logsigmoid(z) * (1 - torch.sigmoid(z / tau)) + torch.exp(-z) * torch.sigmoid(z / tau),
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_that_of_trl(kind):
    own = {"label_smoothing": 0.1} if kind in ("robust", "exo_pair") else {"tau": 0.5} if kind == "discopop" else {}
    answers = [x.clone().requires_grad_() for x in ANSWERS]
    ours = F.dpo_loss(*answers, beta=0.3, kind=kind, **own, reduction="none")
    theirs = as_trl_has_it(*answers, kind, 0.3, 0.1, 0.5)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    gradients = (torch.autograd.grad(loss.sum(), answers) for loss in (ours, theirs))
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_margin_is_taken_off_the_reward_of_the_chosen(kind):
    own = {"label_smoothing": 0.1} if kind == "exo_pair" else {}
    chosen, rejected, *references = ANSWERS
    ours = F.dpo_loss(*ANSWERS, beta=0.5, kind=kind, margin=0.25, **own)
    torch.testing.assert_close(ours, F.dpo_loss(chosen - 0.5, rejected, *references, beta=0.5, kind=kind, **own))
    each = F.dpo_loss(*ANSWERS, beta=0.5, kind=kind, margin=torch.full((32,), 0.25), **own)
    torch.testing.assert_close(ours, each)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "ipo", "label_smoothing": 0.1}, "label_smoothing is 0.1, and kind is 'ipo'; label_smoothing must be "
         "left out: it belongs to kind='sigmoid' or 'robust' or 'exo_pair'"),
        ({"kind": "exo_pair"}, r"label_smoothing is 0.0, and kind is 'exo_pair'; .* must be in \(0, 0.5\)"),
        ({"tau": torch.tensor(0.1)}, "tau must be left out: it belongs to kind='discopop'"),
        ({"kind": "kto_pair"}, "kind is 'kto_pair'; it must be one of 'sigmoid', 'hinge'"),
        ({"label_smoothing": 0.5}, r"label_smoothing is 0.5; it must be in \[0, 0.5\)"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(options, said):
    with pytest.raises(ValueError, match=f"dpo_loss: .*{said}"):
        F.dpo_loss(*ANSWERS, **options)
    with pytest.raises(ValueError, match=f"DPOLoss: .*{said}"):
        nn.DPOLoss(**options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [-INF, -1e30, -1e4, -89.0, 0.0, 89.0, 1e4, 1e30, INF])
def test_a_far_lead_is_never_nan(kind, lead):
    """TRL's discopop is NaN from -89 on in fp32: 0 · inf."""
    own = {"label_smoothing": 0.1} if kind in ("robust", "exo_pair") else {}
    zero = torch.zeros(1)
    chosen = torch.tensor([lead], requires_grad=True)
    beta = torch.tensor(1.0, requires_grad=True)
    for learned in (1.0, beta):
        loss = F.dpo_loss(chosen, zero, zero, zero, beta=learned, kind=kind, **own)
        assert not loss.isnan()
        if loss.isfinite():
            assert not any(
                g.isnan() for g in torch.autograd.grad(loss, [chosen, beta], allow_unused=True) if g is not None
            )


def test_discopop_far_below_is_the_logarithmic_term():
    z = torch.tensor([-100.0, -1000.0])
    zero = torch.zeros(2)
    torch.testing.assert_close(F.dpo_loss(z, zero, zero, zero, beta=1.0, kind="discopop", reduction="none"), -z)


def test_it_is_a_module():
    module = nn.DPOLoss(beta=0.3, kind="robust", label_smoothing=0.1)
    expected = F.dpo_loss(*ANSWERS, beta=0.3, kind="robust", label_smoothing=0.1, margin=0.5)
    assert torch.equal(module(*ANSWERS, margin=0.5), expected)
    assert repr(module) == "DPOLoss(beta=0.3, kind='robust', label_smoothing=0.1)"


def test_one_pair_has_no_batch():
    one = F.dpo_loss(*(x[0] for x in ANSWERS), reduction="none")
    assert one.shape == () and torch.equal(one, F.dpo_loss(*ANSWERS, reduction="none")[0])
