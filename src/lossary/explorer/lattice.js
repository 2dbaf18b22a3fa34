// The lattice of CTC for a small example: frames from left to right, states from top to bottom.
"use strict";

const lattice = (() => {
  const SYMBOLS = ["–", "a", "b"];
  // Logits of three symbols for seven frames, as a model that hears "a", then "b", may give them.
  const LOGITS = [
    [0.6, 1.4, -0.4], [0.2, 1.7, -0.2], [1.1, 0.3, 0.4], [0.1, -0.3, 1.6], [0.9, -0.1, 1.1], [0.8, 1.2, 0.1], [1.5, 0.2, 0.3],
  ];
  const parts = {};

  const problem = () => {
    const rows = LOGITS.slice(0, state.frames).map((row) => quantities.softmax(row.map((x) => x * state.sharpness)));
    const labels = [...state.word].map((letter) => SYMBOLS.indexOf(letter));
    return { rows, ...quantities.ctc(rows, labels) };
  };

  const set = (name) => (value) => {
    state[name] = value;
    changed(name === "word" || name === "frames");
  };

  const build = (root) => {
    for (const name of ["probabilities", "drawing", "reading"]) parts[name] = element("div", { class: "panels" });
    parts.paths = element("div", { class: "paths" });
    state.frame = Math.min(state.frame, state.frames);
    root.replaceChildren(
      element("p", { class: "lead" }, t("lattice lead")),
      element("div", { class: "sliders" },
        choiceControl({ id: "word", name: t("word"), value: state.word, values: ["ab", "aa", "a", "aba"], onChange: (word) => {
          Object.assign(state, { word, path: 0 });
          changed(true);
        } }),
        choiceControl({ id: "frames", name: t("frames"), value: state.frames, values: [3, 4, 5, 6, 7], onChange: (frames) => {
          Object.assign(state, { frames, frame: frames, path: 0 });
          changed(true);
        } }),
        numberControl({ id: "frame", name: t("frame"), value: state.frame, slider: { from: 1, to: state.frames }, digits: 1,
          permits: (value) => Number.isInteger(value) && value >= 1 && value <= state.frames, hint: t("out of range"), onChange: set("frame") }),
        numberControl({ id: "sharpness", name: t("sharpness"), value: state.sharpness, slider: { from: 0, to: 3 },
          permits: (value) => value >= 0 && value <= 3, hint: t("out of range"), onChange: set("sharpness") })),
      parts.drawing,
      parts.reading,
      element("h3", {}, t("paths")),
      element("p", { class: "hint" }, t("paths lead")),
      parts.paths,
    );
    const range = root.querySelector("#frame");
    Object.assign(range, { min: 0, max: 1000, step: 1000 / (state.frames - 1) });
    range.value = (1000 * (state.frame - 1)) / (state.frames - 1);
  };

  const update = () => {
    const { rows, states, forward, paths, total, loss, before } = problem();
    const chosen = paths[Math.min(state.path, paths.length - 1)];
    const width = Math.max(300, Math.min(920, parts.drawing.clientWidth));
    const left = 40;
    const top = 92;
    const across = (width - left - 20) / state.frames;
    const down = Math.min(58, Math.max(44, 300 / states.length));
    const height = top + states.length * down + 10;
    const x = (frame) => left + (frame + 0.5) * across;
    const y = (s) => top + (s + 0.5) * down;
    const radius = Math.min(21, across * 0.36, down * 0.42);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart lattice", role: "img", "aria-label": t("lattice label", { word: state.word, frames: state.frames }) });
    rows.forEach((row, frame) => {
      const later = frame >= state.frame ? " later" : "";
      svg.append(drawn("text", { class: `tick${later}`, x: x(frame), y: 13, "text-anchor": "middle" }, `t = ${frame + 1}`));
      row.forEach((p, k) =>
        svg.append(
          drawn("rect", { class: `track${later}`, x: x(frame) - across * 0.32, y: 22 + k * 20, width: across * 0.64, height: 14 }),
          drawn("rect", { class: `share s${k}${later}`, x: x(frame) - across * 0.32, y: 22 + k * 20, width: across * 0.64 * p, height: 14 }),
          drawn("text", { class: `tiny${later}`, x: x(frame), y: 33 + k * 20, "text-anchor": "middle" }, p.toFixed(2)),
        ));
    });
    SYMBOLS.forEach((symbol, k) => svg.append(drawn("text", { class: "tick", x: 16, y: 33 + k * 20, "text-anchor": "middle" }, symbol)));
    const onPath = (frame, s, r) => chosen && chosen.path[frame] === s && (r === undefined || chosen.path[frame - 1] === r);
    for (let frame = 1; frame < state.frames; frame++)
      states.forEach((_, s) =>
        before(s).forEach((r) => {
          const live = forward[frame - 1][r] > 0;
          svg.append(drawn("line", {
            class: `edge${live ? "" : " dead"}${frame >= state.frame ? " later" : ""}${onPath(frame, s, r) ? " chosen" : ""}`,
            x1: x(frame - 1) + radius, x2: x(frame) - radius, y1: y(r), y2: y(s),
          }));
        }));
    states.forEach((symbol, s) => {
      svg.append(drawn("text", { class: "tick", x: 16, y: y(s) + 4, "text-anchor": "middle" }, SYMBOLS[symbol]));
      for (let frame = 0; frame < state.frames; frame++) {
        const alpha = forward[frame][s];
        const shownYet = frame < state.frame;
        svg.append(
          drawn("circle", { class: `node${alpha > 0 ? "" : " dead"}${shownYet ? "" : " later"}${onPath(frame, s) ? " chosen" : ""}`, cx: x(frame), cy: y(s), r: radius }),
          shownYet && alpha > 0 ? drawn("text", { class: "tiny", x: x(frame), y: y(s) + 4, "text-anchor": "middle" }, alpha < 0.001 ? alpha.toExponential(0) : alpha.toFixed(3).replace(/^0/, "")) : "",
        );
      }
    });
    parts.drawing.replaceChildren(svg);
    const done = state.frame === state.frames;
    const so = forward[state.frame - 1];
    parts.reading.replaceChildren(
      element("p", { role: "status" }, t("frame says", { frame: state.frame, total: shown(quantities.sum(so)) }), " ",
        done
          ? paths.length ? t("lattice says", { number: paths.length, total: shown(total), loss: shown(loss) }) : t("lattice none")
          : t("lattice more", { left: state.frames - state.frame })),
    );
    const most = 40;
    parts.paths.replaceChildren(
      element("ol", { role: "listbox", id: "paths", tabindex: 0, "aria-label": t("paths"), "aria-activedescendant": chosen ? `path-${paths.indexOf(chosen)}` : null,
        onkeydown: (event) => {
          const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
          if (!step) return;
          event.preventDefault();
          state.path = Math.max(0, Math.min(Math.min(most, paths.length) - 1, state.path + step));
          changed();
        } },
        paths.slice(0, most).map((path, i) =>
          element("li", { role: "option", id: `path-${i}`, "aria-selected": path === chosen ? "true" : "false", onclick: () => {
            state.path = i;
            changed();
          } },
            element("code", {}, path.symbols.map((symbol) => SYMBOLS[symbol]).join("")), element("span", {}, shown(path.probability, 3))))),
      ...(paths.length > most ? [element("p", { class: "hint" }, t("paths more", { number: paths.length - most }))] : []),
    );
  };

  return { build, update };
})();
