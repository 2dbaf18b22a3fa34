// The curves of up to four losses, with their options, the reader's data, and what there is to know about each.
"use strict";

const curves = (() => {
  const POINTS = 401;
  const PRESETS = [
    ["robust", "mse_loss+l1_loss+huber_loss"],
    ["scaled", "huber_loss;delta=2+smooth_l1_loss;beta=2"],
    ["classes", "cross_entropy+mse_loss+l1_loss", "margin"],
    ["focus", "cross_entropy+focal_loss;gamma=1+focal_loss+focal_loss;gamma=5"],
    ["margins", "cross_entropy+categorical_hinge_loss+squared_hinge_loss"],
    ["smoothed", "cross_entropy+cross_entropy;label_smoothing=0.1+cross_entropy;label_smoothing=0.3"],
    ["quantiles", "quantile_loss;quantiles=0.1+quantile_loss+quantile_loss;quantiles=0.9"],
    ["likelihoods", "gaussian_nll_loss+gaussian_nll_loss;var=1+gaussian_nll_loss;var=4"],
    ["boxes", "box_iou_loss;kind=iou+box_iou_loss+box_iou_loss;kind=diou"],
    ["preferences", "dpo_loss+dpo_loss;kind=hinge+dpo_loss;kind=bco_pair"],
  ];
  const parts = {};

  const axisOf = (group) => {
    const axes = compare.axes(group);
    return axes.includes(state.axis) ? state.axis : axes[0];
  };
  const axisName = (group, axis) => t(axis === "own" ? `axis ${compare.ownAxis(group[0].name)}` : `axis ${axis}`);

  // The reader's data, as numbers of the axis.

  const FROM = {
    residual: { residual: (x) => x },
    probability: { probability: (p) => p, margin: (p) => Math.log(p) - Math.log1p(-p) },
    margin: { margin: (m) => m, probability: (m) => 1 / (1 + Math.exp(-m)) },
  };
  const meaning = (group, axis) => (axis === "own" && compare.ownAxis(group[0].name) === "x - y" ? "residual" : axis);
  const dataOn = (group, axis) => {
    const map = FROM[state.kind][meaning(group, axis)];
    if (!map) return [];
    return state.points.map(([x, n]) => [map(x), n]).filter(([x]) => Number.isFinite(x));
  };

  const rangeOf = (group, axis) => {
    if (state.range) return axis === "probability" ? state.range.map((end) => Math.min(0.999, Math.max(0.001, end))) : state.range;
    const [low, high] = compare.range(group, axis);
    const data = dataOn(group, axis).map(([x]) => x);
    if (!data.length || axis === "probability") return [low, high];
    return [Math.min(low, ...data), Math.max(high, ...data)];
  };

  const indexOf = (entry) => state.losses.indexOf(entry);

  const histogram = (points, [low, high], bins = 40) => {
    const width = (high - low) / bins;
    const found = Array.from({ length: bins }, (_, i) => ({ from: low + i * width, to: low + (i + 1) * width, points: [] }));
    for (const point of points) {
      const place = Math.floor((point[0] - low) / width);
      if (place >= 0 && place <= bins) found[Math.min(place, bins - 1)].points.push(point);
    }
    return found;
  };

  // Building -----------------------------------------------------------------------------------------------------------

  const lossSelect = (id, chosen, onChange) =>
    element(
      "select",
      { id, onchange: (event) => onChange(event.target.value) },
      chosen ? null : element("option", { value: "" }, t("add")),
      catalogue.families.map((family) =>
        element(
          "optgroup",
          { label: t(`family ${family}`) },
          Object.entries(catalogue.losses)
            .filter(([, record]) => record.family === family)
            .map(([name]) => element("option", { value: name, selected: name === chosen }, name)),
        ),
      ),
    );

  const optionControl = (entry, option) => {
    const allowed = compare.beside(entry.name, option, entry.options);
    if (!allowed) return null;
    const name = option.name;
    const value = entry.options[name];
    const set = (given) => {
      entry.options = compare.coherent(entry.name, { ...entry.options, [name]: given });
      changed(option.ranges && Object.keys(option.ranges).length > 0);
    };
    if (option.kind === "flag") return flagControl({ name, value, onChange: set });
    if (option.kind === "choice") return choiceControl({ id: `option-${indexOf(entry)}-${name}`, name, value, values: option.values, onChange: set });
    const low = allowed.low === null ? "−∞" : shown(allowed.low);
    const high = allowed.high === null ? "∞" : shown(allowed.high);
    const interval = `${allowed.lowOpen || allowed.low === null ? "(" : "["}${low}, ${high}${allowed.highOpen || allowed.high === null ? ")" : "]"}`;
    const isOff = "off" in option && value === option.off;
    const control = numberControl({
      id: `option-${indexOf(entry)}-${name}`, name, value: isOff ? allowed.slider.to : value, slider: allowed.slider,
      permits: (given) => compare.permits(allowed, given), hint: t("allowed", { interval }), onChange: set,
    });
    if (!("off" in option)) return control;
    const off = flagControl({
      name: t("without", { name }), value: isOff,
      onChange: (on) => {
        set(on ? option.off : allowed.slider.to);
        changed(true);
      },
    });
    if (isOff) control.hidden = true;
    return element("div", {}, off, control);
  };

  const card = (entry, index) =>
    element(
      "fieldset",
      { class: `card s${index}` },
      element("legend", { class: "unseen" }, labelled(entry)),
      element(
        "div",
        { class: "choice" },
        swatch(index),
        element("label", { class: "unseen", for: `loss-${index}` }, t("loss")),
        lossSelect(`loss-${index}`, entry.name, (name) => {
          state.losses = state.losses.map((other) => (other === entry ? { name, options: compare.defaults(name) } : other));
          changed(true);
        }),
        state.losses.length > 1
          ? button("×", () => {
              state.losses = state.losses.filter((other) => other !== entry);
              changed(true);
            }, { class: "remove", "aria-label": t("remove", { name: entry.name }) })
          : null,
      ),
      element("p", { class: "about-title" }, said(entry.name).title),
      catalogue.losses[entry.name].options.map((option) => optionControl(entry, option)),
    );

  const swatch = (index) =>
    drawn("svg", { class: "swatch", width: 26, height: 10, "aria-hidden": "true" },
      drawn("path", { d: "M1 5H25", class: `line s${index}` }));

  const build = (root) => {
    const pick = element(
      "div",
      { class: "pick" },
      element("h3", {}, t("losses")),
      state.losses.map(card),
      state.losses.length < MOST
        ? element("div", { class: "more" }, element("label", { class: "unseen", for: "add" }, t("add")),
            lossSelect("add", null, (name) => {
              if (!name) return;
              state.losses = [...state.losses, { name, options: compare.defaults(name) }];
              changed(true);
            }))
        : element("p", { class: "hint" }, t("most", { most: MOST })),
    );
    const presets = element(
      "div",
      { class: "presets", role: "group", "aria-label": t("presets") },
      PRESETS.map(([key, losses, axis = ""]) =>
        button(t(`preset ${key}`), () => {
          Object.assign(state, { losses: FIELDS.losses.read(losses), axis, range: null, probe: null });
          changed(true);
        }, { class: "preset", "aria-pressed": FIELDS.losses.write(state.losses) === losses ? "true" : "false" }),
      ),
    );
    for (const name of ["notice", "axes", "panels", "readout", "same", "verdict"]) parts[name] = element("div", { class: name });
    parts.notice.setAttribute("role", "status");
    parts.about = element("div", { class: "about" });
    root.replaceChildren(
      element("p", { class: "lead" }, t("curves lead")),
      presets,
      element("div", { class: "workbench" },
        element("div", { class: "stage" }, parts.notice, parts.axes, parts.panels, parts.readout), pick, parts.same),
      dataForm(),
      element("h2", {}, t("about")),
      parts.about,
    );
    buildAxes();
    buildAbout();
    buildSame();
  };

  const buildAxes = () => {
    const groups = compare.groups(state.losses);
    const axes = groups.length === 1 ? compare.axes(state.losses) : [];
    const [low, high] = rangeOf(groups[0], axisOf(groups[0]));
    const end = (name, value, place) =>
      element("input", {
        type: "text", inputmode: "decimal", class: "number", id: `range-${place}`, "aria-label": name, value: shown(value).replace("−", "-"),
        onchange: (event) => {
          const given = numberOr(event.target.value.replace("−", "-"), NaN);
          const next = rangeOf(groups[0], axisOf(groups[0]));
          next[place] = given;
          if (next[0] < next[1]) state.range = next;
          changed(true);
        },
      });
    parts.axes.replaceChildren(
      ...(axes.length > 1
        ? [choiceControl({
            id: "axis", name: t("axis"), value: axisOf(groups[0]), values: axes, text: (axis) => axisName(groups[0], axis),
            onChange: (axis) => {
              Object.assign(state, { axis, range: null, probe: null });
              changed(true);
            },
          })]
        : []),
      ...(groups.length === 1
        ? [element("div", { class: "control range" }, element("span", {}, t("range")), end(t("range from"), low, 0), "–", end(t("range to"), high, 1),
            state.range ? button(t("reset"), () => {
              state.range = null;
              changed(true);
            }, { class: "quiet" }) : null)]
        : []),
    );
  };

  // What is said of the losses -----------------------------------------------------------------------------------------

  const sayRelation = ({ kind, by }, first, second) => {
    const one = element("strong", {}, labelled(first));
    const other = element("strong", {}, labelled(second));
    if (kind === "equal") return [one, " = ", other];
    if (kind === "multiple") return [one, " = ", factor(by), " × ", other];
    return [one, " = ", other, by < 0 ? " − " : " + ", shown(Math.abs(by))];
  };
  const factor = (by) => ({ 0.5: "½", 0.25: "¼" })[by] ?? shown(by);

  const buildSame = () => {
    const sames = state.losses.flatMap((entry) => compare.sameAs(entry).map((same) => ({ entry, ...same })));
    const present = (same) => state.losses.some((other) => other.name === same.name && compare.relation(same.entry, other));
    const offered = sames.filter((same) => !present(same)).slice(0, 8);
    parts.offers = offered.length
      ? element("div", { class: "offers" }, element("h3", {}, t("same as")),
          element("ul", {}, offered.map((same) =>
            element("li", {}, sayRelation(same, same.entry, same),
              state.losses.length < MOST
                ? button(t("overlay"), () => {
                    state.losses = [...state.losses, { name: same.name, options: same.options }];
                    changed(true);
                  }, { class: "quiet", "aria-label": `${t("overlay")}: ${same.name}` })
                : null,
              element("span", { class: "statement" }, prose(catalogue.identities[same.identity].statement[language()]))))))
      : null;
  };

  const showSame = () => {
    const entries = state.losses;
    const pairs = entries.flatMap((a, i) => entries.slice(i + 1).map((b) => [a, b]));
    const found = pairs.map(([a, b]) => [a, b, compare.relation(a, b)]).filter(([, , relation]) => relation);
    const statements = new Set(pairs.flatMap(([a, b]) => compare.stated(a.name, b.name).map(({ statement }) => statement[language()])));
    parts.same.replaceChildren(
      ...found.map(([a, b, relation]) =>
        element("p", { class: "badge" }, element("span", { class: "tag" }, t(`tag ${relation.kind}`)), sayRelation(relation, a, b))),
      ...(statements.size
        ? [element("details", { class: "identities" }, element("summary", {}, prose(t("identities", { number: statements.size }))),
            element("ul", {}, [...statements].map((text) => element("li", {}, prose(text)))))]
        : []),
      ...(parts.offers ? [parts.offers] : []),
    );
  };

  const showNotice = (groups) => {
    parts.notice.replaceChildren();
    if (groups.length > 1) {
      parts.notice.append(
        element("div", { class: "warning" }, element("strong", {}, t("unlike")), " ", t("unlike why"),
          element("ul", {}, groups.map((group) => element("li", {}, `${namesOf(group)}: ${axisName(group, axisOf(group))}`)))),
      );
      return;
    }
    const [group] = groups;
    const axis = axisOf(group);
    if (axis === "own") return;
    const taken = ({ name }) => formulas.takes[compare.ownAxis(name)];
    parts.notice.append(
      element("div", { class: "mapped" }, t("mapped", { axis: axisName(group, axis) }), " ", t(`mapped ${axis}`),
        element("ul", {}, [...new Set(group.map(taken))].map((kind) =>
          element("li", {}, namesOf(group.filter((entry) => taken(entry) === kind)), ": ", t(`map ${axis} ${kind}`))))),
    );
  };
  const namesOf = (group) => [...new Set(group.map(({ name }) => name))].join(", ");

  // Drawing ------------------------------------------------------------------------------------------------------------

  const setProbe = (value) => {
    state.probe = value;
    changed();
  };

  const panels = (group, width) => {
    const axis = axisOf(group);
    const range = rangeOf(group, axis);
    const label = axisName(group, axis);
    const xs = compare.grid(range, POINTS);
    const series = group.map((entry) => xs.map((x) => compare.evaluate(entry, axis, x)));
    const probe = state.probe === null ? null : Math.max(range[0], Math.min(range[1], state.probe));
    const points = dataOn(group, axis);
    const bins = points.length ? histogram(points, range) : [];
    const most = Math.max(...bins.map((bin) => quantities.sum(bin.points.map(([, n]) => n))), 1);
    const two = width >= 640;
    const each = two ? Math.floor((width - 20) / 2) : width;
    const height = two ? Math.min(340, Math.round(each * 0.72)) : Math.min(300, Math.round(each * 0.74));
    return [0, 1].map((k) => {
      const y = heights(series.flatMap((values) => values.map((value) => value[k])));
      const title = t(k ? (axis === "own" ? "gradient" : `gradient ${axis}`) : "value") + (y.cut ? t("cut") : "");
      const drawing = chart({
        width: each, height, title, x: range, y, label,
        description: group.map(labelled).join(", "),
        bars: bins.map((bin) => ({
          from: bin.from, to: bin.to, low: y.low, class: "data",
          high: y.low + (0.55 * (y.high - y.low) * quantities.sum(bin.points.map(([, n]) => n))) / most,
        })),
        lines: group.map((entry, i) => ({
          index: indexOf(entry),
          points: xs.map((x, j) => [x, series[i][j][k]]),
        })),
        marks: probe === null ? [] : group.map((entry) => [probe, compare.evaluate(entry, axis, probe)[k], indexOf(entry)]),
      });
      const { svg, box, toX, toValue } = drawing;
      const at = probe ?? (range[0] + range[1]) / 2;
      if (probe !== null) svg.append(drawn("line", { class: "probe", x1: toX(at), x2: toX(at), y1: box.top, y2: box.bottom }));
      if (k === 0)
        svg.append(
          drawn("g", handle("probe", t("probe"), at, range, `${label} ${shown(at)}`, setProbe),
            drawn("path", { class: "grip", d: `M${toX(at)} ${box.top}l-6 -10h12z` })),
        );
      draggable(svg, ([px]) => setProbe(Math.max(range[0], Math.min(range[1], +toValue(px).toPrecision(4)))));
      return svg;
    });
  };

  const sharePanels = (group, width) => {
    const axis = axisOf(group);
    const points = dataOn(group, axis);
    if (!points.length) return [];
    const range = rangeOf(group, axis);
    const bins = histogram(points, range).filter((bin) => bin.to > bin.from);
    const two = width >= 640;
    const each = two ? Math.floor((width - 20) / 2) : width;
    const all = group.map((entry) => {
      const shares = quantities.shares(points, (x) => compare.evaluate(entry, axis, x));
      const place = new Map(points.map((point, i) => [point, i]));
      return ["loss", "gradient"].map((kind) =>
        bins.map((bin) => quantities.sum(bin.points.map((point) => shares[kind][place.get(point)]))));
    });
    return [0, 1].map((k) => {
      const highest = Math.max(...all.flatMap((parts) => parts[k]), 1e-9);
      return chart({
        width: each, height: 190, title: t(k ? "share of gradient" : "share of loss"), x: range, y: { low: 0, high: 1.1 * highest },
        label: axisName(group, axis),
        lines: group.map((entry, i) => ({
          index: indexOf(entry),
          points: bins.flatMap((bin, j) => [[bin.from, all[i][k][j]], [bin.to, all[i][k][j]]]),
        })),
      }).svg;
    });
  };

  const table = (heads, rows, caption) =>
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
      element("table", {}, element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, rows.map((row) =>
          element("tr", {}, row.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell)))))));

  const named = (entry) => element("span", { class: "named" }, swatch(indexOf(entry)), labelled(entry));

  const showReadout = (groups) => {
    parts.readout.replaceChildren();
    if (state.probe === null) {
      parts.readout.append(element("p", { class: "hint" }, t("probe hint")));
      return;
    }
    const rows = groups.flatMap((group) => {
      const axis = axisOf(group);
      const [low, high] = rangeOf(group, axis);
      const at = Math.max(low, Math.min(high, state.probe));
      return group.map((entry) => [named(entry), shown(at), ...compare.evaluate(entry, axis, at).map((value) => shown(value, 6))]);
    });
    parts.readout.append(table([t("loss"), t("at"), t("value"), t("gradient")], rows, t("probe")));
  };

  const showVerdict = (groups) => {
    parts.verdict.replaceChildren();
    if (!state.points.length) return;
    const rows = groups.flatMap((group) => {
      const axis = axisOf(group);
      const points = dataOn(group, axis);
      return points.length ? group.map((entry) => {
        const shares = quantities.shares(points, (x) => compare.evaluate(entry, axis, x));
        return [named(entry), shown(shares.mean), percent(quantities.ofLargestTenth(points, shares.loss)), percent(quantities.ofLargestTenth(points, shares.gradient))];
      }) : [];
    });
    const total = quantities.sum(state.points.map(([, n]) => n));
    parts.verdict.append(
      element("p", {}, t("numbers", { number: total.toLocaleString(language()), kind: t(`kind ${state.kind}`) }), " ",
        state.points.length > MOST_IN_URL ? t("not in link", { most: MOST_IN_URL }) : "", " ",
        rows.length ? "" : t("no place")),
      ...(rows.length ? [table([t("loss"), t("mean"), t("tenth of loss"), t("tenth of gradient")], rows, t("data"))] : []),
    );
  };

  const update = () => {
    const groups = compare.groups(state.losses);
    const width = Math.max(280, parts.panels.clientWidth);
    showNotice(groups);
    parts.panels.replaceChildren(
      ...groups.map((group) => element("div", { class: "pair" }, panels(group, width), sharePanels(group, width))),
    );
    showReadout(groups);
    showSame();
    showVerdict(groups);
  };

  // The reader's data --------------------------------------------------------------------------------------------------

  const take = (points, kind) => {
    Object.assign(state, { points, kind, range: null });
    const fits = compare.groups(state.losses).some((group) => compare.axes(group).some((axis) => FROM[kind][meaning(group, axis)]));
    if (!fits) state.losses = FIELDS.losses.read(kind === "residual" ? "mse_loss+l1_loss+huber_loss" : "cross_entropy+focal_loss");
    const group = compare.groups(state.losses)[0];
    state.axis = compare.axes(group).find((axis) => FROM[kind][meaning(group, axis)]) ?? "";
    changed(true);
  };

  const numbersIn = (text) =>
    (text.match(/[-−+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi) ?? []).map((part) => +part.replace("−", "-"));

  /** What a file holds: the histogram of a report's JSON, or plain numbers. */
  const open = (text, kind) => {
    let report = null;
    try {
      report = JSON.parse(text);
    } catch {
      // Plain numbers.
    }
    if (report?.sections) {
      const found = report.sections.map(({ values }) => values?.histogram).find(Boolean);
      return found ? { kind: found.of, points: found.means.map((x, i) => [x, found.counts[i]]).filter(([x, n]) => n && x !== null) } : { error: "no histogram" };
    }
    const numbers = numbersIn(text);
    if (!numbers.length) return { error: "no numbers" };
    if (kind === "probability" && numbers.some((p) => p < 0 || p > 1)) return { error: "not probabilities" };
    const inside = kind === "probability" ? numbers.map((p) => Math.min(1 - 1e-7, Math.max(1e-7, p))) : numbers;
    return { kind, points: inside.map((x) => [x, 1]) };
  };

  const example = (kind) => {
    // Spread evenly, so that they are the same for every reader: of heavy tails, or of a classifier that is often right.
    const levels = Array.from({ length: 200 }, (_, i) => (i + 0.5) / 200);
    const margins = levels.map((u) => 1.6 + 1.1 * Math.log(u / (1 - u)));
    const of = {
      residual: () => levels.map((u) => Math.max(-9, Math.min(9, 0.35 * Math.tan(Math.PI * (u - 0.5))))),
      margin: () => margins,
      probability: () => margins.map((m) => 1 / (1 + Math.exp(-m))),
    };
    return of[kind]().map((x) => +x.toPrecision(3));
  };

  const dataForm = () => {
    const area = element("textarea", { id: "numbers", rows: 3, placeholder: "0.3 -1.2 0.05 4.1", spellcheck: "false" });
    const refused = element("p", { class: "refused", role: "status" });
    let kind = state.kind;
    const use = (text) => {
      const { error, points, kind: found } = open(text, kind);
      refused.textContent = error ? t(error) : "";
      if (!error) take(points, found);
    };
    const file = element("input", {
      type: "file", id: "file", accept: ".json,.txt,.csv",
      onchange: async () => file.files.length && use(await file.files[0].text()),
    });
    const form = element(
      "div",
      {
        class: "drop",
        ondragover: (event) => {
          event.preventDefault();
          form.classList.add("over");
        },
        ondragleave: () => form.classList.remove("over"),
        ondrop: async (event) => {
          event.preventDefault();
          form.classList.remove("over");
          if (event.dataTransfer.files.length) use(await event.dataTransfer.files[0].text());
        },
      },
      element("div", { class: "fields" },
        choiceControl({ id: "kind", name: t("data kind"), value: kind, values: Object.keys(FROM), text: (name) => t(`kind ${name}`), onChange: (name) => (kind = name) }),
        element("div", { class: "control wide" }, element("label", { for: "numbers" }, t("paste")), area),
        element("div", { class: "control wide" }, element("label", { for: "file" }, t("file")), file)),
      element("p", { class: "buttons" },
        button(t("draw"), () => use(area.value), { class: "primary" }),
        button(t("try"), () => take(example(kind).map((x) => [x, 1]), kind), { class: "quiet" }),
        state.points.length ? button(t("remove data"), () => {
          Object.assign(state, { points: [], range: null });
          changed(true);
        }, { class: "quiet" }) : null),
      refused,
      parts.verdict,
    );
    return element("section", { class: "data", "aria-labelledby": "data-title" },
      element("h2", { id: "data-title" }, t("data")), element("p", {}, prose(t("data lead"))), form);
  };

  // About each loss ----------------------------------------------------------------------------------------------------

  const listed = (key, texts) =>
    texts.length ? element("div", {}, element("h4", {}, t(key)), element("ul", {}, texts.map((text) => element("li", {}, prose(text))))) : null;
  const sentence = (key, text) => (text ? element("div", {}, element("h4", {}, t(key)), element("p", {}, prose(text))) : null);

  const buildAbout = () => {
    const names = [...new Set(state.losses.map(({ name }) => name))];
    parts.about.replaceChildren(
      ...names.map((name, i) => {
        const record = catalogue.losses[name];
        const texts = said(name);
        return element("details", { open: i === 0 }, element("summary", {}, element("code", {}, name), " ", texts.title),
          element("div", { class: "known" },
            element("div", { class: "formulas" }, element("h4", {}, t("formula")), formula(record.formula),
              record.gradient ? [element("h4", {}, t("gradient")), formula(record.gradient)] : null),
            element("div", { class: "columns" },
              listed("use when", texts.use_when), listed("not when", texts.not_when),
              sentence("floor", texts.floor), sentence("minimiser", texts.minimiser),
              listed("pitfalls", texts.pitfalls),
              inHandbook ? element("p", {}, element("a", { href: handbook(`losses/${name}.html`) }, t("more about"))) : null)));
      }),
    );
  };

  /** Once a slider rests: what else is the same at these options. */
  const settle = () => {
    buildSame();
    showSame();
  };

  return { build, update, settle };
})();
