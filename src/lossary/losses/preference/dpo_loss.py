import math
from typing import Annotated, Any, Literal

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Choice, Range, margins, sequence_log_probs
from lossary.core.elementary import hinge, quotient, sigmoid, softplus, times
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss

SMOOTHING = Range(0.0, 0.5, high_open=True)
POSITIVE = Range(0.0, low_open=True, high_open=True)
KIND = Choice(
    voids_properties=("convex", "nonnegative"),
    ranges={
        "label_smoothing": {
            "sigmoid": SMOOTHING,
            "robust": SMOOTHING,
            "exo_pair": Range(0.0, 0.5, low_open=True, high_open=True),
        },
        "tau": {"discopop": POSITIVE},
    },
)
PAIR = {"chosen": [-10.0], "rejected": [-14.0], "reference_chosen": [-11.0], "reference_rejected": [-13.0]}
"""Log-ratios of 1 and -1: a lead of 2."""
APART = {"chosen": [-10.0], "rejected": [-15.0], "reference_chosen": [-12.0], "reference_rejected": [-14.0]}
"""Log-ratios of 2 and -1."""


@loss(
    family="preference",
    title="Direct preference optimisation (DPO) and its kin",
    formula=r"\ell_i = \begin{cases} (1 - e) S(-z) + e S(z) & \text{sigmoid} \\ \max(0, 1 - z) & \text{hinge} \\ "
    r"(r_+ - r_- - (m + 1/2) / \beta)^2 & \text{ipo} \\ ((1 - e) S(-z) - e S(z)) / (1 - 2 e) & \text{robust} \\ "
    r"\sigma(z) \log(\sigma(z) / (1 - e)) + \sigma(-z) \log(\sigma(-z) / e) & \text{exo\_pair} \\ S(-a) + S(a) / 2 + "
    r"S(b) / 2 & \text{nca\_pair} \\ S(-a) + S(b) & \text{bco\_pair} \\ (r_+ - (m + 1/2) / \beta)^2 + (r_- + 1 / (2 "
    r"\beta))^2 & \text{sppo\_hard} \\ \sigma(-a) + \sigma(b) & \text{apo\_zero} \\ \sigma(a) + \sigma(-z) & "
    r"\text{apo\_down} \\ \sigma(-z / \tau) S(-z) + \sigma(z / \tau) e^{-z} & \text{discopop} \end{cases} \qquad a = "
    r"\beta r_+ - m, \qquad b = \beta r_-, \qquad z = a - b, \qquad S(x) = \log(1 + e^x)",
    symbols={
        "r_+": "log-ratio of the chosen answer, chosen - reference_chosen",
        "r_-": "log-ratio of the rejected answer, rejected - reference_rejected",
        "a": "reward of the chosen answer",
        "b": "reward of the rejected answer",
        "z": "lead of the chosen answer",
        r"\beta": "beta",
        "m": "margin",
        "e": "label_smoothing",
        r"\tau": "tau",
        "S": "softplus",
    },
    gradient=r"\frac{\partial \ell_i}{\partial r_+} = \begin{cases} \beta (\sigma(z) - (1 - e)) & \text{sigmoid} \\ "
    r"-\beta [z < 1] & \text{hinge} \\ 2 (r_+ - r_- - (m + 1/2) / \beta) & \text{ipo} \\ -\beta (\sigma(-z) + e / (1 "
    r"- 2 e)) & \text{robust} \\ \beta \sigma(z) \sigma(-z) (z - \log((1 - e) / e)) & \text{exo\_pair} \\ \beta "
    r"(\tfrac32 \sigma(a) - 1) & \text{nca\_pair} \\ -\beta \sigma(-a) & \text{bco\_pair} \\ 2 (r_+ - (m + 1/2) / "
    r"\beta) & \text{sppo\_hard} \\ -\beta \sigma(a) \sigma(-a) & \text{apo\_zero} \\ \beta (\sigma(a) \sigma(-a) - "
    r"\sigma(z) \sigma(-z)) & \text{apo\_down} \\ \beta (h - \sigma(-z / \tau) \sigma(-z) - \sigma(z / \tau) e^{-z}) "
    r"& \text{discopop} \end{cases} \qquad h = \sigma(z / \tau) \sigma(-z / \tau) (e^{-z} - S(-z)) / \tau",
    derivation="The derivative by chosen is that by $r_+$, which is chosen less a constant; $a$ and $z$ both grow "
    r"with it by $\beta$, and $S'(x) = \sigma(x)$. With 'sigmoid' it is the probability that the model gives to the "
    r"order of the labels, less the $1 - e$ that it should be: pairs in the wrong order pull with nearly $\beta$, "
    "those that lead by far hardly. For the kinds that see the lead alone the rejected answer gets minus as much, "
    "and nothing holds either where it is: both log-probabilities may fall.",
    unreduced="?N",
    sources=(
        Source(
            "Rafailov, Sharma, Mitchell, Ermon, Manning, Finn, Direct Preference Optimization, 2023 (sigmoid)",
            "eq. (7)",
            "arxiv.org/abs/2305.18290",
        ),
        Source(
            "Liu, Zhao, Joshi, Khalman, Saleh, Liu, Liu, Statistical Rejection Sampling Improves Preference "
            "Optimization, 2023 (hinge)",
            "",
            "arxiv.org/abs/2309.06657",
        ),
        Source(
            "Azar, Rowland, Piot, Guo, Calandriello, Valko, Munos, A General Theoretical Paradigm to Understand "
            "Learning from Human Preferences, 2023 (ipo)",
            "eq. (17)",
            "arxiv.org/abs/2310.12036",
        ),
        Source("Ray Chowdhury, Kini, Natarajan, Provably Robust DPO, 2024 (robust)", "", "arxiv.org/abs/2403.00409"),
        Source(
            "Ji et al., Towards Efficient Exact Optimization, 2024 (exo_pair)", "eq. (16)", "arxiv.org/abs/2402.00856"
        ),
        Source("Chen et al., Noise Contrastive Alignment, 2024 (nca_pair)", "", "arxiv.org/abs/2402.05369"),
        Source("Jung et al., Binary Classifier Optimization, 2024 (bco_pair)", "", "arxiv.org/abs/2404.04656"),
        Source(
            "Wu et al., Self-Play Preference Optimization, 2024 (sppo_hard)", "eq. (4.7)", "arxiv.org/abs/2405.00675"
        ),
        Source(
            "D'Oosterlinck et al., Anchored Preference Optimization, 2024 (apo_zero, apo_down)",
            "eqs. (7), (8)",
            "arxiv.org/abs/2408.06266",
        ),
        Source(
            "Lu et al., Discovering Preference Optimization, 2024 (discopop)", "eq. (5)", "arxiv.org/abs/2406.08414"
        ),
        Source("Amini, Vieira, Cotterell, DPO with an Offset, 2024 (margin)", "", "arxiv.org/abs/2402.10571"),
    ),
    properties=("convex", "nonnegative", "permutation_invariant"),
    elsewhere=(
        Elsewhere(
            "trl",
            "trl.DPOTrainer",
            "kind is loss_type; it makes the sums itself; ipo takes averages over tokens; sigmoid is without "
            "label_smoothing",
        ),
        Elsewhere(
            "liger-kernel",
            "liger_kernel.chunked_loss.LigerFusedLinearDPOLoss",
            "from hidden states; average_log_prob=False; the chosen answers stand first in one batch",
        ),
        Elsewhere("lossary", "soft_margin_loss", "of z and 1: kind='sigmoid' without label_smoothing"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "of z and 1 - label_smoothing: kind='sigmoid'"),
        Elsewhere("lossary", "hinge_loss", "of z and 1: kind='hinge'"),
    ),
    examples=(
        Example(PAIR, 0.5981388693815918, "a lead of 2, β = 0.1: log(1 + e^-0.2)"),
        Example({**PAIR, "label_smoothing": 0.1}, 0.6181388693815918, "log(1 + e^-0.2) + 0.1·0.2"),
        Example({**PAIR, "kind": "robust", "label_smoothing": 0.1}, 0.5731388693815918, "log(1 + e^-0.2) - 0.2/8"),
        Example({**PAIR, "kind": "hinge"}, 0.8, "1 - 0.2"),
        Example({**PAIR, "kind": "ipo"}, 9.0, "(2 - 5)²"),
        Example({**APART, "kind": "sppo_hard"}, 25.0, "(2 - 5)² + (-1 + 5)²"),
    ),
    use_when=(
        "There are pairs of answers to one prompt, of which people or a judge preferred one, and a model to start "
        "from.",
        "A known share of the labels is wrong: kind='robust', whose mean over such labels is the loss of the right "
        "ones.",
        "Each answer's reward should move for itself, not the lead alone: kind='bco_pair', 'nca_pair' or 'apo_zero'.",
    ),
    not_when=(
        "Answers come without partners, each good or bad: binary_cross_entropy_with_logits of their rewards.",
        "There are good answers alone: cross_entropy of their tokens, as in supervised fine-tuning.",
        "A reward model is trained, which has no reference: soft_margin_loss of the difference of both scores and 1.",
    ),
    expect=Expect(
        Example(
            {
                "chosen": [-10.0],
                "rejected": [-14.0],
                "reference_chosen": [-10.0],
                "reference_rejected": [-14.0],
            },
            0.6931471805599453,
            "the model is its reference, and every lead is 0: log 2",
        ),
        "0, neared as the lead grows; 'hinge' is 0 where rewards lead by 1, 'ipo' where they lead by 1/2. With "
        "label_smoothing e it is the entropy of e and 1 - e, at a lead of log((1 - e) / e), where 'exo_pair' is 0; "
        "'robust' then has no least value and may be negative. 'nca_pair' ends at log(3/2) + log(3) / 2.",
    ),
    minimiser=Minimiser(
        "none: no pair has a target of its own. Of rewards that lead by as much in all pairs the best lead is "
        "infinite with kind='sigmoid', log((1 - e) / e) with label_smoothing e, anything from 1 on with 'hinge', and "
        "1/2 with 'ipo'."
    ),
    aliases=(
        "DPO",
        "DPOLoss",
        "direct preference optimization",
        "direct preference optimisation",
        "IPO",
        "cDPO",
        "rDPO",
        "LigerFusedLinearDPOLoss",
        "DPOTrainer",
        "直接偏好优化",
        "偏好优化",
    ),
    pitfalls=(
        "The four arguments are sums over the tokens of an answer, without those of the prompt and of padding. "
        "Averages make beta a hundred times too small; kind='ipo' is trained on averages (its authors, TRL) or on "
        "sums (the paper): the best lead, 1/(2β), is then one per token, or one of the whole answer.",
        "Chosen and rejected exchanged cannot be seen in one call: the loss is as good a number, and training teaches "
        "the rejected answers. The lead, which is 0 at first, must grow.",
        "The reference must not be trained: compute it without a graph (torch.no_grad), or its gradient is minus that "
        "of the model, and a model that is its own reference learns nothing.",
        "Sums in bf16 are off by whole units: two sums of -500 leave 2 to 4 of error in their difference. Sum "
        "log-probabilities in fp32.",
        "kind='sigmoid' with label_smoothing (conservative DPO) and kind='robust' are different losses: the first "
        "stops at a finite lead, the second has no lower bound and may be negative.",
        "A falling loss does not mean likelier chosen answers: both log-probabilities may fall, the rejected faster. "
        "Watch chosen - reference_chosen.",
    ),
    plot=Plot(
        -20.0,
        20.0,
        {"rejected": 0.0, "reference_chosen": 0.0, "reference_rejected": 0.0},
        {"kind": ("sigmoid", "hinge", "bco_pair", "apo_zero", "discopop")},
        axis="chosen - reference, the rejected as the reference",
    ),
)
def dpo_loss(
    chosen: Annotated[A, sequence_log_probs("?N")],
    rejected: Annotated[Array, sequence_log_probs("?N")],
    reference_chosen: Annotated[Array, sequence_log_probs("?N")],
    reference_rejected: Annotated[Array, sequence_log_probs("?N")],
    *,
    beta: Annotated[Array | float, POSITIVE] = 0.1,
    kind: Annotated[
        Literal[
            "sigmoid",
            "hinge",
            "ipo",
            "robust",
            "exo_pair",
            "nca_pair",
            "bco_pair",
            "sppo_hard",
            "apo_zero",
            "apo_down",
            "discopop",
        ],
        KIND,
    ] = "sigmoid",
    label_smoothing: Annotated[Array | float, SMOOTHING] = 0.0,
    tau: Annotated[Array | float, POSITIVE] = 0.05,
    margin: Annotated[Array | float | None, margins("?N", broadcasts=True)] = None,
    reduction: Reduction = "mean",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Loss of pairs of answers, of which one is preferred, by their log-probabilities under a model and a reference.

    Use it to train a language model on preferences without a reward model: the reward of an answer is beta times the
    logarithm of how much likelier the model makes it than the reference, and kind="sigmoid" is the negative
    log-likelihood of Bradley and Terry's model of these rewards. `lossary.linear_log_prob` makes log-probabilities of
    tokens without logits; add them up over the answer.

    Parameters
    ----------
    chosen, rejected : floating arrays of shape (N,), or of none
        Log-probabilities, in nats, of the preferred and of the other answer under the model: sums over their tokens.
    reference_chosen, reference_rejected : floating arrays of the same shape
        The same under the reference, which is not trained. Zeros make the loss free of a reference.
    beta : float in (0, inf)
        What a nat is worth as a reward. The larger, the closer to the reference the model stays.
    kind : one of eleven words
        The loss of the rewards, in the words of TRL: "sigmoid", "hinge", "ipo", "robust", "exo_pair" and "discopop"
        see the lead alone, "nca_pair", "bco_pair", "sppo_hard", "apo_zero" and "apo_down" each reward.
    label_smoothing : float in [0, 1/2)
        The probability that a label is wrong, for the kinds "sigmoid", "robust" and "exo_pair"; the last needs one
        above 0.
    tau : float in (0, inf)
        The temperature at which kind="discopop" passes from the logarithmic to the exponential term.
    margin : float, or array that broadcasts to (N,), optional
        By how much the chosen answer is to lead, as a reward: it is taken off the reward of the chosen one.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each pair, the denominator of the mean, and the implementation
        (docs/conventions.md). No kernel computes it: it is a few numbers for each pair.

    Edge cases
    ----------
    Models that are equal cost log 2 with kind="sigmoid". A lead of inf costs 0, one of -inf costs inf; -inf under both
    the model and the reference is NaN. kind="hinge" rests at a lead of exactly 1/beta. kind="ipo" pulls back beyond a
    lead of 1/(2 beta). kind="robust" with label_smoothing has no lower bound.

    Differs from torch
    ------------------
    torch has no such loss. From those of other libraries it differs so:

    - kind="sigmoid" with label_smoothing: conservative DPO; trl: the option is not read
    - kind="ipo": of what is given, sums or averages; trl: averages over tokens (huggingface/trl#1265)
    - kind="discopop" at a lead far below 0: the logarithmic term; trl: NaN, of 0 · inf
    - label_smoothing with a kind that has none: `ValueError`; trl: not read
    - kind="exo_pair" without label_smoothing: `ValueError`; trl: inf

    Raises
    ------
    ValueError, TypeError
        Where label_smoothing or tau do not belong to the kind, or where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> chosen, rejected = np.array([-10.0]), np.array([-14.0])
    >>> float(dpo_loss(chosen, rejected, np.array([-11.0]), np.array([-13.0])).round(6))  # log(1 + e^(-0.1 · 2))
    0.598139
    """
    won, lost = chosen - reference_chosen, rejected - reference_rejected
    m = 0.0 if margin is None else margin
    if kind == "ipo":
        return (won - lost - (m + 0.5) / beta) ** 2
    if kind == "sppo_hard":
        return (won - (m + 0.5) / beta) ** 2 + (lost + 0.5 / beta) ** 2
    z = _reward(won - lost, beta) - m
    if kind == "hinge":
        return hinge(1 - z)
    if kind in ("sigmoid", "robust", "exo_pair"):
        return _of_noisy_labels(z, kind, label_smoothing)
    if kind == "discopop":
        return _discovered(z, tau)
    return _of_rewards(kind, _reward(won, beta) - m, _reward(lost, beta), z)


def _reward(log_ratio: Array, beta: Array | float) -> Array:
    """beta · log_ratio, of which the derivative by beta is 0 where it is infinite."""
    if not is_array(beta):
        return beta * log_ratio
    xp = namespace(log_ratio)
    infinite = xp.isinf(log_ratio)
    return xp.where(infinite, log_ratio, beta * xp.where(infinite, 0.0, log_ratio))


def _of_noisy_labels(z: Array, kind: str, e: Array | float) -> Array:
    """Where a label is wrong with the probability `e`."""
    right, wrong = softplus(-z), softplus(z)
    if kind == "sigmoid":
        return times(1 - e, right) + times(e, wrong) if is_array(e) or e > 0 else right
    if kind == "robust":  # ((1 - e) S(-z) - e S(z)) / (1 - 2e), where S(z) = z + S(-z)
        return right - times(e / (1 - 2 * e), z) if is_array(e) or e > 0 else right
    log: Any = namespace(z) if is_array(e) else math
    q, p = sigmoid(z), sigmoid(-z)
    return -(times(q, right) + times(p, wrong)) - q * log.log1p(-e) - p * log.log(e)


def _discovered(z: Array, tau: Array | float) -> Array:
    """σ(-z/τ) S(-z) + σ(z/τ) e^-z, whose last factors leave the range of floats far below 0, and not their product."""
    xp = namespace(z)
    share = quotient(z, tau)
    exponent = -softplus(-share) - xp.where(z == -xp.inf, 0.0, z)
    return times(sigmoid(-share), softplus(-z)) + xp.exp(exponent)


def _of_rewards(kind: str, won: Array, lost: Array, lead: Array) -> Array:
    if kind == "nca_pair":
        return softplus(-won) + (softplus(won) + softplus(lost)) / 2
    if kind == "bco_pair":
        return softplus(-won) + softplus(lost)
    if kind == "apo_zero":
        return sigmoid(-won) + sigmoid(lost)
    return sigmoid(won) + sigmoid(-lead)
