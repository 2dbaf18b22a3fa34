"""Numbers: regression, and times until an event."""

from lossary.which.rule import Claim, Rule, Task

REGRESSION = Task(
    "regression",
    "a number, or several",
    {
        "counts": "targets count events: 0, 1, 2, ...",
        "quantile": "a quantile or an interval is wanted, or too low costs more than too high",
        "spread": "noise varies from sample to sample, and the model should say how large it is",
        "several": "several targets of different size are learnt at once, and their losses added up",
        "outliers": "some targets are far off: errors have heavy tails",
        "smooth": "second derivatives are used",
        "median": "the typical target is wanted, with as many above as below",
        "positive": "targets are positive and span orders of magnitude: ratios count",
        "rmse": "the score is RMSE",
    },
    (
        Rule(
            ("counts",),
            "poisson_nll_loss",
            "Poisson likelihood: let the model predict the logarithm of the rate.",
            (
                Claim(
                    "minimiser",
                    "A constant prediction ends at the mean count: of 0, 1, 2 and 5 at a rate of 2.",
                    shown="exp(best(poisson_nll_loss, [0, 1, 2, 5]))",
                    value=2.0,
                ),
                Claim(
                    "noise",
                    "Counts vary as much as their mean: an error of 2 pulls a rate of 4 by 0.5, one of 102 by 0.0196.",
                    shown="slope(poisson_nll_loss, 102.0, 100.0, log_input=False)",
                    value=0.0196,
                ),
                Claim(
                    "gradient",
                    "By the logarithm of the rate it is rate - count: 1 predicted, 5 counted, -4.",
                    shown="slope(poisson_nll_loss, 0.0, 5.0)",
                    value=-4.0,
                ),
            ),
            "Counts vary far more than their mean: the mean is still right, but the model is surer than it should be.",
        ),
        Rule(
            ("quantile",),
            "quantile_loss",
            "Quantile (pinball) loss; two quantiles, such as 0.05 and 0.95, make an interval.",
            (
                Claim(
                    "minimiser",
                    "A constant prediction ends at the quantile: the one of 0.05 of the numbers 0 to 100 is 5.",
                    shown="best(quantile_loss, range(101), quantiles=0.05)",
                    value=5.0,
                ),
                Claim(
                    "gradient",
                    "For the quantile 0.9, too low pulls by 0.9 whatever the error, and too high by 0.1.",
                    shown="slope(quantile_loss, -3.0, 0.0, quantiles=0.9)",
                    value=-0.9,
                ),
                Claim(
                    "noise",
                    "The noise that it believes in is Laplace's with two slopes: for 0.9 they are 0.9 and 0.1.",
                    shown="slope(quantile_loss, 3.0, 0.0, quantiles=0.9)",
                    value=0.1,
                ),
                Claim(
                    "value",
                    "For the median it is half of l1_loss.",
                    identity="quantile_loss_of_the_median_is_half_l1",
                ),
            ),
            "The mean is wanted, or few samples lie beyond the quantile: it is then estimated from those few.",
        ),
        Rule(
            ("spread",),
            "gaussian_nll_loss",
            "Gaussian likelihood: the model predicts a mean and a variance.",
            (
                Claim(
                    "minimiser",
                    "The variance ends at the mean squared error: of errors of 1 and 3 at 5.",
                    shown="least(lambda v: value(gaussian_nll_loss, [0.0, 0.0], [1.0, 3.0], v), 0.1)",
                    value=5.0,
                ),
                Claim(
                    "gradient",
                    "An error counts in units of the variance: one of 10 at a variance of 100 pulls by 0.1.",
                    shown="slope(gaussian_nll_loss, 10.0, 0.0, var=100.0)",
                    value=0.1,
                ),
                Claim(
                    "noise",
                    "With one fixed variance it is the squared error, up to scale and a constant.",
                    identity="squared_error_is_gaussian_likelihood",
                ),
            ),
            "Only the mean is wanted: samples with a large predicted variance are hardly fitted any more; mse_loss.",
        ),
        Rule(
            ("several",),
            "gaussian_nll_loss",
            "Give each squared error a learned variance of its own, and add up the Gaussian likelihoods.",
            (
                Claim(
                    "gradient",
                    "A unit that is 1000 times smaller makes the squared error a million times larger: plain sums "
                    "belong to the largest unit.",
                    shown="value(mse_loss, 1000.0, 0.0) / value(mse_loss, 1.0, 0.0)",
                    value=1e6,
                ),
                Claim(
                    "minimiser",
                    "Each variance ends at the mean squared error of its task, such as 5: the squared term is then "
                    "1/2, whatever the unit.",
                    shown="value(gaussian_nll_loss, [0.0, 0.0], [1.0, 3.0], 5.0) - log(5) / 2",
                    value=0.5,
                ),
            ),
            "One loss is the aim and others only help it: weigh them by hand, looking at the norm of each one's "
            "gradient.",
        ),
        Rule(
            ("outliers", "smooth"),
            "log_cosh_loss",
            "Log-cosh: nearly Huber, with derivatives of every order.",
            (
                Claim(
                    "gradient",
                    "It is tanh of the error: never more than 1, and without a kink.",
                    identity="log_cosh_gradient",
                ),
                Claim(
                    "value",
                    "Large errors cost about their size.",
                    identity="log_cosh_is_near_absolute_error",
                ),
                Claim(
                    "noise",
                    "The noise that it believes in has the density 1 / (π cosh): exponential tails.",
                    shown="sum(0.1 * exp(-value(log_cosh_loss, x / 10, 0.0)) for x in range(-300, 300))",
                    value=3.14159,
                ),
            ),
            "Errors are not of the order of 1, where it turns from square to linear: scale the targets, or use "
            "huber_loss.",
        ),
        Rule(
            ("median",),
            "l1_loss",
            "Absolute error (MAE, L1).",
            (
                Claim(
                    "minimiser",
                    "A constant prediction ends at the median: of 0, 1, 2, 3 and 100 at 2.",
                    shown="best(l1_loss, [0, 1, 2, 3, 100])",
                    value=2.0,
                ),
                Claim(
                    "noise", "It is the likelihood of Laplace noise.", identity="absolute_error_is_laplace_likelihood"
                ),
                Claim(
                    "gradient",
                    "It is 1 whatever the error, near the target too: with a fixed step the prediction never settles.",
                    shown="slope(l1_loss, 0.001, 0.0)",
                    value=1.0,
                ),
            ),
            "The mean is wanted of skewed targets, such as money or time, whose sum counts: mse_loss.",
        ),
        Rule(
            ("outliers",),
            "huber_loss",
            "Huber loss, with delta = 1.345 · 1.4826 · the median absolute residual.",
            (
                Claim(
                    "minimiser",
                    "Between median and mean: of 0, 0, 0, 3 and 100, whose median is 0 and mean 20.6, it is 0.667.",
                    shown="best(huber_loss, [0, 0, 0, 3, 100])",
                    value=0.6667,
                ),
                Claim(
                    "gradient",
                    "An error of 100 pulls by delta, 1, where mse_loss pulls by 200.",
                    shown="slope(huber_loss, 100.0, 0.0)",
                    value=1.0,
                ),
                Claim(
                    "noise",
                    "The noise that it believes in is Gaussian within delta and has exponential tails: each further "
                    "unit costs the same.",
                    shown="value(huber_loss, 10.0, 0.0) - value(huber_loss, 9.0, 0.0)",
                    value=1.0,
                ),
                Claim(
                    "minimiser",
                    "With delta at 1.345 standard deviations it keeps 95% of the precision of the mean under Gaussian "
                    "noise.",
                    shown="efficiency(1.345)",
                    value=0.95,
                ),
                Claim(
                    "minimiser",
                    "1.4826 times the median absolute residual estimates that standard deviation.",
                    shown="1 / NormalDist().inv_cdf(0.75)",
                    value=1.4826,
                ),
                Claim(
                    "value",
                    "It is delta times smooth_l1_loss with beta = delta: at 1 the two are the same.",
                    identity="huber_is_scaled_smooth_l1",
                ),
            ),
            "The far targets are what counts, as with rare large demands: mse_loss, or quantile_loss.",
        ),
        Rule(
            ("positive",),
            "mse_loss",
            "Squared error of the logarithms of prediction and target.",
            (
                Claim(
                    "minimiser",
                    "A constant prediction ends at the geometric mean: of 1, 10 and 100 at 10, the mean being 37.",
                    shown="exp(best(mse_loss, [log(1), log(10), log(100)]))",
                    value=10.0,
                ),
                Claim(
                    "gradient",
                    "Twice the logarithm of the ratio: 2 for 1 counts as much as 200 for 100.",
                    shown="slope(mse_loss, log(200), log(100)) - slope(mse_loss, log(2), log(1))",
                    value=0.0,
                ),
            ),
            "The mean is wanted: the exponential of the prediction is too low for it; poisson_nll_loss takes any "
            "targets from 0 on and ends at their mean.",
        ),
        Rule(
            ("rmse",),
            "mse_loss",
            "Squared error; take the root when reporting.",
            (
                Claim(
                    "minimiser",
                    "The root moves no minimum: of 0, 1 and 5 it stays at the mean, 2.",
                    shown="least(lambda x: value(mse_loss, [x] * 3, [0.0, 1.0, 5.0]) ** 0.5)",
                    value=2.0,
                ),
                Claim(
                    "gradient",
                    "The root divides the gradient by twice the RMSE: a factor of 5e7 at an RMSE of 1e-8, and at 0 "
                    "infinity times 0, which is NaN.",
                    shown="0.5 / value(mse_loss, 1e-8, 0.0) ** 0.5",
                    value=5e7,
                ),
                Claim(
                    "gradient", "Without the root it is 0 at the target.", shown="slope(mse_loss, 0.0, 0.0)", value=0.0
                ),
            ),
            "Some targets are far off: RMSE is drawn by them, and so is what minimises it.",
        ),
        Rule(
            (),
            "mse_loss",
            "Squared error (MSE, L2).",
            (
                Claim(
                    "minimiser",
                    "A constant prediction ends at the mean: of 0, 0, 0 and 10 at 2.5.",
                    shown="best(mse_loss, [0, 0, 0, 10])",
                    value=2.5,
                ),
                Claim(
                    "minimiser",
                    "It follows outliers: 100 beside 0, 1, 2 and 3 moves it to 21.2.",
                    shown="best(mse_loss, [0, 1, 2, 3, 100])",
                    value=21.2,
                ),
                Claim(
                    "noise", "It is the likelihood of Gaussian noise.", identity="squared_error_is_gaussian_likelihood"
                ),
                Claim(
                    "gradient",
                    "Twice the error: an outlier of 10 pulls as ten errors of 1.",
                    shown="slope(mse_loss, 10.0, 0.0)",
                    value=20.0,
                ),
            ),
            "Errors have heavy tails: huber_loss, or l1_loss.",
        ),
    ),
)

SURVIVAL = Task(
    "survival",
    "a time until an event, of which some are only known to be longer (censored)",
    {"intervals": "time is counted in few intervals, such as months"},
    (
        Rule(
            ("intervals",),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy of the event in each interval with the subject still at risk; weight 0 after that.",
            (
                Claim(
                    "minimiser",
                    "Each interval ends at the share of those at risk whom the event met: 1 of 4.",
                    shown="sigmoid(best(binary_cross_entropy_with_logits, [1, 0, 0, 0]))",
                    value=0.25,
                ),
                Claim(
                    "value",
                    "Intervals of weight 0 add nothing: a censored time counts as far as it is known.",
                    shown="value(binary_cross_entropy_with_logits, [0.0, 9.0], [0.0, 0.0], sample_weight=[1.0, 0.0], "
                    "reduction='sum')",
                    value=0.6931,
                ),
            ),
            "Times are exact and only the order of risks is wanted: cox_loss.",
        ),
        Rule(
            (),
            "cox_loss",
            "Cox's partial likelihood of log-hazards.",
            (
                Claim(
                    "value",
                    "Each event is one class among all that were still at risk: cross-entropy.",
                    identity="cox_of_one_event_is_cross_entropy",
                ),
                Claim(
                    "noise",
                    "It needs no distribution of the times: only their order counts.",
                    identity="cox_knows_the_order_of_times_alone",
                ),
            ),
            "Times themselves are to be predicted: it knows none; or batches are small, which leaves few at risk.",
        ),
    ),
)
