"""Figures that are no curves of one loss: where probabilities saturate, the paths of CTC, losses over three classes."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from lossary import functional as F
from lossary.alignment import ctc_align
from lossary.core.elementary import logsumexp
from lossary.core.extras import MissingExtra
from lossary.plots.canvas import COLOURS, DASHES, canvas, dress
from lossary.plots.overlay import curves
from lossary.reports.palette import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def saturated(logits: np.ndarray) -> Curves:
    """Value and gradient in float32 of the binary cross-entropy of a yes, written in four ways."""
    if find_spec("torch") is None:
        raise MissingExtra("torch", "torch", "the gradients of this figure")
    import torch

    ways: dict[str, Callable[[Any], Any]] = {
        "-log(sigmoid(x))": lambda x: -torch.log(torch.sigmoid(x)),
        "torch's binary_cross_entropy of sigmoid(x)": lambda x: torch.nn.functional.binary_cross_entropy(
            torch.sigmoid(x), torch.ones_like(x), reduction="none"
        ),
        "Lossary's binary_cross_entropy of sigmoid(x)": lambda x: F.binary_cross_entropy(
            torch.sigmoid(x), torch.ones_like(x), reduction="none"
        ),
        "Lossary's binary_cross_entropy_with_logits of x": lambda x: F.binary_cross_entropy_with_logits(
            x, torch.ones_like(x), reduction="none"
        ),
    }
    found = {}
    for label, loss in ways.items():
        x = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
        value = loss(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        found[label] = (value.detach().numpy(), gradient.numpy())
    return found


def saturation() -> "Figure":
    """How binary cross-entropy of a sigmoid loses its value and its gradient in float32."""
    x = np.linspace(-130, 10, 1401, dtype=np.float32)
    found = saturated(x)
    with canvas(8, 4) as figure:
        panels = figure.subplots(1, 2)
        for panel, title, which in zip(panels, ("loss", "gradient"), (0, 1), strict=True):
            for place, (label, ys) in enumerate(found.items()):
                beyond = x[~np.isfinite(ys[0])]
                label += f": infinite, with gradient NaN, up to x = {beyond.max():.0f}" if beyond.size else ""
                panel.plot(x, ys[which], label=label, color=COLOURS[place], linestyle=DASHES[place])
            dress(panel, title, "logit x of a yes, in float32")
        figure.suptitle("Binary cross-entropy where the sigmoid saturates", fontsize=10)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


FRAMES = np.log([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.2, 0.6, 0.2], [0.6, 0.2, 0.2], [0.2, 0.1, 0.7], [0.6, 0.1, 0.3]])
"""Log-probabilities of the blank, a and b in six frames."""
STATES = (0, 1, 0, 2, 0)
"""The label "a b" with blanks before, between and after."""
NAMES = "-ab"


def ctc_flow(log_probs: np.ndarray, states: tuple[int, ...] = STATES) -> tuple[np.ndarray, np.ndarray]:
    """The posterior probability of each state in each frame, (T, S), and of each step, (T - 1, S, S).

    Graves et al. 2006, section 4.1: forward and backward sums over all alignments.
    """
    frames, count = len(log_probs), len(states)
    steps = np.full((count, count), -np.inf)
    for state in range(count):
        for ahead in range(3):
            skips_more_than_blank = ahead == 2 and state + 2 < count and states[state] == states[state + 2]
            if state + ahead < count and not skips_more_than_blank:
                steps[state, state + ahead] = 0.0
    emitted = log_probs[:, list(states)]
    forward, backward = np.full((frames, count), -np.inf), np.full((frames, count), -np.inf)
    forward[0, :2], backward[-1, -2:] = emitted[0, :2], 0.0
    for t in range(1, frames):
        forward[t] = logsumexp(forward[t - 1][:, None] + steps, axis=0) + emitted[t]
    for t in reversed(range(frames - 1)):
        backward[t] = logsumexp(steps + emitted[t + 1] + backward[t + 1], axis=1)
    total = logsumexp(forward[-1, -2:], axis=0)
    taken = forward[:-1, :, None] + steps + (emitted + backward)[1:, None, :] - total
    return np.exp(forward + backward - total), np.exp(taken)


def ctc() -> "Figure":
    """The alignments of a small example of CTC: how probable each state and step is, and the best path."""
    batch = FRAMES[:, None, :]
    lengths, target = (np.array([len(FRAMES)]), np.array([2])), np.array([[1, 2]])
    loss = float(F.ctc_loss(batch, target, *lengths, reduction="sum"))
    occupied, steps = ctc_flow(FRAMES)
    with canvas(7, 4) as figure:
        panel = figure.subplots()
        for t, start, end in np.argwhere(steps > 0):
            panel.plot([t, t + 1], [start, end], color=MUTED, linewidth=0.3 + 5 * steps[t, start, end], zorder=1)
        frames, states = np.nonzero(occupied > 0)
        panel.scatter(frames, states, s=20 + 350 * occupied[frames, states], color=COLOURS[0], zorder=2)
        for t, state in zip(frames, states, strict=True):
            panel.annotate(f"{occupied[t, state]:.2f}", (t, state + 0.36), ha="center", fontsize=7, color=INK)
        path = _best_states(ctc_align(batch, target, *lengths).spans[0])
        panel.plot(
            range(len(path)), path, color=COLOURS[1], linestyle=DASHES[1], zorder=3, label="the most probable path"
        )
        panel.set_yticks(range(len(STATES)), [NAMES[s] for s in STATES])
        panel.set_xticks(range(len(FRAMES)), [str(t + 1) for t in range(len(FRAMES))])
        panel.set_xlabel("frame")
        panel.set_ylim(len(STATES) - 0.3, -0.6)
        panel.set_title(
            f"CTC of the label a b: the {_paths(steps)} paths together have the probability exp(-{loss:.4f}) = "
            f"{np.exp(-loss):.4f}",
            fontsize=9,
            color=MUTED,
        )
        figure.legend(loc="outside lower center")
    return figure


def _paths(steps: np.ndarray) -> int:
    """How many alignments there are."""
    counts = np.array([1, 1, *[0] * (len(STATES) - 2)])
    for allowed in steps > 0:
        counts = counts @ allowed
    return int(counts[-2:].sum())


def _best_states(spans: np.ndarray) -> list[int]:
    """The state of each frame, where each label has its frames from a first to one beyond its last."""
    begun = [(spans[:, 0] <= t).sum() for t in range(len(FRAMES))]
    over = [(spans[:, 1] <= t).sum() for t in range(len(FRAMES))]
    return [int(start + end) for start, end in zip(begun, over, strict=True)]


LEVELS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


def on_simplex(points: int = 60) -> np.ndarray:
    """Probabilities of three classes on a grid, without the edges, where logarithms are infinite."""
    shares = [(i, j, points - i - j) for i in range(1, points) for j in range(1, points - i)]
    return np.array(shares) / points


def simplex() -> "Figure":
    """Losses of three classes over all predictions, the first class being true."""
    p = on_simplex()
    logits, labels, one_hot = np.log(p), np.zeros(len(p), np.int64), np.eye(3)[[0] * len(p)]
    losses = {
        "cross_entropy": F.cross_entropy(logits, labels, reduction="none"),
        "cross_entropy, label_smoothing = 0.3": F.cross_entropy(logits, labels, label_smoothing=0.3, reduction="none"),
        "focal_loss, gamma = 2": F.focal_loss(logits, labels, reduction="none"),
        "mse_loss of the probabilities": F.mse_loss(p, one_hot, reduction="none").sum(axis=1),
    }
    corners = np.array([[0.5, np.sqrt(3) / 2], [0.0, 0.0], [1.0, 0.0]])
    x, y = (p @ corners).T
    with canvas(9, 3.2) as figure:
        for panel, (label, values) in zip(figure.subplots(1, 4), losses.items(), strict=True):
            _contours(panel, x, y, values)
            panel.plot(*corners[[0, 1, 2, 0]].T, color=MUTED, linewidth=0.8)
            least = np.argmin(values)
            panel.plot(x[least], y[least], "o", color=COLOURS[1], markersize=5)
            for name, (left, height), below in zip(("true class", "2", "3"), corners, (False, True, True), strict=True):
                panel.text(left, height + (-0.1 if below else 0.04), name, ha="center", fontsize=8, color=INK)
            panel.set_title(label, fontsize=8, color=MUTED, pad=12)
            panel.set_aspect("equal")
            panel.set_axis_off()
        figure.suptitle("Losses over the probabilities of three classes; a dot where each is least", fontsize=10)
    return figure


def _contours(panel: "Axes", x: np.ndarray, y: np.ndarray, values: np.ndarray) -> None:
    lines = panel.tricontour(x, y, values, levels=LEVELS, colors=COLOURS[0], linewidths=0.7)
    panel.clabel(lines, fontsize=6, inline=True)


FIGURES: dict[str, Callable[[], "Figure"]] = {
    "kl": lambda: curves(["kl_div"]),
    "saturation": saturation,
    "ctc": ctc,
    "simplex": simplex,
}
OF_LOSS = {"ctc_loss": "ctc", "ctc_loss_with_logits": "ctc"}
"""The figures of losses that have no curve."""
