"""Identities of the losses of preferences between answers."""

from typing import Any

import numpy as np

import lossary.functional as F
from lossary.core.arrays import Array, namespace
from lossary.core.elementary import sigmoid
from lossary.identities import domains
from lossary.identities.identity import Domain, Identity, Inputs, gradient


def _answers(rng: domains.Rng, extreme: bool) -> Inputs:
    names = ("chosen", "rejected", "reference_chosen", "reference_rejected")
    drawn = {name: -rng.uniform(0, 20, 2 * domains.ROWS) for name in names}
    if extreme:
        drawn["chosen"][:4], drawn["rejected"][2:6] = -300.0, -300.0
        drawn["chosen"][6:8], drawn["reference_rejected"][8:10] = 0.0, -300.0
    return {**drawn, "beta": float(rng.choice([0.05, 0.1, 0.5, 2.0]))}


ANSWERS = Domain("log-probabilities of answers: at most 0; beta > 0", _answers)
NOISY = domains.with_option(ANSWERS, "noise", "noise in (0, 0.45)", lambda rng, extreme: float(rng.uniform(0.01, 0.45)))
"""beta is a number, and so are options that are drawn beside it."""


def _loss(answers: Inputs, **options: Any) -> Array:
    return F.dpo_loss(**answers, reduction="none", **options)


def _swapped(answers: Inputs) -> Inputs:
    names = {"chosen": "rejected", "rejected": "chosen"}
    names |= {f"reference_{name}": f"reference_{other}" for name, other in names.items()}
    return {names.get(name, name): x for name, x in answers.items()}


def _lead(answers: Inputs) -> Array:
    won = answers["chosen"] - answers["reference_chosen"]
    return won - (answers["rejected"] - answers["reference_rejected"])


def _logit(answers: Inputs) -> Array:
    return answers["beta"] * _lead(answers)


def _of_yes(logits: Array, probability: float) -> Array:
    target = probability * namespace(logits).ones_like(logits)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _reverse_kl(answers: Inputs, noise: float) -> Array:
    """KL of the model's preference from that of noisy labels."""
    xp, z = namespace(answers["chosen"]), _logit(answers)
    labels = xp.stack([xp.zeros_like(z) + float(np.log1p(-noise)), xp.zeros_like(z) + float(np.log(noise))], axis=1)
    return F.kl_div_with_logits(labels, xp.stack([z, xp.zeros_like(z)], axis=1), reduction="none")


PREFERENCE = (
    Identity(
        name="dpo_is_soft_margin_of_the_lead",
        statement="DPO is the soft margin loss of the lead in rewards.",
        formula=r"\mathrm{DPO}_\beta = \mathrm{SoftMargin}(\beta h, 1)",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers),
        right=lambda **answers: F.soft_margin_loss(
            _logit(answers), namespace(answers["chosen"]).ones_like(answers["chosen"]), reduction="none"
        ),
        losses=("dpo_loss", "soft_margin_loss"),
    ),
    Identity(
        name="conservative_dpo_is_binary_cross_entropy_of_the_lead",
        statement="DPO with label_smoothing is binary cross-entropy of the lead and the probability of a right label.",
        formula=r"\mathrm{DPO}_e = \mathrm{BCE}_{\mathrm{logits}}(\beta h, 1 - e)",
        inputs=NOISY,
        relation="equal",
        left=lambda noise, **answers: _loss(answers, label_smoothing=noise),
        right=lambda noise, **answers: _of_yes(_logit(answers), 1 - noise),
        losses=("dpo_loss", "binary_cross_entropy_with_logits"),
    ),
    Identity(
        name="dpo_hinge_is_hinge_of_the_lead",
        statement="DPO of kind 'hinge' is the hinge loss of the lead in rewards.",
        formula=r"\mathrm{DPO}_{\mathrm{hinge}} = \mathrm{Hinge}(\beta h, 1)",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers, kind="hinge"),
        right=lambda **answers: F.hinge_loss(
            _logit(answers), namespace(answers["chosen"]).ones_like(answers["chosen"]), reduction="none"
        ),
        losses=("dpo_loss", "hinge_loss"),
    ),
    Identity(
        name="ipo_is_a_squared_error_of_the_lead",
        statement="IPO is the squared error of the lead against 1/(2 beta).",
        formula=r"\mathrm{IPO} = \left(h - 1/(2 \beta)\right)^2",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers, kind="ipo"),
        right=lambda **answers: F.mse_loss(
            _lead(answers), 0 * _lead(answers) + 0.5 / answers["beta"], reduction="none"
        ),
        losses=("dpo_loss", "mse_loss"),
    ),
    Identity(
        name="robust_dpo_without_noise_is_dpo",
        statement="Robust DPO without label_smoothing is DPO.",
        formula=r"\mathrm{rDPO}_0 = \mathrm{DPO}",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers, kind="robust"),
        right=lambda **answers: _loss(answers),
        losses=("dpo_loss",),
        ulps=0.0,
    ),
    Identity(
        name="robust_dpo_is_unbiased",
        statement="The mean of robust DPO over labels that are wrong with probability e is DPO of the right ones.",
        formula=r"(1 - e)\, \mathrm{rDPO}_e(w, l) + e\, \mathrm{rDPO}_e(l, w) = \mathrm{DPO}(w, l)",
        inputs=NOISY,
        relation="equal",
        left=lambda noise, **answers: (
            (1 - noise) * _loss(answers, kind="robust", label_smoothing=noise)
            + noise * _loss(_swapped(answers), kind="robust", label_smoothing=noise)
        ),
        right=lambda noise, **answers: _loss(answers),
        losses=("dpo_loss",),
        unit=1e3,
    ),
    Identity(
        name="exchanged_answers_cost_the_lead_more",
        statement="DPO of exchanged answers costs more by the lead in rewards.",
        formula=r"\mathrm{DPO}(l, w) - \mathrm{DPO}(w, l) = \beta h",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(_swapped(answers)) - _loss(answers),
        right=lambda **answers: _logit(answers),
        losses=("dpo_loss",),
        unit=10.0,
    ),
    Identity(
        name="bco_is_a_binary_cross_entropy_of_each_reward",
        statement="BCO is binary cross-entropy of the chosen reward as a positive and of the rejected as a negative.",
        formula=r"\mathrm{BCO} = \mathrm{BCE}_{\mathrm{logits}}(\beta r_+, 1) + "
        r"\mathrm{BCE}_{\mathrm{logits}}(\beta r_-, 0)",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers, kind="bco_pair"),
        right=lambda **answers: (
            _of_yes(answers["beta"] * (answers["chosen"] - answers["reference_chosen"]), 1.0)
            + _of_yes(answers["beta"] * (answers["rejected"] - answers["reference_rejected"]), 0.0)
        ),
        losses=("dpo_loss", "binary_cross_entropy_with_logits"),
    ),
    Identity(
        name="exo_is_a_reverse_divergence",
        statement="EXO of a pair is the divergence of the model's preference from that of the noisy labels.",
        formula=r"\mathrm{EXO}_e = \mathrm{KL}(\sigma(\beta h), \sigma(-\beta h) \| 1 - e, e)",
        inputs=NOISY,
        relation="equal",
        left=lambda noise, **answers: _loss(answers, kind="exo_pair", label_smoothing=noise),
        right=lambda noise, **answers: _reverse_kl(answers, noise),
        losses=("dpo_loss", "kl_div_with_logits"),
        unit=10.0,
    ),
    Identity(
        name="a_margin_is_a_likelier_reference",
        statement="A margin is a reference that makes the chosen answer likelier by margin / beta.",
        formula=r"\mathrm{DPO}_m(\log \pi_0(w)) = \mathrm{DPO}(\log \pi_0(w) + m / \beta)",
        inputs=ANSWERS,
        relation="equal",
        left=lambda **answers: _loss(answers, margin=0.5),
        right=lambda **answers: _loss(
            {**answers, "reference_chosen": answers["reference_chosen"] + 0.5 / answers["beta"]}
        ),
        losses=("dpo_loss",),
        unit=10.0,
    ),
    Identity(
        name="dpo_gradient",
        statement="The gradient of DPO by the chosen log-probability is -beta · sigmoid of minus the lead in rewards.",
        formula=r"\partial_w \mathrm{DPO} = -\beta\, \sigma(-\beta h)",
        inputs=ANSWERS,
        relation="equal",
        left=lambda chosen, **others: gradient(lambda x: _loss({"chosen": x, **others}), chosen),
        right=lambda **answers: -answers["beta"] * sigmoid(-_logit(answers)),
        losses=("dpo_loss",),
        differentiates=True,
    ),
)
