// Formulas as they are often written, computed in small floats: each operation and its derivative is rounded.
"use strict";

const dtypes = (() => {
  const bits = new DataView(new ArrayBuffer(8));
  const exponentOf = (x) => {
    bits.setFloat64(0, x);
    return ((bits.getUint32(0) >> 20) & 0x7ff) - 1023;
  };
  const toEven = (x) => {
    const floor = Math.floor(x);
    const over = x - floor;
    return over > 0.5 || (over === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  };

  /** The nearest float of some bits; as torch does on the CPU, by way of fp32. */
  const nearest = (significand, least, largest) => (exact) => {
    const x = Math.fround(exact);
    if (x === 0 || !Number.isFinite(x)) return x;
    const unit = 2 ** (Math.max(exponentOf(x), least) - significand + 1);
    const near = toEven(x / unit) * unit;
    return Math.abs(near) > largest ? Math.sign(near) * Infinity : near;
  };

  const rounding = {
    fp32: Math.fround,
    bf16: nearest(8, -126, 2 ** 128 * (1 - 2 ** -8)),
    fp16: nearest(11, -14, 65504),
  };

  const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

  /** Operations whose results, and the derivatives that flow back through them, are floats of a dtype. */
  const arithmetic = (round) => {
    const tape = [];
    const node = (value, ...inputs) => {
      tape.push({ value: round(value), inputs, gradient: 0 });
      return tape.at(-1);
    };
    return {
      number: (x) => node(x),
      negate: (a) => node(-a.value, [a, (g) => -g]),
      add: (a, b) => node(a.value + b.value, [a, (g) => g], [b, (g) => g]),
      subtract: (a, b) => node(a.value - b.value, [a, (g) => g], [b, (g) => -g]),
      multiply: (a, b) => node(a.value * b.value, [a, (g) => g * b.value], [b, (g) => g * a.value]),
      divide: (a, b) =>
        node(a.value / b.value, [a, (g) => g / b.value], [b, (g) => -g * round(round(a.value / b.value) / b.value)]),
      power: (a, by) => node(a.value ** by, [a, (g) => g * round(by * round(a.value ** (by - 1)))]),
      exp: (a) => node(Math.exp(a.value), [a, (g) => g * round(Math.exp(a.value))]),
      log: (a) => node(Math.log(a.value), [a, (g) => g / a.value]),
      cosh: (a) => node(Math.cosh(a.value), [a, (g) => g * round(Math.sinh(a.value))]),
      sigmoid: (a) => {
        const s = round(sigmoid(a.value));
        return node(s, [a, (g) => g * (1 - s) * s]);
      },
      derivative: (of, by) => {
        of.gradient = 1;
        for (const { inputs, gradient } of [...tape].reverse())
          for (const [input, back] of inputs) input.gradient = round(input.gradient + round(back(gradient)));
        return by.gradient;
      },
    };
  };

  const softmax = (m, x) => m.divide(m.exp(x), m.add(m.exp(x), m.number(1)));

  /** By name: how it is written, what it should be, and over which range. */
  const programs = {
    "-log(1 - sigmoid(x))": {
      naive: (m, x) => m.negate(m.log(m.subtract(m.number(1), m.sigmoid(x)))),
      loss: ["binary_cross_entropy_with_logits", { target: 0 }],
      range: [-30, 30],
    },
    "-log(softmax(x))": {
      naive: (m, x) => m.negate(m.log(softmax(m, x))),
      loss: ["cross_entropy", { label_smoothing: 0, softcap: null, temperature: 1, z_loss: 0 }],
      range: [-110, 110],
    },
    "-log(softmax(x) + 1e-7)": {
      naive: (m, x) => m.negate(m.log(m.add(softmax(m, x), m.number(1e-7)))),
      loss: ["cross_entropy", { label_smoothing: 0, softcap: null, temperature: 1, z_loss: 0 }],
      range: [-30, 30],
    },
    "(1 - p)^0.5 · -log(p)": {
      naive: (m, x) => {
        const p = m.sigmoid(x);
        return m.multiply(m.power(m.subtract(m.number(1), p), 0.5), m.negate(m.log(p)));
      },
      loss: ["focal_loss", { gamma: 0.5 }],
      range: [-30, 30],
    },
    "log(cosh(x))": {
      naive: (m, x) => m.log(m.cosh(x)),
      loss: ["log_cosh_loss", {}],
      range: [-110, 110],
    },
  };

  const exact = (program, x) => {
    const [name, options] = programs[program].loss;
    return formulas.losses[name]([x, 1], options);
  };

  /** How a number that was computed stands to the right one. */
  const verdict = (got, right) => {
    if (Number.isNaN(got)) return "nan";
    if (!Number.isFinite(got)) return "infinite";
    if (got === 0 && right !== 0) return "zero";
    return Math.abs(got - right) > 0.1 * Math.abs(right) ? "wrong" : "right";
  };

  /** Value and derivative of a program at the float of a dtype that is nearest to x. */
  const compute = (program, dtype, x) => {
    const m = arithmetic(rounding[dtype]);
    const input = m.number(x);
    const output = programs[program].naive(m, input);
    return [output.value, m.derivative(output, input)];
  };

  return { rounding, programs, exact, compute, verdict };
})();
