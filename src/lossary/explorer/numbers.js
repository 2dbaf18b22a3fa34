// Dual numbers, [value, derivative]: a formula is written once, and its derivative follows from the rules below.
"use strict";

const dual = {
  constant: (value) => [value, 0],
  // 0 times infinity is 0: what has no weight takes nothing along.
  times: (k, x) => (k === 0 || x === 0 ? 0 : k * x),
  add: (a, b) => [a[0] + b[0], a[1] + b[1]],
  subtract: (a, b) => [a[0] - b[0], a[1] - b[1]],
  shift: (a, by) => [a[0] + by, a[1]],
  scale: (a, by) => [dual.times(by, a[0]), dual.times(by, a[1])],
  negate: (a) => [-a[0], -a[1]],
  multiply: (a, b) => [
    dual.times(a[0], b[0]),
    dual.times(a[1], b[0]) + dual.times(a[0], b[1]),
  ],
  divide: (a, b) => [a[0] / b[0], (a[1] - (a[0] / b[0]) * b[1]) / b[0]],
  square: (a) => [a[0] * a[0], 2 * a[0] * a[1]],
  power: (a, by) => (by === 1 ? a : a[0] === 0 ? [0, 0] : [a[0] ** by, by * a[0] ** (by - 1) * a[1]]),
  exp: (a) => [Math.exp(a[0]), dual.times(Math.exp(a[0]), a[1])],
  log: (a) => [Math.log(a[0]), a[1] / a[0]],
  log1p: (a) => [Math.log1p(a[0]), a[1] / (1 + a[0])],
  cos: (a) => [Math.cos(a[0]), -Math.sin(a[0]) * a[1]],
  acos: (a) => [Math.acos(a[0]), -a[1] / Math.sqrt(1 - a[0] * a[0])],
  tanh: (a) => [Math.tanh(a[0]), a[1] / Math.cosh(a[0]) ** 2],
  // Of small numbers cosh is 1 and a little that a float would lose.
  logCosh: (a) => [
    Math.abs(a[0]) < 1
      ? Math.log1p(2 * Math.sinh(a[0] / 2) ** 2)
      : Math.abs(a[0]) + Math.log1p(Math.exp(-2 * Math.abs(a[0]))) - Math.LN2,
    Math.tanh(a[0]) * a[1],
  ],
  absolute: (a) => [Math.abs(a[0]), Math.sign(a[0]) * a[1]],
  // At 0 the derivative is 0: what costs nothing rests.
  hinge: (a) => (a[0] <= 0 ? [0, 0] : a),
  smaller: (a, b) => (a[0] === b[0] ? [a[0], (a[1] + b[1]) / 2] : a[0] < b[0] ? a : b),
  sigmoid(a) {
    const e = Math.exp(-Math.abs(a[0]));
    return [(a[0] < 0 ? e : 1) / (1 + e), dual.times(e / (1 + e) ** 2, a[1])];
  },
  softplus: (a) => [
    Math.max(a[0], 0) + Math.log1p(Math.exp(-Math.abs(a[0]))),
    dual.times(dual.sigmoid(a)[0], a[1]),
  ],
  logit: (a) => [Math.log(a[0]) - Math.log1p(-a[0]), a[1] / (a[0] * (1 - a[0]))],
  held: (a) => [a[0], 0],
};
