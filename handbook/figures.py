"""The figures of the guides, drawn when the handbook is built.

One more is a function with `@figure`: it takes `say`, which picks the English or the Chinese of a text, and answers a
figure of matplotlib, or several that stand side by side where there is room. A page shows it by its name with hyphens,
`![what it shows](/figures/kl-over-q.svg)`.
"""

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from handbook.drawing import axes, svg
from handbook.words import Say, speaker
from lossary import functional as F
from lossary import information
from lossary.plots import COLOURS, STYLE
from lossary.reports.palette import INK, MUTED, RULE

Drawn = Figure | Sequence[Figure]
Curves = dict[str, tuple[np.ndarray, np.ndarray]]
FIGURES: dict[str, Callable[[Say], Drawn]] = {}
DASHES = ("-", (0, (5, 3)), (0, (1.5, 1.5)), (0, (5, 1.5, 1.5, 1.5)))


def figure(draw: Callable[[Say], Drawn]) -> Callable[[Say], Drawn]:
    FIGURES[draw.__name__.replace("_", "-")] = draw
    return draw


def drawn(language: str) -> dict[str, str]:
    """Every figure as SVG, by its name; several one after the other."""
    found = {}
    with matplotlib.rc_context(STYLE):
        for name, draw in FIGURES.items():
            made = draw(speaker(language))
            panels = [made] if isinstance(made, Figure) else made
            found[name] = "".join(svg(panel, f"{name}-{place}") for place, panel in enumerate(panels))
    return found


def with_gradients(x: torch.Tensor, losses: dict[str, Callable[[torch.Tensor], torch.Tensor]]) -> Curves:
    """The values of functions of one number, and their gradients."""
    found = {}
    for label, loss in losses.items():
        leaf = x.clone().requires_grad_()
        value = loss(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        found[label] = (value.detach().numpy(), gradient.numpy())
    return found


def panels(x: torch.Tensor, curves: Curves, titles: tuple[str, str], axis: str) -> list[Figure]:
    """Value and gradient, with one legend."""
    figures = []
    for which, title in enumerate(titles):
        made, panel = axes(title, axis)
        for place, (label, ys) in enumerate(curves.items()):
            panel.plot(x, ys[which], color=COLOURS[place], linestyle=DASHES[place % len(DASHES)], label=label)
        if which == 0:
            panel.legend(fontsize=8)
        figures.append(made)
    return figures


@figure
def self_information(say: Say) -> Figure:
    made, panel = axes(
        say("self-information -log p, in nats", "自信息 -log p（单位：奈特）"), say("probability p", "概率 p")
    )
    p = np.linspace(0.005, 1, 400)
    panel.plot(p, information.self_information(p), color=COLOURS[0])
    panel.set_xlim(0, 1)
    return made


@figure
def entropy_two_classes(say: Say) -> Figure:
    made, panel = axes(
        say("entropy in nats", "熵（单位：奈特）"), say("probability of one of two classes", "两个类别之一的概率")
    )
    p = np.linspace(0, 1, 401)
    panel.plot(p, information.entropy(np.stack([p, 1 - p], axis=1)), color=COLOURS[0])
    panel.axhline(np.log(2), color=MUTED, linewidth=0.8, linestyle=DASHES[1])
    panel.text(0.02, np.log(2) + 0.015, "log 2 = 0.693", color=MUTED)
    panel.set_ylim(-0.02, 0.78)
    return made


@figure
def kl_over_q(say: Say) -> Figure:
    made, panel = axes(
        say("relative entropy KL(p ‖ q), two classes", "相对熵 KL(p ‖ q)，两个类别"),
        say("predicted probability q", "预测概率 q"),
    )
    q = np.linspace(0.005, 0.995, 397)
    for place, p in enumerate((0.1, 0.3, 0.5, 0.8)):
        rows, target = np.stack([q, 1 - q], axis=1), np.array([[p, 1 - p]])
        kl = F.kl_div(np.log(rows), np.broadcast_to(target, rows.shape), reduction="none").sum(axis=1)
        panel.plot(q, kl, color=COLOURS[place], label=f"p = {p:g}")
    panel.set_xlim(0, 1)
    panel.set_ylim(-0.05, 2)
    panel.legend(loc="upper center", ncols=2)
    return made


def saturated(say: Say) -> list[Figure]:
    """Of a positive label, in float32."""
    x = torch.linspace(-130, 10, 1401)
    ones = torch.ones_like(x)
    curves = with_gradients(
        x,
        {
            "-log(sigmoid(x) + 1e-7)": lambda x: -torch.log(torch.sigmoid(x) + 1e-7),
            "torch: BCE(sigmoid(x))": lambda x: torch.nn.functional.binary_cross_entropy(
                torch.sigmoid(x), ones, reduction="none"
            ),
            "lossary: BCE with logits(x)": lambda x: F.binary_cross_entropy_with_logits(x, ones, reduction="none"),
        },
    )
    titles = say("loss in float32", "float32 下的损失"), say("gradient in float32", "float32 下的梯度")
    return panels(x, curves, titles, say("logit x of a positive label", "正样本的 logit x"))


@figure
def saturation_value(say: Say) -> Figure:
    return saturated(say)[0]


@figure
def saturation_gradient(say: Say) -> Figure:
    return saturated(say)[1]


@figure
def classes_gradient(say: Say) -> list[Figure]:
    lead = torch.linspace(-6, 10, 401, dtype=torch.float64)
    label = torch.ones(len(lead), dtype=torch.long)
    one_hot = torch.eye(2, dtype=torch.float64)[label]

    def logits(lead: torch.Tensor) -> torch.Tensor:
        return torch.stack([lead, torch.zeros_like(lead)], dim=1)

    def of_probabilities(loss: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda lead: loss(logits(lead).softmax(dim=1), one_hot, reduction="none").sum(dim=1)

    curves = with_gradients(
        lead,
        {
            say("cross-entropy", "交叉熵"): lambda lead: F.cross_entropy(logits(lead), label, reduction="none"),
            say("squared error", "平方误差"): of_probabilities(F.mse_loss),
            say("absolute error", "绝对误差"): of_probabilities(F.l1_loss),
        },
    )
    axis = say("lead of the wrong class", "错误类别领先的 logit")
    return panels(lead, curves, (say("loss", "损失"), say("gradient", "梯度")), axis)


def of_residuals(say: Say, losses: dict[str, Callable[[torch.Tensor], torch.Tensor]]) -> list[Figure]:
    r = torch.linspace(-3, 3, 601, dtype=torch.float64)
    titles = say("loss", "损失"), say("gradient", "梯度")
    return panels(r, with_gradients(r, losses), titles, say("residual x - y", "残差 x - y"))


@figure
def regression(say: Say) -> list[Figure]:
    zero = torch.zeros(601, dtype=torch.float64)
    return of_residuals(
        say,
        {
            "MSE": lambda r: F.mse_loss(r, zero, reduction="none"),
            "L1": lambda r: F.l1_loss(r, zero, reduction="none"),
            "Huber, delta = 1": lambda r: F.huber_loss(r, zero, reduction="none"),
        },
    )


@figure
def smooth_l1(say: Say) -> list[Figure]:
    zero = torch.zeros(601, dtype=torch.float64)
    return of_residuals(
        say,
        {
            "L1": lambda r: F.l1_loss(r, zero, reduction="none"),
            "smooth L1, beta = 1": lambda r: F.smooth_l1_loss(r, zero, reduction="none"),
        },
    )


@figure
def outlier(say: Say) -> Figure:
    """Ten measurements and one typing error of 100; each loss over the constant that is predicted, less its minimum."""
    y = np.array([4.6, 4.8, 4.9, 5.0, 5.0, 5.1, 5.1, 5.2, 5.2, 5.3, 100.0])
    guesses = np.linspace(0, 20, 2001)
    made, panel = axes(
        say("mean loss, from least (0) to greatest (1)", "平均损失，由最小（0）到最大（1）"),
        say(
            "constant prediction; dots: the data, without the outlier 100", "常数预测；圆点为数据（离群值 100 在图外）"
        ),
    )
    for place, (label, loss) in enumerate({"MSE": F.mse_loss, "L1": F.l1_loss, "Huber": F.huber_loss}.items()):
        means = loss(np.tile(guesses[:, None], len(y)), y, reduction="none").mean(axis=1)
        shown = (means - means.min()) / np.ptp(means)
        best = guesses[means.argmin()]
        panel.plot(guesses, shown, color=COLOURS[place], linestyle=DASHES[place], label=f"{label}: {best:.2f}")
        panel.plot(best, 0, "v", color=COLOURS[place], clip_on=False)
    panel.plot(y[:-1], np.full(len(y) - 1, -0.08), "o", color=INK, markersize=2.5)
    panel.set_ylim(-0.12, 1)
    panel.legend(title=say("least at", "最小值位置"))
    return made


@figure
def focal(say: Say) -> Figure:
    made, panel = axes(say("focal loss", "focal 损失"), say("probability of the true class", "真实类别的概率"))
    p = np.linspace(0.005, 0.999, 500)
    logits = np.log(np.stack([p, 1 - p], axis=1))
    for place, gamma in enumerate((0, 1, 2, 5)):
        loss = F.focal_loss(logits, np.zeros(len(p), np.int64), gamma=gamma, reduction="none")
        panel.plot(p, loss, color=COLOURS[place], label=f"gamma = {gamma}")
    panel.set_xlim(0, 1)
    panel.legend()
    return made


@figure
def noise_models(say: Say) -> list[Figure]:
    """Each density is exp(-loss), divided by its integral."""
    r = np.linspace(-25, 25, 20001)
    zero = np.zeros(len(r))
    losses = {
        say("Gaussian: MSE / 2", "高斯：MSE / 2"): F.mse_loss(r, zero, reduction="none") / 2,
        say("Laplace: L1", "拉普拉斯：L1"): F.l1_loss(r, zero, reduction="none"),
        say("Huber", "Huber"): F.huber_loss(r, zero, reduction="none"),
        say("hyperbolic secant: log-cosh", "双曲正割：log-cosh"): F.log_cosh_loss(r, zero, reduction="none"),
    }
    densities = {label: np.exp(-loss) / np.trapezoid(np.exp(-loss), r) for label, loss in losses.items()}
    near = np.abs(r) <= 5
    curves = {label: (density[near], -np.log(density[near])) for label, density in densities.items()}
    titles = say("density", "密度"), say("negative log-density", "负对数密度")
    return panels(torch.as_tensor(r[near]), curves, titles, say("residual", "残差"))


@figure
def ctc_lattice(say: Say) -> Figure:
    """The label "ab" over three frames: states from above, with blanks between; an arrow where a path may go."""
    frames, states = 3, "-a-b-"
    last = len(states) - 1
    open_ = {(t, s) for t in range(frames) for s in range(last + 1) if last - 2 * (frames - t) < s <= 2 * t + 1}
    made = Figure(figsize=(4.2, 3.0), layout="constrained")
    panel = made.subplots()
    for t, s in sorted(open_):
        for step in (0, 1, 2):
            blank_is_left_out = step == 2 and states[s] == "-"
            if (t + 1, s + step) in open_ and not blank_is_left_out:
                arrow = {"arrowstyle": "->", "color": MUTED, "shrinkA": 10, "shrinkB": 10}
                panel.annotate("", (t + 1, s + step), (t, s), arrowprops=arrow)
    for t in range(frames):
        for s, letter in enumerate(states):
            shown = (t, s) in open_
            edge = RULE if not shown else MUTED if letter == "-" else COLOURS[0]
            panel.plot(t, s, "o", markersize=17, markeredgecolor=edge, markerfacecolor="none")
            panel.text(t, s, letter, ha="center", va="center", color=INK if shown else MUTED)
    panel.set_xticks(range(frames), [str(t + 1) for t in range(frames)])
    panel.set_yticks([])
    panel.set_xlim(-0.5, frames - 0.5)
    panel.set_ylim(last + 0.5, -0.5)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xlabel(say("frame", "帧"))
    return made
