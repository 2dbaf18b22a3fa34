import math
from typing import Annotated, Any

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Flag, Range, real, variances
from lossary.core.minimisers import mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def _functor(options: dict[str, Any]) -> tuple[Any, ...]:
    return "Gaussian", options["eps"], 0.5 * math.log(2 * math.pi) if options["full"] else 0.0


@loss(
    family="likelihood",
    title="Gaussian negative log-likelihood: regression with a predicted variance",
    formula=r"\ell_i = \tfrac12 \left(\log \max(v_i, \epsilon) + \frac{(x_i - y_i)^2}{\max(v_i, \epsilon)}\right)",
    symbols={"x": "input", "y": "target", "v": "var", r"\epsilon": "eps"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \frac{x_i - y_i}{\max(v_i, \epsilon)}",
    derivation=r"Only $\frac{(x_i - y_i)^2}{2 v_i}$ depends on $x_i$; its derivative is the error over the variance: "
    r"where the model says that it is unsure, the mean learns slowly. The derivative by the variance is "
    r"$\frac{1}{2 v_i} \left( 1 - \frac{(x_i - y_i)^2}{v_i} \right)$, which is $0$ where $v_i$ is the squared error: "
    r"the variance learns how large errors are. Below $\epsilon$ it is $0$, and $\epsilon$ stands for $v_i$.",
    unreduced="*s",
    sources=(
        Source(
            "Nix and Weigend, Estimating the Mean and Variance of the Target Probability Distribution, 1994",
            "the cost function, for each pattern",
        ),
    ),
    properties=("convex", "symmetric", "translation_invariant", "permutation_invariant", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.gaussian_nll_loss"),
        Elsewhere("scipy", "scipy.stats.norm.logpdf", "minus it with scale √var, and full=True"),
        Elsewhere("lossary", "mse_loss", "half of it where var = 1"),
    ),
    examples=(
        Example({"input": [1.0, 3.0], "target": [1.0, 1.0], "var": [1.0, 1.0]}, 1.0, "½ (0 + 2²) / 2"),
        Example({"input": [1.0], "target": [1.0], "var": 2.718281828459045}, 0.5, "½ log e"),
    ),
    use_when=(
        "Some inputs are noisier than others, and the size of the error is to be predicted with the value.",
        "Sensors of known accuracy are fitted together: var is then data, and weighs each by its precision.",
    ),
    not_when=(
        "The noise is of one size and of no interest: mse_loss, which cannot run away.",
        "Noise is skewed or has heavy tails: quantile_loss, which assumes no shape.",
        "Targets are counts: poisson_nll_loss, whose variance is that of the mean.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [-1.0, 1.0], "var": 1.0},
            0.5,
            "0 predicted of standardised targets, with their variance: ½ (log 1 + 1)",
        ),
        "½ log eps, -6.9 at the default, where the error is 0 and the variance at most eps; it is negative wherever "
        "variances are small. With full=True it is ½ log 2π = 0.919 more.",
    ),
    minimiser=Minimiser(
        "The mean of the targets, for one variance; if variances differ, the mean weighted by 1 / var. A constant "
        "variance that is learned too becomes that of the targets, and the loss ½ (log var + 1).",
        mean,
    ),
    aliases=("GaussianNLLLoss", "Gaussian NLL", "heteroscedastic regression", "高斯负对数似然", "异方差回归"),
    pitfalls=(
        "var is the variance σ², not σ and not log σ². Let the model predict log σ² and pass its exponential, or a "
        "softplus.",
        "It has no lower bound: where the model can fit a target exactly, var falls to eps and the loss to ½ log eps. "
        "Watch the error beside it.",
        "Errors are divided by the variance: hard samples get a large one and are hardly fitted any more. Fit the mean "
        "first, with mse_loss, or weigh rows by the detached variance.",
        "At a variance below eps its gradient is 0: raise eps, or the floor of the model, before variances get there.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, {"var": (0.25, 1.0, 4.0)}, axis="x - y"),
    kernel=Elementwise(_functor, inputs=("input", "var")),
)
def gaussian_nll_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, real("*s", broadcasts=True)],
    var: Annotated[Array | float, variances("*s", by_row=True)],
    full: Annotated[bool, Flag()] = False,
    eps: Annotated[Array | float, Range(0.0)] = 1e-6,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-density of targets under Gaussians of predicted mean and variance, in nats, up to a constant.

    Use it where a model should also say how sure it is of each prediction. With one fixed variance it is `mse_loss`.

    Parameters
    ----------
    input : floating array of any shape
        Predicted means.
    target : array that broadcasts to the shape of `input`
        True values.
    var : array or number
        Variances: of the shape of `input`, with dimensions of size 1 in it, without its last dimension (one variance
        for each row), or a single number.
    full : bool
        Whether to add the constant ½ log 2π.
    eps : float in [0, inf)
        The smallest variance: lower ones are raised to it. 1e-6 suits fp32; in fp64 a smaller one may be meant.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    With eps=0, a variance of 0 costs -inf where the error is 0 and inf elsewhere. An infinite error, or an infinite
    variance, costs inf.

    Differs from torch
    ------------------
    - gradient of a variance below eps: 0, the derivative of the value; torch: as if it were not raised (#49807)
    - gradient at a variance of 0 in fp16: finite; torch: NaN (#49807)
    - a variance of 0 with eps=0: inf, or -inf at an error of 0; torch: NaN
    - an error whose square overflows: exact; torch: inf
    - `torch.compile(fullgraph=True)` and vmap: work; torch: fail (#194503, #194533)
    - an integer variance: converted; torch: `RuntimeError`

    Raises
    ------
    ValueError, TypeError
        On the CPU where a variance is negative; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(gaussian_nll_loss(np.array([1.0, 3.0]), np.array([1.0, 1.0]), 1.0))
    1.0
    """
    xp = namespace(input)
    error = input - target
    raised = xp.where(var < eps, eps, var)
    degenerate = raised == 0
    v = xp.where(degenerate, 1.0, raised)
    z = error / xp.sqrt(v)
    nll = xp.where(degenerate, xp.inf, 0.5 * xp.log(v) + 0.5 * z * z)
    nll = xp.where(degenerate & (error == 0), -xp.inf, nll)
    return nll + 0.5 * math.log(2 * math.pi) if full else nll
