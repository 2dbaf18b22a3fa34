"""Gradients that an algorithm computes rather than a formula, in NumPy, each beside the LaTeX that it transcribes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from latex import softmax


@dataclass(frozen=True)
class Transcribed:
    """A gradient that an algorithm computes, and the LaTeX that it transcribes.

    compute: of the arguments of a call, the derivative by the first of them. shapes: of the calls that it takes.
    """

    latex: str
    compute: Callable[..., np.ndarray]
    shapes: dict[str, str] = field(default_factory=dict)


def posteriors(p: np.ndarray, word: np.ndarray, blank: int) -> np.ndarray:
    """The probability of each class in each frame, given that the frames spell the word."""
    states = np.full(2 * len(word) + 1, blank)
    states[1::2] = word
    count = len(states)
    moves = np.eye(count) + np.eye(count, k=1)
    for s in range(2, count):
        moves[s - 2, s] = states[s] != blank and states[s] != states[s - 2]
    reached, ending = np.zeros((len(p), count)), np.zeros((len(p), count))
    reached[0, :2], ending[-1, -2:] = p[0, states[:2]], 1.0
    for t in range(1, len(p)):
        reached[t] = reached[t - 1] @ moves * p[t, states]
        ending[-1 - t] = moves @ (ending[-t] * p[-t, states])
    gamma = np.zeros_like(p)
    np.add.at(gamma.T, states, (reached * ending).T)
    return gamma / gamma.sum(1, keepdims=True)


def ctc(
    log_probs: np.ndarray,
    targets: np.ndarray,
    input_lengths: np.ndarray,
    target_lengths: np.ndarray,
    blank: int = 0,
) -> np.ndarray:
    slope = np.zeros_like(log_probs)
    for n, (frames, labels) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        slope[:frames, n] = -posteriors(np.exp(log_probs[:frames, n]), targets[n, :labels], blank)
    return slope


def ctc_with_logits(
    logits: np.ndarray,
    targets: np.ndarray,
    input_lengths: np.ndarray,
    target_lengths: np.ndarray,
    blank: int = 0,
) -> np.ndarray:
    p = softmax(logits)
    is_frame = np.arange(len(p))[:, None, None] < input_lengths[:, None]
    return is_frame * p + ctc(np.log(p), targets, input_lengths, target_lengths, blank)


def rnnt(
    logits: np.ndarray,
    targets: np.ndarray,
    logit_lengths: np.ndarray,
    target_lengths: np.ndarray,
    blank: int = -1,
) -> np.ndarray:
    slope = np.zeros_like(logits)
    for n, (frames, labels) in enumerate(zip(logit_lengths, target_lengths, strict=True)):
        place = (n, slice(frames), slice(labels + 1))
        slope[place] = of_lattice(softmax(logits[place]), targets[n, :labels], blank)
    return slope


def of_lattice(p: np.ndarray, word: np.ndarray, blank: int) -> np.ndarray:
    frames, labels = len(p), len(word)
    reached, ending = np.zeros((frames, labels + 1)), np.zeros((frames + 1, labels + 2))
    reached[0, 0] = ending[frames, labels] = 1.0
    after = np.zeros_like(p)  # the probability to end rightly from where each class leads
    for t, u in reversed(list(np.ndindex(reached.shape))):
        after[t, u, blank] = ending[t + 1, u]
        after[t, u, word[u : u + 1]] = ending[t, u + 1]
        ending[t, u] = p[t, u] @ after[t, u]
    for t, u in np.ndindex(reached.shape):
        before = reached[t - 1, u] * p[t - 1, u, blank] if t else 0.0
        reached[t, u] += before + (reached[t, u - 1] * p[t, u - 1, word[u - 1]] if u else 0.0)
    return reached[..., None] * p * (ending[:frames, : labels + 1, None] - after) / ending[0, 0]


def triplets(anchor: np.ndarray, positive: np.ndarray, negative: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """Of the Euclidean distance, the default."""
    to_positive, to_negative = anchor - positive + EPSILON, anchor - negative + EPSILON
    near, far = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (to_positive, to_negative))
    return (near - far + margin > 0) * (to_positive / near - to_negative / far)


EPSILON = 1e-6
"""What pairwise distances add to each difference, as torch's do."""
TRANSCRIBED: dict[str, Transcribed] = {
    "ctc_loss": Transcribed(
        r"\frac{\partial \ell}{\partial \log p_{t,k}} = -\gamma_{t,k} \qquad \gamma_{t,k} = e^{\ell} "
        r"\sum_{\pi \in \mathcal{B}^{-1}(y): \pi_t = k} \prod_{s=1}^{T} p_{s,\pi_s}",
        ctc,
        {"targets": "?N S", "input_lengths": "?N", "target_lengths": "?N"},
    ),
    "ctc_loss_with_logits": Transcribed(
        r"\frac{\partial \ell}{\partial x_{t,k}} = p_{t,k} - \gamma_{t,k} \qquad \gamma_{t,k} = e^{\ell} "
        r"\sum_{\pi \in \mathcal{B}^{-1}(y): \pi_t = k} \prod_{s=1}^{T} p_{s,\pi_s}",
        ctc_with_logits,
        {"targets": "?N S", "input_lengths": "?N", "target_lengths": "?N"},
    ),
    "rnnt_loss": Transcribed(
        r"\frac{\partial \ell}{\partial x_k(t, u)} = e^{\ell} \alpha_{t,u} \, p_k(t, u) "
        r"\left(\beta_{t,u} - n_k(t, u)\right) \qquad n_k(t, u) = \begin{cases} \beta_{t+1,u} & k = \varnothing \\ "
        r"\beta_{t,u+1} & k = y_{u+1} \\ 0 & \text{otherwise} \end{cases} \qquad \beta_{t,u} = p_\varnothing(t, u) "
        r"\beta_{t+1,u} + p_{y_{u+1}}(t, u) \beta_{t,u+1} \qquad \beta_{T,U} = 1",
        rnnt,
    ),
    "triplet_margin_with_distance_loss": Transcribed(
        r"\frac{\partial \ell_n}{\partial a_n} = [\ell_n > 0] \left(\frac{\partial d(a_n, b_n)}{\partial a_n} - "
        r"\frac{\partial d(a_n, c_n)}{\partial a_n}\right)",
        triplets,
    ),
}
