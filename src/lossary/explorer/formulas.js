// The losses of the catalogue that are a function of one number, over the axis of their record's plot.
// tests/test_explorer.py holds each value and each derivative, for many options, to the Python library.
"use strict";

const formulas = (() => {
  const { add, subtract, shift, scale, negate, multiply, divide, square, power, constant } = dual;
  const { exp, log, log1p, cos, acos, tanh, logCosh, absolute, hinge, smaller, sigmoid, softplus, logit, held } = dual;

  const mixed = (share, yes, no) => add(scale(yes, share), scale(no, 1 - share));
  const ofLabel = (x, t) => mixed(t, softplus(negate(x)), softplus(x));
  const xlogx = (x) => (x === 0 ? 0 : x * Math.log(x));

  /** (1 - p)^gamma · nll, given log(1 - p). */
  const modulated = (nll, logRest, gamma, isHeld = false) => {
    if (gamma === 0) return nll;
    const factor = exp(scale(logRest, gamma));
    return multiply(isHeld ? held(factor) : factor, nll);
  };

  const huber = (e, delta) => {
    const size = absolute(e);
    return size[0] <= delta ? scale(square(e), 0.5) : scale(shift(size, -delta / 2), delta);
  };

  /** Two logits, x of the true class and 0. */
  const crossEntropy = (x, { label_smoothing, softcap, temperature, z_loss }) => {
    const capped = softcap === null ? x : scale(tanh(scale(x, 1 / softcap)), softcap);
    const lead = scale(capped, 1 / temperature);
    const nll = mixed(1 - label_smoothing / 2, softplus(negate(lead)), softplus(lead));
    return add(nll, scale(square(softplus(lead)), z_loss));
  };

  const asymmetric = (x, { target, gamma_pos, gamma_neg, clip, held: isHeld }) => {
    const found = modulated(softplus(negate(x)), negate(softplus(x)), gamma_pos, isHeld);
    const q = hinge(shift(sigmoid(x), -clip));
    const missed =
      clip === 0
        ? modulated(softplus(x), negate(softplus(negate(x))), gamma_neg, isHeld)
        : q[0] === 0
          ? constant(0)
          : modulated(negate(log1p(negate(q))), log(q), gamma_neg, isHeld);
    return mixed(target, found, missed);
  };

  const sigmoidFocal = (x, { target, gamma, alpha }) => {
    const rest = mixed(target, sigmoid(negate(x)), sigmoid(x));
    const focal = modulated(ofLabel(x, target), log(rest), gamma);
    return alpha === -1 ? focal : scale(focal, alpha * target + (1 - alpha) * (1 - target));
  };

  const gaussian = (e, { var: variance, full }) => {
    const v = Math.max(variance, 1e-6);
    return shift(scale(square(e), 0.5 / v), 0.5 * Math.log(v) + (full ? 0.5 * Math.log(2 * Math.PI) : 0));
  };

  const logFactorial = (n) => (n <= 1 ? 0 : n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n));

  /** Between a positive at 1 and a negative at 4; a distance is that of x - y + eps. */
  const triplet = (x, { margin, swap }, eps = 0) => {
    const toPositive = absolute(shift(x, eps - 1));
    const toNegative = absolute(shift(x, eps - 4));
    const apart = swap ? smaller(toNegative, constant(3 - eps)) : toNegative;
    return hinge(shift(subtract(toPositive, apart), margin));
  };

  /** Tversky loss of two pixels of one class, with hard targets. */
  const overlap = (pixels, targets, { alpha = 0.5, beta = 0.5, gamma = 1, smooth }) => {
    const sum = (term) => pixels.map(term).reduce(add);
    const both = sum((p, i) => scale(p, targets[i]));
    const predicted = sum((p, i) => scale(p, 1 - targets[i]));
    const missed = sum((p, i) => scale(shift(negate(p), 1), targets[i]));
    const wrong = add(scale(predicted, alpha), scale(missed, beta));
    const whole = shift(add(both, wrong), smooth);
    return whole[0] === 0 ? constant(0) : power(divide(wrong, whole), gamma);
  };

  /** Two pixels that are not of the class, the second at a logit of -8. */
  const dice = (x, { smooth, squared }) => {
    const pixels = [sigmoid(x), sigmoid(constant(-8))];
    if (!squared) return overlap(pixels, [0, 0], { smooth });
    const squares = pixels.map(square).reduce(add);
    return divide(squares, shift(squares, 2 * smooth));
  };

  /** A unit box and one that lies x to its right. */
  const boxes = (x, kind) => {
    const apart = absolute(x);
    const shared = hinge(shift(negate(apart), 1));
    const union = shift(negate(shared), 2);
    const iou = shift(negate(divide(shared, union)), 1);
    const width = shift(apart, 1);
    if (kind === "iou") return iou;
    if (kind === "giou") return add(iou, divide(subtract(width, union), width));
    return add(iou, divide(square(x), shift(square(width), 1)));
  };

  /** The log-ratio of the chosen answer is x, that of the rejected one 0. */
  const preferences = {
    sigmoid: (z, o) => mixed(1 - o.label_smoothing, softplus(negate(z)), softplus(z)),
    robust: (z, o) => subtract(softplus(negate(z)), scale(z, o.label_smoothing / (1 - 2 * o.label_smoothing))),
    exo_pair: (z, { label_smoothing: e }) => {
      const [q, p] = [sigmoid(z), sigmoid(negate(z))];
      const ofEach = add(
        multiply(q, shift(softplus(negate(z)), Math.log1p(-e))),
        multiply(p, shift(softplus(z), Math.log(e))),
      );
      return negate(ofEach);
    },
    hinge: (z) => hinge(shift(negate(z), 1)),
    ipo: (z, { beta }) => square(scale(shift(z, -0.5), 1 / beta)),
    sppo_hard: (z, { beta }) => shift(square(scale(shift(z, -0.5), 1 / beta)), (0.5 / beta) ** 2),
    discopop: (z, { tau }) => {
      const share = scale(z, 1 / tau);
      return add(
        multiply(sigmoid(negate(share)), softplus(negate(z))),
        exp(subtract(negate(softplus(negate(share))), z)),
      );
    },
    nca_pair: (z) => add(softplus(negate(z)), scale(shift(softplus(z), Math.log(2)), 0.5)),
    bco_pair: (z) => shift(softplus(negate(z)), Math.log(2)),
    apo_zero: (z) => shift(sigmoid(negate(z)), 0.5),
    apo_down: (z) => add(sigmoid(z), sigmoid(negate(z))),
  };

  const losses = {
    cross_entropy: crossEntropy,
    focal_loss: (x, { gamma }) => modulated(softplus(negate(x)), negate(softplus(x)), gamma),
    nll_loss: (x) => negate(x),

    asymmetric_loss: asymmetric,
    binary_cross_entropy: (p, { target: t }) => negate(mixed(t, log(p), log1p(negate(p)))),
    binary_cross_entropy_with_logits: (x, { target }) => ofLabel(x, target),
    sigmoid_focal_loss: sigmoidFocal,

    huber_loss: (e, { delta }) => huber(e, delta),
    l1_loss: (e) => absolute(e),
    log_cosh_loss: (e) => logCosh(e),
    mse_loss: (e) => square(e),
    quantile_loss: (e, { quantiles: q }) => scale(absolute(e), e[0] > 0 ? 1 - q : q),
    smooth_l1_loss: (e, { beta }) => (beta === 0 ? absolute(e) : scale(huber(e, beta), 1 / beta)),

    gaussian_nll_loss: gaussian,
    poisson_nll_loss: (x, { target: t, full }) => shift(subtract(exp(x), scale(x, t)), full ? logFactorial(t) : 0),

    kl_div: (q, { target: t }) => shift(negate(mixed(t, log(q), log1p(negate(q)))), xlogx(t) + xlogx(1 - t)),
    kl_div_with_logits: (x, { temperature }) => shift(ofLabel(scale(x, 1 / temperature), 0.5), -Math.log(2)),

    cosine_embedding_loss: (angle, { target, margin }) =>
      target === 1 ? shift(negate(cos(angle)), 1) : hinge(shift(cos(angle), -margin)),
    info_nce_loss: (x, { temperature }) => softplus(shift(scale(x, -1 / temperature), Math.log(7))),
    triplet_margin_loss: (x, options) => triplet(x, options),
    triplet_margin_with_distance_loss: (x, options) => triplet(x, options, 1e-6),

    categorical_hinge_loss: (x, { margin }) => hinge(shift(negate(x), margin)),
    hinge_embedding_loss: (x, { target, margin }) => (target === 1 ? x : hinge(shift(negate(x), margin))),
    hinge_loss: (x, { target, margin }) => hinge(shift(scale(x, -target), margin)),
    margin_ranking_loss: (x, { target, margin }) => hinge(shift(scale(x, -target), margin)),
    multi_margin_loss: (x, { margin, p }) => scale(power(hinge(shift(negate(x), margin)), p), 0.5),
    multilabel_margin_loss: (x) => scale(hinge(shift(negate(x), 1)), 0.5),
    multilabel_soft_margin_loss: (x, { target }) => ofLabel(x, target),
    soft_margin_loss: (x, { target }) => softplus(scale(x, -target)),
    squared_hinge_loss: (x, { target, margin }) => square(hinge(shift(scale(x, -target), margin))),

    dice_loss: dice,
    jaccard_loss: (x, { smooth }) => overlap([x, constant(0.5)], [1, 0], { alpha: 1, beta: 1, smooth }),
    tversky_loss: (x, options) => overlap([constant(0.5), x], [1, 0], options),

    box_iou_loss: (x, { kind }) => boxes(x, kind),
    complete_box_iou_loss: (x) => boxes(x, "ciou"),
    distance_box_iou_loss: (x) => boxes(x, "diou"),
    generalized_box_iou_loss: (x) => boxes(x, "giou"),

    dpo_loss: (x, options) => preferences[options.kind](scale(x, options.beta), options),
  };

  const side = ({ target }) => (target !== undefined && target < 0.5 ? -1 : 1);

  /** By what a loss takes: this number, given one on an axis that losses share. A label that is no changes the side. */
  const maps = {
    logit: { margin: (m, o) => scale(m, side(o)), probability: (p, o) => scale(logit(p), side(o)) },
    likelihood: {
      probability: (p, o) => (side(o) < 0 ? shift(negate(p), 1) : p),
      margin: (m, o) => sigmoid(scale(m, side(o))),
    },
    logarithm: { probability: (p) => log(p), margin: (m) => negate(softplus(negate(m))) },
    error: { probability: (p) => shift(p, -1), margin: (m) => negate(sigmoid(negate(m))) },
    lead: { margin: (m) => m },
    angle: { cosine: (c) => acos(c) },
    cosine: { cosine: (c) => c },
  };

  /** What losses take, by the axis of their record's plot. */
  const takes = {
    "x - y": "error",
    p: "likelihood",
    "log p of the true class": "logarithm",
    "q of the first of two classes": "likelihood",
    logit: "logit",
    "logit of a negative": "logit",
    "logit of a positive": "logit",
    "logit of one label": "logit",
    "logit of the true class, the other being 0": "logit",
    score: "logit",
    "a - b": "logit",
    "lead of the true class": "logit",
    "lead of the true label": "logit",
    "chosen - reference, the rejected as the reference": "lead",
    angle: "angle",
    "cosine with the positive, beside 7 negatives at cosine 0": "cosine",
  };
  return { losses, takes, maps };
})();
