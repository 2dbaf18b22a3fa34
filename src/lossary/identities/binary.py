"""Identities of the losses over yes and no."""

from typing import Any

import lossary.functional as F
from lossary.core.arrays import Array, full, namespace
from lossary.core.elementary import softplus
from lossary.identities import domains
from lossary.identities.identity import Identity, gradient


def _with_logits(logits: Array, target: Array) -> Array:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _asymmetric(logits: Array, target: Array, **options: Any) -> Array:
    return F.asymmetric_loss(logits, target, reduction="none", **options)


def _sigmoid(x: Array) -> Array:
    return namespace(x).exp(-softplus(-x))


def _two_classes(no: Array, yes: Array) -> Array:
    return namespace(yes).stack([no, yes], axis=1)


def _of_duplicates(positives: Array, negatives: Array, copies: int) -> Array:
    xp = namespace(positives)
    logits = xp.concat([negatives] + [positives] * copies)
    target = xp.concat([xp.zeros_like(negatives)] + [xp.ones_like(positives)] * copies)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="sum")


def _of_weighted(positives: Array, negatives: Array, copies: int) -> Array:
    xp = namespace(positives)
    return F.binary_cross_entropy_with_logits(
        xp.concat([negatives, positives]),
        xp.concat([xp.zeros_like(negatives), xp.ones_like(positives)]),
        pos_weight=full((1,), copies, like=positives),
        reduction="sum",
    )


BINARY = (
    Identity(
        name="binary_cross_entropy_is_nll_of_two_classes",
        statement="Binary cross-entropy = negative log-likelihood over the two classes no and yes.",
        formula=r"\mathrm{BCE}(p, y) = \mathrm{NLL}((\log(1 - p), \log p), y)",
        inputs=domains.YES_NO,
        relation="equal",
        left=lambda p, labels: F.binary_cross_entropy(p, namespace(p).astype(labels, p.dtype), reduction="none"),
        right=lambda p, labels: F.nll_loss(
            _two_classes(namespace(p).log1p(-p), namespace(p).log(p)), labels, reduction="none"
        ),
        losses=("binary_cross_entropy", "nll_loss"),
    ),
    Identity(
        name="binary_cross_entropy_of_sigmoid",
        statement="Binary cross-entropy with logits = binary cross-entropy of the sigmoid.",
        formula=r"\mathrm{BCE}_{\mathrm{logits}}(x, t) = \mathrm{BCE}(\sigma(x), t)",
        inputs=domains.MODERATE_BINARY_LOGITS,
        relation="equal",
        left=_with_logits,
        right=lambda logits, target: F.binary_cross_entropy(_sigmoid(logits), target, reduction="none"),
        losses=("binary_cross_entropy_with_logits", "binary_cross_entropy"),
        ulps=4096.0,
        reason="log(1 - p) magnifies the rounding of p = sigmoid(x) by p / (1 - p) = e^x, 2981 at x = 8: "
        "why the loss of logits exists",
    ),
    Identity(
        name="binary_cross_entropy_is_two_class_cross_entropy",
        statement="Binary cross-entropy with a logit x = cross-entropy over two classes with logits 0 and x.",
        formula=r"\mathrm{BCE}_{\mathrm{logits}}(x, t) = \mathrm{CE}((0, x), (1 - t, t))",
        inputs=domains.BINARY_LOGITS,
        relation="equal",
        left=_with_logits,
        right=lambda logits, target: F.cross_entropy(
            _two_classes(namespace(logits).zeros_like(logits), logits),
            _two_classes(1 - target, target),
            reduction="none",
        ),
        losses=("binary_cross_entropy_with_logits", "cross_entropy"),
    ),
    Identity(
        name="two_logits_are_one",
        statement="Cross-entropy over two classes = binary cross-entropy of the difference of the logits.",
        formula=r"\mathrm{CE}((a, b), y) = \mathrm{BCE}_{\mathrm{logits}}(b - a, y)",
        inputs=domains.TWO_LOGITS,
        relation="equal",
        left=lambda logits, labels: F.cross_entropy(logits, labels, reduction="none"),
        right=lambda logits, labels: _with_logits(
            logits[:, 1] - logits[:, 0], namespace(logits).astype(labels, logits.dtype)
        ),
        losses=("binary_cross_entropy_with_logits", "cross_entropy"),
    ),
    Identity(
        name="binary_cross_entropy_gradient",
        statement="The gradient of binary cross-entropy with respect to the logit is sigmoid - target.",
        formula=r"\partial_x \mathrm{BCE}_{\mathrm{logits}}(x, t) = \sigma(x) - t",
        inputs=domains.BINARY_LOGITS,
        relation="equal",
        left=lambda logits, target: gradient(lambda x: _with_logits(x, target), logits),
        right=lambda logits, target: _sigmoid(logits) - target,
        losses=("binary_cross_entropy_with_logits",),
        differentiates=True,
    ),
    Identity(
        name="sigmoid_focal_loss_of_gamma_zero_is_binary_cross_entropy",
        statement="Sigmoid focal loss with gamma = 0, not balanced by alpha, is binary cross-entropy.",
        formula=r"\mathrm{FL}_0(x, t) = \mathrm{BCE}_{\mathrm{logits}}(x, t)",
        inputs=domains.BINARY_LOGITS,
        relation="equal",
        left=lambda logits, target: F.sigmoid_focal_loss(logits, target, alpha=-1, gamma=0.0),
        right=_with_logits,
        losses=("sigmoid_focal_loss", "binary_cross_entropy_with_logits"),
        ulps=0.0,
    ),
    Identity(
        name="asymmetric_loss_of_equal_powers_is_sigmoid_focal_loss",
        statement="Asymmetric loss of labels, without a clip and with equal powers, is sigmoid focal loss.",
        formula=r"\mathrm{ASL}_{\gamma, \gamma, 0}(x, y) = \mathrm{FL}_\gamma(x, y)",
        inputs=domains.with_option(
            domains.BINARY_LABELS, "gamma", "gamma in [0, 5]", lambda rng, extreme: float(rng.uniform(0, 5))
        ),
        relation="equal",
        left=lambda logits, target, gamma: _asymmetric(logits, target, gamma_pos=gamma, gamma_neg=gamma, clip=0.0),
        right=lambda logits, target, gamma: F.sigmoid_focal_loss(logits, target, alpha=-1, gamma=gamma),
        losses=("asymmetric_loss", "sigmoid_focal_loss"),
    ),
    Identity(
        name="asymmetric_loss_of_no_power_is_binary_cross_entropy",
        statement="Asymmetric loss without a clip and with both powers 0 is binary cross-entropy.",
        formula=r"\mathrm{ASL}_{0, 0, 0}(x, t) = \mathrm{BCE}_{\mathrm{logits}}(x, t)",
        inputs=domains.BINARY_LOGITS,
        relation="equal",
        left=lambda logits, target: _asymmetric(logits, target, gamma_neg=0.0, clip=0.0),
        right=_with_logits,
        losses=("asymmetric_loss", "binary_cross_entropy_with_logits"),
    ),
    Identity(
        name="asymmetric_loss_is_at_most_binary_cross_entropy",
        statement="Asymmetric loss is at most binary cross-entropy: powers and the clip only take away.",
        formula=r"\mathrm{ASL}(x, t) \le \mathrm{BCE}_{\mathrm{logits}}(x, t)",
        inputs=domains.with_option(
            domains.BINARY_LOGITS, "clip", "clip in [0, 1/2]", lambda rng, extreme: float(rng.uniform(0, 0.5)), 0.05
        ),
        relation="at_least",
        left=lambda logits, target, clip: _with_logits(logits, target),
        right=lambda logits, target, clip: _asymmetric(logits, target, clip=clip),
        losses=("asymmetric_loss", "binary_cross_entropy_with_logits"),
    ),
    Identity(
        name="two_focal_logits_are_one",
        statement="Focal loss over two classes = sigmoid focal loss of the difference of the logits.",
        formula=r"\mathrm{FL}_{w = (1 - \alpha, \alpha)}((a, b), y) = \mathrm{FL}_\alpha(b - a, y)",
        inputs=domains.with_option(
            domains.TWO_LOGITS, "alpha", "alpha in [0, 1]", lambda rng, extreme: float(rng.uniform()), default=0.25
        ),
        relation="equal",
        left=lambda logits, labels, alpha: F.focal_loss(logits, labels, [1 - alpha, alpha], reduction="none"),
        right=lambda logits, labels, alpha: F.sigmoid_focal_loss(
            logits[:, 1] - logits[:, 0], namespace(logits).astype(labels, logits.dtype), alpha
        ),
        losses=("focal_loss", "sigmoid_focal_loss"),
    ),
    Identity(
        name="pos_weight_duplicates_positives",
        statement="pos_weight = n counts each positive n times.",
        formula=r"\sum_i \mathrm{BCE}_{w=n}(x_i, y_i) = "
        r"\sum_{y_i = 0} \mathrm{BCE}(x_i, 0) + n \sum_{y_i = 1} \mathrm{BCE}(x_i, 1)",
        inputs=domains.POSITIVES,
        relation="equal",
        left=lambda positives, negatives: _of_weighted(positives, negatives, copies=3),
        right=lambda positives, negatives: _of_duplicates(positives, negatives, copies=3),
        losses=("binary_cross_entropy_with_logits",),
    ),
)
