// Numbers to expect: the loss before training, its floor, and what a loss that stands still may be.
"use strict";

const expect = (() => {
  /** How each is called; what it says of itself is among the words. */
  const ROWS = {
    cross_entropy: "cross_entropy(x)",
    softmax_twice: "cross_entropy(softmax(x))",
    focal_loss: "focal_loss(x)",
    info_nce_loss: "info_nce_loss(x)",
    binary_cross_entropy_with_logits: "binary_cross_entropy_with_logits(x)",
    share_of_positives: "binary_cross_entropy_with_logits(constant)",
    sigmoid_twice: "binary_cross_entropy_with_logits(sigmoid(x))",
    sigmoid_focal_loss: "sigmoid_focal_loss(x, alpha=-1)",
    mse_loss: "mse_loss(x)",
    l1_loss: "l1_loss(x)",
  };
  const SLIDERS = [
    ["classes", { from: 2, to: 100000, logarithmic: true }, 3],
    ["smoothing", { from: 0, to: 1, logarithmic: false }, 3],
    ["temperature", { from: 0.01, to: 10, logarithmic: true }, 3],
    ["gamma", { from: 0, to: 5, logarithmic: false }, 3],
    ["prior", { from: 0.001, to: 0.999, logarithmic: false }, 3],
  ];
  const parts = {};

  const slider = ([name, range, digits]) =>
    numberControl({
      id: name, name: t(`expect ${name}`), value: state[name], slider: range, digits,
      permits: (value) => FIELDS[name].read(String(value)) === value && (name !== "classes" || Number.isInteger(value)),
      hint: t("out of range"),
      onChange: (value) => {
        state[name] = value;
        changed();
      },
    });

  const build = (root) => {
    parts.table = element("div");
    parts.answers = element("div", { class: "answers", role: "status" });
    const seen = element("input", {
      type: "text", inputmode: "decimal", class: "number", id: "seen", value: state.seen === null ? "" : String(state.seen),
      placeholder: "0.693",
      oninput: () => {
        state.seen = numberOr(seen.value, null, 0);
        changed();
      },
    });
    root.replaceChildren(
      element("p", { class: "lead" }, t("expect lead")),
      element("div", { class: "sliders" }, SLIDERS.map(slider)),
      parts.table,
      element("h2", {}, t("stuck")),
      element("p", {}, t("stuck lead")),
      element("div", { class: "control seen" }, element("label", { for: "seen" }, t("seen")), seen),
      parts.answers,
    );
  };

  const update = () => {
    const found = quantities.expectations(state);
    const near = (value) => state.seen !== null && Math.abs(value - state.seen) <= 0.002 * Math.max(state.seen, 0.1);
    const cell = (value) => element("td", { class: near(value) ? "near" : null }, shown(value, 4));
    parts.table.replaceChildren(
      element("table", { class: "expect" },
        element("thead", {}, element("tr", {}, ["loss", "start", "least"].map((key) => element("th", { scope: "col" }, t(key))))),
        element("tbody", {}, Object.entries(ROWS).map(([row, call]) =>
          element("tr", {},
            element("th", { scope: "row" }, element("code", {}, call), element("p", {}, prose(t(`row ${row}`)))),
            cell(found[row].start), cell(found[row].floor))))),
    );
    const reasons = state.seen === null ? [] : quantities.explanations(state.seen);
    parts.answers.replaceChildren(
      ...(state.seen === null ? [] : reasons.length
        ? [element("ul", {}, reasons.map(({ key, classes }) => element("li", {}, prose(t(`stuck ${key}`, { classes: classes?.toLocaleString(language()) })))))]
        : [element("p", {}, t("stuck nothing"))]),
    );
  };

  return { build, update };
})();
