// What the views share: words, the state and its place in the URL, elements, numbers as text, charts.
"use strict";

const { catalogue, words } = JSON.parse(document.getElementById("data").textContent);
const compare = comparison(catalogue);

// Elements -------------------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
};
const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const drawn = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Text in which `words` between backticks are code. */
const prose = (text) => text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? element("code", {}, part) : part));

/** MathML that was made when the page was. */
const formula = (markup) => {
  const place = element("div", { class: "formula" });
  place.innerHTML = markup;
  return place;
};

// Numbers as text ------------------------------------------------------------------------------------------------------

const shown = (value, digits = 4) => {
  if (value === null || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  if (size < 1e-12) return "0";
  const text = size >= 1e6 || size < 1e-4 ? value.toExponential(Math.min(digits - 1, 2)) : String(+value.toPrecision(digits));
  const [mantissa, exponent] = text.split("e");
  return (exponent ? `${+mantissa}e${+exponent}` : text).replaceAll("-", "−");
};
const percent = (share) => `${shown(100 * share, 3)}\u00a0%`;

// State ----------------------------------------------------------------------------------------------------------------

const LANGUAGES = ["en", "zh"];
const VIEWS = ["curves", "expect", "outlier", "entropy", "floats", "lattice"];
const MOST = 4;
const MOST_IN_URL = 500;

const preferred = () => {
  const asked = new URLSearchParams(location.search).get("lang") ?? location.pathname.match(/\/(en|zh)\//)?.[1];
  if (LANGUAGES.includes(asked)) return asked;
  return navigator.languages.some((language) => language.startsWith("zh")) &&
    !navigator.languages[0].startsWith("en")
    ? "zh"
    : "en";
};

/** In the handbook the page stands beside its other pages; elsewhere it stands alone. */
const inHandbook = /\/(en|zh)\/explorer\.html$/.test(location.pathname);
const handbook = (path) => `../${language()}/${path}`;

const numberOr = (text, fallback, low = -Infinity, high = Infinity) => {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) && value >= low && value <= high ? value : fallback;
};

const listOf = (text) => text.split(",").map(Number);

/** `huber_loss;delta=2`: a loss with the options that are not at their defaults. */
const written = ({ name, options }) => {
  const changed = Object.entries(options).filter(([option, value]) => value !== compare.defaults(name)[option]);
  return [name, ...changed.map(([option, value]) => `${option}=${value}`)].join(";");
};

const readLoss = (text) => {
  const [name, ...parts] = text.split(";");
  const record = catalogue.losses[name];
  if (!record) return null;
  const options = compare.defaults(name);
  for (const part of parts) {
    const [key, raw] = part.split("=");
    const option = record.options.find((candidate) => candidate.name === key);
    if (!option || raw === undefined) continue;
    const value = { true: true, false: false, null: null }[raw] ?? (raw === "null" ? null : raw);
    const parsed = typeof value === "string" && value.trim() !== "" && !Number.isNaN(+value) ? +value : value;
    if (compare.permits(option, parsed)) options[key] = parsed;
  }
  return { name, options: compare.coherent(name, options) };
};

const distribution = (text, fallback) => {
  const given = listOf(text);
  const total = quantities.sum(given);
  const fits = given.length === fallback.length && given.every((p) => p >= 0) && Math.abs(total - 1) < 0.01;
  return fits ? given.map((p) => p / total) : fallback;
};

const number = (initial, low, high) => ({
  initial,
  write: String,
  read: (text) => numberOr(text, initial, low, high),
});
const oneOf = (values, initial = values[0]) => ({
  initial,
  write: String,
  read: (text) => (values.includes(text) ? text : initial),
});

const P = [0.5, 0.25, 0.15, 0.1];
const Q = [0.25, 0.25, 0.25, 0.25];
const rounded = (values) => values.map((value) => +value.toPrecision(6)).join(",");

/** What the URL holds: how each part of the state is written, and read where it makes sense. */
const FIELDS = {
  view: oneOf(VIEWS),
  lang: { initial: null, write: String, read: (text) => (LANGUAGES.includes(text) ? text : null) },
  losses: {
    initial: [readLoss("mse_loss"), readLoss("l1_loss"), readLoss("huber_loss")],
    write: (entries) => entries.map(written).join("+"),
    read: (text) => {
      const found = text.split("+").map(readLoss).filter(Boolean).slice(0, MOST);
      return found.length ? found : FIELDS.losses.initial;
    },
  },
  axis: oneOf(["", "own", "probability", "margin", "cosine"]),
  range: {
    initial: null,
    write: (range) => range.map((end) => +end.toPrecision(6)).join(","),
    read: (text) => {
      const [low, high] = listOf(text);
      return Number.isFinite(low) && Number.isFinite(high) && low < high ? [low, high] : null;
    },
  },
  probe: number(null),
  kind: oneOf(["residual", "probability", "margin"]),
  points: {
    initial: [],
    write: (points) => points.map(([x, n]) => (n === 1 ? +x.toPrecision(5) : `${+x.toPrecision(5)}*${n}`)).join(","),
    read: (text) =>
      text
        .split(",")
        .map((part) => part.split("*").map(Number))
        .map(([x, n = 1]) => [x, n])
        .filter(([x, n]) => Number.isFinite(x) && n > 0 && Number.isFinite(n)),
  },
  classes: number(10, 2, 1e6),
  smoothing: number(0, 0, 1),
  temperature: number(1, 0.01, 10),
  gamma: number(2, 0, 10),
  prior: number(0.5, 0.001, 0.999),
  seen: number(null, 0),
  outlier: number(8, -10, 10),
  delta: number(1, 0.05, 10),
  p: { initial: P, write: rounded, read: (text) => distribution(text, P) },
  q: { initial: Q, write: rounded, read: (text) => distribution(text, Q) },
  program: oneOf(Object.keys(dtypes.programs)),
  word: oneOf(["ab", "aa", "a", "aba"]),
  frames: number(5, 3, 7),
  frame: number(5, 1, 7),
  path: number(0, 0, 1e4),
  sharpness: number(1, 0, 3),
};

const state = Object.fromEntries(Object.entries(FIELDS).map(([name, { initial }]) => [name, initial]));

const escaped = (text) => encodeURIComponent(text).replace(/%(2C|3B|3D|2B|20|2A)/g, (code) =>
  ({ "%2C": ",", "%3B": ";", "%3D": "=", "%2B": "+", "%20": "%20", "%2A": "*" })[code]);

const toFragment = () =>
  Object.entries(FIELDS)
    .filter(([name, { initial, write }]) => {
      if (state[name] === null) return false;
      if (name === "points") return state.points.length > 0 && state.points.length <= MOST_IN_URL;
      return initial === null || write(state[name]) !== write(initial);
    })
    .map(([name, { write }]) => `${name}=${escaped(write(state[name]))}`)
    .join("&");

const fromFragment = (fragment) => {
  const given = Object.fromEntries(
    fragment.split("&").filter(Boolean).map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at), part.slice(at + 1)];
    }),
  );
  for (const [name, { initial, read }] of Object.entries(FIELDS)) {
    try {
      state[name] = name in given ? read(decodeURIComponent(given[name])) : initial;
    } catch {
      state[name] = initial;
    }
  }
};

// Words ----------------------------------------------------------------------------------------------------------------

const language = () => state.lang ?? preferred();

/** The page's own words in the language of the reader, with {names} filled in. */
const t = (key, values = {}) =>
  words[key][language()].replace(/\{(\w+)\}/g, (_, name) => (name in values ? values[name] : `{${name}}`));

const said = (name) => catalogue.losses[name][language()];

/** `huber_loss (delta = 2)`: its name and what of it is not at its default. */
const labelled = ({ name, options }) => {
  const changed = Object.entries(options).filter(([option, value]) => value !== compare.defaults(name)[option]);
  const list = changed.map(([option, value]) => `${option}\u00a0=\u00a0${typeof value === "number" ? shown(value) : value}`);
  return list.length ? `${name} (${list.join(", ")})` : name;
};

// Charts ---------------------------------------------------------------------------------------------------------------

const ticks = (low, high, about) => {
  const raw = (high - low) / about;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * [1, 2, 5, 10].find((k) => k * unit >= raw * 0.75);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(+(k * step).toPrecision(12));
  return found;
};

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** The heights to draw: all, or without the steepest parts where those would leave a flat line of the rest. */
const heights = (values) => {
  const finite = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!finite.length) return { low: 0, high: 1, cut: false };
  let [low, high] = [finite[0], finite.at(-1)];
  const [inner, outer] = [quantile(finite, 0.05), quantile(finite, 0.95)];
  const cut = high - low > 5 * (outer - inner) && outer > inner;
  if (cut) [low, high] = [inner, outer];
  if (low > 0 && low < 0.5 * high) low = 0;
  const margin = high - low > 1e-9 ? 0.07 * (high - low) : 0.5;
  return { low: low === 0 ? 0 : low - margin, high: high + margin, cut };
};

/** Lines over an axis. Each: {points: [[x, y]], index} or {points, class}. Answers the element and its scales. */
const chart = ({ width, height, title, x, y, lines = [], bars = [], label = "", under = 0, marks = [], description = "" }) => {
  const box = { left: 46, right: width - 12, top: title ? 30 : 12, bottom: height - 38 - under };
  const [xLow, xHigh] = x;
  const toX = (value) => box.left + ((value - xLow) / (xHigh - xLow)) * (box.right - box.left);
  const toY = (value) => box.bottom - ((value - y.low) / (y.high - y.low)) * (box.bottom - box.top);
  const clip = `clip-${chart.count++}`;
  const limit = (value) => Math.max(box.top - 2000, Math.min(box.bottom + 2000, toY(value)));
  const path = (points) => {
    let pen = false;
    return points
      .map(([a, b]) => {
        if (!Number.isFinite(b)) {
          pen = false;
          return "";
        }
        const move = pen ? "L" : "M";
        pen = true;
        return `${move}${toX(a).toFixed(1)} ${limit(b).toFixed(1)}`;
      })
      .join("");
  };
  const grid = [
    ...ticks(y.low, y.high, Math.max(3, Math.floor((box.bottom - box.top) / 46))).map((value) => [
      drawn("line", { class: value === 0 ? "zero" : "grid", x1: box.left, x2: box.right, y1: toY(value), y2: toY(value) }),
      drawn("text", { class: "tick", x: box.left - 7, y: toY(value) + 4, "text-anchor": "end" }, shown(value)),
    ]),
    ...ticks(xLow, xHigh, Math.max(3, Math.floor((box.right - box.left) / 70))).map((value) => [
      drawn("line", { class: "grid", x1: toX(value), x2: toX(value), y1: box.top, y2: box.bottom }),
      drawn("text", { class: "tick", x: toX(value), y: box.bottom + 17, "text-anchor": "middle" }, shown(value)),
    ]),
  ];
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart" },
    drawn("title", {}, [title, description].filter(Boolean).join(". ")),
    drawn("clipPath", { id: clip }, drawn("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top })),
    title ? drawn("text", { class: "title", x: box.left, y: 15 }, title) : null,
    grid,
    drawn(
      "g",
      { "clip-path": `url(#${clip})` },
      bars.map(({ from, to, low = 0, high, ...rest }) =>
        drawn("rect", {
          x: toX(from), width: Math.max(0.5, toX(to) - toX(from) - 0.5),
          y: toY(high), height: Math.max(0, toY(low) - toY(high)), ...rest,
        }),
      ),
      lines.map(({ points, index, ...rest }) =>
        drawn("path", { d: path(points), class: index === undefined ? "line" : `line s${index}`, ...rest }),
      ),
      marks.map(([a, b, index]) =>
        Number.isFinite(b) ? drawn("circle", { cx: toX(a), cy: limit(b), r: 4, class: `mark s${index}` }) : null,
      ),
    ),
    drawn("text", { class: "label", x: (box.left + box.right) / 2, y: height - 5 - under, "text-anchor": "middle" }, label),
  );
  const toValue = (pixel) => xLow + ((pixel - box.left) / (box.right - box.left)) * (xHigh - xLow);
  return { svg, box, toX, toY, toValue };
};
chart.count = 0;

/** The place of a pointer in a drawing, in its own units. */
const placeIn = (svg, event, frame = svg.getBoundingClientRect()) => {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  return [((event.clientX - frame.left) / frame.width) * width, ((event.clientY - frame.top) / frame.height) * height];
};

/** Makes a drawing follow the pointer while it is held down. */
const draggable = (svg, onMove) => {
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const frame = svg.getBoundingClientRect(); // of now: what is drawn anew stands in the same place
    const move = (moved) => onMove(placeIn(svg, moved, frame));
    const stop = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", stop);
      removeEventListener("pointercancel", stop);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
    move(event);
  });
};

/** What arrow keys do to a number: steps of a hundredth of its range, with Page Up and Down of a tenth. */
const stepped = (event, value, [low, high]) => {
  const step = (high - low) / 100;
  const moves = {
    ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, PageUp: 10 * step, PageDown: -10 * step,
    Home: -Infinity, End: Infinity,
  };
  if (!(event.key in moves)) return null;
  event.preventDefault();
  return Math.max(low, Math.min(high, value + moves[event.key]));
};

/** The attributes of a part of a drawing that moves with the arrow keys. */
const handle = (id, name, value, [low, high], text, onChange) => ({
  id, tabindex: 0, role: "slider", class: "handle", "aria-label": name, "aria-valuemin": low, "aria-valuemax": high,
  "aria-valuenow": +value.toPrecision(6), "aria-valuetext": text,
  onkeydown: (event) => {
    const moved = stepped(event, value, [low, high]);
    if (moved !== null) onChange(moved);
  },
});

// Controls -------------------------------------------------------------------------------------------------------------

const toPlace = ({ from, to, logarithmic }, value) =>
  logarithmic ? Math.log(Math.max(value, from) / from) / Math.log(to / from) : (value - from) / (to - from);
const fromPlace = ({ from, to, logarithmic }, place) =>
  logarithmic ? from * (to / from) ** place : from + place * (to - from);

let controls = 0;

/** A slider and a field for one number: the slider over the usual values, the field for all that are allowed. */
const numberControl = ({ id, name, value, slider, permits, digits = 3, hint = "", onChange }) => {
  id ??= `control-${controls++}`;
  const field = element("input", {
    type: "text", inputmode: "decimal", class: "number", id: `${id}-field`, value: shown(value).replace("−", "-"),
    "aria-label": name, autocomplete: "off",
  });
  const range = element("input", {
    type: "range", id, min: 0, max: 1000, step: 1, value: Math.round(1000 * toPlace(slider, value)),
    "aria-valuetext": shown(value),
  });
  const refused = element("span", { class: "refused", role: "status" });
  const set = (given, from) => {
    if (!permits(given)) {
      field.setAttribute("aria-invalid", "true");
      refused.textContent = hint;
      return;
    }
    field.removeAttribute("aria-invalid");
    refused.textContent = "";
    if (from !== field) field.value = shown(given).replace("−", "-");
    if (from !== range) range.value = Math.round(1000 * toPlace(slider, given));
    range.setAttribute("aria-valuetext", shown(given));
    onChange(given);
  };
  range.addEventListener("input", () => {
    const place = Math.min(999.5, Math.max(0.5, +range.value)) / 1000;
    const exact = fromPlace(slider, +range.value / 1000);
    set(permits(exact) ? +exact.toPrecision(digits) : +fromPlace(slider, place).toPrecision(digits), range);
  });
  field.addEventListener("change", () => set(numberOr(field.value.replace("−", "-"), NaN), field));
  return element("div", { class: "control" }, element("label", { for: id }, name), range, field, refused);
};

const choiceControl = ({ id, name, value, values, text = String, onChange }) => {
  id ??= `control-${controls++}`;
  const select = element(
    "select",
    { id, onchange: () => onChange(values[select.selectedIndex]) },
    values.map((option) => element("option", { selected: option === value }, text(option))),
  );
  return element("div", { class: "control" }, element("label", { for: id }, name), select);
};

const flagControl = ({ name, value, onChange }) => {
  const box = element("input", { type: "checkbox", checked: value, onchange: () => onChange(box.checked) });
  return element("div", { class: "control" }, element("label", { class: "flag" }, box, name));
};

const button = (text, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, text);
