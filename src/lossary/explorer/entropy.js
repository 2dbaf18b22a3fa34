// Cross-entropy = entropy + relative entropy, of two distributions whose bars can be dragged.
"use strict";

const entropy = (() => {
  const parts = {};
  const NAMES = ["a", "b", "c", "d"];

  /** One share set, the others keeping their proportions. */
  const set = (which, place, value) => {
    const share = Math.max(0, Math.min(1, value));
    const before = state[which];
    const others = 1 - before[place];
    state[which] = before.map((p, i) => (i === place ? share : others > 1e-9 ? (p * (1 - share)) / others : (1 - share) / (before.length - 1)));
    changed();
  };

  const preset = (key, p, q) => button(t(`entropy ${key}`), () => {
    Object.assign(state, { p, q: q ?? state.q });
    changed();
  }, { class: "preset" });

  const build = (root) => {
    parts.bars = element("div", { class: "panels pair" });
    parts.sum = element("div", { class: "panels" });
    parts.table = element("div");
    root.replaceChildren(
      element("p", { class: "lead" }, t("entropy lead")),
      element("div", { class: "presets" },
        preset("label", [1, 0, 0, 0]), preset("soft", [0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3]), preset("uniform", [0.25, 0.25, 0.25, 0.25]),
        preset("right", state.p, state.p), preset("swap", state.q, state.p), preset("hole", P, [0.6, 0.4, 0, 0])),
      parts.bars, parts.sum, parts.table,
    );
    // What these two do depends on the distributions of the moment.
    const [right, swap] = [...root.querySelectorAll(".preset")].slice(3, 5);
    right.onclick = () => {
      state.q = state.p;
      changed();
    };
    swap.onclick = () => {
      [state.p, state.q] = [state.q, state.p];
      changed();
    };
  };

  const bars = (which, index, width) => {
    const values = state[which];
    const { svg, box, toY } = chart({ width, height: 240, title: t(`distribution ${which}`), x: [0, values.length], y: { low: 0, high: 1 } });
    svg.querySelectorAll("text.tick[text-anchor=middle], line.grid").forEach((part) => +part.getAttribute("x1") === +part.getAttribute("x2") && part.remove());
    const step = (box.right - box.left) / values.length;
    values.forEach((p, i) => {
      const x = box.left + i * step + step * 0.16;
      svg.append(
        drawn("g", handle(`${which}-${i}`, `${t(`distribution ${which}`)}, ${NAMES[i]}`, p, [0, 1], percent(p), (value) => set(which, i, value)),
          drawn("rect", { class: `bar s${index}`, x, width: step * 0.68, y: toY(p), height: Math.max(0, box.bottom - toY(p)) }),
          drawn("rect", { class: "grip", x: x - 3, width: step * 0.68 + 6, y: toY(p) - 3, height: 6, rx: 3 })),
        drawn("text", { class: "tick", x: x + step * 0.34, y: box.bottom + 17, "text-anchor": "middle" }, `${NAMES[i]}  ${shown(p, 3)}`),
      );
    });
    let place = null;
    svg.addEventListener("pointerdown", (event) => {
      const [x] = placeIn(svg, event);
      place = Math.max(0, Math.min(values.length - 1, Math.floor((x - box.left) / step)));
    }, true);
    draggable(svg, ([, y]) => set(which, place, 1 - (y - box.top) / (box.bottom - box.top)));
    return svg;
  };

  const sum = (width) => {
    const { entropy: h, divergence, cross } = quantities.decomposition(state.p, state.q);
    const most = Math.max(Number.isFinite(cross) ? cross : 0, h + 1, 1.5);
    const { svg, box, toX } = chart({ width, height: 150, title: t("sum"), x: [0, most], y: { low: 0, high: 2 }, label: t("nats") });
    svg.querySelectorAll("text.tick[text-anchor=end]").forEach((tick) => tick.remove());
    svg.querySelectorAll("line.grid, line.zero").forEach((grid) => +grid.getAttribute("y1") === +grid.getAttribute("y2") && grid.remove());
    const end = Number.isFinite(cross) ? cross : most;
    const bar = (from, to, row, name, text) => {
      const y = box.top + row * 40 + 6;
      const roomy = toX(to) - toX(from) > 112;
      return [
        drawn("rect", { class: `bar ${name}`, x: toX(from), y, width: Math.max(0, toX(to) - toX(from)), height: 28 }),
        roomy || to === end ? drawn("text", { class: "onbar", x: toX(roomy ? from : to) + 8, y: y + 19 }, text) : "",
      ];
    };
    svg.append(
      ...bar(0, end, 0, "s3", `CE(p, q) = ${shown(cross)}`),
      ...bar(0, h, 1, "s0", `H(p) = ${shown(h)}`),
      ...bar(h, end, 1, "s1", `KL(p‖q) = ${shown(divergence)}`),
    );
    return svg;
  };

  const update = () => {
    const width = Math.max(280, parts.bars.clientWidth);
    const each = width >= 640 ? Math.floor((width - 20) / 2) : width;
    parts.bars.replaceChildren(bars("p", 0, each), bars("q", 1, each));
    parts.sum.replaceChildren(sum(width));
    const { p, q } = state;
    const there = quantities.decomposition(p, q);
    const back = quantities.decomposition(q, p);
    const rows = [
      ["H(p)", there.entropy, "means entropy"], ["KL(p‖q)", there.divergence, "means divergence"],
      ["CE(p, q) = H(p) + KL(p‖q)", there.cross, "means cross"], ["KL(q‖p)", back.divergence, "means back"],
    ];
    parts.table.replaceChildren(
      element("table", { class: "expect" },
        element("thead", {}, element("tr", {}, [t("quantity"), t("in nats"), t("in bits")].map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, rows.map(([name, value, key]) =>
          element("tr", {}, element("th", { scope: "row" }, name, element("p", {}, t(key))), element("td", {}, shown(value)), element("td", {}, shown(value / Math.LN2)))))),
    );
  };

  return { build, update };
})();
