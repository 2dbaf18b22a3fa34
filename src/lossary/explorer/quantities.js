// What the page computes beside the curves: numbers to expect, fits, entropies, the forward pass of CTC.
"use strict";

const quantities = (() => {
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const xlogx = (p) => (p === 0 ? 0 : p * Math.log(p));
  const entropy = (p) => -sum(p.map(xlogx));

  /** H(p), KL(p || q) and CE(p, q) in nats; infinite where q has no room for p. */
  const decomposition = (p, q) => {
    const cross = -sum(p.map((share, i) => (share === 0 ? 0 : share * Math.log(q[i]))));
    return { entropy: entropy(p), divergence: cross - entropy(p), cross };
  };

  /** Losses before training, where all classes are alike, and the least that they can be. */
  const expectations = ({ classes: C, smoothing, temperature, gamma, prior }) => {
    const smoothed = [1 - smoothing + smoothing / C, smoothing / C];
    return {
      cross_entropy: { start: Math.log(C), floor: -xlogx(smoothed[0]) - (C - 1) * xlogx(smoothed[1]) },
      softmax_twice: { start: Math.log(C), floor: Math.log1p((C - 1) * Math.exp(-1 / temperature)) },
      focal_loss: { start: (1 - 1 / C) ** gamma * Math.log(C), floor: 0 },
      info_nce_loss: { start: Math.log(C), floor: Math.log1p((C - 1) * Math.exp(-2 / temperature)) },
      binary_cross_entropy_with_logits: { start: Math.log(2), floor: 0 },
      share_of_positives: { start: Math.log(2), floor: entropy([prior, 1 - prior]) },
      sigmoid_twice: { start: Math.log1p(Math.exp(-0.5)) * prior + Math.log1p(Math.exp(0.5)) * (1 - prior),
        floor: Math.log1p(Math.exp(-1)) * prior + Math.log(2) * (1 - prior) },
      sigmoid_focal_loss: { start: 0.5 ** gamma * Math.log(2), floor: 0 },
      mse_loss: { start: 1, floor: 0 },
      l1_loss: { start: Math.sqrt(2 / Math.PI), floor: 0 },
    };
  };

  /** The settings at which a loss would stand at this value. */
  const explanations = (value) => {
    const near = (other) => Math.abs(value - other) <= 0.002 * Math.max(value, 0.1);
    const found = [];
    const guess = Math.round(Math.exp(value));
    if (guess >= 2 && guess <= 1e6 && near(Math.log(guess))) found.push({ key: "guess", classes: guess });
    if (near(Math.log(2))) found.push({ key: "binary_guess" });
    const twice = Math.round(1 + Math.expm1(value) * Math.E);
    if (twice >= 2 && twice <= 1e6 && near(Math.log1p((twice - 1) / Math.E)))
      found.push({ key: "softmax_twice", classes: twice });
    if (near(Math.log1p(Math.exp(-1)))) found.push({ key: "sigmoid_twice_yes" });
    if (near(Math.log(2))) found.push({ key: "sigmoid_twice_no" });
    if (near(0.25)) found.push({ key: "brier_guess" });
    if (value === 0) found.push({ key: "one_class" });
    return found;
  };

  /** The constant at which the mean of a convex loss over some targets is least: where its derivative is 0. */
  const fit = (loss, options, targets) => {
    const slope = (c) => sum(targets.map((y) => loss([c - y, 1], options)[1]));
    let [low, high] = [Math.min(...targets), Math.max(...targets)];
    for (let i = 0; i < 100; i++) {
      const middle = (low + high) / 2;
      const s = slope(middle);
      if (s === 0) return middle;
      if (s < 0) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };

  /** What each of some numbers, counted n times, has of a total: of the loss, and of the size of the gradient. */
  const shares = (points, evaluate) => {
    const parts = points.map(([x, n]) => evaluate(x).map((part) => n * Math.abs(part)));
    const totals = [0, 1].map((k) => sum(parts.map((part) => part[k])));
    return {
      loss: parts.map((part) => (totals[0] ? part[0] / totals[0] : 0)),
      gradient: parts.map((part) => (totals[1] ? part[1] / totals[1] : 0)),
      mean: sum(points.map(([x, n]) => n * evaluate(x)[0])) / sum(points.map(([, n]) => n)),
    };
  };

  /** The share of a total that the largest tenth of the points has. */
  const ofLargestTenth = (points, parts) => {
    const each = points.map(([, n], i) => [parts[i] / n, n]).sort((a, b) => b[0] - a[0]);
    let [left, held] = [0.1 * sum(points.map(([, n]) => n)), 0];
    for (const [part, n] of each) {
      const taken = Math.min(n, left);
      held += part * taken;
      left -= taken;
    }
    return held;
  };

  const BLANK = 0;
  /** Whether a path of CTC may pass over the blank between two labels: where they differ. */
  const mayPass = (states, s) => s >= 2 && states[s] !== BLANK && states[s] !== states[s - 2];
  const before = (states, s) => [s, ...(s >= 1 ? [s - 1] : []), ...(mayPass(states, s) ? [s - 2] : [])];

  /** CTC of probabilities by frame and symbol: its states, forward probabilities, paths and loss. */
  const ctc = (probabilities, labels) => {
    const states = [BLANK, ...labels.flatMap((label) => [label, BLANK])];
    const ends = states.length > 1 ? [states.length - 2, states.length - 1] : [0];
    const forward = [];
    probabilities.forEach((row, t) => {
      const arriving = (s) => (t ? sum(before(states, s).map((r) => forward[t - 1][r])) : s <= 1 ? 1 : 0);
      forward.push(states.map((symbol, s) => arriving(s) * row[symbol]));
    });
    const paths = (t, s) =>
      t === 0
        ? s <= 1
          ? [[s]]
          : []
        : before(states, s).flatMap((r) => paths(t - 1, r).map((path) => [...path, s]));
    const all = ends
      .flatMap((s) => paths(probabilities.length - 1, s))
      .map((path) => ({
        path,
        symbols: path.map((s) => states[s]),
        probability: path.reduce((p, s, t) => p * probabilities[t][states[s]], 1),
      }))
      .sort((a, b) => b.probability - a.probability || (a.symbols < b.symbols ? -1 : 1));
    const total = sum(ends.map((s) => forward.at(-1)[s]));
    return { states, forward, paths: all, total, loss: -Math.log(total), before: (s) => before(states, s) };
  };

  const softmax = (x) => {
    const e = x.map((value) => Math.exp(value - Math.max(...x)));
    return e.map((value) => value / sum(e));
  };

  return { sum, entropy, decomposition, expectations, explanations, fit, shares, ofLargestTenth, ctc, softmax };
})();
