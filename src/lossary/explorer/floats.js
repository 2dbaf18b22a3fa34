// Where formulas, written as they are in books, break in small floats.
"use strict";

const floats = (() => {
  const POINTS = 601;
  const NAMES = Object.keys(dtypes.rounding);
  const parts = {};

  const build = (root) => {
    parts.panels = element("div", { class: "panels" });
    parts.table = element("div");
    root.replaceChildren(
      element("p", { class: "lead" }, t("floats lead")),
      element("div", { class: "sliders" },
        choiceControl({ id: "program", name: t("program"), value: state.program, values: Object.keys(dtypes.programs),
          onChange: (name) => {
            state.program = name;
            changed();
          } })),
      element("ul", { class: "legend" },
        element("li", {}, key("exact"), t("exact")),
        NAMES.map((name, i) => element("li", {}, key(`s${i}`), name)),
        ["infinite", "nan", "zero", "wrong"].map((verdict) => element("li", {}, element("span", { class: `patch ${verdict}` }), t(`verdict ${verdict}`)))),
      parts.panels,
      parts.table,
    );
  };

  const key = (name) => drawn("svg", { class: "swatch", width: 26, height: 10, "aria-hidden": "true" }, drawn("path", { d: "M1 5H25", class: `line ${name}` }));

  /** Stretches of the axis over which a computation stands alike to the right answer. */
  const stretches = (xs, verdicts) => {
    const found = [];
    xs.forEach((x, i) => {
      if (verdicts[i] === found.at(-1)?.verdict) found.at(-1).to = x;
      else found.push({ verdict: verdicts[i], from: x, to: x });
    });
    return found.filter(({ verdict }) => verdict !== "right");
  };

  const drawing = (k, computed, exact, xs, width) => {
    const range = [xs[0], xs.at(-1)];
    const right = exact.map((value) => value[k]);
    const finite = heights(right);
    const y = { ...finite, low: finite.low - 0.04 * (finite.high - finite.low) };
    const { svg, box, toX } = chart({
      width, height: 310, under: 42, title: t(k ? "gradient" : "value"), x: range, y, label: "",
      lines: [
        { class: "line exact", points: xs.map((x, i) => [x, right[i]]) },
        ...NAMES.map((name, index) => ({ index, points: xs.map((x, i) => [x, computed[name][i][k]]) })),
      ],
    });
    NAMES.forEach((name, row) => {
      const top = box.bottom + 26 + row * 15;
      const verdicts = xs.map((_, i) => dtypes.verdict(computed[name][i][k], right[i]));
      svg.append(
        drawn("text", { class: "tick", x: box.left - 7, y: top + 10, "text-anchor": "end" }, name),
        drawn("rect", { class: "patch right", x: box.left, y: top, width: box.right - box.left, height: 11 }),
        ...stretches(xs, verdicts).map(({ verdict, from, to }) =>
          drawn("rect", { class: `patch ${verdict}`, x: toX(from) - 0.5, y: top, width: Math.max(1.5, toX(to) - toX(from) + 1), height: 11 })),
      );
    });
    return svg;
  };

  const update = () => {
    const program = dtypes.programs[state.program];
    const xs = compare.grid(program.range, POINTS);
    const exact = xs.map((x) => dtypes.exact(state.program, x));
    const computed = Object.fromEntries(NAMES.map((name) => [name, xs.map((x) => dtypes.compute(state.program, name, x))]));
    const width = Math.max(280, parts.panels.clientWidth);
    const each = width >= 640 ? Math.floor((width - 20) / 2) : width;
    parts.panels.replaceChildren(element("div", { class: "pair" }, drawing(0, computed, exact, xs, each), drawing(1, computed, exact, xs, each)));
    const step = xs[1] - xs[0];
    const place = ({ from, to }) => (from === xs[0] ? `x ≤ ${shown(to, 3)}` : to === xs.at(-1) ? `x ≥ ${shown(from, 3)}` : to - from < step ? `x ≈ ${shown(from, 3)}` : `${shown(from, 3)} … ${shown(to, 3)}`);
    const list = (name, k) => {
      const verdicts = xs.map((_, i) => dtypes.verdict(computed[name][i][k], exact[i][k]));
      const found = stretches(xs, verdicts);
      // Around a threshold verdicts alternate: a stretch of a few points says less than those beside it.
      const long = found.filter(({ from, to }) => to - from >= 4 * step || found.length < 3);
      return long.length ? long.slice(0, 4).map((stretch) => element("div", {}, `${place(stretch)}: ${t(`verdict ${stretch.verdict}`)}`)) : t("nowhere");
    };
    parts.table.replaceChildren(
      element("table", {},
        element("thead", {}, element("tr", {}, [t("dtype"), t("value breaks"), t("gradient breaks")].map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, NAMES.map((name) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, list(name, 0)), element("td", {}, list(name, 1)))))),
      element("p", { class: "hint" }, prose(t("floats why", { loss: program.loss[0] }))),
    );
  };

  return { build, update };
})();
