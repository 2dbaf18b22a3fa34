"""Identities of the losses over classes."""

import lossary.functional as F
from lossary import information
from lossary.core import distributions
from lossary.core.arrays import Array, namespace
from lossary.core.elementary import log_softmax, logsumexp
from lossary.identities import domains
from lossary.identities.identity import Identity, gradient


def _cross_entropy(logits: Array, target: Array) -> Array:
    return F.cross_entropy(logits, target, reduction="none")


def _relative_entropy(logits: Array, target: Array) -> Array:
    return namespace(logits).sum(F.kl_div(log_softmax(logits, 1), target, reduction="none"), axis=1)


def _projection(features: Array, weight: Array, bias: Array) -> Array:
    xp = namespace(features)
    return xp.matmul(features, xp.matrix_transpose(weight)) + bias


def _one_hot(labels: Array, logits: Array) -> Array:
    return distributions.one_hot("identities", "labels", labels, like=logits, axis=-1)


def _softmax(logits: Array) -> Array:
    return namespace(logits).exp(log_softmax(logits, 1))


def _uniform(logits: Array) -> Array:
    return namespace(logits).ones_like(logits) / logits.shape[1]


def _written_out(logits: Array, labels: Array) -> Array:
    xp = namespace(logits)
    exponentials = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
    softmax = exponentials / xp.sum(exponentials, axis=1, keepdims=True)
    return xp.mean(xp.sum(-_one_hot(labels, logits) * xp.log(softmax), axis=1))


SMOOTHED = domains.with_option(
    domains.MODERATE_CLASS_TARGETS,
    "smoothing",
    "smoothing in [0, 1]",
    lambda rng, extreme: float(rng.choice([0.0, 1.0, 1e-6])) if extreme else float(rng.uniform()),
    default=0.1,
)

FOCUSED = domains.with_option(
    domains.CLASS_TARGETS,
    "gamma",
    "gamma >= 0",
    lambda rng, extreme: float(rng.choice([0.0, 0.125, 5.0]) if extreme else rng.uniform(0, 5)),
    default=2.0,
)

TEMPERED = domains.with_option(
    domains.CLASS_TARGETS,
    "temperature",
    "temperature > 0",
    lambda rng, extreme: float(rng.choice([0.25, 1.0, 8.0])) if extreme else float(rng.uniform(0.2, 5)),
    default=2.0,
)

CLASSIFICATION = (
    Identity(
        name="cross_entropy_decomposes",
        statement="Cross-entropy = entropy of the target + relative entropy (KL), sample by sample.",
        formula=r"H(p, q) = H(p) + D(p \,\|\, q)",
        inputs=domains.SOFT_TARGETS,
        relation="equal",
        left=_cross_entropy,
        right=lambda logits, target: information.entropy(target) + _relative_entropy(logits, target),
        losses=("cross_entropy", "kl_div"),
    ),
    Identity(
        name="cross_entropy_is_at_least_entropy",
        statement="Cross-entropy is at least the entropy of the target.",
        formula=r"H(p, q) \ge H(p)",
        inputs=domains.SOFT_TARGETS,
        relation="at_least",
        left=_cross_entropy,
        right=lambda logits, target: information.entropy(target),
        losses=("cross_entropy",),
    ),
    Identity(
        name="kl_div_is_relative_entropy",
        statement="kl_div, summed over the classes, is the relative entropy of target and softmax.",
        formula=r"\sum_c t_c (\log t_c - \log q_c) = D(t \,\|\, q)",
        inputs=domains.SOFT_TARGETS,
        relation="equal",
        left=_relative_entropy,
        right=lambda logits, target: information.relative_entropy(target, information.Logits(logits)),
        losses=("kl_div",),
    ),
    Identity(
        name="cross_entropy_gradient",
        statement="The gradient of cross-entropy with respect to the logits is softmax - target.",
        formula=r"\nabla_z H(t, \mathrm{softmax}(z)) = \mathrm{softmax}(z) - t",
        inputs=domains.SOFT_TARGETS,
        relation="equal",
        left=lambda logits, target: gradient(lambda z: _cross_entropy(z, target), logits),
        right=lambda logits, target: _softmax(logits) - target,
        losses=("cross_entropy",),
        differentiates=True,
    ),
    Identity(
        name="cross_entropy_and_kl_gradients_soft",
        statement="For soft targets cross-entropy and KL have the same gradient: the entropy of the target has none.",
        formula=r"\nabla_z H(t, \mathrm{softmax}(z)) = \nabla_z D(t \,\|\, \mathrm{softmax}(z))",
        inputs=domains.SOFT_TARGETS,
        relation="equal",
        left=lambda logits, target: gradient(lambda z: _cross_entropy(z, target), logits),
        right=lambda logits, target: gradient(lambda z: _relative_entropy(z, target), logits),
        losses=("cross_entropy", "kl_div"),
        differentiates=True,
    ),
    Identity(
        name="cross_entropy_and_kl_gradients_one_hot",
        statement="For class labels cross-entropy and KL to the one-hot target have the same gradient.",
        formula=r"\nabla_z H(e_y, \mathrm{softmax}(z)) = \nabla_z D(e_y \,\|\, \mathrm{softmax}(z))",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: gradient(lambda z: _cross_entropy(z, labels), logits),
        right=lambda logits, labels: gradient(lambda z: _relative_entropy(z, _one_hot(labels, z)), logits),
        losses=("cross_entropy", "kl_div"),
        differentiates=True,
    ),
    Identity(
        name="cross_entropy_is_nll_of_log_softmax",
        statement="Cross-entropy = negative log-likelihood of log_softmax.",
        formula=r"\mathrm{CE}(z, y) = \mathrm{NLL}(\log \mathrm{softmax}(z), y)",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: _cross_entropy(logits, labels),
        right=lambda logits, labels: F.nll_loss(log_softmax(logits, 1), labels, reduction="none"),
        losses=("cross_entropy", "nll_loss"),
    ),
    Identity(
        name="temperature_divides_logits",
        statement="Cross-entropy at a temperature = cross-entropy of the logits over the temperature.",
        formula=r"\mathrm{CE}_\tau(z, y) = \mathrm{CE}(z / \tau, y)",
        inputs=TEMPERED,
        relation="equal",
        left=lambda logits, labels, temperature: F.cross_entropy(
            logits, labels, reduction="none", temperature=temperature
        ),
        right=lambda logits, labels, temperature: _cross_entropy(logits / temperature, labels),
        losses=("cross_entropy",),
    ),
    Identity(
        name="z_loss_adds_the_squared_normalizer",
        statement="Cross-entropy with z-loss λ = cross-entropy + λ · log-sum-exp of the logits, squared.",
        formula=r"\mathrm{CE}_\lambda(z, y) = \mathrm{CE}(z, y) + \lambda \left(\log \sum_c e^{z_c}\right)^2",
        inputs=domains.MODERATE_CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: F.cross_entropy(logits, labels, reduction="none", z_loss=0.125),
        right=lambda logits, labels: _cross_entropy(logits, labels) + 0.125 * logsumexp(logits, 1) ** 2,
        losses=("cross_entropy",),
    ),
    Identity(
        name="linear_cross_entropy_is_cross_entropy_of_linear",
        statement="Linear cross-entropy = cross-entropy of the linear layer's outputs.",
        formula=r"\mathrm{LCE}(x, W, b, y) = \mathrm{CE}(W x + b, y)",
        inputs=domains.PROJECTED,
        relation="equal",
        left=lambda features, weight, bias, labels: F.linear_cross_entropy(
            features, weight, labels, linear_bias=bias, reduction="none"
        ),
        right=lambda features, weight, bias, labels: _cross_entropy(_projection(features, weight, bias), labels),
        losses=("linear_cross_entropy", "cross_entropy"),
    ),
    Identity(
        name="cross_entropy_of_one_hot",
        statement="A class label and its one-hot target have the same cross-entropy.",
        formula=r"\mathrm{CE}(z, y) = \mathrm{CE}(z, e_y)",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: _cross_entropy(logits, labels),
        right=lambda logits, labels: _cross_entropy(logits, _one_hot(labels, logits)),
        losses=("cross_entropy",),
    ),
    Identity(
        name="cross_entropy_written_out",
        statement="Softmax, logarithm, one-hot product, sum and mean, written out, are cross-entropy.",
        formula=r"\mathrm{CE}(z, y) = -\frac1N \sum_n \sum_c e_{y_n, c} \log \frac{e^{z_{nc}}}{\sum_k e^{z_{nk}}}",
        inputs=domains.MODERATE_CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: F.cross_entropy(logits, labels),
        right=_written_out,
        losses=("cross_entropy",),
    ),
    Identity(
        name="label_smoothing_mixes_targets",
        statement="Label smoothing is cross-entropy with the target mixed with the uniform distribution.",
        formula=r"\mathrm{CE}_\varepsilon(z, y) = \mathrm{CE}(z, (1 - \varepsilon) e_y + \varepsilon / C)",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smoothing: F.cross_entropy(
            logits, labels, label_smoothing=smoothing, reduction="none"
        ),
        right=lambda logits, labels, smoothing: _cross_entropy(
            logits, (1 - smoothing) * _one_hot(labels, logits) + smoothing * _uniform(logits)
        ),
        losses=("cross_entropy",),
    ),
    Identity(
        name="label_smoothing_mixes_losses",
        statement="Label smoothing mixes the loss with the cross-entropy to the uniform distribution.",
        formula=r"\mathrm{CE}_\varepsilon(z, y) = (1 - \varepsilon) \mathrm{CE}(z, y) + \varepsilon \mathrm{CE}(z, u)",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smoothing: F.cross_entropy(
            logits, labels, label_smoothing=smoothing, reduction="none"
        ),
        right=lambda logits, labels, smoothing: (
            (1 - smoothing) * _cross_entropy(logits, labels) + smoothing * _cross_entropy(logits, _uniform(logits))
        ),
        losses=("cross_entropy",),
    ),
    Identity(
        name="focal_loss_of_gamma_zero_is_cross_entropy",
        statement="Focal loss with gamma = 0 is cross-entropy.",
        formula=r"\mathrm{FL}_0(z, y) = \mathrm{CE}(z, y)",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: F.focal_loss(logits, labels, gamma=0.0, reduction="none"),
        right=lambda logits, labels: _cross_entropy(logits, labels),
        losses=("focal_loss", "cross_entropy"),
        ulps=0.0,
    ),
    Identity(
        name="focal_loss_is_modulated_cross_entropy",
        statement="Focal loss is cross-entropy times a power of the probability of all other classes.",
        formula=r"\mathrm{FL}_\gamma(z, y) = (1 - e^{-\mathrm{CE}(z, y)})^\gamma \, \mathrm{CE}(z, y)",
        inputs=FOCUSED,
        relation="equal",
        left=lambda logits, labels, gamma: F.focal_loss(logits, labels, gamma=gamma, reduction="none"),
        right=lambda logits, labels, gamma: (
            (-namespace(logits).expm1(-_cross_entropy(logits, labels))) ** gamma * _cross_entropy(logits, labels)
        ),
        losses=("focal_loss", "cross_entropy"),
    ),
    Identity(
        name="focal_loss_is_at_most_cross_entropy",
        statement="Focal loss is at most cross-entropy.",
        formula=r"\mathrm{FL}_\gamma(z, y) \le \mathrm{CE}(z, y)",
        inputs=FOCUSED,
        relation="at_least",
        left=lambda logits, labels, gamma: _cross_entropy(logits, labels),
        right=lambda logits, labels, gamma: F.focal_loss(logits, labels, gamma=gamma, reduction="none"),
        losses=("focal_loss", "cross_entropy"),
    ),
)
