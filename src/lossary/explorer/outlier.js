// One outlier: what the best constant under some losses is, as one of nine targets moves away.
"use strict";

const outlier = (() => {
  const TARGETS = [-1.6, -1.1, -0.7, -0.2, 0, 0.3, 0.8, 1.4];
  const RANGE = [-10, 10];
  const parts = {};

  const losses = () => [
    { name: "mse_loss", options: {}, key: "fit mean" },
    { name: "l1_loss", options: {}, key: "fit median" },
    { name: "huber_loss", options: { delta: state.delta }, key: "fit huber" },
  ];
  const fitted = ({ name, options }, at) => quantities.fit(formulas.losses[name], options, [...TARGETS, at]);

  const move = (value) => {
    state.outlier = +Math.max(RANGE[0], Math.min(RANGE[1], value)).toFixed(2);
    changed();
  };

  const build = (root) => {
    parts.drawing = element("div", { class: "panels" });
    parts.table = element("div");
    root.replaceChildren(
      element("p", { class: "lead" }, t("outlier lead")),
      element("div", { class: "sliders" },
        numberControl({ id: "outlier-place", name: t("outlier"), value: state.outlier, slider: { from: RANGE[0], to: RANGE[1] },
          permits: (value) => value >= RANGE[0] && value <= RANGE[1], hint: t("out of range"),
          onChange: (value) => {
            state.outlier = value;
            changed();
          } }),
        numberControl({ id: "delta", name: "delta", value: state.delta, slider: { from: 0.05, to: 10, logarithmic: true },
          permits: (value) => value >= 0.05 && value <= 10, hint: t("out of range"),
          onChange: (value) => {
            state.delta = value;
            changed();
          } })),
      parts.drawing,
      parts.table,
    );
  };

  const line = (width) => {
    const fits = losses();
    const height = 190;
    const { svg, box, toX, toValue } = chart({ width, height, title: t("outlier targets"), x: RANGE, y: { low: 0, high: 1 }, label: t("target value") });
    svg.querySelectorAll(".grid, .zero").forEach((grid) => +grid.getAttribute("y1") === +grid.getAttribute("y2") && grid.remove());
    svg.querySelectorAll("text.tick[text-anchor=end]").forEach((tick) => tick.remove());
    fits.forEach((entry, i) => {
      const c = fitted(entry, state.outlier);
      svg.append(
        drawn("line", { class: `line s${i}`, x1: toX(c), x2: toX(c), y1: box.top + 8 + 22 * i, y2: box.bottom }),
        drawn("text", { class: `tick s${i} name`, x: toX(c) + (c > 7 ? -7 : 7), y: box.top + 18 + 22 * i, "text-anchor": c > 7 ? "end" : "start" }, `${t(entry.key)} ${shown(c, 3)}`),
      );
    });
    TARGETS.forEach((y) => svg.append(drawn("circle", { class: "target", cx: toX(y), cy: box.bottom - 12, r: 5 })));
    svg.append(
      drawn("g", handle("outlier-handle", t("outlier"), state.outlier, RANGE, shown(state.outlier), move),
        drawn("circle", { class: "grip", cx: toX(state.outlier), cy: box.bottom - 12, r: 9 })),
    );
    draggable(svg, ([x]) => move(toValue(x)));
    return svg;
  };

  const influence = (width) => {
    const fits = losses();
    const xs = compare.grid(RANGE, 161);
    const lines = fits.map((entry, index) => ({ index, points: xs.map((x) => [x, fitted(entry, x)]) }));
    return chart({
      width, height: 250, title: t("influence"), x: RANGE, y: { low: -1.4, high: 1.4 }, label: t("outlier"), lines,
      marks: fits.map((entry, index) => [state.outlier, fitted(entry, state.outlier), index]),
    }).svg;
  };

  const update = () => {
    const width = Math.max(280, Math.min(900, parts.drawing.clientWidth));
    parts.drawing.replaceChildren(line(width), influence(width));
    const rest = TARGETS.length;
    parts.table.replaceChildren(
      element("table", {},
        element("thead", {}, element("tr", {}, [t("loss"), t("best constant"), t("moved by"), t("pull")].map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, losses().map((entry) => {
          const c = fitted(entry, state.outlier);
          const without = quantities.fit(formulas.losses[entry.name], entry.options, TARGETS);
          const slope = (y) => formulas.losses[entry.name]([c - y, 1], entry.options)[1];
          const pulls = [...TARGETS, state.outlier].map((y) => Math.abs(slope(y)));
          return element("tr", {}, element("th", { scope: "row" }, element("code", {}, entry.name), " ", t(entry.key)),
            element("td", {}, shown(c)), element("td", {}, shown(c - without)), element("td", {}, percent(pulls[rest] / quantities.sum(pulls))));
        }))),
      element("p", { class: "hint" }, t("pull why")),
    );
  };

  return { build, update };
})();
